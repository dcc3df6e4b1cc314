//! The way back after a transaction that failed. Memory follows the broker: what is not committed is dropped and read again.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    WorkerError,
    partition::{Phase, Sent},
    transaction::{OffsetCommit, RETRY_PAUSE},
    view::Reason,
    worker::Worker,
};
use crate::{
    config::Delivery,
    failpoint::{self, Point},
    kafka::{Disposition, PublishError},
    model::Partition,
    recovery::{CommitMetadata, Committed, Settled, settle},
};

/// Refused transactions in a row at the same place after which the worker stops instead of trying again.
const MOST_ABORTS: u32 = 8;
/// Two heartbeats: long enough to hear from the group that a newer process has our name.
const FENCE_WAIT: Duration = Duration::from_secs(6);

/// How long one attempt to make a new producer may take.
const REBUILD: Duration = Duration::from_secs(5);

impl Worker {
    /// What follows a failed call: abort and rewind, or a new producer, or the end of the worker.
    /// `sent` is what was to be committed.
    pub(super) fn mend(
        &mut self,
        error: PublishError,
        sent: &[OffsetCommit],
    ) -> Result<(), WorkerError> {
        tracing::warn!("{error}; what was not committed is dropped and processed again");
        let disposition = error.disposition();
        self.summary.counters.aborts += 1;
        let trouble = self.context.board.trouble(&[]);
        if error.is_outage() {
            trouble.is(Reason::Broker, error.to_string());
        }
        if self.context.stop.is_requested() {
            return self.give_up(&error);
        }
        if !error.is_outage() {
            self.count_abort(&error)?;
        }
        if error.is_too_large() {
            self.context.refresh_limits();
            if matches!(disposition, Disposition::Abort) {
                // A new producer knows the new limits.
                return self.rebuild(sent);
            }
        }
        match disposition {
            Disposition::Fatal => return Err(WorkerError::Publish(error)),
            Disposition::Abort if self.abort().is_ok() => {
                self.rewind();
                return Ok(());
            }
            _ => {}
        }
        self.rebuild(sent)
    }

    /// Gives up the open transaction and what it holds, because its partitions are somebody else's by now.
    pub(super) fn abandon_transaction(&mut self) -> Result<(), WorkerError> {
        if !self.cadence.is_open() || self.abort().is_ok() {
            self.rewind();
            return Ok(());
        }
        self.summary.counters.aborts += 1;
        self.rebuild(&[])
    }

    fn abort(&mut self) -> Result<(), PublishError> {
        self.cadence.close();
        if self.context.settings.delivery == Delivery::AtLeastOnce {
            return Ok(());
        }
        let patience = self.patience();
        patience.repeat(|slice| self.publisher.abort(slice))?;
        failpoint::at(Point::Aborted);
        Ok(())
    }

    /// The last transaction: what cannot be committed is left to the next start.
    fn give_up(&mut self, error: &PublishError) -> Result<(), WorkerError> {
        let reason = error.to_string();
        if self.abort().is_ok() {
            self.rewind();
            return Ok(());
        }
        Err(WorkerError::NotCommitted { reason })
    }

    fn count_abort(&mut self, error: &PublishError) -> Result<(), WorkerError> {
        for owned in self.owned.values_mut() {
            if matches!(owned.phase, Phase::Running) {
                owned.aborts += 1;
                if owned.aborts >= MOST_ABORTS {
                    return Err(WorkerError::NoProgress {
                        topic: self.context.settings.pipeline.events.clone(),
                        partition: owned.partition,
                        offset: owned.buffer.committed(),
                        attempts: owned.aborts,
                        reason: error.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Drops every uncommitted tail and has it read again.
    fn rewind(&mut self) {
        for owned in self.owned.values_mut() {
            owned.outbox.unsend();
            owned.sent = Sent::default();
            if matches!(owned.phase, Phase::Running) {
                let at = owned.buffer.truncate_to_committed();
                if owned.fetching {
                    owned.fetching = false;
                    owned.start_at = Some(at);
                }
            }
        }
        failpoint::at(Point::Rewound);
    }

    /// A fenced or broken producer: if the group still takes us, a new one settles the open transaction, and the broker
    /// says what was committed.
    fn rebuild(&mut self, sent: &[OffsetCommit]) -> Result<(), WorkerError> {
        self.cadence.close();
        let until = Instant::now() + FENCE_WAIT;
        while Instant::now() < until && !self.context.stop.is_requested() {
            self.poll(RETRY_PAUSE)?;
        }
        self.publisher = self.until_it_answers(|worker| {
            let queue = worker.budget.publish_queue;
            worker.context.new_publisher(&worker.name, queue, REBUILD)
        })?;
        failpoint::at(Point::Rebuilt);
        let running: Vec<Partition> = self
            .owned
            .values()
            .filter(|owned| matches!(owned.phase, Phase::Running))
            .map(|owned| owned.partition)
            .collect();
        let committed = match running.as_slice() {
            [] => BTreeMap::new(),
            running => self.until_it_answers(|worker| Ok(worker.context.committed(running)?))?,
        };
        for partition in running {
            let Some(owned) = self.owned.get_mut(&partition) else {
                continue;
            };
            let sent = sent.iter().find(|(of, ..)| *of == partition);
            let sent = sent.map(|(_, offset, text)| Committed {
                offset: *offset,
                authored: CommitMetadata::parse(Some(text), *offset),
            });
            let before = owned.buffer.committed();
            match settle(before, sent.as_ref(), committed.get(&partition)) {
                Settled::At {
                    offset,
                    corrections,
                } => {
                    owned.buffer.mark_committed(offset)?;
                    if offset > before {
                        self.summary
                            .counters
                            .published(std::mem::take(&mut owned.sent));
                    }
                    self.summary.counters.corrections += owned.outbox.settle(corrections);
                }
                // The facts must be gathered anew.
                Settled::Another => self.regather(partition)?,
            }
        }
        failpoint::at(Point::Settled);
        self.rewind();
        Ok(())
    }

    /// Asks the broker until it answers or the processor stops. The client's own thread keeps the membership.
    pub(super) fn until_it_answers<T>(
        &mut self,
        ask: impl Fn(&Worker) -> Result<T, WorkerError>,
    ) -> Result<T, WorkerError> {
        let trouble = self.context.board.trouble(&[]);
        loop {
            self.context.board.tick(self.index);
            let error = match ask(self) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if self.context.stop.is_requested() {
                let reason = error.to_string();
                return Err(WorkerError::NotCommitted { reason });
            }
            if !error.is_outage() {
                return Err(error);
            }
            tracing::warn!("{error}; trying again");
            trouble.is(Reason::Broker, error.to_string());
            std::thread::sleep(RETRY_PAUSE);
        }
    }
}
