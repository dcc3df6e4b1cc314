//! The end of a worker: the transaction is committed, everything committed is stored, the group is told.

use std::time::{Duration, Instant};

use super::{
    WorkerError,
    partition::Owned,
    transaction::LAST_COMMIT,
    worker::{Worker, WorkerSummary},
};
use crate::failpoint::{self, Point};

/// How often the loop looks for stored snapshots while it waits for them.
const POLL: Duration = Duration::from_millis(5);

impl Worker {
    /// Commits, snapshots, leaves. What cannot be stored in time is named in the summary; it is committed, so the next
    /// start replays it.
    pub(super) fn shut_down(mut self) -> Result<WorkerSummary, WorkerError> {
        if self.context.stop.is_abort() {
            return Ok(self.summary);
        }
        failpoint::at(Point::ShutdownBegun);
        self.commit()?;
        failpoint::at(Point::ShutdownCommitted);
        let deadline = Instant::now() + self.context.shutdown_left().max(LAST_COMMIT);
        loop {
            let partitions: Vec<_> = self.owned.keys().copied().collect();
            for partition in partitions {
                self.start_snapshot(partition);
            }
            let storing = |owned: &Owned| owned.in_flight > 0 || owned.lent.is_some();
            let storing = self.owned.values().any(storing);
            if !storing && self.leaving.is_empty() {
                break;
            }
            if Instant::now() >= deadline || self.context.stop.is_abort() {
                self.summary.unsaved = self
                    .owned
                    .values()
                    .filter(|owned| owned.bytes() > 0)
                    .map(|owned| owned.partition)
                    .collect();
                break;
            }
            self.poll(POLL)?;
        }
        failpoint::at(Point::ShutdownStored);
        self.source.leave();
        Ok(self.summary)
    }
}
