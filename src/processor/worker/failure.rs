//! What follows a call of the producer that failed: pure, a table.

use crate::{config::Delivery, kafka::Disposition};

/// A failed call, and the state in which it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the client says may be done.
    pub disposition: Disposition,
    /// Whether there was a transaction around it.
    pub delivery: Delivery,
    /// The group divides its partitions anew, or has given this member up.
    pub moved_on: bool,
    /// Only time is needed: a broker is away or busy.
    pub outage: bool,
    /// A broker refuses who we are or what we may do, and what it refuses now it has granted before.
    pub denied: bool,
    /// It was the group's coordinator that was asked, outside of any transaction, and everything is acknowledged.
    pub acknowledged: bool,
    /// The broker refuses a message for what it is, and it is known whose events it may be of.
    pub refused: bool,
    /// The broker refuses a message because of its size.
    pub too_large: bool,
    /// The processor is to stop.
    pub stopping: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Keep everything: it is published, and its offsets are committed when the group is at rest. Whatever is taken away
    /// until then is published again by its next owner.
    CommitLater,
    /// Abort if that is possible, and leave the rest to the next start.
    GiveUp,
    /// End the worker: only another program or configuration helps.
    Stop,
    /// Abort the transaction and process again what it held; with a new producer when aborting fails.
    Abort,
    /// Abort, make a new producer at once, and process again what the transaction held: nobody has fenced the old one.
    Renew,
    /// Make a new producer, which settles the open transaction, and ask the broker what was committed.
    Rebuild,
    /// Keep everything, as it is published, and commit its offsets when the right is back.
    CommitWithRights,
    /// Abort, wait for the right to come back, and go on with a new producer.
    WaitForRights,
}

impl Failure {
    /// Whether it counts among the failures in a row after which a worker stops: what time mends does not, nor a right that
    /// may come back, nor what the group decides.
    pub fn counts(self) -> bool {
        !self.outage && !self.denied && !self.moved_on && !self.refused && !self.stopping
    }
}

/// See the module.
pub fn after(failure: Failure) -> Next {
    match failure.disposition {
        _ if failure.stopping => Next::GiveUp,
        // The offsets of a transaction cannot be sent twice.
        _ if failure.moved_on => match failure.delivery {
            Delivery::ExactlyOnce => Next::Abort,
            Delivery::AtLeastOnce => Next::CommitLater,
        },
        _ if failure.denied
            && failure.acknowledged
            && failure.delivery == Delivery::AtLeastOnce =>
        {
            Next::CommitWithRights
        }
        _ if failure.denied => Next::WaitForRights,
        Disposition::Abort | Disposition::Rebuild if failure.refused => Next::Renew,
        // A new producer knows the new limits.
        Disposition::Abort if failure.too_large => Next::Rebuild,
        Disposition::Fatal => Next::Stop,
        Disposition::Abort => Next::Abort,
        Disposition::Retry | Disposition::Rebuild => Next::Rebuild,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_failure() {
        use Disposition::{Abort, Fatal, Rebuild, Retry};
        let failure = |disposition, flags: &str| Failure {
            disposition,
            delivery: if flags.contains("at-least-once") {
                Delivery::AtLeastOnce
            } else {
                Delivery::ExactlyOnce
            },
            moved_on: flags.contains("moved"),
            outage: flags.contains("outage"),
            denied: flags.contains("denied"),
            acknowledged: flags.contains("acknowledged"),
            refused: flags.contains("refused"),
            too_large: flags.contains("large"),
            stopping: flags.contains("stopping"),
        };
        for (disposition, flags, next, counts) in [
            (Abort, "", Next::Abort, true),
            (Abort, "outage", Next::Abort, false),
            (Abort, "large", Next::Rebuild, true),
            (Abort, "stopping", Next::GiveUp, false),
            (Abort, "refused large", Next::Renew, false),
            (Rebuild, "refused", Next::Renew, false),
            (Rebuild, "refused stopping", Next::GiveUp, false),
            (Abort, "moved", Next::Abort, false),
            (Abort, "moved at-least-once", Next::CommitLater, false),
            (Abort, "moved at-least-once stopping", Next::GiveUp, false),
            (Abort, "at-least-once", Next::Abort, true),
            (Retry, "", Next::Rebuild, true),
            (Retry, "outage", Next::Rebuild, false),
            (Rebuild, "", Next::Rebuild, true),
            (Rebuild, "large", Next::Rebuild, true),
            (Rebuild, "stopping outage", Next::GiveUp, false),
            (Fatal, "", Next::Stop, true),
            (Fatal, "denied", Next::WaitForRights, false),
            (Fatal, "denied at-least-once", Next::WaitForRights, false),
            (
                Fatal,
                "denied acknowledged at-least-once",
                Next::CommitWithRights,
                false,
            ),
            (Fatal, "denied stopping", Next::GiveUp, false),
            (Fatal, "large", Next::Stop, true),
            (Fatal, "stopping", Next::GiveUp, false),
        ] {
            let failure = failure(disposition, flags);
            assert_eq!(after(failure), next, "{failure:?}");
            assert_eq!(failure.counts(), counts, "{failure:?}");
        }
    }
}
