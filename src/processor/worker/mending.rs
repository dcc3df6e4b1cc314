//! The way back after a transaction that failed. Memory follows the broker: what is not committed is dropped and read again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    super::{WorkerError, watch::Reason},
    RETRY_PAUSE, Worker,
    commit::OffsetCommit,
    failure::{Failure, Next, after},
    refusals::HandedOver,
    regrouping::Regrouping,
};
use crate::{
    config::Delivery,
    failpoint::{self, Point},
    kafka::PublishError,
    model::Partition,
    recovery::{CommitMetadata, Committed, Settled, settle},
};

/// Failed transactions in a row of one partition, without a commit of it in between, after which the worker stops instead of
/// trying again.
const MOST_ABORTS: u32 = 8;
/// Two heartbeats: long enough to hear from the group that a newer process has our name.
const FENCE_WAIT: Duration = Duration::from_secs(6);

/// How long one attempt to make a new producer may take.
const REBUILD: Duration = Duration::from_secs(5);

impl Worker {
    /// Does what follows a failed call. `sent` is what was to be committed, `batch` what was being handed to the producer.
    pub(super) fn recover_from(
        &mut self,
        error: PublishError,
        sent: &[OffsetCommit],
        batch: Option<HandedOver>,
    ) -> Result<(), WorkerError> {
        let trouble = self.shared.board.trouble(&[]);
        let stopping = self.shared.stop.is_requested();
        let refused = !stopping && self.count_refusal(&error, batch);
        let failure = Failure {
            disposition: error.disposition(),
            delivery: self.shared.settings.delivery,
            moved_on: error.has_group_moved_on(),
            outage: error.is_outage(),
            denied: error.is_denied() && self.shared.rights.may_come_back(),
            acknowledged: matches!(error, PublishError::Client(_)) && !sent.is_empty(),
            too_large: error.is_too_large(),
            refused,
            stopping,
        };
        if failure.outage {
            trouble.is(Reason::Broker, error.to_string());
        }
        if failure.moved_on {
            let begin = || Regrouping::begin(self.shared.board.trouble(&[]));
            self.regrouping.get_or_insert_with(begin).goes_on(&error);
        }
        let next = after(failure);
        if next == Next::CommitLater {
            tracing::debug!("{error}; the group has moved on: the offsets are committed later");
            self.cadence.postpone(RETRY_PAUSE);
            return Ok(());
        }
        if next == Next::CommitWithRights {
            self.denied_offsets(&error.to_string());
            return Ok(());
        }
        tracing::warn!("{error}; what was not committed is dropped and processed again");
        self.summary.counters.aborts += 1;
        if failure.counts() {
            self.count_abort(&error, sent)?;
        }
        if refused || failure.too_large {
            self.shared.refresh_rules();
        }
        match next {
            Next::CommitLater | Next::CommitWithRights => Ok(()),
            Next::GiveUp => self.give_up(&error),
            Next::Stop => Err(WorkerError::Publish(error)),
            Next::Abort if self.abort().is_ok() => {
                self.rewind();
                Ok(())
            }
            Next::Renew if self.abort().is_ok() => self.renew(sent),
            Next::WaitForRights => self.outlive_denial(&error, sent),
            Next::Abort | Next::Renew | Next::Rebuild => self.rebuild(sent),
        }
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
        if self.shared.settings.delivery == Delivery::AtLeastOnce {
            return Ok(());
        }
        let wait = self.broker_wait();
        wait.repeat(|slice| self.publisher.abort(slice))?;
        failpoint::at(Point::Aborted);
        Ok(())
    }

    /// The transaction is given up. Whether it is aborted or not, a new producer settles what is open.
    fn outlive_denial(
        &mut self,
        error: &PublishError,
        sent: &[OffsetCommit],
    ) -> Result<(), WorkerError> {
        self.settling = true;
        if let Err(again) = self.abort() {
            tracing::debug!("{again}; what is open is aborted by the next producer");
        }
        self.denied(&error.to_string());
        self.wait_for_rights()?;
        self.renew(sent)
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

    /// Counts a failure of everybody who had something in the transaction. Who had nothing in it has not failed.
    fn count_abort(
        &mut self,
        error: &PublishError,
        sent: &[OffsetCommit],
    ) -> Result<(), WorkerError> {
        let mut failed: BTreeSet<Partition> = sent.iter().map(|(of, ..)| *of).collect();
        failed.extend(self.cadence.owners().map(|(of, _)| of));
        for owned in self.owned.values_mut() {
            if !failed.contains(&owned.partition) {
                continue;
            }
            owned.aborts += 1;
            if owned.aborts >= MOST_ABORTS {
                return Err(WorkerError::NoProgress {
                    topic: self.shared.settings.pipeline.events.clone(),
                    partition: owned.partition,
                    offset: owned.books.committed(),
                    attempts: owned.aborts,
                    reason: error.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Drops what is not committed, and has it read again.
    fn rewind(&mut self) {
        for owned in self.owned.values_mut() {
            owned.rewind();
        }
        self.count_uncommitted();
        failpoint::at(Point::Rewound);
    }

    /// A fenced or broken producer: if the group still takes us, a new one settles the open transaction, and the broker
    /// says what was committed.
    fn rebuild(&mut self, sent: &[OffsetCommit]) -> Result<(), WorkerError> {
        self.settling = true;
        self.cadence.close();
        let until = Instant::now() + FENCE_WAIT;
        while Instant::now() < until && !self.shared.stop.is_requested() {
            self.poll(RETRY_PAUSE)?;
        }
        self.renew(sent)
    }

    /// Makes a new producer, and asks the broker what was committed.
    fn renew(&mut self, sent: &[OffsetCommit]) -> Result<(), WorkerError> {
        self.settling = true;
        self.publisher = self.until_it_answers(|worker| {
            let queue = worker.budget.publish_queue;
            worker.shared.new_publisher(&worker.name, queue, REBUILD)
        })?;
        failpoint::at(Point::Rebuilt);
        let running = self.owned.values().filter(|owned| owned.is_running());
        let running: Vec<Partition> = running.map(|owned| owned.partition).collect();
        let committed = match running.as_slice() {
            [] => BTreeMap::new(),
            running => self.until_it_answers(|worker| Ok(worker.shared.committed(running)?))?,
        };
        for partition in running {
            let sent = sent.iter().find(|(of, ..)| *of == partition);
            self.settle(partition, sent, committed.get(&partition))?;
        }
        self.settling = false;
        failpoint::at(Point::Settled);
        self.rewind();
        self.stop_at_refused()
    }

    /// Finds out whether the commit `sent` was made: what it committed goes to the keeper, the rest is dropped.
    fn settle(
        &mut self,
        partition: Partition,
        sent: Option<&OffsetCommit>,
        found: Option<&Committed>,
    ) -> Result<(), WorkerError> {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        let sent = sent.map(|(_, offset, text)| Committed {
            offset: *offset,
            authored: CommitMetadata::parse(Some(text), *offset),
        });
        let before = owned.books.committed();
        match settle(before, sent.as_ref(), found) {
            Settled::At { offset, commit } => {
                let published = owned.outbox.settle(commit.corrections);
                if offset > before {
                    owned.aborts = 0;
                    let sent = std::mem::take(&mut owned.sent);
                    let counters = &mut self.summary.counters;
                    counters.published(sent.results, &sent.rejects);
                    counters.filtered += sent.filtered;
                    counters.raw_timestamps += sent.raw_timestamps;
                    counters.times_left_out += sent.times_left_out;
                }
                self.summary.counters.corrections += published;
                if let Some(keeper) = self.keepers.get(&partition) {
                    keeper.committed(commit);
                }
                self.hand_over(partition, offset)
            }
            // The facts must be gathered anew.
            Settled::Another => self.gather_anew(partition),
        }
    }

    /// Asks the broker until it answers or the processor stops. The client's own thread keeps the membership.
    pub(super) fn until_it_answers<T>(
        &mut self,
        ask: impl Fn(&Worker) -> Result<T, WorkerError>,
    ) -> Result<T, WorkerError> {
        let trouble = self.shared.board.trouble(&[]);
        loop {
            self.shared.board.tick(self.index);
            let error = match ask(self) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if self.shared.stop.is_requested() {
                let reason = error.to_string();
                return Err(WorkerError::NotCommitted { reason });
            }
            if error.is_denied() && self.shared.rights.may_come_back() {
                self.denied(&error.to_string());
                self.wait_for_rights()?;
                continue;
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
