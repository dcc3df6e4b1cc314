//! While the group divides its partitions anew, nothing can be committed. That is ordinary for moments, and said when it lasts.

use std::time::{Duration, Instant};

use super::super::watch::{Reason, Trouble};
use crate::kafka::PublishError;

/// A rebalance that takes longer is shown to those who watch.
const ORDINARY: Duration = Duration::from_secs(5);

/// See the module.
pub struct Regrouping {
    since: Instant,
    trouble: Trouble,
}

impl Regrouping {
    /// It begins; `trouble` is where it is shown.
    pub fn begin(trouble: Trouble) -> Regrouping {
        Regrouping {
            since: Instant::now(),
            trouble,
        }
    }

    /// A commit has failed for it once more.
    pub fn goes_on(&self, error: &PublishError) {
        let lasts = self.since.elapsed();
        if lasts >= ORDINARY {
            let text = format!(
                "the group has been dividing its partitions anew for {} s, and nothing can be committed meanwhile: {error}. It waits for all of its members; `kafka-consumer-groups.sh --describe --members` shows them",
                lasts.as_secs()
            );
            self.trouble.is(Reason::Joining, text);
        }
    }
}
