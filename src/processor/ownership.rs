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
    outbox::Outbox,
    partition::{Count, Epoch, Owned, Phase},
    replaying,
    report::{Planned, Report},
    worker::{Arriving, Worker},
};
use crate::{
    failpoint::{self, Point},
    format::Buffer,
    kafka::KafkaError,
    model::{Offset, Partition},
    recovery::{Plan, Refusal},
};

/// How long the group waits for the facts of new partitions before they are taken in paused.
const ASSIGNMENT_PATIENCE: Duration = Duration::from_secs(3);

impl Worker {
    pub(super) fn assigned(&mut self, partitions: Vec<Partition>) -> Result<(), WorkerError> {
        // The group gives one assignment after the other; an unanswered one is answered first.
        self.answer()?;
        let wanted: Vec<(Partition, Epoch)> = partitions
            .iter()
            .map(|partition| (*partition, self.next_epoch()))
            .collect();
        for (partition, epoch) in &wanted {
            self.owned
                .insert(*partition, Owned::new(*partition, *epoch));
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
            return self.answer();
        }
        Ok(())
    }

    pub(super) fn answer(&mut self) -> Result<(), WorkerError> {
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

    pub(super) fn take_report(&mut self, report: Report) -> Result<(), WorkerError> {
        match report {
            Report::Planned {
                partition,
                epoch,
                answer,
            } => {
                if self.is_current(partition, epoch) {
                    self.follow(partition, *answer)?;
                }
            }
            Report::LossRecorded { partition, epoch } => {
                if self.is_current(partition, epoch) {
                    self.regather(partition)?;
                }
            }
            Report::Stored {
                partition,
                epoch,
                chain,
                written,
            } => self.stored(partition, epoch, *chain, written)?,
            Report::CorrectionsLoaded {
                partition,
                epoch,
                loaded,
            } => self.corrections_loaded(partition, epoch, loaded.map(|loaded| *loaded)),
            Report::Recalculated {
                partition,
                epoch,
                chain,
                range,
                outcome,
                took,
            } => {
                if self.is_current(partition, epoch) {
                    self.recalculated(partition, *chain, &range, outcome, took);
                }
            }
            Report::Looked {
                partition,
                epoch,
                chain,
            } => {
                if self.is_current(partition, epoch)
                    && let Some(owned) = self.owned.get_mut(&partition)
                {
                    owned.take_back(*chain);
                }
            }
            Report::NotStored {
                partition,
                epoch,
                reason,
            } => {
                self.leaving.remove(&(partition, epoch));
                if let Some(owned) = self.owned.get_mut(&partition)
                    && owned.epoch == epoch
                {
                    owned.in_flight = 0;
                    tracing::error!(
                        "partition {partition}: {reason}; the facts are gathered anew and what is missing is replayed"
                    );
                    // What is in memory continues a snapshot that will not be: commit it, then rebuild it by a replay.
                    self.commit()?;
                    self.regather(partition)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_current(&self, partition: Partition, epoch: Epoch) -> bool {
        self.owned
            .get(&partition)
            .is_some_and(|owned| owned.epoch == epoch)
    }

    /// Does what recovery decided.
    fn follow(&mut self, partition: Partition, answer: Planned) -> Result<(), WorkerError> {
        let (plan, commit, chain, facts) = match answer {
            Planned::Refused(refusal) => {
                self.hold(partition, refusal);
                return Ok(());
            }
            Planned::Go {
                plan,
                commit,
                chain,
                facts,
            } => (plan, commit, chain, facts),
        };
        tracing::info!(
            "partition {partition} of {}: {}",
            self.context.settings.pipeline.events,
            describe(&plan)
        );
        let (at, phase) = match plan {
            Plan::Start { at }
            | Plan::Adopt { at }
            | Plan::Continue { at, .. }
            | Plan::Republish { at, .. } => (at, Phase::Running),
            Plan::Replay(replay) => (replay.range.start(), Phase::Replaying(replay)),
            Plan::AcceptLoss(loss) => (loss.range.end(), Phase::AcceptingLoss(loss)),
            Plan::Refuse(refusal) => {
                self.hold(partition, refusal);
                return Ok(());
            }
        };
        let waits = self.arrives(partition);
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        owned.buffer = match &phase {
            Phase::Replaying(replay) => replaying::buffer(replay),
            _ => Buffer::new(at),
        };
        owned.count = Count::Pending;
        let records_now = matches!(phase, Phase::AcceptingLoss(_)) && commit.is_none();
        let counts = chain
            .newest()
            .map(|newest| newest.counts)
            .unwrap_or_default();
        owned.outcomes_before = counts.outcomes();
        owned.lost = counts.lost;
        owned.outbox = Outbox::new(facts.corrections_published());
        owned.set_chain(*chain);
        owned.facts = Some(facts);
        owned.phase = phase;
        owned.must_commit = commit;
        owned.last_snapshot = Instant::now();
        if records_now {
            self.record_loss(partition);
        } else if owned.is_active() && !waits {
            owned.start_at = Some(at);
        }
        Ok(())
    }

    /// Starts partitions that were rewound, or whose facts came after the assignment had been answered.
    pub(super) fn start_waiting(&mut self) -> Result<(), WorkerError> {
        for owned in self.owned.values_mut() {
            let Some(at) = owned.start_at else {
                continue;
            };
            match self.source.restart(owned.partition, at) {
                Ok(()) => {}
                // The next poll answers it; some of the partitions may be gone then.
                Err(KafkaError::RebalancePending { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            self.source.resume(&[owned.partition])?;
            owned.start_at = None;
            owned.fetching = true;
        }
        Ok(())
    }

    fn arrives(&self, partition: Partition) -> bool {
        self.arriving
            .as_ref()
            .is_some_and(|arriving| arriving.partitions.contains(&partition))
    }

    /// Has an accepted gap recorded, now that the group's offset lies behind it (I1).
    pub(super) fn record_loss(&mut self, partition: Partition) {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return;
        };
        let Phase::AcceptingLoss(loss) = &owned.phase else {
            return;
        };
        let Some(mut chain) = owned.chain.take() else {
            return;
        };
        let edit = activation::loss_edit(*loss);
        tracing::warn!(
            "partition {partition}: {} is recorded as lost, as the operator said",
            loss.range
        );
        let epoch = owned.epoch;
        let context = Arc::clone(&self.context);
        let sender = self.sender.clone();
        self.context.runtime.spawn(async move {
            failpoint::at(Point::LossBegun);
            // Lost: another's edit came first; the facts, gathered anew, tell whether it was this one.
            let appended = activation::append_until_done(&context, &mut chain, edit).await;
            if appended.is_some() {
                failpoint::at(Point::LossRecorded);
                // The worker may be gone at shutdown; the next start finds the gap recorded.
                let _ = sender.send(Report::LossRecorded { partition, epoch });
            }
        });
    }

    /// Holds `partition`: says why, fetches nothing, lets the others go on.
    pub(super) fn hold(&mut self, partition: Partition, refusal: Box<Refusal>) {
        tracing::error!("{refusal}");
        if let Some(owned) = self.owned.get_mut(&partition) {
            if owned.fetching {
                owned.fetching = false;
                if let Err(error) = self.source.pause(&[partition]) {
                    tracing::warn!("partition {partition} cannot be paused: {error}");
                }
            }
            owned.start_at = None;
            owned.phase = Phase::Held(refusal);
        }
    }

    /// The partition delivers nothing more from where it stands: the facts say what follows.
    pub(super) fn dead(&mut self, partition: Partition, reason: &str) -> Result<(), WorkerError> {
        let active = self
            .owned
            .get(&partition)
            .is_some_and(|owned| owned.fetching && owned.is_active());
        if !active {
            return Ok(());
        }
        tracing::error!("partition {partition}: {reason}; gathering the facts anew");
        self.commit()?;
        self.regather(partition)
    }

    /// Gives partitions back: commits, starts their last snapshot, then lets the group go on.
    pub(super) fn revoked(&mut self, partitions: &[Partition]) -> Result<(), WorkerError> {
        self.answer()?;
        self.commit()?;
        failpoint::at(Point::RevocationCommitted);
        for partition in partitions {
            self.start_snapshot(*partition);
        }
        self.release(partitions)?;
        failpoint::at(Point::Revoked);
        Ok(())
    }

    /// Somebody else may have the partitions already: nothing of theirs can be committed any more.
    pub(super) fn lost(&mut self, partitions: &[Partition]) -> Result<(), WorkerError> {
        self.answer()?;
        self.abandon_transaction()?;
        self.release(partitions)
    }

    fn release(&mut self, partitions: &[Partition]) -> Result<(), WorkerError> {
        self.forget(partitions);
        Ok(self.source.unassign(partitions)?)
    }

    /// Forgets every partition, once its last snapshot is under way.
    pub(super) fn forget_all(&mut self) {
        let partitions: Vec<Partition> = self.owned.keys().copied().collect();
        for partition in &partitions {
            self.start_snapshot(*partition);
        }
        self.forget(&partitions);
    }

    fn forget(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            if let Some(owned) = self.owned.remove(partition)
                && owned.in_flight > 0
            {
                self.leaving
                    .insert((*partition, owned.epoch), owned.in_flight);
            }
        }
    }
}

fn describe(plan: &Plan) -> String {
    match plan {
        Plan::Start { at } => format!("starts at {at}"),
        Plan::Adopt { at } => format!(
            "goes on at {at}, where another program of the group stopped; earlier events are not in the store"
        ),
        Plan::Continue { at, outcomes } => {
            format!("goes on at {at}; the store holds the {outcomes} outcomes before it")
        }
        Plan::Replay(replay) if replay.replaces.is_some() => format!(
            "the last snapshot ends at {}; calculating {} anew, which was published before the restart by another calculation",
            replay.range.start(),
            replay.range
        ),
        Plan::Replay(replay) => format!(
            "the last snapshot ends at {}; replaying {}, which was published before the restart",
            replay.range.start(),
            replay.range
        ),
        Plan::AcceptLoss(loss) => format!("{} is accepted as lost", loss.range),
        Plan::Republish { at, .. } => format!(
            "goes on at the frontier {at}; what was published from there on is published again"
        ),
        Plan::Refuse(_) => "is held".to_owned(),
    }
}
