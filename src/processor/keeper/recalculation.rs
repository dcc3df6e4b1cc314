//! Stored history of another calculation, brought under the running one beside the forward path
//! (`--on-new-calculation recalculate`).
//!
//! One range at a time: a task calculates it anew, beside all other work; then one edit, a job like others, brings it into the
//! chain. The next range follows when the corrections of this one are published. Whoever dies in between leaves ranges of both
//! kinds, each complete: the next start goes on.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{sync::OwnedSemaphorePermit, task::JoinSet, time::Instant};

use super::{
    super::{
        WorkerError, limits,
        memory::{Budget, Ledger},
        panics::unless_panicked,
        partition::Newest,
        store_side::StoreSide,
        store_wait::{StoreWait, Until},
        watch::Reason,
    },
    done::{Done, Finished, RangeOutcome, RangeRepair},
    handle::Shown,
};
use crate::{
    audit::{Outdated, Recalculator, ResultsTopic, outdated},
    calculation::Evaluator,
    config::{OnNewCalculation, RunConfig},
    failpoint::{self, Point},
    format::{Segment, repair_memory},
    history::{self, Chain, CorrectionsProgress, Repaired, write_repair},
    model::{Offset, Partition, Sequence},
};

/// After each range a partition rests for as long as the range took, up to this: at most half of the time of one core goes
/// into the past, and a store that is slow is not asked for more than new events need.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// How long Kafka may say nothing while a range is read again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a long recalculation says how far it is.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// How often work that waits for memory looks again.
const LOOK: Duration = Duration::from_millis(50);
/// What tidying up may take of work that is given up.
const GIVE_UP: Duration = Duration::from_secs(2);

/// How the stored history of a partition stands to the running calculation.
pub struct Recalculation {
    recalculator: Recalculator,
    /// The manifest in which nothing was left to do.
    done_at: Option<Sequence>,
    /// Where ranges start that stay as they are, until the next start.
    left: BTreeSet<Offset>,
    progress: Option<Progress>,
    rests_until: Option<Instant>,
    /// At most one.
    calculating: JoinSet<Option<Calculated>>,
    calculated: Option<Calculated>,
}

/// A recalculation under way.
struct Progress {
    logged: Instant,
    ranges: usize,
    done: usize,
    outcomes: u64,
    changed: u64,
}

/// A range that has been calculated anew, or cannot be.
pub struct Calculated {
    range: Outdated,
    repair: Result<history::Repair, String>,
    began: Instant,
    /// Few ranges at a time in a process.
    _turn: OwnedSemaphorePermit,
}

/// What brings ranges under the running calculation, when it is asked for.
pub fn recalculator(
    settings: &RunConfig,
    results_limit: u64,
) -> Result<Option<Recalculator>, WorkerError> {
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
            limit: results_limit,
            too_large: limits::too_large,
        },
        events: Some(settings.connection.clone()),
        patience: PATIENCE,
    }))
}

impl Recalculation {
    pub fn new(recalculator: Recalculator) -> Recalculation {
        Recalculation {
            recalculator,
            done_at: None,
            left: BTreeSet::new(),
            progress: None,
            rests_until: None,
            calculating: JoinSet::new(),
            calculated: None,
        }
    }

    /// Whether a range is ready to be brought into the chain.
    pub fn is_calculated(&self) -> bool {
        self.calculated.is_some()
    }

    /// Takes that range.
    pub fn take(&mut self) -> Option<Calculated> {
        self.calculated.take()
    }

    /// When the rest after a range is over.
    pub fn rests_until(&self) -> Option<Instant> {
        self.rests_until.filter(|until| *until > Instant::now())
    }

    /// Whether the next range may be looked for.
    pub fn may_begin(&self, newest: &Newest) -> bool {
        let is_idle = self.calculating.is_empty() && self.calculated.is_none();
        is_idle && self.rests_until().is_none() && self.done_at != Some(newest.stored.sequence)
    }

    /// The next range of another calculation; `None` when nothing is left to do.
    pub fn choose(
        &mut self,
        partition: Partition,
        chain: &Chain,
        published: Option<CorrectionsProgress>,
    ) -> Option<Outdated> {
        let newest = chain.newest()?;
        let ours = self.recalculator.evaluator.fingerprint();
        let mut ranges = outdated(newest, ours, published);
        ranges.retain(|range| !self.left.contains(&range.range.start()));
        if ranges.is_empty() {
            self.log_end(partition);
            return None;
        }
        self.log_progress(partition, &ranges);
        Some(ranges.swap_remove(0))
    }

    /// Nothing is left to do as of this manifest.
    pub fn is_done_at(&mut self, sequence: Sequence) {
        self.done_at = Some(sequence);
    }

    /// Begins to calculate a range anew.
    pub fn begin(
        &mut self,
        store_side: Arc<StoreSide>,
        chain: Chain,
        range: Outdated,
        shown: Arc<Shown>,
        memory: (Arc<Ledger>, Budget),
    ) {
        failpoint::at(Point::RepairChosen);
        let mut recalculator = self.recalculator.clone();
        recalculator.results.limit = store_side.limits().results;
        let runtime = store_side.runtime.clone();
        let work = calculate(store_side, recalculator, chain, range, shown, memory);
        self.calculating.spawn_on(work, &runtime);
    }

    /// Waits until a range is calculated; `None` when none is being calculated.
    pub async fn calculated(&mut self) -> Option<()> {
        self.calculated = unless_panicked(self.calculating.join_next().await?);
        Some(())
    }

    /// Forgets what is being calculated: the next owner does it.
    pub fn abandon(&mut self) {
        self.calculating.abort_all();
        self.calculating.detach_all();
        self.calculated = None;
    }

    /// Takes in what became of a range: its new segments and how many outcomes it has, when it was rewritten.
    pub fn finish(
        &mut self,
        partition: Partition,
        repair: RangeRepair,
    ) -> Option<(Vec<Segment>, u64)> {
        let RangeRepair {
            range,
            outcome,
            took,
        } = repair;
        self.rests_until = Some(Instant::now() + took.min(LONGEST_REST));
        match outcome {
            RangeOutcome::Rewritten(segments) => {
                let corrections = segments.iter().filter(|segment| segment.revision.is_some());
                if let Some(progress) = &mut self.progress {
                    progress.done += 1;
                    progress.outcomes += range.rows();
                    progress.changed += corrections.map(|segment| segment.rows).sum::<u64>();
                }
                return Some((segments, range.rows()));
            }
            RangeOutcome::Overtaken => tracing::info!(
                "partition {partition}: another has changed {} meanwhile",
                range.range
            ),
            RangeOutcome::Left(reason) => self.leave(partition, &range, &reason),
        }
        None
    }

    /// Says that it begins, or now and then how far it is; `ranges` are what is left to do.
    fn log_progress(&mut self, partition: Partition, ranges: &[Outdated]) {
        let Some(progress) = &mut self.progress else {
            let outcomes: u64 = ranges.iter().map(Outdated::rows).sum();
            tracing::info!(
                "partition {partition}: {} ranges with {outcomes} outcomes are of another calculation; recalculating them",
                ranges.len()
            );
            self.progress = Some(Progress {
                logged: Instant::now(),
                ranges: ranges.len(),
                done: 0,
                outcomes: 0,
                changed: 0,
            });
            return;
        };
        if progress.logged.elapsed() >= LOG_EVERY {
            progress.logged = Instant::now();
            tracing::info!(
                "partition {partition}: recalculated {} of {} ranges; {} of {} outcomes have changed",
                progress.done,
                progress.ranges,
                progress.changed,
                progress.outcomes
            );
        }
    }

    /// Says that nothing is left to do.
    fn log_end(&mut self, partition: Partition) {
        let Some(progress) = self.progress.take() else {
            return;
        };
        tracing::info!(
            "partition {partition}: its stored history is recalculated: {} ranges with {} outcomes, {} of which have changed and are published as corrections",
            progress.done,
            progress.outcomes,
            progress.changed
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

/// Calculates one range anew, when it is its turn and memory allows it; `None` when the processor stops first.
async fn calculate(
    store_side: Arc<StoreSide>,
    recalculator: Recalculator,
    chain: Chain,
    range: Outdated,
    shown: Arc<Shown>,
    (ledger, budget): (Arc<Ledger>, Budget),
) -> Option<Calculated> {
    let turn = Arc::clone(&store_side.recalculations);
    let turn = turn.acquire_owned().await.ok()?;
    let began = Instant::now();
    let memory = repair_memory(range.bytes());
    // A range that is larger than what is free needs all of it once; consumption pauses meanwhile.
    let fits = |held| held + memory <= budget.pause_above || held <= budget.store_above;
    while !fits(ledger.held()) {
        if store_side.stop.is_requested() {
            return None;
        }
        tokio::time::sleep(LOOK).await;
    }
    shown
        .background
        .set(usize::try_from(memory).unwrap_or(usize::MAX));
    let until = Until::Leave(Arc::clone(&shown.leaving));
    let mut wait = StoreWait::of_keeper(&store_side, chain.partition(), until);
    let repair = loop {
        let error = match recalculator.recalculate(&chain, &range).await {
            Ok(repair) => break Ok(repair),
            Err(error) => error,
        };
        if !error.is_retryable() {
            break Err(error.to_string());
        }
        let text = format!(
            "partition {}: recalculating {} waits: {error}",
            chain.partition(),
            range.range
        );
        if !wait.again(Reason::Recovery, true, &text).await {
            return None;
        }
    };
    failpoint::at(Point::RepairCalculated);
    Some(Calculated {
        range,
        repair,
        began,
        _turn: turn,
    })
}

/// Brings a range that was calculated anew into the chain.
pub async fn write(
    store_side: Arc<StoreSide>,
    mut chain: Box<Chain>,
    calculated: Calculated,
    shown: Arc<Shown>,
) -> Finished {
    let Calculated {
        range,
        repair,
        began,
        _turn,
    } = calculated;
    let until = Until::Leave(Arc::clone(&shown.leaving));
    let mut wait = StoreWait::of_keeper(&store_side, chain.partition(), until);
    let mut repair = match repair {
        Ok(repair) => repair,
        Err(reason) => {
            let outcome = RangeOutcome::Left(reason);
            return finished(chain, range, outcome, began);
        }
    };
    let outcome = loop {
        let error = match write_repair(&mut chain, &mut repair).await {
            Ok(Repaired::Done(segments)) => break RangeOutcome::Rewritten(segments),
            Ok(Repaired::Overtaken) => break RangeOutcome::Overtaken,
            Err(error) => error,
        };
        if !error.is_about_the_store() {
            give_up(&mut chain, &mut repair).await;
            break RangeOutcome::Left(error.to_string());
        }
        let text = format!(
            "partition {}: recalculating {} waits: {error}",
            chain.partition(),
            range.range
        );
        if !wait.again(Reason::Store, error.is_retryable(), &text).await {
            give_up(&mut chain, &mut repair).await;
            shown.background.set(0);
            return Finished::new(chain, Done::GivenUp);
        }
    };
    failpoint::at(Point::RepairStored);
    finished(chain, range, outcome, began)
}

fn finished(chain: Box<Chain>, range: Outdated, outcome: RangeOutcome, began: Instant) -> Finished {
    let repair = RangeRepair {
        range,
        outcome,
        took: began.elapsed(),
    };
    Finished::new(chain, Done::Repaired(repair))
}

/// Moves away what was put for nothing, if there is time; the next owner's tidying does it otherwise.
async fn give_up(chain: &mut Chain, repair: &mut history::Repair) {
    let given_up = repair.give_up(chain);
    if let Ok(Err(error)) = tokio::time::timeout(GIVE_UP, given_up).await {
        tracing::debug!("what was stored of a repair stays for the next owner: {error}");
    }
}
