//! Partitions come and go: assignment, facts, plan, revocation.
//!
//! The group's assignment is answered when the facts of the new partitions are there, so that each is consumed from the
//! exact offset of its plan. When they take long (the store is away), it is answered with the partitions paused, and
//! gathering goes on beside the loop: polling, and with it the membership, never stops.

use std::time::{Duration, Instant};

use super::{
    super::{
        WorkerError,
        group::{Wanted, gather_and_plan},
        keeper::KeeperHandle,
        partition::{Epoch, Fetch, Owned, Phase},
    },
    Arriving, Worker,
};
use crate::{
    config::Delivery,
    failpoint::{self, Point},
    kafka::{Fault, FaultKind, KafkaError},
    model::{Offset, Partition},
    recovery::Refusal,
};

/// How long the group waits for the facts of new partitions before they are taken in paused.
const ASSIGNMENT_PATIENCE: Duration = Duration::from_secs(3);
/// How long the keeper of a partition that was given up may go on storing what it holds; then the next owner replays it.
const KEEPER_LEAVES: Duration = Duration::from_secs(5);
/// How long the group waits at a revocation for the last snapshots.
const REVOCATION_WAITS: Duration = Duration::from_secs(2);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(2);

impl Worker {
    pub(super) fn assigned(&mut self, partitions: Vec<Partition>) -> Result<(), WorkerError> {
        // The group gives one assignment after the other; an unanswered one is answered first.
        self.answer()?;
        let mut wanted = Vec::with_capacity(partitions.len());
        for partition in &partitions {
            let owned = Owned::new(*partition, self.next_epoch());
            wanted.push(Wanted {
                partition: *partition,
                epoch: owned.epoch,
                is_over: owned.wish.is_over(),
                doubted: None,
                refused: None,
            });
            self.owned.insert(*partition, owned);
        }
        self.arriving = Some(Arriving {
            partitions,
            since: Instant::now(),
        });
        self.gather(wanted);
        Ok(())
    }

    fn gather(&self, wanted: Vec<Wanted>) {
        gather_and_plan(&self.shared, wanted, &self.sender);
    }

    /// Gives up what is known of `partition`, and starts again from the facts: its keeper stores what is committed, then they
    /// are gathered.
    pub(super) fn gather_anew(&mut self, partition: Partition) -> Result<(), WorkerError> {
        let epoch = self.next_epoch();
        let Some(old) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        if old.fetch == Fetch::Running {
            self.source.pause(&[partition])?;
        }
        let fresh = old.forgotten(epoch);
        let is_over = fresh.wish.is_over();
        let old = std::mem::replace(old, fresh);
        self.leave_uncommitted(partition);
        self.release_keeper(partition, old.epoch, KEEPER_LEAVES);
        self.count_uncommitted();
        let doubted = old.doubted();
        self.gather(vec![Wanted {
            partition,
            epoch,
            is_over,
            doubted,
            refused: old.refused.clone(),
        }]);
        Ok(())
    }

    /// At-least-once: what is published of `partition` and could not be committed is published again by its next owner. A
    /// transaction is over by now; one that is not is a defect, which its commit notices.
    fn leave_uncommitted(&mut self, partition: Partition) {
        if self.shared.settings.delivery == Delivery::AtLeastOnce {
            self.cadence.leave(partition);
        }
    }

    /// Has a keeper store what is left, and end.
    pub(super) fn release_keeper(&mut self, partition: Partition, epoch: Epoch, within: Duration) {
        if let Some(keeper) = self.keepers.remove(&partition) {
            keeper.leave(within);
            self.leaving.push((partition, epoch, keeper));
        }
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
                let at = self.owned.get(partition).map(|owned| owned.books.end());
                (*partition, at.unwrap_or(Offset::ZERO))
            })
            .collect();
        self.source.assign(&starts)?;
        let mut idle = Vec::new();
        for partition in &arriving.partitions {
            if let Some(owned) = self.owned.get_mut(partition) {
                if owned.is_active() {
                    owned.fetch = Fetch::Running;
                } else {
                    owned.fetch = Fetch::Paused;
                    idle.push(*partition);
                }
            }
        }
        if !idle.is_empty() {
            self.source.pause(&idle)?;
        }
        Ok(())
    }

    /// Starts partitions that were rewound, or whose facts came after the assignment had been answered.
    pub(super) fn start_waiting(&mut self) -> Result<(), WorkerError> {
        for owned in self.owned.values_mut() {
            let Fetch::StartAt(at) = owned.fetch else {
                continue;
            };
            match self.source.restart(owned.partition, at) {
                Ok(()) => {}
                // The next poll answers it; some of the partitions may be gone then.
                Err(KafkaError::RebalancePending { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            self.source.resume(&[owned.partition])?;
            owned.fetch = Fetch::Running;
        }
        Ok(())
    }

    pub(super) fn arrives(&self, partition: Partition) -> bool {
        self.arriving
            .as_ref()
            .is_some_and(|arriving| arriving.partitions.contains(&partition))
    }

    /// Holds `partition`: says why, fetches nothing, lets the others go on.
    pub(super) fn hold(&mut self, partition: Partition, refusal: Box<Refusal>) {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return;
        };
        let is_said = matches!(&owned.phase, Phase::Held(before) if *before == refusal);
        if !is_said {
            self.shared.holds.add((*refusal).clone());
        }
        if owned.fetch == Fetch::Running
            && let Err(error) = self.source.pause(&[partition])
        {
            tracing::warn!("partition {partition} cannot be paused: {error}");
        }
        owned.hold(refusal);
        let epoch = owned.epoch;
        self.release_keeper(partition, epoch, KEEPER_LEAVES);
    }

    /// The partition delivers nothing more from where it stands: the facts say what follows.
    pub(super) fn cannot_be_read(
        &mut self,
        partition: Partition,
        reason: &str,
    ) -> Result<(), WorkerError> {
        let fetches = |owned: &Owned| owned.is_fetching();
        if !self.owned.get(&partition).is_some_and(fetches) {
            return Ok(());
        }
        tracing::error!("partition {partition}: {reason}; gathering the facts anew");
        self.commit()?;
        self.gather_anew(partition)
    }

    /// Events cannot be read. When that happens again and again at the same place, it is looked at whether it is for good.
    pub(super) fn unreadable(
        &mut self,
        partition: Partition,
        offset: Offset,
        fault: &Fault,
    ) -> Result<(), WorkerError> {
        let text = &fault.text;
        match fault.kind {
            FaultKind::Passing => {}
            FaultKind::Denied => {
                let topic = &self.shared.settings.pipeline.events;
                let words = format!("cannot read {topic} partition {partition}: {text}");
                self.denied_reading(partition, &words);
                return Ok(());
            }
            _ => {
                if let Some(owned) = self.owned.get_mut(&partition) {
                    owned.count_halt(offset);
                }
            }
        }
        self.cannot_be_read(
            partition,
            &format!("the events from {offset} on cannot be read: {text}"),
        )
    }

    /// Gives partitions back: commits, waits a moment for their last snapshots, then lets the group go on.
    pub(super) fn revoked(&mut self, partitions: &[Partition]) -> Result<(), WorkerError> {
        self.answer()?;
        self.commit()?;
        failpoint::at(Point::RevocationCommitted);
        self.forget(partitions, KEEPER_LEAVES);
        self.wait_for_keepers(partitions, REVOCATION_WAITS);
        self.source.unassign(partitions)?;
        failpoint::at(Point::Revoked);
        Ok(())
    }

    /// Somebody else may have the partitions already: nothing of theirs can be committed any more.
    pub(super) fn lost(&mut self, partitions: &[Partition]) -> Result<(), WorkerError> {
        self.answer()?;
        self.abandon_transaction()?;
        self.forget(partitions, KEEPER_LEAVES);
        Ok(self.source.unassign(partitions)?)
    }

    /// Gives everything back, as at a revocation, and joins the group again.
    pub(super) fn join_anew(&mut self) -> Result<(), WorkerError> {
        self.answer()?;
        self.commit()?;
        self.forget_all(KEEPER_LEAVES);
        self.assigned = false;
        Ok(self.source.rejoin()?)
    }

    /// Forgets every partition; the keepers have so long to store what is left.
    pub(super) fn forget_all(&mut self, within: Duration) {
        let partitions: Vec<Partition> = self.owned.keys().copied().collect();
        self.forget(&partitions, within);
    }

    fn forget(&mut self, partitions: &[Partition], within: Duration) {
        for partition in partitions {
            if let Some(owned) = self.owned.remove(partition) {
                self.leave_uncommitted(*partition);
                self.release_keeper(*partition, owned.epoch, within);
            }
        }
        self.count_uncommitted();
    }

    /// Waits until the keepers of these partitions have ended, at most so long. Their reports stay where they are.
    fn wait_for_keepers(&self, partitions: &[Partition], within: Duration) {
        let until = Instant::now() + within;
        let stores = |leaving: &(Partition, Epoch, KeeperHandle)| {
            partitions.contains(&leaving.0) && !leaving.2.has_ended()
        };
        while Instant::now() < until && self.leaving.iter().any(stores) {
            self.shared.board.tick(self.index);
            std::thread::sleep(LOOK);
        }
    }
}
