//! The replay of a partition: what was committed and is in no snapshot is read again, and must come to the same number.

use super::{Books, Count, Fetch, Owned, Phase};
use crate::{
    model::Offset,
    recovery::{Replay, Replayed},
};

/// What the end of a replay leads to.
#[derive(Debug)]
pub enum ReplayEnd {
    /// It is not the end.
    GoesOn,
    /// It was only counted, and the number is right: it is read again, and kept.
    ReadAgain,
    /// Everything is there again; the partition runs.
    Done { found: u64 },
    /// Everything is there again, and another calculation or another `--carry` has published it: it must be stored before the next
    /// commit, with corrections where these are other outcomes.
    Store { found: u64, corrects: bool },
    /// The outcomes are not as many as were committed, or of other kinds.
    Miscounted { found: Replayed },
}

impl Owned {
    /// What is replayed.
    pub fn replay(&self) -> Option<&Replay> {
        match &self.phase {
            Phase::Replaying(replaying) => Some(&replaying.replay),
            _ => None,
        }
    }

    /// What is replayed is only counted from now on, because memory does not hold all of it; whether that is new.
    pub fn count_replay(&mut self) -> bool {
        let outcomes = self.books.outcomes();
        let Phase::Replaying(replaying) = &mut self.phase else {
            return false;
        };
        if replaying.count != Count::Pending {
            return false;
        }
        let replay = &replaying.replay;
        let found = outcomes.since(replay.at_start).unwrap_or_default();
        replaying.count = Count::Counting(found.outcomes());
        self.books = Books::new(replay.range.start(), replay.at_start);
        true
    }

    /// Counts events of a replay that is only counted; whether it is one.
    pub fn count_events(&mut self, events: u64) -> bool {
        match &mut self.phase {
            Phase::Replaying(replaying) => match &mut replaying.count {
                Count::Counting(found) => {
                    *found += events;
                    true
                }
                Count::Pending | Count::Right => false,
            },
            _ => false,
        }
    }

    /// Everything before `position` has been read. Where that is the end of the range that is replayed and the number of
    /// outcomes is right, the books must be brought to it: [the rest](Owned::rest_of_replay) is absent.
    ///
    /// Does nothing while the consumer is to start again: what has been read was read before that.
    pub fn end_replay(&mut self, position: Offset) -> ReplayEnd {
        if self.fetch != Fetch::Running {
            return ReplayEnd::GoesOn;
        }
        let found_kept = self.books.outcomes();
        let Phase::Replaying(replaying) = &mut self.phase else {
            return ReplayEnd::GoesOn;
        };
        let replay = &replaying.replay;
        if position < replay.range.end() {
            return ReplayEnd::GoesOn;
        }
        if let Count::Counting(found) = replaying.count {
            let counted = Replayed::Counted(found);
            if !replay.expected.admits(counted) {
                return ReplayEnd::Miscounted { found: counted };
            }
            self.fetch = Fetch::StartAt(replay.range.start());
            replaying.count = Count::Right;
            return ReplayEnd::ReadAgain;
        }
        let found = found_kept.since(replay.at_start).unwrap_or_default();
        let calculated = Replayed::Calculated(found);
        if !replay.expected.admits(calculated) {
            return ReplayEnd::Miscounted { found: calculated };
        }
        let found = found.outcomes();
        if replay.stores_first() {
            let corrects = replay.replaces.is_some();
            self.phase = Phase::Storing;
            self.fetch = Fetch::Paused;
            return ReplayEnd::Store { found, corrects };
        }
        self.phase = Phase::Running;
        ReplayEnd::Done { found }
    }

    /// What a replay whose range has been read to `position` still lacks in the books: it is absent.
    pub fn rest_of_replay(&self, position: Offset) -> Option<Offset> {
        let Phase::Replaying(replaying) = &self.phase else {
            return None;
        };
        let end = replaying.replay.range.end();
        let kept = self.fetch == Fetch::Running && !matches!(replaying.count, Count::Counting(_));
        (kept && position >= end && self.books.end() < end).then_some(end)
    }
}
