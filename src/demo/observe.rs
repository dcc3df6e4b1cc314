//! Watching the processor from outside: the group's committed offsets, and the store.

use std::{collections::BTreeMap, time::Duration};

use tokio::runtime::Handle;

use super::{
    DemoError,
    scene::{Loss, Progress},
    snapshots::{Frontier, frontiers},
};
use crate::{
    kafka::GroupWatch,
    model::{Offset, Partition},
    snapshot::Layout,
    store::Store,
};

/// How long the broker may take to answer.
const ASK: Duration = Duration::from_secs(10);

/// Looks at a pipeline from outside. Its topics are new, so that offsets count from 0.
pub(super) struct Observer {
    pub(super) group: GroupWatch,
    pub(super) store: Store,
    pub(super) layout: Layout,
    pub(super) partitions: u32,
    pub(super) runtime: Handle,
    pub(super) total: u64,
}

impl Observer {
    /// How far the processor is, when `produced` events are there.
    pub(super) fn progress(&self, produced: u64) -> Result<Progress, DemoError> {
        // The store first: it never is ahead of the group (I1), so neither is what was read of it.
        let frontiers =
            self.runtime
                .block_on(frontiers(&self.store, &self.layout, self.partitions))?;
        let committed = self.group.committed(self.partitions, ASK)?;
        Ok(progress(&frontiers, &committed, produced, self.total))
    }
}

fn progress(
    frontiers: &BTreeMap<Partition, Frontier>,
    committed: &BTreeMap<Partition, Offset>,
    produced: u64,
    total: u64,
) -> Progress {
    Progress {
        produced,
        committed: committed
            .values()
            .map(|offset| offset.get().unsigned_abs())
            .sum(),
        stored: frontiers
            .values()
            .map(|frontier| frontier.chain.len())
            .sum(),
        total,
    }
}

impl Progress {
    /// What a death at this moment takes and leaves.
    pub(super) fn loss(self) -> Loss {
        Loss {
            stored: self.stored,
            in_memory: self.committed.saturating_sub(self.stored),
        }
    }

    /// Whether this is a moment to kill the processor: half way, with snapshots in the store, and with a good part of its
    /// work in memory only. When everything is done, no better moment will come.
    pub(super) fn is_time_to_kill(self) -> bool {
        let half = self.committed >= self.total / 2;
        let much = self.loss().in_memory >= (self.total / 20).max(1);
        let over = self.committed >= self.total;
        over || (half && self.stored > 0 && much)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kill_waits_for_half_of_the_work_a_snapshot_and_something_to_lose() {
        for (committed, stored, expected) in [
            (0, 0, false),
            (499, 400, false),
            (500, 400, true),
            (500, 0, false),
            (500, 460, false),
            (500, 500, false),
            (700, 650, true),
            (1000, 1000, true),
            (1000, 0, true),
        ] {
            let progress = Progress {
                produced: 1000,
                committed,
                stored,
                total: 1000,
            };
            assert_eq!(progress.is_time_to_kill(), expected, "{progress:?}");
        }
    }

    #[test]
    fn what_is_lost_is_what_was_committed_and_not_stored() {
        let progress = Progress {
            produced: 0,
            committed: 120,
            stored: 100,
            total: 200,
        };
        let expected = Loss {
            stored: 100,
            in_memory: 20,
        };
        assert_eq!(progress.loss(), expected);
    }
}
