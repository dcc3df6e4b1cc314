//! The cadence of commits.
//!
//! Exactly-once (I5): results, rejects and offsets of one interval are one Kafka transaction. At-least-once: everything
//! is acknowledged, then the offsets are committed. In both, memory follows the broker: what is not committed is dropped
//! and read again.

use std::time::{Duration, Instant};

use super::{
    super::{
        Stop, WorkerError,
        partition::{Owned, Phase},
        watch::{Board, Reason, Trouble},
    },
    RETRY_PAUSE, Worker,
};
use crate::{
    config::Delivery,
    failpoint::{self, Point},
    format::KnownCommit,
    kafka::{Disposition, PublishError},
    model::{Offset, Partition},
    recovery::CommitMetadata,
};

/// How long one commit may take, its repetitions included; well below `max.poll.interval.ms`.
const COMMIT_LIMIT: Duration = Duration::from_secs(60);
/// The least time that the last commit gets, however late the shutdown is.
pub(super) const LAST_COMMIT: Duration = Duration::from_secs(1);
/// How long one call waits before it is asked again whether there is time: a request to stop is noticed within this.
const SLICE: Duration = Duration::from_secs(1);
/// A call that takes longer is shown to those who watch.
const WORTH_TELLING: Duration = Duration::from_secs(2);
/// A partition, the offset to commit, and the metadata that goes with it.
pub(super) type OffsetCommit = (Partition, Offset, String);

/// What became of a commit.
enum Attempt {
    Made,
    /// Nothing was committed: the events may be those of another topic of that name.
    OtherTopic,
}

impl Worker {
    /// Opens a transaction when none is open, and notes that `partition` takes part in it.
    pub(super) fn begin_if_needed(&mut self, partition: Partition) -> Result<(), PublishError> {
        let Some(epoch) = self.owned.get(&partition).map(|owned| owned.epoch) else {
            return Ok(());
        };
        let is_new = !self.cadence.is_open();
        if is_new {
            self.cadence.open();
        }
        self.cadence.enter(partition, epoch);
        // An at-least-once "transaction" is only the time between two commits.
        if is_new && self.shared.settings.delivery == Delivery::ExactlyOnce {
            self.publisher.begin()?;
            failpoint::at(Point::TransactionBegun);
        }
        Ok(())
    }

    /// Commits when the interval is over, or memory is short: what is committed is encoded, to a fifth of its size.
    pub(super) fn commit_if_due(&mut self) -> Result<(), WorkerError> {
        let is_full = self.uncommitted.bytes() > self.budget.commit_above;
        if self.cadence.is_due() || (is_full && self.cadence.may_commit()) {
            self.commit()?;
        }
        Ok(())
    }

    /// Commits everything processed so far; on failure everything uncommitted is dropped and will be read again. While a
    /// failed transaction is settled it does nothing: what was in it may never have been sent.
    pub(super) fn commit(&mut self) -> Result<(), WorkerError> {
        if self.settling {
            return Ok(());
        }
        self.cadence.begin_commit();
        self.pass_absent_offsets()?;
        let offsets = self.offsets_to_commit();
        if offsets.is_empty() && !self.cadence.is_open() {
            return Ok(());
        }
        match self.try_commit(&offsets) {
            Ok(Attempt::OtherTopic) => self.give_up_topic(),
            Ok(Attempt::Made) => {
                failpoint::at(Point::Committed);
                self.summary.counters.commits += 1;
                self.cadence.committed();
                self.regrouping = None;
                let published = |owned: &Owned| owned.sent.messages() > 0;
                self.have_committed(self.owned.values().any(published));
                self.committed_upto(&offsets)?;
                failpoint::at(Point::CommitMarked);
                Ok(())
            }
            Err(error) => self.recover_from(error, &offsets, None),
        }
    }

    /// Where each partition stands that has something to commit; a partition in replay is in no commit.
    fn offsets_to_commit(&self) -> Vec<OffsetCommit> {
        self.owned
            .values()
            .filter(|owned| matches!(owned.phase, Phase::Running | Phase::AcceptingLoss(_)))
            .filter(|owned| {
                owned.must_commit.is_some()
                    || owned.books.has_uncommitted()
                    || owned.outbox.has_sent()
            })
            .filter_map(|owned| {
                let at = owned.books.end();
                Some((owned.partition, at, self.metadata(owned, at)?))
            })
            .collect()
    }

    fn metadata(&self, owned: &Owned, offset: Offset) -> Option<String> {
        let head = owned.newest.as_ref()?.head;
        let ours = &self.shared.gatherer.calculation;
        let counted = owned.counted();
        let outcomes = match owned.must_commit {
            Some(commit) if commit.offset == offset => commit.outcomes,
            _ => counted,
        };
        let metadata = CommitMetadata {
            by: self.shared.writer(self.index),
            offset,
            calculation: Some(ours.calculation.clone()),
            condition: ours.condition.clone(),
            fields: Some(ours.fields.clone()),
            fingerprint: ours.fingerprint.clone(),
            head,
            outcomes,
            kinds: owned.kinds().filter(|_| outcomes == counted),
            limits: owned.limits,
            lost: owned.lost,
            corrections: owned.outbox.to_commit(),
        };
        Some(metadata.encode())
    }

    /// The group stands at these offsets: what is committed goes to the keepers.
    fn committed_upto(&mut self, offsets: &[OffsetCommit]) -> Result<(), WorkerError> {
        for (partition, offset, _) in offsets {
            self.hand_over(*partition, *offset)?;
            let Some(owned) = self.owned.get_mut(partition) else {
                continue;
            };
            if owned.must_commit.take().is_some() {
                failpoint::at(Point::DecisionCommitted);
            }
            if owned.outbox.has_sent() {
                failpoint::at(Point::CorrectionsCommitted);
            }
            let sent = std::mem::take(&mut owned.sent);
            let counters = &mut self.summary.counters;
            counters.published(sent.results, &sent.rejects);
            counters.filtered += sent.filtered;
            counters.raw_timestamps += sent.raw_timestamps;
            counters.times_left_out += sent.times_left_out;
            let corrections = owned.outbox.mark_committed();
            counters.corrections += corrections;
            owned.aborts = 0;
            owned.narrowing.commit(*offset);
            if let Some(keeper) = self.keepers.get(partition) {
                if let Some(newest) = &owned.newest {
                    // Nothing was heard of a newer one since the commit began.
                    keeper.committed(KnownCommit::new(newest.head, owned.outbox.to_commit()));
                }
                if let Phase::AcceptingLoss(loss) = &owned.phase {
                    keeper.record_loss(*loss);
                }
            }
        }
        Ok(())
    }

    /// The group stands at `offset`: the keeper gets what is committed by that.
    pub(super) fn hand_over(
        &mut self,
        partition: Partition,
        offset: Offset,
    ) -> Result<(), WorkerError> {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        let outcomes = owned.commit(offset)?;
        if let Some(keeper) = self.keepers.get(&partition) {
            keeper.keep(outcomes);
        }
        self.count_uncommitted();
        Ok(())
    }

    /// Counts the memory of what is not committed.
    pub(super) fn count_uncommitted(&self) {
        let owned = self.owned.values();
        self.uncommitted
            .set(owned.map(|owned| owned.books.bytes()).sum());
    }

    /// For a call that begins now.
    pub(super) fn broker_wait(&self) -> BrokerWait {
        BrokerWait {
            since: Instant::now(),
            stop: self.shared.stop.clone(),
            shutdown: self.shared.settings.shutdown_timeout,
            worker: self.index,
            board: self.shared.board.clone(),
            trouble: self.shared.board.trouble(&[]),
        }
    }

    fn try_commit(&mut self, offsets: &[OffsetCommit]) -> Result<Attempt, PublishError> {
        let wait = self.broker_wait();
        // No transaction outlives a revocation, so an owner that changed under an open one is a defect: abort.
        for (partition, epoch) in self.cadence.owners() {
            if !self.is_current(partition, epoch) {
                tracing::error!(
                    "partition {partition} changed hands within a transaction; it is aborted"
                );
                return Err(PublishError::NotAMember {
                    publisher: self.name.clone(),
                    group: self.source.group().to_owned(),
                });
            }
        }
        // After the last fetch, and answered while the messages are on their way.
        let question = self.ask_topic()?;
        if self.shared.settings.delivery == Delivery::AtLeastOnce {
            wait.repeat(|slice| self.publisher.flush(slice))?;
            failpoint::at(Point::Acknowledged);
            if !self.is_same_topic(question, &wait)? {
                return Ok(Attempt::OtherTopic);
            }
            self.source.commit(offsets, wait.left())?;
            return Ok(Attempt::Made);
        }
        if !self.cadence.is_open() {
            self.publisher.begin()?;
            self.cadence.open();
        }
        failpoint::at(Point::CommitBegun);
        wait.repeat(|slice| self.publisher.flush(slice))?;
        failpoint::at(Point::Flushed);
        if !self.is_same_topic(question, &wait)? {
            return Ok(Attempt::OtherTopic);
        }
        wait.repeat(|slice| self.publisher.send_offsets(&self.source, offsets, slice))?;
        failpoint::at(Point::OffsetsSent);
        // A commit of unknown outcome is called again; the broker answers the same for the same transaction.
        wait.repeat(|slice| self.publisher.commit(slice))?;
        Ok(Attempt::Made)
    }
}

/// How long the broker is waited for: [`COMMIT_LIMIT`] in all, and less once the processor is asked to stop.
pub(super) struct BrokerWait {
    since: Instant,
    stop: Stop,
    shutdown: Duration,
    worker: usize,
    board: Board,
    trouble: Trouble,
}

impl BrokerWait {
    /// What is left.
    pub(super) fn left(&self) -> Duration {
        let waited = self.since.elapsed();
        let left = COMMIT_LIMIT.saturating_sub(waited);
        if !self.stop.is_requested() {
            return left;
        }
        let shutdown = self.stop.remaining(self.shutdown);
        left.min(shutdown.max(LAST_COMMIT.saturating_sub(waited)))
    }

    /// Calls until it succeeds, fails for good, or nothing is left; the call is told how long it may take.
    pub(super) fn repeat(
        &self,
        mut call: impl FnMut(Duration) -> Result<(), PublishError>,
    ) -> Result<(), PublishError> {
        loop {
            self.board.tick(self.worker);
            match call(self.left().min(SLICE)) {
                Err(error)
                    if error.disposition() == Disposition::Retry && !self.left().is_zero() =>
                {
                    if self.since.elapsed() >= WORTH_TELLING {
                        self.trouble.is(Reason::Broker, error.to_string());
                    }
                    std::thread::sleep(RETRY_PAUSE);
                }
                answer => return answer,
            }
        }
    }
}
