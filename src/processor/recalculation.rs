//! Stored history of another calculation, brought under the running one beside the forward path
//! (`--on-new-calculation recalculate`).
//!
//! One range of one partition at a time: the partition's chain is lent to a task on the runtime, which calculates the range
//! anew and appends one edit; then the chain is back, and snapshots come first. The next range follows when the corrections
//! of this one are published. Whoever dies in between leaves ranges of both kinds, each complete: the next start goes on.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{
    Context, WorkerError, backoff::Backoff, limits, partition::Owned, partition::Phase,
    report::Report, worker::Worker,
};
use crate::{
    audit::{Outdated, RecalculateError, Recalculator, ResultsTopic, outdated},
    calculation::Evaluator,
    config::OnNewCalculation,
    failpoint::{self, Point},
    format::{Segment, repair_memory},
    history::{Chain, Repair, Repaired, SnapshotError, write_repair},
    model::{Offset, Partition, Sequence},
};

/// Behind each range a partition rests for as long as the range took, up to this: at most half of the time of one core goes
/// into the past, and a store that is slow is not asked for more than new events need.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// How long Kafka may say nothing while a range is read again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a long recalculation says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How often a task looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(20);
/// What tidying up may take of a task that is to stop.
const LEAVE: Duration = Duration::from_secs(2);

/// How the stored history of a partition stands to the running calculation.
#[derive(Debug, Default)]
pub(super) struct Recalculation {
    /// The manifest in which nothing was left to do.
    done_at: Option<Sequence>,
    /// Where ranges start that stay as they are, until the next start.
    left: BTreeSet<Offset>,
    begun: Option<Begun>,
    rests_until: Option<Instant>,
    /// Bytes that a task may hold.
    memory: usize,
}

/// A recalculation under way.
#[derive(Debug)]
struct Begun {
    told: Instant,
    ranges: usize,
    done: usize,
    outcomes: u64,
    changed: u64,
}

/// The chain is out: a task has it for as long as this lives.
#[derive(Debug)]
pub(super) struct Lent(#[expect(dead_code, reason = "it is there to be dropped")] Arc<()>);

/// What became of a range.
#[derive(Debug)]
pub(super) enum RangeOutcome {
    /// It is under the running calculation; these are its new segments.
    Rewritten(Vec<Segment>),
    /// Another edit has changed it.
    Overtaken,
    /// It stays as it is.
    Left(String),
    /// The task was told to stop.
    Stopped,
}

impl Recalculation {
    /// Bytes that a task may hold.
    pub fn memory(&self) -> usize {
        self.memory
    }
}

impl Owned {
    /// Lends the chain to a task, which is to end when the token is gone.
    pub fn lend(&mut self) -> Option<(Chain, Weak<()>)> {
        let chain = self.chain.take()?;
        let token = Arc::new(());
        let weak = Arc::downgrade(&token);
        self.lent = Some(Lent(token));
        Some((chain, weak))
    }

    /// Takes a lent chain back.
    pub fn take_back(&mut self, chain: Chain) {
        self.lent = None;
        self.recalculation.memory = 0;
        self.set_chain(chain);
    }

    /// Whether everything stored is of the running calculation, as far as it can be.
    fn is_up_to_date(&self) -> bool {
        let head = self.head.map(|head| head.sequence);
        let looked = self.lent.is_none() && self.recalculation.done_at == head;
        looked || self.outbox.is_stuck()
    }
}

/// What brings ranges under the running calculation, when it is asked for.
pub(super) fn recalculator(context: &Context) -> Result<Option<Recalculator>, WorkerError> {
    let settings = &context.settings;
    if settings.on_new_calculation == OnNewCalculation::Keep {
        return Ok(None);
    }
    let calculation = &settings.calculation;
    let evaluator = Evaluator::new(
        calculation.fields.clone(),
        Arc::clone(&calculation.calculation),
    )?;
    Ok(Some(Recalculator {
        evaluator: Arc::new(evaluator),
        results: ResultsTopic {
            name: settings.pipeline.results.clone(),
            limit: context.limits().results,
            too_large: limits::too_large,
        },
        events: settings.connection.clone(),
        patience: PATIENCE,
    }))
}

impl Worker {
    /// Whether the stored history of a running partition is as it is to be.
    pub(super) fn is_recalculated(&self, owned: &Owned) -> bool {
        self.recalculator.is_none() || owned.is_up_to_date()
    }

    /// Starts with the next range, when there is one, and nothing more urgent.
    pub(super) fn recalculate(&mut self) {
        let Some(recalculator) = &self.recalculator else {
            return;
        };
        if self
            .owned
            .values()
            .any(|owned| owned.recalculation.memory > 0)
        {
            return;
        }
        let ours = recalculator.evaluator.fingerprint();
        let mut chosen = None;
        for owned in self.owned.values_mut() {
            let rests = |until: Instant| until > Instant::now();
            let waits = !matches!(owned.phase, Phase::Running)
                || !owned.outbox.is_clear()
                || owned.recalculation.rests_until.is_some_and(rests);
            let newest = owned.chain.as_ref().and_then(Chain::newest);
            let Some(newest) = newest.filter(|_| !waits) else {
                continue;
            };
            let recalculation = &mut owned.recalculation;
            if recalculation.done_at == Some(newest.sequence) {
                continue;
            }
            let mut ranges = outdated(newest, ours, owned.outbox.to_commit());
            ranges.retain(|range| !recalculation.left.contains(&range.range.start()));
            let Some(first) = ranges.first().cloned() else {
                recalculation.done_at = Some(newest.sequence);
                recalculation.end(owned.partition);
                continue;
            };
            recalculation.tell(owned.partition, &ranges);
            chosen = Some((owned.partition, first));
            break;
        }
        if let Some((partition, range)) = chosen {
            self.recalculate_range(partition, range);
        }
    }

    fn recalculate_range(&mut self, partition: Partition, range: Outdated) {
        let (held, memory) = (self.bytes(), repair_memory(range.bytes()));
        // A range that is larger than what is free needs all of it once; consumption pauses meanwhile.
        let fits =
            held + memory <= self.budget.pause_above || held <= self.budget.snapshot_above / 2;
        let Some(mut recalculator) = self.recalculator.clone().filter(|_| fits) else {
            return;
        };
        recalculator.results.limit = self.context.limits().results;
        let Some(owned) = self.owned.get_mut(&partition) else {
            return;
        };
        let Some((chain, token)) = owned.lend() else {
            return;
        };
        owned.recalculation.memory = usize::try_from(memory).unwrap_or(usize::MAX);
        failpoint::at(Point::RepairChosen);
        let epoch = owned.epoch;
        let task = Task {
            context: Arc::clone(&self.context),
            recalculator,
            chain,
            range,
            token,
            repair: None,
        };
        let sender = self.sender.clone();
        self.context.runtime.spawn(async move {
            let since = Instant::now();
            let (range, chain, outcome) = task.run().await;
            // A worker that has ended listens no more; the next start goes on.
            let _ = sender.send(Report::Recalculated {
                partition,
                epoch,
                chain: Box::new(chain),
                range,
                outcome,
                took: since.elapsed(),
            });
        });
    }

    /// Takes the chain back, with what became of the range.
    pub(super) fn recalculated(
        &mut self,
        partition: Partition,
        chain: Chain,
        range: &Outdated,
        outcome: RangeOutcome,
        took: Duration,
    ) {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return;
        };
        owned.take_back(chain);
        let recalculation = &mut owned.recalculation;
        recalculation.rests_until = Some(Instant::now() + took.min(LONGEST_REST));
        match outcome {
            RangeOutcome::Rewritten(segments) => {
                let corrections = segments.iter().filter(|segment| segment.revision.is_some());
                if let Some(begun) = &mut recalculation.begun {
                    begun.done += 1;
                    begun.outcomes += range.rows();
                    begun.changed += corrections.map(|segment| segment.rows).sum::<u64>();
                }
                self.summary.recalculated += range.rows();
                self.summary.written.add(segments);
            }
            RangeOutcome::Overtaken => {
                tracing::info!(
                    "partition {partition}: another has changed {} meanwhile",
                    range.range
                );
            }
            RangeOutcome::Left(reason) => recalculation.leave(partition, range, &reason),
            RangeOutcome::Stopped => {}
        }
    }

    /// Looks for manifests that others have added to the chain of an idle partition: their corrections are the owner's to
    /// publish.
    pub(super) fn look_at_chain(&mut self, partition: Partition) {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return;
        };
        let idle = matches!(owned.phase, Phase::Running)
            && owned.buffer.committed() == owned.buffer.start();
        let Some((mut chain, _)) = idle.then(|| owned.lend()).flatten() else {
            return;
        };
        owned.last_snapshot = Instant::now();
        let (epoch, sender) = (owned.epoch, self.sender.clone());
        self.context.runtime.spawn(async move {
            if let Err(error) = chain.reload().await {
                tracing::debug!("partition {partition}: its chain cannot be looked at: {error}");
            }
            // A worker that has ended listens no more; the next start looks by itself.
            let _ = sender.send(Report::Looked {
                partition,
                epoch,
                chain: Box::new(chain),
            });
        });
    }
}

impl Recalculation {
    /// Says that it begins, or now and then how far it is; `ranges` are what is left to do.
    fn tell(&mut self, partition: Partition, ranges: &[Outdated]) {
        let Some(begun) = &mut self.begun else {
            let outcomes: u64 = ranges.iter().map(Outdated::rows).sum();
            tracing::info!(
                "partition {partition}: {} ranges with {outcomes} outcomes are of another calculation; recalculating them",
                ranges.len()
            );
            self.begun = Some(Begun {
                told: Instant::now(),
                ranges: ranges.len(),
                done: 0,
                outcomes: 0,
                changed: 0,
            });
            return;
        };
        if begun.told.elapsed() >= TELL_EVERY {
            begun.told = Instant::now();
            tracing::info!(
                "partition {partition}: recalculated {} of {} ranges; {} of {} outcomes have changed",
                begun.done,
                begun.ranges,
                begun.changed,
                begun.outcomes
            );
        }
    }

    /// Says that nothing is left to do.
    fn end(&mut self, partition: Partition) {
        let Some(begun) = self.begun.take() else {
            return;
        };
        tracing::info!(
            "partition {partition}: its stored history is recalculated: {} ranges with {} outcomes, {} of which have changed and are published as corrections",
            begun.done,
            begun.outcomes,
            begun.changed
        );
        if !self.left.is_empty() {
            tracing::warn!(
                "partition {partition}: {} ranges stay under their calculation; `snapback verify` names them",
                self.left.len()
            );
        }
    }

    /// A range stays as it is. The first is said loudly: others mostly have the same reason.
    fn leave(&mut self, partition: Partition, range: &Outdated, reason: &str) {
        let text = format!(
            "partition {partition}: {} stays as it is, under another calculation: {reason}. Nothing is lost: `snapback verify` names it and the command that checks it; the next start tries again",
            range.range
        );
        if self.left.is_empty() {
            tracing::error!("{text}");
        } else {
            tracing::debug!("{text}");
        }
        self.left.insert(range.range.start());
    }
}

/// One range on its way.
struct Task {
    context: Arc<Context>,
    recalculator: Recalculator,
    chain: Chain,
    range: Outdated,
    token: Weak<()>,
    repair: Option<Repair>,
}

/// Why an attempt did not bring the range into the chain.
enum Failure {
    Later(String),
    Never(String),
}

impl Task {
    /// Tries until the range is in the chain, cannot be, or nobody wants it any more.
    async fn run(mut self) -> (Outdated, Chain, RangeOutcome) {
        let mut backoff = Backoff::of_store();
        let outcome = loop {
            let reason = match self.attempt().await {
                Ok(outcome) => break outcome,
                Err(Failure::Never(reason)) => {
                    self.give_up().await;
                    break RangeOutcome::Left(reason);
                }
                Err(Failure::Later(reason)) => reason,
            };
            let pause = backoff.pause();
            tracing::warn!(
                "partition {}: recalculating {} waits: {reason}; trying again in {pause:.1?}",
                self.chain.partition(),
                self.range.range
            );
            let until = Instant::now() + pause;
            while Instant::now() < until && !self.is_to_stop() {
                tokio::time::sleep(LOOK).await;
            }
            if self.is_to_stop() {
                self.give_up().await;
                break RangeOutcome::Stopped;
            }
        };
        (self.range, self.chain, outcome)
    }

    async fn attempt(&mut self) -> Result<RangeOutcome, Failure> {
        if self.repair.is_none() {
            let stopped = async {
                while !is_to_stop(&self.context, &self.token) {
                    tokio::time::sleep(LOOK).await;
                }
            };
            let repair = tokio::select! {
                repair = self.recalculator.recalculate(&self.chain, &self.range) => repair?,
                () = stopped => return Ok(RangeOutcome::Stopped),
            };
            failpoint::at(Point::RepairCalculated);
            self.repair = Some(repair);
        }
        let Some(repair) = &mut self.repair else {
            return Ok(RangeOutcome::Stopped);
        };
        let repaired = write_repair(&mut self.chain, repair).await?;
        failpoint::at(Point::RepairStored);
        Ok(match repaired {
            Repaired::Done(segments) => RangeOutcome::Rewritten(segments),
            Repaired::Overtaken => RangeOutcome::Overtaken,
        })
    }

    fn is_to_stop(&self) -> bool {
        is_to_stop(&self.context, &self.token)
    }

    /// Moves away what was put for nothing, if there is time; the next owner's tidying does it otherwise.
    async fn give_up(&mut self) {
        if let Some(repair) = &mut self.repair {
            let given_up = repair.give_up(&mut self.chain);
            if let Ok(Err(error)) = tokio::time::timeout(LEAVE, given_up).await {
                tracing::debug!("what was stored of a repair stays for the next owner: {error}");
            }
        }
    }
}

/// Whether the processor ends, or the partition is somebody else's.
fn is_to_stop(context: &Context, token: &Weak<()>) -> bool {
    context.stop.is_requested() || token.strong_count() == 0
}

impl From<RecalculateError> for Failure {
    fn from(error: RecalculateError) -> Failure {
        match error.is_retryable() {
            true => Failure::Later(error.to_string()),
            false => Failure::Never(error.to_string()),
        }
    }
}

impl From<SnapshotError> for Failure {
    fn from(error: SnapshotError) -> Failure {
        match error.is_about_the_store() {
            true => Failure::Later(error.to_string()),
            false => Failure::Never(error.to_string()),
        }
    }
}
