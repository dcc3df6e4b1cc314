//! The cadence of commits.
//!
//! Exactly-once (I5): results, rejects and offsets of one interval are one Kafka transaction. At-least-once: everything
//! is acknowledged, then the offsets are committed. In both, memory follows the broker: what is not committed is dropped
//! and read again.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    Board, Stop, WorkerError,
    board::Trouble,
    partition::{Epoch, Owned, Phase},
    view::Reason,
    worker::Worker,
};
use crate::{
    config::Delivery,
    failpoint::{self, Point},
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
/// Between repetitions of a call that the broker asked to repeat.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(100);

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

    /// Whether a transaction is open.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// There is none any more.
    pub(super) fn close(&mut self) {
        self.open = None;
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
                self.summary.counters.commits += 1;
                self.cadence.close();
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
        let ours = &self.context.gatherer.calculation;
        let metadata = CommitMetadata {
            by: self.context.writer(self.index),
            offset,
            calculation: Some(ours.calculation.clone()),
            fields: Some(ours.fields.clone()),
            fingerprint: ours.fingerprint.clone(),
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
                if owned.outbox.has_sent() {
                    failpoint::at(Point::CorrectionsCommitted);
                }
                self.summary
                    .counters
                    .published(std::mem::take(&mut owned.sent));
                self.summary.counters.corrections += owned.outbox.mark_committed();
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

    /// For a call that begins now.
    pub(super) fn patience(&self) -> Patience {
        Patience {
            since: Instant::now(),
            stop: self.context.stop.clone(),
            shutdown: self.context.settings.shutdown_timeout,
            worker: self.index,
            board: self.context.board.clone(),
            trouble: self.context.board.trouble(&[]),
        }
    }

    fn try_commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), PublishError> {
        let patience = self.patience();
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
            patience.repeat(|slice| self.publisher.flush(slice))?;
            failpoint::at(Point::Acknowledged);
            return Ok(self.source.commit(offsets, patience.left())?);
        }
        if self.cadence.open.is_none() {
            self.publisher.begin()?;
            self.cadence.open = Some(Open {
                since: Instant::now(),
                owners: BTreeMap::new(),
            });
        }
        failpoint::at(Point::CommitBegun);
        patience.repeat(|slice| self.publisher.flush(slice))?;
        failpoint::at(Point::Flushed);
        patience.repeat(|slice| self.publisher.send_offsets(&self.source, offsets, slice))?;
        failpoint::at(Point::OffsetsSent);
        // A commit of unknown outcome is called again; the broker answers the same for the same transaction.
        patience.repeat(|slice| self.publisher.commit(slice))
    }
}

/// How long the broker is waited for: [`COMMIT_LIMIT`] in all, and less once the processor is asked to stop.
pub(super) struct Patience {
    since: Instant,
    stop: Stop,
    shutdown: Duration,
    worker: usize,
    board: Board,
    trouble: Trouble,
}

impl Patience {
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
