//! What a keeper does next: pure, so that the order of its jobs is a table.

/// What a keeper knows when it chooses. It has one job at a time, and no job overtakes outcomes that were handed over
/// before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and the table below names them"
)]
pub struct Situation {
    /// A job is under way.
    pub busy: bool,
    /// An accepted gap is to be recorded.
    pub loss: bool,
    /// What is accumulated may be stored: offsets, whose number is known to be right.
    pub storable: bool,
    /// Somebody has asked for a snapshot, or memory is short.
    pub asked: bool,
    /// The interval is over.
    pub due: bool,
    /// The partition is given up; there will be no more outcomes.
    pub leaving: bool,
    /// Corrections are to be read.
    pub load: bool,
    /// What background work made is ready to be brought into the chain.
    pub made: bool,
    /// There may be background work to begin.
    pub background: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Record the gap.
    RecordLoss,
    /// Store what is accumulated.
    Store,
    /// Read corrections.
    LoadCorrections,
    /// Bring what background work made into the chain.
    Write,
    /// Look for manifests that others have added.
    Look,
    /// Begin background work, beside everything else.
    Background,
    /// Wait for what comes.
    Wait,
    /// End.
    End,
}

/// See the module.
pub fn next(at: Situation) -> Next {
    match at {
        _ if at.busy => Next::Wait,
        _ if at.loss => Next::RecordLoss,
        _ if at.storable && (at.asked || at.due || at.leaving) => Next::Store,
        _ if at.leaving => Next::End,
        _ if at.load => Next::LoadCorrections,
        _ if at.made => Next::Write,
        _ if at.due => Next::Look,
        _ if at.background => Next::Background,
        _ => Next::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A situation in which these facts hold.
    fn at(facts: &str) -> Situation {
        let holds = |name| facts.split_whitespace().any(|fact| fact == name);
        Situation {
            busy: holds("busy"),
            loss: holds("loss"),
            storable: holds("storable"),
            asked: holds("asked"),
            due: holds("due"),
            leaving: holds("leaving"),
            load: holds("load"),
            made: holds("made"),
            background: holds("background"),
        }
    }

    #[test]
    fn one_job_at_a_time_and_the_most_urgent_first() {
        for (facts, expected) in [
            ("", Next::Wait),
            (
                "busy loss storable asked due leaving load made background",
                Next::Wait,
            ),
            (
                "loss storable asked due leaving load made background",
                Next::RecordLoss,
            ),
            (
                "storable asked due leaving load made background",
                Next::Store,
            ),
            ("storable asked", Next::Store),
            ("storable due load", Next::Store),
            ("storable leaving load made", Next::Store),
            ("storable", Next::Wait),
            ("leaving load made due background", Next::End),
            ("asked", Next::Wait),
            ("storable load made background", Next::LoadCorrections),
            ("storable made background", Next::Write),
            ("due background", Next::Look),
            ("storable background", Next::Background),
        ] {
            assert_eq!(next(at(facts)), expected, "{facts}");
        }
    }

    #[test]
    fn a_snapshot_that_is_due_goes_before_all_background_work() {
        for bits in 0..512_u32 {
            let bit = |index: u32| bits >> index & 1 == 1;
            let situation = Situation {
                busy: bit(0),
                loss: bit(1),
                storable: bit(2),
                asked: bit(3),
                due: bit(4),
                leaving: bit(5),
                load: bit(6),
                made: bit(7),
                background: bit(8),
            };
            let chosen = next(situation);
            if situation.storable && situation.due {
                let background = [Next::Write, Next::Background, Next::Look, Next::End];
                assert!(!background.contains(&chosen), "{situation:?}: {chosen:?}");
            }
            if situation.busy {
                assert_eq!(chosen, Next::Wait);
            }
        }
    }
}
