//! The end of a worker: the transaction is committed, everything committed is stored, the group is told.

use std::time::{Duration, Instant};

use super::{super::WorkerError, Worker, WorkerSummary, commit::LAST_COMMIT};
use crate::failpoint::{self, Point};

/// How often the loop looks for keepers that have ended while it waits for them.
const POLL: Duration = Duration::from_millis(5);
/// How much longer than its own deadline a keeper is waited for.
const GRACE: Duration = Duration::from_millis(500);

impl Worker {
    /// Commits, has the keepers store what is left, leaves. What cannot be stored in time is named in the summary; it is
    /// committed, so the next start replays it.
    pub(super) fn shut_down(mut self) -> Result<WorkerSummary, WorkerError> {
        if self.shared.stop.is_abort() {
            return Ok(self.summary);
        }
        failpoint::at(Point::ShutdownBegun);
        self.commit()?;
        failpoint::at(Point::ShutdownCommitted);
        let within = self.shared.shutdown_left().max(LAST_COMMIT);
        self.forget_all(within);
        let deadline = Instant::now() + within + GRACE;
        while !self.leaving.is_empty() {
            if Instant::now() >= deadline || self.shared.stop.is_abort() {
                let unsaved = self
                    .leaving
                    .iter()
                    .filter(|(.., keeper)| keeper.unsaved_bytes() > 0);
                let unsaved = unsaved.map(|(partition, ..)| *partition);
                self.summary.unsaved.extend(unsaved);
                break;
            }
            self.poll(POLL)?;
        }
        failpoint::at(Point::ShutdownStored);
        self.source.leave();
        Ok(self.summary)
    }
}
