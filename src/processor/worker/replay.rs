//! The replay of one partition: outcomes that were published before the restart are built again, and nothing is published.
//!
//! Everything that is rebuilt lies below the committed offset (I1). Its number must be the one that was committed; before
//! that is known, none of it is stored (I4). What the memory does not hold is therefore read twice: once to be counted.

use std::borrow::Cow;

use super::{
    super::{
        WorkerError,
        keeper::Stage,
        partition::{Books, Fetch, Owned, Phase, ReplayEnd},
    },
    Worker,
};
use crate::{
    calculation::Evaluated,
    events::ResultEncoder,
    failpoint::{self, Point},
    format::RangeOutcomes,
    kafka::Batch,
    model::{Offset, OffsetRange, Partition},
    recovery::{Plan, Replayed, plan},
};

/// Result messages without text are smaller than this.
const SMALL_LIMIT: u64 = 64 * 1024;

/// The encoder of a partition's results: in a replay of what was published with another `--carry` that of then, because the key
/// that a message carries counts for its size.
pub(super) fn encoder_of<'e>(
    encoder: &'e ResultEncoder,
    owned: Option<&Owned>,
) -> Cow<'e, ResultEncoder> {
    let carried = owned
        .and_then(Owned::replay)
        .and_then(|replay| replay.carried);
    match carried {
        Some(carry) => Cow::Owned(encoder.clone().with_keys_of_events(carry.key())),
        None => Cow::Borrowed(encoder),
    }
}

impl Worker {
    /// Has a replay that the memory does not hold counted to its end, and begun again then; whether that is new.
    pub(super) fn count_replay(&mut self, partition: Partition) -> bool {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return false;
        };
        if !owned.count_replay() {
            return false;
        }
        if let Some(replay) = owned.replay() {
            tracing::info!(
                "partition {partition}: the memory does not hold all of {}; counting it first, since nothing of it is stored before its number of outcomes is known to be right",
                replay.range
            );
        }
        if let Some(keeper) = self.keepers.get(&partition) {
            keeper.forget();
        }
        true
    }

    /// Rebuilds the outcomes of the first `count` events of `batch`, which lie inside the range that is replayed.
    pub(super) fn replay(
        &mut self,
        partition: Partition,
        batch: &Batch,
        count: usize,
    ) -> Result<(), WorkerError> {
        let last = batch.iter().nth(count - 1);
        let Some(end) = last.map(|event| event.offset.plus(1)) else {
            return Ok(());
        };
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        // Each event has one outcome.
        if owned.count_events(count as u64) {
            return self.end_replay(partition, end);
        }
        let limit = owned.limits.results;
        let is_of_any_size = encoder_of(&self.encoder, Some(owned)).is_of_any_size();
        let evaluated = self.evaluate(partition, end, batch.iter().take(count))?;
        // What was too large to be published was published as a reject.
        let evaluated = if is_of_any_size || limit < SMALL_LIMIT {
            self.encode(partition, batch, evaluated)?
        } else {
            evaluated
        };
        self.summary.counters.replayed += evaluated.outcomes() as u64;
        self.keep_replayed(partition, end, evaluated)?;
        failpoint::at(Point::ReplayKept);
        self.end_replay(partition, end)
    }

    /// Hands over what a replay has rebuilt up to `end`: it was committed before.
    fn keep_replayed(
        &mut self,
        partition: Partition,
        end: Offset,
        evaluated: Evaluated,
    ) -> Result<(), WorkerError> {
        if let Some(owned) = self.owned.get_mut(&partition) {
            let range = OffsetRange::new(owned.books.end(), end)?;
            if !range.is_empty() {
                let outcomes = RangeOutcomes::new(range, evaluated)?;
                owned.books.replay(&outcomes)?;
                if let Some(keeper) = self.keepers.get(&partition) {
                    keeper.keep(vec![outcomes]);
                }
            }
        }
        Ok(())
    }

    /// The log may end in offsets that it never delivers: the consumer's position passes them.
    pub(super) fn end_replay_after_the_log(
        &mut self,
        partition: Partition,
    ) -> Result<(), WorkerError> {
        let replays = self.owned.get(&partition).and_then(|owned| owned.replay());
        match replays.and_then(|_| self.source.position(partition)) {
            Some(position) => self.end_replay(partition, position),
            None => Ok(()),
        }
    }

    /// Everything before `position` has been read. When that is the whole range that is replayed, what is left of it is
    /// absent, and the number of outcomes must be the one that was committed. Does nothing to a partition that is not in
    /// replay.
    pub(super) fn end_replay(
        &mut self,
        partition: Partition,
        position: Offset,
    ) -> Result<(), WorkerError> {
        let owned = self.owned.get(&partition);
        let Some(range) = owned.and_then(Owned::replay).map(|replay| replay.range) else {
            return Ok(());
        };
        let is_end = position >= range.end() && owned.is_some_and(Owned::is_fetching);
        if is_end && !self.has_replayed_same_topic(partition) {
            return self.gather_anew(partition);
        }
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        let rest = owned.rest_of_replay(position);
        let end = owned.end_replay(position);
        // Only what is known to be right is handed over: absent offsets change no number of outcomes.
        if let (ReplayEnd::Done { .. } | ReplayEnd::Store { .. }, Some(rest)) = (&end, rest) {
            self.keep_replayed(partition, rest, self.nothing())?;
        }
        let keeper = self.keepers.get(&partition);
        match end {
            ReplayEnd::GoesOn => {}
            ReplayEnd::ReadAgain => {
                if let Some(keeper) = keeper {
                    keeper.enter(Stage::Recovery);
                }
            }
            ReplayEnd::Done { found } => {
                tracing::info!(
                    "partition {partition}: replayed {range}, {found} outcomes as committed; going on at {}",
                    range.end()
                );
                if let Some(keeper) = keeper {
                    keeper.enter(Stage::Running);
                }
                failpoint::at(Point::Replayed);
                // What follows in the same batch may be decided by other limits.
                return self.take_limits_of(partition);
            }
            ReplayEnd::Store { found, corrects } => {
                failpoint::at(Point::Recalculated);
                let how = match corrects {
                    true => "calculated anew; stored with corrections first",
                    false => "replayed as committed; stored first",
                };
                tracing::info!("partition {partition}: {range}, {found} outcomes {how}");
                if let Some(keeper) = keeper {
                    keeper.enter(Stage::Recovery);
                    keeper.store();
                }
                self.source.pause(&[partition])?;
                return self.gather_anew_when_stored(partition);
            }
            ReplayEnd::Miscounted { found } => return self.miscounted(partition, found),
        }
        Ok(())
    }

    /// Goes on once everything is stored that something else decided: the facts now say so.
    pub(super) fn gather_anew_when_stored(
        &mut self,
        partition: Partition,
    ) -> Result<(), WorkerError> {
        let is_all_stored = self
            .owned
            .get(&partition)
            .is_some_and(|owned| owned.is_all_stored());
        if is_all_stored {
            failpoint::at(Point::CorrectionsStored);
            return self.gather_anew(partition);
        }
        Ok(())
    }

    /// What follows a replay that gives another number of outcomes than was committed.
    fn miscounted(&mut self, partition: Partition, found: Replayed) -> Result<(), WorkerError> {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        let Phase::Replaying(replaying) = &mut owned.phase else {
            return Ok(());
        };
        // Nothing of it may be stored any more, also when the keeper leaves.
        if let Some(keeper) = self.keepers.get(&partition) {
            keeper.enter(Stage::Replay);
            keeper.forget();
        }
        // The log has changed since it was counted, and snapshots have moved the frontier: the facts are others now.
        let frontier = owned.newest.as_ref().map(|newest| newest.stored.frontier);
        if frontier != Some(replaying.replay.range.start()) {
            return self.gather_anew(partition);
        }
        replaying.facts.replayed = Some(found);
        let decision = plan(&replaying.facts, &self.shared.settings.policy);
        match decision.plan {
            Plan::Refuse(refusal) => self.hold(partition, refusal),
            // The operator has accepted it: the range is a gap instead of what was rebuilt.
            Plan::AcceptLoss(loss) => {
                owned.books = Books::new(loss.range.end(), replaying.replay.at_start);
                owned.phase = Phase::AcceptingLoss(loss);
                owned.must_commit = decision.commit;
                owned.fetch = Fetch::Paused;
                self.source.pause(&[partition])?;
                if let Some(keeper) = self.keepers.get(&partition)
                    && decision.commit.is_none()
                {
                    keeper.record_loss(loss);
                }
            }
            other => {
                tracing::warn!("partition {partition}: planned again after a replay: {other:?}");
                self.gather_anew(partition)?;
            }
        }
        Ok(())
    }
}
