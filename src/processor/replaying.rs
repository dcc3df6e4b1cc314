//! The replay of one partition: outcomes that were published before the restart are built again, and nothing is published.
//!
//! Everything that is rebuilt lies below the committed offset (I1). Its number must be the one that was committed; before
//! that is known, none of it is stored (I4). What the memory does not hold is therefore read twice: once to be counted.

use super::{
    WorkerError,
    partition::{Count, Owned, Phase},
    worker::Worker,
};
use crate::{
    failpoint::{self, Point},
    format::Buffer,
    history::Chain,
    kafka::Batch,
    model::{Offset, Partition},
    recovery::{Plan, Replay, plan},
};

/// Result messages without text are smaller than this.
const SMALL_LIMIT: u64 = 64 * 1024;

/// The empty buffer that a replay fills.
pub(super) fn buffer(replay: &Replay) -> Buffer {
    let at = replay.range.start();
    match &replay.replaces {
        Some(published) => Buffer::replacing(at, published.clone()),
        None => Buffer::new(at),
    }
}

impl Worker {
    /// Has a replay that the memory does not hold counted to its end, and begun again then. Does nothing to a partition
    /// that is not in replay, or is counted.
    pub(super) fn count_replay(&mut self, partition: Partition) {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return;
        };
        let (Phase::Replaying(replay), Count::Pending) = (&owned.phase, owned.count) else {
            return;
        };
        tracing::info!(
            "partition {partition}: the memory does not hold all of {}; counting it first, since nothing of it is stored before its number of outcomes is known to be right",
            replay.range
        );
        owned.count = Count::Counting(owned.outcomes() - replay.outcomes_at_start);
        owned.buffer = buffer(replay);
    }

    /// Rebuilds the outcomes of the first `count` events of `batch`, which lie inside the range that is replayed.
    pub(super) fn replay(
        &mut self,
        partition: Partition,
        batch: &Batch,
        count: usize,
    ) -> Result<(), WorkerError> {
        let Some(end) = batch
            .iter()
            .nth(count - 1)
            .map(|event| event.offset.plus(1))
        else {
            return Ok(());
        };
        if let Some(owned) = self.owned.get_mut(&partition)
            && let Count::Counting(events) = &mut owned.count
        {
            // Each event has one outcome.
            *events += count as u64;
            return self.end_replay_at(partition, end);
        }
        let evaluated = self.evaluate(partition, end, batch.iter().take(count))?;
        // What was too large to be published was published as a reject.
        let evaluated = if self.encoder.has_text() || self.context.limits().results < SMALL_LIMIT {
            self.encode(partition, batch, evaluated)?
        } else {
            evaluated
        };
        self.summary.counters.replayed +=
            (evaluated.results.num_rows() + evaluated.rejects.len()) as u64;
        self.keep(partition, end, evaluated)?;
        failpoint::at(Point::ReplayKept);
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        owned.buffer.mark_committed(end)?;
        self.end_replay_at(partition, end)
    }

    /// The log may end in offsets that it never delivers: the consumer's position passes them.
    pub(super) fn end_replay_behind_the_log(
        &mut self,
        partition: Partition,
    ) -> Result<(), WorkerError> {
        let replays = |owned: &Owned| matches!(owned.phase, Phase::Replaying(_));
        if !self.owned.get(&partition).is_some_and(replays) {
            return Ok(());
        }
        match self.source.position(partition) {
            Some(position) => self.end_replay_at(partition, position),
            None => Ok(()),
        }
    }

    /// Ends a replay when everything below `position` has been read and that is all of it.
    fn end_replay_at(&mut self, partition: Partition, position: Offset) -> Result<(), WorkerError> {
        match self.owned.get(&partition).map(|owned| &owned.phase) {
            Some(Phase::Replaying(replay)) if position >= replay.range.end() => {
                self.finish_replay(partition)
            }
            _ => Ok(()),
        }
    }

    /// Ends a replay whose whole range has been read: what is left of it is absent, and the number of outcomes must be
    /// the one that was committed. Does nothing to a partition that is not in replay.
    pub(super) fn finish_replay(&mut self, partition: Partition) -> Result<(), WorkerError> {
        let replay = match self.owned.get(&partition).map(|owned| &owned.phase) {
            Some(Phase::Replaying(replay)) => replay.clone(),
            _ => return Ok(()),
        };
        let end = replay.range.end();
        if let Some(owned) = self.owned.get_mut(&partition)
            && let Count::Counting(found) = owned.count
        {
            if !replay.expected.admits(found) {
                return self.miscounted(partition, &replay, found);
            }
            owned.count = Count::Right;
            owned.fetching = false;
            owned.start_at = Some(replay.range.start());
            return Ok(());
        }
        self.keep(partition, end, self.nothing())?;
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        owned.buffer.mark_committed(end)?;
        let found = owned.outcomes() - replay.outcomes_at_start;
        if replay.expected.admits(found) {
            if replay.replaces.is_some() {
                return self.store_corrections(partition, &replay, found);
            }
            tracing::info!(
                "partition {partition}: replayed {}, {found} outcomes as committed; going on at {end}",
                replay.range
            );
            owned.phase = Phase::Running;
            failpoint::at(Point::Replayed);
            return Ok(());
        }
        self.miscounted(partition, &replay, found)
    }

    /// What follows a replay that gives another number of outcomes than was committed.
    fn miscounted(
        &mut self,
        partition: Partition,
        replay: &Replay,
        found: u64,
    ) -> Result<(), WorkerError> {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        // The log has changed since it was counted, and snapshots have moved the frontier: the facts are others now.
        let frontier = owned.chain.as_ref().and_then(Chain::end);
        if frontier != Some(replay.range.start()) {
            return self.regather(partition);
        }
        let Some(mut facts) = owned.facts.take() else {
            return Ok(());
        };
        facts.replayed = Some(found);
        let decision = plan(&facts, &self.context.settings.policy);
        match decision.plan {
            Plan::Refuse(refusal) => self.hold(partition, refusal),
            // The operator has accepted it: the range is a gap instead of what was rebuilt.
            Plan::AcceptLoss(loss) => {
                owned.buffer = Buffer::new(loss.range.end());
                owned.outcomes_before = replay.outcomes_at_start;
                owned.phase = Phase::AcceptingLoss(loss);
                let records_now = decision.commit.is_none();
                owned.must_commit = decision.commit;
                owned.fetching = false;
                self.source.pause(&[partition])?;
                if records_now {
                    self.record_loss(partition);
                }
            }
            other => {
                tracing::warn!("partition {partition}: planned again after a replay: {other:?}");
                self.regather(partition)?;
            }
        }
        Ok(())
    }
}
