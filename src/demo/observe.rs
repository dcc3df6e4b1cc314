//! Watching the processor from outside: the group's committed offsets, and the store.

use std::time::Duration;

use tokio::runtime::Handle;

use super::{DemoError, Pipeline, step::Progress};
use crate::{
    format::Layout,
    history::load_tail,
    kafka::{Admin, GroupWatch},
    model::Partition,
    store::Store,
};

/// How long the broker may take to answer.
const ASK: Duration = Duration::from_secs(10);

/// Looks at a pipeline from outside. Its topics are new, so that offsets count from 0.
pub(super) struct Observer {
    pub(super) group: GroupWatch,
    pub(super) admin: Admin,
    pub(super) pipeline: Pipeline,
    pub(super) exactly_once: bool,
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
        let stored = self.runtime.block_on(self.stored())?;
        let committed = self.group.committed(self.partitions, ASK)?;
        let committed = committed.values().map(|at| at.get().unsigned_abs()).sum();
        Ok(Progress {
            produced,
            committed,
            stored,
            total: self.total,
        })
    }

    /// The offsets that the newest manifests account for.
    async fn stored(&self) -> Result<u64, DemoError> {
        let mut stored = 0;
        for partition in (0..).map(Partition).take(self.partitions as usize) {
            let tail = load_tail(&self.store, &self.layout, partition).await?;
            stored += tail.newest.map_or(0, |manifest| manifest.range().len());
        }
        Ok(stored)
    }

    /// How many messages are in the output topics that no commit covers yet: those of an open transaction, or, without
    /// transactions, more outcomes than committed events.
    pub(super) fn unsettled(&self) -> Result<u64, DemoError> {
        let (mut published, mut open) = (0, 0);
        for topic in [&self.pipeline.results, &self.pipeline.rejects] {
            let Some(found) = self.admin.topic(topic)? else {
                continue;
            };
            for partition in (0..).map(Partition).take(found.partitions as usize) {
                let marks = self.admin.watermarks(topic, partition)?;
                published += marks.end.get().abs_diff(marks.start.get());
                open += marks.end.get().abs_diff(marks.stable_end.get());
            }
        }
        if self.exactly_once {
            return Ok(open);
        }
        let committed = self.group.committed(self.partitions, ASK)?;
        let committed: u64 = committed.values().map(|at| at.get().unsigned_abs()).sum();
        Ok(published.saturating_sub(committed))
    }
}

impl Progress {
    /// Outcomes that are committed and in memory only.
    pub(super) fn in_memory(self) -> u64 {
        self.committed.saturating_sub(self.stored)
    }

    /// Whether this is a moment to kill the processor: half way, with snapshots in the store, and with a good part of its
    /// work in memory only.
    pub(super) fn is_time_to_kill(self) -> bool {
        let half = self.committed >= self.total / 2;
        let much = self.in_memory() >= (self.total / 10).max(1);
        half && self.stored > 0 && much
    }

    /// Whether everything is processed; no better moment will come.
    pub(super) fn is_done(self) -> bool {
        self.committed >= self.total
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
            (500, 410, false),
            (500, 500, false),
            (700, 600, true),
            (1000, 1000, false),
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
}
