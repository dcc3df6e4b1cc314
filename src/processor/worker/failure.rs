//! What follows a call of the producer that failed: pure, a table.

use crate::kafka::Disposition;

/// A failed call, and the state in which it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the client says may be done.
    pub disposition: Disposition,
    /// Only time is needed: a broker is away or busy.
    pub outage: bool,
    /// The broker refuses a message because of its size.
    pub too_large: bool,
    /// The processor is to stop.
    pub stopping: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Abort if that is possible, and leave the rest to the next start.
    GiveUp,
    /// End the worker: only another program or configuration helps.
    Stop,
    /// Abort the transaction and process again what it held; with a new producer when aborting fails.
    Abort,
    /// Make a new producer, which settles the open transaction, and ask the broker what was committed.
    Rebuild,
}

impl Failure {
    /// Whether it counts among the failures in a row after which a worker stops: what time mends does not.
    pub fn counts(self) -> bool {
        !self.outage && !self.stopping
    }
}

/// See the module.
pub fn after(failure: Failure) -> Next {
    match failure.disposition {
        _ if failure.stopping => Next::GiveUp,
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
            outage: flags.contains("outage"),
            too_large: flags.contains("large"),
            stopping: flags.contains("stopping"),
        };
        for (disposition, flags, next, counts) in [
            (Abort, "", Next::Abort, true),
            (Abort, "outage", Next::Abort, false),
            (Abort, "large", Next::Rebuild, true),
            (Abort, "stopping", Next::GiveUp, false),
            (Retry, "", Next::Rebuild, true),
            (Retry, "outage", Next::Rebuild, false),
            (Rebuild, "", Next::Rebuild, true),
            (Rebuild, "large", Next::Rebuild, true),
            (Rebuild, "stopping outage", Next::GiveUp, false),
            (Fatal, "", Next::Stop, true),
            (Fatal, "large", Next::Stop, true),
            (Fatal, "stopping", Next::GiveUp, false),
        ] {
            let failure = failure(disposition, flags);
            assert_eq!(after(failure), next, "{failure:?}");
            assert_eq!(failure.counts(), counts, "{failure:?}");
        }
    }
}
