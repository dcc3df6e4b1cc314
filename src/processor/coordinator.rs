//! Starts the workers, watches them, and ends the run: at the input's end, on request, or with the first failure.

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    Instance, ProcessorError, Stop, WorkerError,
    group::{former, joining, unowned},
    keeper, memory,
    panics::panic_message,
    shared::Shared,
    watch::{Board, Tally, Written, is_about},
    worker::{Worker, WorkerSummary},
};
use crate::{
    audit::{self, Finding},
    config::{OnNewCalculation, RunConfig},
    failpoint::{self, Point},
    format::Segment,
    kafka::Member,
    model::Partition,
    recovery::{self, Refusal},
    store::Store,
};

/// How often the workers are looked at.
const WATCH: Duration = Duration::from_millis(20);
/// How often the broker is asked whether the whole group has reached the end.
const ASK_GROUP: Duration = Duration::from_millis(250);

/// How long a group is asked who has which partitions before what this process has counts as all.
const UNTOLD: Duration = Duration::from_secs(10);

/// What a run did.
#[derive(Debug, Default)]
pub struct Summary {
    /// Results published.
    pub results: u64,
    /// Rejects published, by reason.
    pub rejects: Tally,
    /// Events filtered.
    pub filtered: u64,
    /// Outcomes rebuilt after a restart.
    pub replayed: u64,
    /// Stored outcomes brought under the running calculation.
    pub recalculated: u64,
    /// Ranges of stored history that were wrong, and were mended.
    pub mended: u64,
    /// Snapshots stored.
    pub snapshots: u64,
    /// Segments of this run that were read back and verified, while it ran or at its end.
    pub verified: usize,
    /// What the verification found wrong.
    pub findings: Vec<Finding>,
    /// Segments that could not be verified within the shutdown time-out.
    pub unverified: usize,
    /// Partitions with committed outcomes that could not be stored in time; the next start replays them.
    pub unsaved: Vec<Partition>,
    /// One line about rejects, with the declaration that would accept them.
    pub reject_line: Option<String>,
}

/// Runs until `stop` is requested, the end is reached (`exit_at_end`), or nothing can go on. `board` is where others look on.
///
/// # Errors
/// When Kafka, the store or the configuration cannot be used, a newer process has our name, or all that is left are held
/// partitions.
pub fn run(
    settings: RunConfig,
    instance: Instance,
    store: Store,
    runtime: &tokio::runtime::Handle,
    stop: Stop,
    board: Board,
) -> Result<Summary, ProcessorError> {
    memory::keep_little(settings.workers);
    let shared = Arc::new(Shared::prepare(
        keeper::recalculator,
        settings,
        instance,
        store,
        runtime.clone(),
        stop,
        board,
    )?);
    shared.find_coordinator();
    former::settle(&shared);
    let workers: Vec<JoinHandle<_>> = (0..shared.settings.workers)
        .map(|index| spawn(&shared, index))
        .collect();
    joining::watch(&shared);
    unowned::watch(&shared);
    let mut watch = Watch {
        asked: Instant::now(),
        reached: None,
        has_worked: false,
    };
    while !shared.stop.is_requested() && !workers.iter().any(JoinHandle::is_finished) {
        if watch.is_done(&shared) {
            shared.stop.finish();
        }
        std::thread::sleep(WATCH);
    }
    // One worker's failure ends all: the others commit and store what they have.
    shared.stop.finish();
    let mut summary = Summary::default();
    let mut written = Vec::new();
    let mut failure = None;
    for (index, worker) in workers.into_iter().enumerate() {
        match worker.join() {
            Ok(Ok(done)) => {
                let left = summary.add(done).take();
                written.extend(left.newest);
                summary.unverified += left.before;
                summary.verified += left.verified;
            }
            Ok(Err(error)) => failure = failure.or(Some(error)),
            Err(panic) => {
                let message = panic_message(panic.as_ref());
                failure = failure.or(Some(WorkerError::Panicked { index, message }));
            }
        }
    }
    shared.holds.say_all();
    summary.mended = shared.board.look().scrub.mended;
    let mut found = shared.store_side.findings.take();
    summary.reject_line = shared.reject_line(&summary.rejects);
    if let Some(error) = failure {
        return Err(error.into());
    }
    failpoint::at(Point::WorkersEnded);
    if !shared.stop.is_abort() {
        // What was wrong may be right again: a folder is back, a range is mended.
        let ours = &shared.gatherer.calculation.fingerprint;
        let again = found.segments.iter().filter(|one| one.fingerprint == *ours);
        let again: Vec<Segment> = again.cloned().collect();
        written.retain(|segment| !again.contains(segment));
        written.extend(again.iter().cloned());
        let report = runtime.block_on(audit::check_segments(
            &shared.store,
            &shared.calculations,
            std::slice::from_ref(&shared.gatherer.calculation),
            &shared.settings.invocation,
            written,
            shared.shutdown_left(),
        ));
        summary.verified += report.checked;
        summary.unverified += report.unchecked.len();
        if let Some(error) = &report.failure {
            tracing::warn!("what this run wrote could not be read back: {error}");
        }
        let is_settled =
            |finding: &Finding| is_about(finding, &again) && !is_about(finding, &report.unchecked);
        found.retain(|finding| !is_settled(finding) && !report.findings.contains(finding));
        summary.findings = report.findings;
    }
    summary.findings.extend(found.findings);
    failpoint::at(Point::ShutdownVerified);
    let refusals: Vec<Refusal> = shared.progress.held().into_values().collect();
    if !refusals.is_empty() {
        let text = recovery::report(&refusals, &shared.settings.invocation);
        return Err(ProcessorError::Refused { refusals, text });
    }
    if let Some(why) = shared.targets.given_up() {
        let text = why.to_owned();
        return Err(ProcessorError::EndNotReached { text });
    }
    Ok(summary)
}

#[expect(
    clippy::expect_used,
    reason = "without threads there is nothing to be done"
)]
fn spawn(shared: &Arc<Shared>, index: usize) -> JoinHandle<Result<WorkerSummary, WorkerError>> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || Worker::start(shared, index)?.run())
        .expect("the operating system starts a thread")
}

struct Watch {
    asked: Instant,
    /// Since when the group has committed every target.
    reached: Option<Instant>,
    /// Whether this process has had a partition that was not held.
    has_worked: bool,
}

impl Watch {
    /// Whether nothing is left to do: the end is reached, or will not be, or all that this process was given at its start is
    /// held. One that has worked stays: it is given other partitions when another process ends.
    fn is_done(&mut self, shared: &Shared) -> bool {
        if shared.targets.given_up().is_some() {
            return true;
        }
        let held = shared.progress.held();
        let reached = shared.progress.all_reached();
        self.has_worked |= shared.progress.ready() > 0;
        let stays = self.has_worked && !shared.settings.exit_at_end;
        if !held.is_empty() && shared.progress.working() == 0 && reached && !stays {
            return true;
        }
        if !shared.settings.exit_at_end || !reached || self.asked.elapsed() < ASK_GROUP {
            return false;
        }
        self.asked = Instant::now();
        if !held.is_empty() {
            // The held ones never get there; the others of this process have.
            return true;
        }
        let owned = shared.progress.working();
        match shared.group_reached_targets() {
            Ok(true) => {
                let since = *self.reached.get_or_insert_with(Instant::now);
                has_all_of_ours(shared, owned, since)
            }
            Ok(false) => false,
            Err(error) => {
                tracing::debug!("the group's progress is not known yet: {error}");
                false
            }
        }
    }
}

/// Whether the workers of this process have what the group gives them: `owned` partitions. Before that they have not looked at
/// what is stored of these: it may be damaged, or another pipeline's, whatever the group has committed.
fn has_all_of_ours(shared: &Shared, owned: usize, since: Instant) -> bool {
    let names: Vec<String> = (0..shared.settings.workers)
        .map(|worker| shared.worker_name(worker))
        .collect();
    match shared.members() {
        Ok(Some(members)) => {
            let ours = |member: &&Member| names.iter().any(|name| member.is_named(name));
            let ours: Vec<&Member> = members.iter().filter(ours).collect();
            let given: usize = ours.iter().map(|member| member.partitions.len()).sum();
            ours.len() == names.len() && given == owned
        }
        // A broker that never tells, or a group that never ends to divide, must not keep the run from ending.
        untold => {
            tracing::debug!("who has which partitions is not known: {untold:?}");
            let long = since.elapsed() >= UNTOLD;
            match shared.settings.on_new_calculation {
                OnNewCalculation::Keep => owned > 0 || long,
                OnNewCalculation::Recalculate => owned > 0 && long,
            }
        }
    }
}

impl Summary {
    fn add(&mut self, worker: WorkerSummary) -> Written {
        let done = worker.counters;
        self.results += done.results;
        self.rejects.merge(&done.rejects);
        self.filtered += done.filtered;
        self.replayed += done.replayed;
        self.recalculated += worker.recalculated;
        self.snapshots += done.snapshots;
        self.unsaved.extend(worker.unsaved);
        worker.written
    }
}
