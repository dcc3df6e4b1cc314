//! The cadence of commits, and the way back after one that failed.
//!
//! Exactly-once (I5): results, rejects and offsets of one interval are one Kafka transaction. At-least-once: everything
//! is acknowledged, then the offsets are committed. In both, memory follows the broker: what is not committed is dropped
//! and read again.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    WorkerError,
    partition::{Epoch, Owned, Phase},
    worker::Worker,
};
use crate::{
    config::Delivery,
    failpoint::{self, Point},
    kafka::{Disposition, PublishError},
    model::{Offset, Partition},
    recovery::{CommitMetadata, Committed, Settled, settle},
};

/// How long one commit may take, its repetitions included; well below `max.poll.interval.ms`.
const COMMIT_LIMIT: Duration = Duration::from_secs(60);
/// Aborts in a row at the same place after which the worker stops instead of trying again.
const MOST_ABORTS: u32 = 8;
/// Between repetitions of a call that the broker asked to repeat.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Two heartbeats: long enough to hear from the group that a newer process has our name.
const FENCE_WAIT: Duration = Duration::from_secs(6);

/// A partition, the offset to commit, and the metadata that goes with it.
pub(super) type OffsetCommit = (Partition, Offset, String);

/// When the open transaction began and what is in it.
#[derive(Debug)]
pub(super) struct Cadence {
    interval: Duration,
    open: Option<Open>,
    last: Instant,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    /// The ownership under which each partition entered the transaction.
    owners: BTreeMap<Partition, Epoch>,
}

impl Cadence {
    pub(super) fn new(interval: Duration) -> Cadence {
        Cadence {
            interval,
            open: None,
            last: Instant::now(),
        }
    }

    fn is_due(&self) -> bool {
        match &self.open {
            Some(open) => open.since.elapsed() >= self.interval,
            None => self.last.elapsed() >= self.interval,
        }
    }
}

impl Worker {
    /// Opens a transaction when none is open, and notes that `partition` takes part in it.
    pub(super) fn begin_if_needed(&mut self, partition: Partition) -> Result<(), PublishError> {
        let Some(epoch) = self.owned.get(&partition).map(|owned| owned.epoch) else {
            return Ok(());
        };
        if self.cadence.open.is_none() {
            // An at-least-once "transaction" is only the time between two commits.
            if self.context.settings.delivery == Delivery::ExactlyOnce {
                self.publisher.begin()?;
                failpoint::at(Point::TransactionBegun);
            }
            self.cadence.open = Some(Open {
                since: Instant::now(),
                owners: BTreeMap::new(),
            });
        }
        if let Some(open) = &mut self.cadence.open {
            open.owners.entry(partition).or_insert(epoch);
        }
        Ok(())
    }

    /// Commits when the interval is over.
    pub(super) fn commit_if_due(&mut self) -> Result<(), WorkerError> {
        if self.cadence.is_due() {
            self.commit()?;
        }
        Ok(())
    }

    /// Commits everything processed so far; on failure everything uncommitted is dropped and will be read again.
    pub(super) fn commit(&mut self) -> Result<(), WorkerError> {
        self.cadence.last = Instant::now();
        self.pass_absent_offsets()?;
        let offsets = self.offsets_to_commit();
        if offsets.is_empty() && self.cadence.open.is_none() {
            return Ok(());
        }
        match self.try_commit(&offsets) {
            Ok(()) => {
                failpoint::at(Point::Committed);
                self.cadence.open = None;
                self.committed_upto(&offsets)?;
                failpoint::at(Point::CommitMarked);
                Ok(())
            }
            Err(error) => self.mend(error, &offsets),
        }
    }

    /// Where each partition stands that has something to commit; a partition in replay is in no commit.
    fn offsets_to_commit(&self) -> Vec<OffsetCommit> {
        self.owned
            .values()
            .filter(|owned| matches!(owned.phase, Phase::Running | Phase::AcceptingLoss(_)))
            .filter(|owned| {
                owned.must_commit.is_some()
                    || owned.buffer.end() > owned.buffer.committed()
                    || owned.outbox.has_sent()
            })
            .filter_map(|owned| {
                let at = owned.buffer.end();
                Some((owned.partition, at, self.metadata(owned, at)?))
            })
            .collect()
    }

    fn metadata(&self, owned: &Owned, offset: Offset) -> Option<String> {
        let head = owned.head?;
        let metadata = CommitMetadata {
            by: self.context.writer(self.index),
            offset,
            calculation: Some(self.context.calculation_text.clone()),
            fields: Some(self.context.fields_text.clone()),
            fingerprint: self.evaluator.fingerprint().clone(),
            head,
            outcomes: match owned.must_commit {
                Some(commit) if commit.offset == offset => commit.outcomes,
                _ => owned.outcomes(),
            },
            lost: owned.lost,
            corrections: owned.outbox.to_commit(),
        };
        Some(metadata.encode())
    }

    fn committed_upto(&mut self, offsets: &[OffsetCommit]) -> Result<(), WorkerError> {
        let mut accepted = Vec::new();
        for (partition, offset, _) in offsets {
            if let Some(owned) = self.owned.get_mut(partition) {
                owned.buffer.mark_committed(*offset)?;
                if owned.must_commit.take().is_some() {
                    failpoint::at(Point::DecisionCommitted);
                }
                owned.outbox.mark_committed();
                owned.aborts = 0;
                if matches!(owned.phase, Phase::AcceptingLoss(_)) {
                    accepted.push(*partition);
                }
            }
        }
        for partition in accepted {
            self.record_loss(partition);
        }
        Ok(())
    }

    fn try_commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), PublishError> {
        let deadline = Instant::now() + COMMIT_LIMIT;
        let left = || deadline.saturating_duration_since(Instant::now());
        // No transaction outlives a revocation, so an owner that changed under an open one is a defect: abort.
        if let Some(open) = &self.cadence.open {
            for (partition, epoch) in &open.owners {
                if self.owned.get(partition).map(|owned| owned.epoch) != Some(*epoch) {
                    tracing::error!(
                        "partition {partition} changed hands within a transaction; it is aborted"
                    );
                    return Err(PublishError::NotAMember {
                        publisher: self.name.clone(),
                        group: self.source.group().to_owned(),
                    });
                }
            }
        }
        if self.context.settings.delivery == Delivery::AtLeastOnce {
            self.publisher.flush(left())?;
            failpoint::at(Point::Acknowledged);
            return Ok(self.source.commit(offsets, left())?);
        }
        if self.cadence.open.is_none() {
            self.publisher.begin()?;
            self.cadence.open = Some(Open {
                since: Instant::now(),
                owners: BTreeMap::new(),
            });
        }
        failpoint::at(Point::CommitBegun);
        self.publisher.flush(left())?;
        failpoint::at(Point::Flushed);
        repeat(deadline, || {
            self.publisher.send_offsets(&self.source, offsets, left())
        })?;
        failpoint::at(Point::OffsetsSent);
        // A commit of unknown outcome is called again; the broker answers the same for the same transaction.
        repeat(deadline, || self.publisher.commit(left()))
    }

    /// What follows a failed call: abort and rewind, or a new producer, or the end of the worker.
    /// `sent` is what was to be committed.
    pub(super) fn mend(
        &mut self,
        error: PublishError,
        sent: &[OffsetCommit],
    ) -> Result<(), WorkerError> {
        tracing::warn!("{error}; what was not committed is dropped and processed again");
        let disposition = error.disposition();
        self.count_abort(&error)?;
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
        if self.cadence.open.is_none() || self.abort().is_ok() {
            self.rewind();
            return Ok(());
        }
        self.rebuild(&[])
    }

    fn abort(&mut self) -> Result<(), PublishError> {
        self.cadence.open = None;
        if self.context.settings.delivery == Delivery::AtLeastOnce {
            return Ok(());
        }
        self.publisher.abort(COMMIT_LIMIT)?;
        failpoint::at(Point::Aborted);
        Ok(())
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
            if matches!(owned.phase, Phase::Running) {
                let at = owned.buffer.truncate_to_committed();
                if owned.fetching {
                    owned.fetching = false;
                    owned.start_at = Some(at);
                }
            }
        }
    }

    /// A fenced or broken producer: if the group still takes us, a new one settles the open transaction, and the broker
    /// says what was committed.
    fn rebuild(&mut self, sent: &[OffsetCommit]) -> Result<(), WorkerError> {
        self.cadence.open = None;
        let until = Instant::now() + FENCE_WAIT;
        while Instant::now() < until && !self.context.stop.is_abort() {
            self.poll(RETRY_PAUSE)?;
        }
        self.publisher = self
            .context
            .new_publisher(&self.name, self.budget.publish_queue)?;
        failpoint::at(Point::Rebuilt);
        let running: Vec<Partition> = self
            .owned
            .values()
            .filter(|owned| matches!(owned.phase, Phase::Running))
            .map(|owned| owned.partition)
            .collect();
        let committed = self.context.committed(&running)?;
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
                    owned.outbox.settle(corrections);
                }
                // The facts must be gathered anew.
                Settled::Another => self.regather(partition)?,
            }
        }
        self.rewind();
        Ok(())
    }
}

/// Calls until it succeeds, fails for good, or `deadline` has passed.
fn repeat(
    deadline: Instant,
    mut call: impl FnMut() -> Result<(), PublishError>,
) -> Result<(), PublishError> {
    loop {
        match call() {
            Err(error)
                if error.disposition() == Disposition::Retry && Instant::now() < deadline =>
            {
                std::thread::sleep(RETRY_PAUSE);
            }
            answer => return answer,
        }
    }
}
