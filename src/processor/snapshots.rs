//! When outcomes leave memory: on the interval, when memory runs short, at revocation and at shutdown.
//!
//! Taking is instant and happens on the worker's thread; encoding and storing run on the runtime, one snapshot of a
//! partition at a time. While the store is away the task keeps trying, the buffers fill, and consumption pauses when the
//! budget is used.

use std::sync::Arc;

use super::{
    Context, WorkerError,
    backoff::Backoff,
    partition::{Epoch, Phase},
    report::Report,
    view::Reason,
    worker::Worker,
};
use crate::{
    failpoint::{self, Point},
    format::{Segment, Taken},
    history::{Chain, Pending, write_snapshot},
    model::Partition,
};

impl Worker {
    /// Starts the snapshots whose time has come.
    pub(super) fn start_due_snapshots(&mut self) {
        let interval = self.context.settings.snapshot_interval;
        let buffered: usize = self.owned.values().map(|owned| owned.buffer.bytes()).sum();
        let short = buffered as u64 > self.budget.snapshot_above;
        let due: Vec<Partition> = self
            .owned
            .values()
            .filter(|owned| {
                let running = matches!(owned.phase, Phase::Running);
                short || (running && owned.last_snapshot.elapsed() >= interval)
            })
            .map(|owned| owned.partition)
            .collect();
        for partition in due {
            if short {
                self.count_replay(partition);
            }
            self.start_snapshot(partition);
        }
        // Those that had nothing to be taken.
        let idle = self.owned.values();
        let idle = idle.filter(|owned| owned.last_snapshot.elapsed() >= interval);
        for partition in idle.map(|owned| owned.partition).collect::<Vec<_>>() {
            self.look_at_chain(partition);
        }
    }

    /// Starts a snapshot of what `partition` has committed, unless one is under way or there is nothing to keep.
    pub(super) fn start_snapshot(&mut self, partition: Partition) {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return;
        };
        if !owned.keeps_outcomes() || owned.chain.is_none() {
            return;
        }
        let Some(taken) = owned.buffer.take_committed() else {
            return;
        };
        let Some(chain) = owned.chain.take() else {
            return;
        };
        failpoint::at(Point::SnapshotTaken);
        owned.took(taken.counts(), taken.bytes());
        let task = store(
            Arc::clone(&self.context),
            chain,
            taken,
            partition,
            owned.epoch,
        );
        let sender = self.sender.clone();
        self.context.runtime.spawn(async move {
            if let Some(report) = task.await {
                // A worker that has ended listens no more; the next start replays what it needs.
                let _ = sender.send(report);
            }
        });
    }

    pub(super) fn stored(
        &mut self,
        partition: Partition,
        epoch: Epoch,
        chain: Chain,
        written: Vec<Segment>,
    ) -> Result<(), WorkerError> {
        self.leaving.remove(&(partition, epoch));
        if !written.is_empty() {
            let bytes = written.iter().map(|segment| segment.bytes);
            self.summary.counters.snapshots += 1;
            self.summary.counters.stored_bytes += bytes.sum::<u64>();
        }
        self.summary.written.add(written);
        if self.is_current(partition, epoch)
            && let Some(owned) = self.owned.get_mut(&partition)
        {
            owned.in_flight = 0;
            owned.set_chain(chain);
            self.corrections_stored(partition)?;
        }
        Ok(())
    }
}

/// Encodes and stores `taken`, trying again while the store is away; `None` when the processor is told to abort.
async fn store(
    context: Arc<Context>,
    mut chain: Chain,
    taken: Taken,
    partition: Partition,
    epoch: Epoch,
) -> Option<Report> {
    let mut pending = Pending::from(taken);
    let range = pending.range();
    let mut backoff = Backoff::of_store();
    let mut pause;
    let trouble = context.board.trouble(&[partition]);
    loop {
        match write_snapshot(&mut chain, &mut pending).await {
            Ok(written) => {
                failpoint::at(Point::SnapshotStored);
                tracing::debug!("partition {partition}: snapshot of {range} stored");
                return Some(Report::Stored {
                    partition,
                    epoch,
                    chain: Box::new(chain),
                    written: written.segments,
                });
            }
            Err(error) if error.is_about_the_store() => {
                context.board.snapshot_failed();
                trouble.is(
                    Reason::Store,
                    format!("the snapshot of {range} cannot be stored yet: {error}"),
                );
                pause = backoff.pause();
                let text = format!(
                    "partition {partition}: the snapshot of {range} cannot be stored yet: {error}; trying again in {pause:.1?}, nothing is lost"
                );
                if error.is_retryable() {
                    tracing::warn!("{text}");
                } else {
                    tracing::error!("{text}");
                }
            }
            Err(error) => {
                return Some(Report::NotStored {
                    partition,
                    epoch,
                    reason: error.to_string(),
                });
            }
        }
        tokio::time::sleep(pause).await;
        if context.stop.is_abort() {
            return None;
        }
    }
}
