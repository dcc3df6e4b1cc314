//! Partitions come and go: assignment, facts, plan, revocation.
//!
//! The group's assignment is answered when the facts of the new partitions are there, so that each is consumed from the
//! exact offset of its plan. When they take long (the store is away), it is answered with the partitions paused, and
//! gathering goes on beside the loop: polling, and with it the membership, never stops.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    WorkerError, activation,
    partition::{Epoch, Owned, Phase},
    report::{Planned, Report},
    worker::{Arriving, Worker},
};
use crate::{
    kafka::OffsetCommit,
    model::{Offset, OffsetRange, Partition},
    recovery::{Plan, Refusal},
    snapshot::{Buffer, Chain, Edit},
};

/// How long the group waits for the facts of new partitions before they are taken in paused.
const ASSIGNMENT_PATIENCE: Duration = Duration::from_secs(3);

impl Worker {
    pub(super) fn assigned(&mut self, partitions: Vec<Partition>) -> Result<(), WorkerError> {
        // The group gives one assignment after the other; an unanswered one is answered first.
        self.answer_paused()?;
        let wanted: Vec<(Partition, Epoch)> = partitions
            .iter()
            .map(|partition| (*partition, self.next_epoch()))
            .collect();
        for (partition, epoch) in &wanted {
            self.owned.insert(*partition, Owned::new(*partition, *epoch));
        }
        self.arriving = Some(Arriving {
            partitions,
            since: Instant::now(),
        });
        self.gather(wanted);
        Ok(())
    }

    fn gather(&self, wanted: Vec<(Partition, Epoch)>) {
        if !wanted.is_empty() {
            let context = Arc::clone(&self.context);
            let sender = self.sender.clone();
            self.context
                .runtime
                .spawn(activation::gather_and_plan(context, wanted, sender));
        }
    }

    /// Forgets what is in memory for `partition` and starts again from the facts.
    pub(super) fn regather(&mut self, partition: Partition) -> Result<(), WorkerError> {
        let epoch = self.next_epoch();
        let mut fresh = Owned::new(partition, epoch);
        if let Some(old) = self.owned.remove(&partition) {
            if old.fetching {
                self.source.pause(&[partition])?;
            }
            if old.in_flight > 0 {
                self.leaving.insert((partition, old.epoch), old.in_flight);
            }
            fresh.aborts = old.aborts;
        }
        self.owned.insert(partition, fresh);
        self.gather(vec![(partition, epoch)]);
        Ok(())
    }

    /// Answers the assignment when all plans are there, or paused when they take too long.
    pub(super) fn answer_assignment(&mut self) -> Result<(), WorkerError> {
        let Some(arriving) = &self.arriving else {
            return Ok(());
        };
        let waiting = arriving.partitions.iter().any(|partition| {
            self.owned
                .get(partition)
                .is_some_and(|owned| matches!(owned.phase, Phase::Gathering))
        });
        if !waiting {
            return self.answer();
        }
        if arriving.since.elapsed() >= ASSIGNMENT_PATIENCE {
            tracing::warn!(
                "recovery of partitions {:?} takes longer than {} s; they are held paused until it is done",
                arriving.partitions.iter().map(|p| p.0).collect::<Vec<_>>(),
                ASSIGNMENT_PATIENCE.as_secs()
            );
            return self.answer_paused();
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<(), WorkerError> {
        let Some(arriving) = self.arriving.take() else {
            return Ok(());
        };
        let starts: Vec<(Partition, Offset)> = arriving
            .partitions
            .iter()
            .map(|partition| {
                let at = self.owned.get(partition).map(|owned| owned.buffer.end());
                (*partition, at.unwrap_or(Offset::ZERO))
            })
            .collect();
        self.source.assign(&starts)?;
        let mut idle = Vec::new();
        for partition in &arriving.partitions {
            if let Some(owned) = self.owned.get_mut(partition) {
                owned.fetching = owned.is_active();
                if !owned.fetching {
                    idle.push(*partition);
                }
            }
        }
        if !idle.is_empty() {
            self.source.pause(&idle)?;
        }
        Ok(())
    }

    fn answer_paused(&mut self) -> Result<(), WorkerError> {
        self.answer()
    }

    pub(super) fn take_report(&mut self, report: Report) -> Result<(), WorkerError> {
        match report {
            Report::Planned {
                partition,
                epoch,
                answer,
            } if self.is_current(partition, epoch) => match *answer {
                Planned::Go { plan, chain } => self.follow(partition, plan, chain),
                Planned::Refused(refusal) => {
                    self.hold(partition, refusal);
                    Ok(())
                }
            },
            Report::Planned { .. } => Ok(()),
            Report::LossRecorded {
                partition,
                epoch,
                chain,
            } => {
                if self.is_current(partition, epoch) {
                    let at = chain.end();
                    self.go_on(partition, *chain, Phase::Running, at)?;
                }
                Ok(())
            }
            Report::Stored {
                partition,
                epoch,
                chain,
                written,
            } => {
                self.stored(partition, epoch, *chain, written);
                Ok(())
            }
            Report::NotStored {
                partition,
                epoch,
                reason,
            } => {
                self.leaving.remove(&(partition, epoch));
                if self.is_current(partition, epoch) {
                    tracing::error!(
                        "partition {partition}: {reason}; the facts are gathered anew and what is missing is replayed"
                    );
                    if let Some(owned) = self.owned.get_mut(&partition) {
                        owned.in_flight = 0;
                    }
                    // What is in memory continues a snapshot that will not be: commit, then rebuild it by a replay.
                    self.commit()?;
                    self.regather(partition)?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn is_current(&self, partition: Partition, epoch: Epoch) -> bool {
        self.owned
            .get(&partition)
            .is_some_and(|owned| owned.epoch == epoch)
    }

    fn follow(
        &mut self,
        partition: Partition,
        plan: Plan,
        chain: Chain,
    ) -> Result<(), WorkerError> {
        let topic = &self.context.settings.events;
        match plan {
            Plan::Start { at } => {
                tracing::info!("partition {partition} of {topic}: starts at {at}");
                self.go_on(partition, chain, Phase::Running, at)
            }
            Plan::Adopt { at } => {
                tracing::info!(
                    "partition {partition} of {topic}: goes on at {at}, where another program of the group stopped; earlier events are not in the store"
                );
                self.go_on(partition, chain, Phase::Running, at)
            }
            Plan::Continue { at } => {
                tracing::info!("partition {partition} of {topic}: goes on at {at}");
                self.go_on(partition, chain, Phase::Running, at)
            }
            Plan::Republish { at } => {
                tracing::warn!(
                    "partition {partition} of {topic}: goes on at the frontier {at} as --resume-from says; results that were published from there on are published again"
                );
                self.go_on(partition, chain, Phase::Running, at)
            }
            Plan::Replay {
                range,
                outcomes_at_end,
            } => {
                tracing::info!(
                    "partition {partition} of {topic}: the last snapshot ends at {}; replaying {range}, which was published before the restart",
                    range.start()
                );
                let at = range.start();
                let phase = Phase::Replaying {
                    range,
                    outcomes_at_end,
                };
                self.go_on(partition, chain, phase, at)
            }
            Plan::AcceptLoss { range, .. } => self.accept_loss(partition, chain, range),
            Plan::Refuse(refusal) => {
                self.hold(partition, refusal);
                Ok(())
            }
        }
    }

    /// Puts `partition` to work at `at`; the consumer is told unless it still waits for the assignment.
    fn go_on(
        &mut self,
        partition: Partition,
        chain: Chain,
        phase: Phase,
        at: Offset,
    ) -> Result<(), WorkerError> {
        let waits = self.arrives(partition);
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        owned.buffer = Buffer::new(at);
        owned.outcomes_before = chain.outcomes();
        owned.head = chain.head();
        owned.chain = Some(chain);
        owned.phase = phase;
        owned.last_snapshot = Instant::now();
        if !waits {
            self.source.restart(partition, at)?;
            owned.fetching = true;
        }
        Ok(())
    }

    fn arrives(&self, partition: Partition) -> bool {
        self.arriving
            .as_ref()
            .is_some_and(|arriving| arriving.partitions.contains(&partition))
    }

    /// Commits behind an accepted gap first (I1), then has it recorded.
    fn accept_loss(
        &mut self,
        partition: Partition,
        mut chain: Chain,
        range: OffsetRange,
    ) -> Result<(), WorkerError> {
        self.commit()?;
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        owned.phase = Phase::AcceptingLoss(range);
        owned.head = chain.head();
        let epoch = owned.epoch;
        let outcomes = chain.outcomes();
        let Some(owned) = self.owned.get(&partition) else {
            return Ok(());
        };
        let commit = OffsetCommit {
            partition,
            offset: range.end(),
            metadata: self.metadata(owned, range.end(), outcomes),
        };
        self.try_commit(&[commit]).map_err(WorkerError::Publish)?;
        self.transaction_ended();
        tracing::warn!(
            "partition {partition}: {range} is recorded as lost, as --accept-loss says"
        );
        let context = Arc::clone(&self.context);
        let sender = self.sender.clone();
        self.context.runtime.spawn(async move {
            let edit = Edit::AcceptLoss { range };
            if activation::append_until_done(&context, &mut chain, edit).await {
                // The worker may be gone at shutdown; the next start finds the gap recorded.
                let _ = sender.send(Report::LossRecorded {
                    partition,
                    epoch,
                    chain: Box::new(chain),
                });
            }
        });
        Ok(())
    }

    /// Holds `partition`: says why, fetches nothing, lets the others go on.
    pub(super) fn hold(&mut self, partition: Partition, refusal: Refusal) {
        tracing::error!("partition {partition} is held:\n{refusal}");
        if let Some(owned) = self.owned.get_mut(&partition) {
            if owned.fetching {
                owned.fetching = false;
                if let Err(error) = self.source.pause(&[partition]) {
                    tracing::warn!("partition {partition} cannot be paused: {error}");
                }
            }
            owned.phase = Phase::Held(refusal);
        }
    }

    /// The log no longer holds where the consumer stands (expired, truncated): the facts say what follows.
    pub(super) fn out_of_range(&mut self, partition: Partition, offset: Offset) -> Result<(), WorkerError> {
        let active = self
            .owned
            .get(&partition)
            .is_some_and(|owned| owned.fetching && owned.is_active());
        if !active {
            return Ok(());
        }
        tracing::error!(
            "partition {partition}: the log does not hold offset {offset} any more; gathering the facts anew"
        );
        self.commit()?;
        self.regather(partition)
    }

    /// Gives partitions back: commits, starts their last snapshot, then lets the group go on.
    pub(super) fn revoked(&mut self, partitions: &[Partition]) -> Result<(), WorkerError> {
        self.answer_paused()?;
        self.commit()?;
        for partition in partitions {
            self.start_snapshot(*partition);
            if let Some(owned) = self.owned.remove(partition)
                && owned.in_flight > 0
            {
                self.leaving.insert((*partition, owned.epoch), owned.in_flight);
            }
        }
        self.source.unassign(partitions)?;
        Ok(())
    }
}
