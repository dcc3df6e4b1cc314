//! What a worker does with what recovery and keepers report.

use std::sync::Arc;

use super::{
    super::{
        WorkerError,
        keeper::{KeeperStart, Stage},
        partition::{Epoch, Fetch, Newest, Owned, Phase},
        report::{Ending, News, Planned, Report, Reporter},
        watch::WorkerProgress,
    },
    Worker,
};
use crate::{
    config::OnNewCalculation,
    format::{Accumulation, Manifest, Segment},
    model::{Offset, Partition},
    recovery::{Cause, Plan, Refusal, Remedy},
};

/// Keepers of a partition, and what recovers it, may die so often in a row without a snapshot; then it is held.
const MOST_DEATHS: u32 = 3;

impl Worker {
    pub(super) fn take_report(&mut self, report: Report) -> Result<(), WorkerError> {
        let Report {
            partition,
            epoch,
            news,
        } = report;
        match news {
            News::Planned(planned) if self.awaits_plan(partition, epoch) => {
                self.follow_plan(partition, *planned)
            }
            // What was planned is of no use any more; dropping it lets the next keeper begin.
            News::Planned(_) => Ok(()),
            News::GatheringDied { message } => self.gathering_died(partition, epoch, message),
            News::LossRecorded if self.is_current(partition, epoch) => self.gather_anew(partition),
            News::LossRecorded => Ok(()),
            News::Stored { newest, written } => {
                self.count_stored(written);
                if self.is_current(partition, epoch) {
                    self.set_newest(partition, newest);
                    if let Some(owned) = self.owned.get_mut(&partition) {
                        owned.deaths = 0;
                    }
                    self.gather_anew_when_stored(partition)?;
                }
                Ok(())
            }
            News::Recalculated {
                newest,
                written,
                outcomes,
            } => {
                self.summary.recalculated += outcomes;
                self.summary.written.add(written);
                if self.is_current(partition, epoch) {
                    self.set_newest(partition, newest);
                }
                Ok(())
            }
            News::Replaced(segments) => {
                self.summary.written.replaced(&segments);
                Ok(())
            }
            News::Verified(segments) => {
                self.summary.written.verified(&segments);
                Ok(())
            }
            News::Looked { newest } => {
                if self.is_current(partition, epoch) {
                    self.set_newest(partition, newest);
                }
                Ok(())
            }
            News::CorrectionsLoaded(loaded) => {
                if self.is_current(partition, epoch)
                    && let Some(owned) = self.owned.get_mut(&partition)
                {
                    owned.outbox.finish_loading(loaded.map(|loaded| *loaded));
                }
                Ok(())
            }
            News::Ended(ending) => self.keeper_ended(partition, epoch, ending),
        }
    }

    pub(super) fn is_current(&self, partition: Partition, epoch: Epoch) -> bool {
        let owned = self.owned.get(&partition);
        owned.is_some_and(|owned| owned.epoch == epoch)
    }

    fn awaits_plan(&self, partition: Partition, epoch: Epoch) -> bool {
        let owned = self.owned.get(&partition);
        owned.is_some_and(|owned| owned.epoch == epoch && owned.awaits_plan())
    }

    fn set_newest(&mut self, partition: Partition, newest: Newest) {
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.set_newest(newest);
        }
    }

    fn count_stored(&mut self, written: Vec<Segment>) {
        if !written.is_empty() {
            let bytes = written.iter().map(|segment| segment.bytes);
            self.summary.counters.snapshots += 1;
            self.summary.counters.stored_bytes += bytes.sum::<u64>();
        }
        self.summary.written.add(written);
    }

    /// The first time that a partition goes on under another calculation: says that its history stays as it is.
    fn say_kept(&mut self, partition: Partition, manifest: &Manifest) {
        if self.shared.settings.on_new_calculation != OnNewCalculation::Keep {
            return;
        }
        let listed = manifest.open.files();
        let newest = listed.max_by_key(|segment| segment.range.end());
        let ours = self.evaluator.carry_choices();
        if newest.is_some_and(|newest| self.said_kept.is_news(partition, &newest.fingerprint, ours))
        {
            tracing::info!(
                "partition {partition}: what is stored was made by another calculation, and stays as it is; `snapback recalculate` shows what would be other under this one, --on-new-calculation recalculate brings it under this one"
            );
        }
    }

    /// Does what recovery decided.
    fn follow_plan(&mut self, partition: Partition, planned: Planned) -> Result<(), WorkerError> {
        let (plan, commit, facts, station) = match planned {
            Planned::Refused(refusal) => {
                self.hold(partition, refusal);
                return Ok(());
            }
            Planned::Go {
                plan,
                commit,
                facts,
                station,
            } => (plan, commit, facts, station),
        };
        tracing::info!(
            "partition {partition} of {}: {}",
            self.shared.settings.pipeline.events,
            describe(&plan)
        );
        if let Some(manifest) = station.chain.newest() {
            self.say_kept(partition, manifest);
        }
        let waits = self.arrives(partition);
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        let Some(manifest) = station.chain.newest() else {
            return Ok(());
        };
        let (counts, forward) = (manifest.counts, manifest.forward());
        let newest = Newest::from(manifest);
        owned.set_newest(newest.clone());
        (owned.lost, owned.beside) = (forward.lost, forward.beside(counts));
        let published = facts.corrections_published();
        owned.outbox.start(published);
        owned.begin(plan, commit, counts.into(), self.shared.limits(), *facts);
        let at = owned.books.end();
        let (stage, accumulation) = match &owned.phase {
            Phase::Replaying(replaying) => {
                let now = station.chain.identity().declaration.fingerprint.clone();
                let accumulation = match replaying.replay.replaces.clone() {
                    Some(before) => Accumulation::replacing(at, before, now),
                    None => Accumulation::new(at),
                };
                (Stage::Replay, accumulation)
            }
            Phase::Running => (Stage::Running, Accumulation::new(at)),
            _ => (Stage::Recovery, Accumulation::new(at)),
        };
        if owned.is_active() && !waits {
            owned.fetch = Fetch::StartAt(at);
        }
        let start = KeeperStart {
            store_side: Arc::clone(&self.shared.store_side),
            reporter: Reporter {
                sender: self.sender.clone(),
                partition,
                epoch: owned.epoch,
            },
            station,
            newest,
            accumulation,
            stage,
            published,
            ledger: Arc::clone(&self.ledger),
            budget: self.budget,
        };
        let keeper = start.start();
        if let (Phase::AcceptingLoss(loss), None) = (&owned.phase, owned.must_commit) {
            keeper.record_loss(*loss);
        }
        self.keepers.insert(partition, keeper);
        Ok(())
    }

    fn keeper_ended(
        &mut self,
        partition: Partition,
        epoch: Epoch,
        ending: Ending,
    ) -> Result<(), WorkerError> {
        self.leaving
            .retain(|(of, since, _)| (*of, *since) != (partition, epoch));
        let is_current = self.is_current(partition, epoch);
        let reason = match ending {
            Ending::Left { unsaved } => {
                if unsaved && self.shared.stop.is_requested() {
                    self.summary.unsaved.push(partition);
                }
                return Ok(());
            }
            Ending::Failed { reason } => reason,
            Ending::Died { message } => format!("what stores its outcomes panicked: {message}"),
        };
        if !is_current {
            if self.shared.stop.is_requested() {
                self.summary.unsaved.push(partition);
            }
            tracing::error!(
                "partition {partition}, given up before: {reason}; what is missing is replayed"
            );
            return Ok(());
        }
        tracing::error!(
            "partition {partition}: {reason}; the facts are gathered anew and what is missing is replayed"
        );
        // What is in the transaction continues a snapshot that will not be: commit it, then rebuild it by a replay.
        self.commit()?;
        if !self.is_current(partition, epoch) {
            return Ok(());
        }
        self.keepers.remove(&partition);
        self.again_or_hold(partition, reason)
    }

    /// What gathers the facts of a partition and plans has panicked: it is tried again, but not for ever.
    fn gathering_died(
        &mut self,
        partition: Partition,
        epoch: Epoch,
        message: String,
    ) -> Result<(), WorkerError> {
        if !self.awaits_plan(partition, epoch) {
            return Ok(());
        }
        let reason = format!("what recovers it panicked: {message}");
        tracing::error!("partition {partition}: {reason}; the facts are gathered anew");
        self.again_or_hold(partition, reason)
    }

    /// After a death: the facts are gathered anew, unless it was one too many.
    fn again_or_hold(&mut self, partition: Partition, reason: String) -> Result<(), WorkerError> {
        let deaths = self.count_death(partition);
        if deaths >= MOST_DEATHS {
            let refusal = self.defect(partition, deaths, reason);
            self.hold(partition, Box::new(refusal));
            return Ok(());
        }
        self.gather_anew(partition)
    }

    fn count_death(&mut self, partition: Partition) -> u32 {
        match self.owned.get_mut(&partition) {
            Some(owned) => {
                owned.deaths += 1;
                owned.deaths
            }
            None => 0,
        }
    }

    fn defect(&self, partition: Partition, deaths: u32, message: String) -> Refusal {
        let gatherer = &self.shared.gatherer;
        Refusal {
            partition,
            pipeline: gatherer.identity.clone(),
            store: gatherer.store.uri().to_owned(),
            cause: Cause::Defect { deaths, message },
            remedies: vec![Remedy::Report],
        }
    }

    /// Shows the coordinator how far it is.
    pub(super) fn report_progress(&self) {
        let reached = |owned: &Owned| match owned.phase {
            Phase::Held(_) => true,
            Phase::Running => {
                let target = self.shared.targets.end(owned.partition);
                let keeper = self.keepers.get(&owned.partition);
                owned.outbox.is_done()
                    && keeper.is_some_and(|keeper| keeper.is_recalculated())
                    && target.is_none_or(|target: Offset| owned.books.committed() >= target)
            }
            _ => false,
        };
        let held = self.owned.values().filter_map(|owned| match &owned.phase {
            Phase::Held(refusal) => Some((owned.partition, (**refusal).clone())),
            _ => None,
        });
        let held: std::collections::BTreeMap<Partition, Refusal> = held.collect();
        self.shared.progress.set(
            self.index,
            WorkerProgress {
                reached: self.arriving.is_none() && self.owned.values().all(reached),
                working: self.owned.len() - held.len(),
                ready: self
                    .owned
                    .values()
                    .filter(|owned| owned.is_running())
                    .count(),
                held,
            },
        );
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
        Plan::Replay(replay) if replay.carried.is_some() => format!(
            "the last snapshot ends at {}; replaying {}, which was published before the restart with another --carry",
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
