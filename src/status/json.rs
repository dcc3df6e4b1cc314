//! `/status`.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

use super::assess;
use crate::{
    audit::Finding,
    model::{Offset, OffsetRange, Partition, Sequence},
    processor::{Counters, PartitionView, PhaseView, ProcessView},
};

#[derive(Serialize)]
struct Status<'v> {
    state: &'static str,
    ready: bool,
    not_ready_because: Option<String>,
    healthy: bool,
    degraded: Vec<Degraded>,
    version: &'v str,
    instance: &'v str,
    time: Time,
    started_at: Time,
    uptime_seconds: u64,
    calculation: &'v str,
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    condition: Option<&'v str>,
    fields: &'v str,
    #[serde(skip_serializing_if = "Option::is_none")]
    publish: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carry: Option<&'v str>,
    group: &'v str,
    events: &'v str,
    results: &'v str,
    rejects: &'v str,
    brokers: &'v str,
    store: &'v str,
    memory_bytes: u64,
    totals: Totals,
    scrub: Scrub<'v>,
    removed: Removed,
    workers: Vec<Worker<'v>>,
    partitions: Vec<PartitionStatus<'v>>,
}

#[derive(Serialize)]
struct Degraded {
    reason: &'static str,
    since: Time,
    seconds: u64,
    partitions: Vec<Partition>,
    detail: String,
}

#[derive(Serialize)]
struct Totals {
    results: u64,
    rejects: BTreeMap<String, u64>,
    filtered: u64,
    replayed: u64,
    commits: u64,
    aborted_transactions: u64,
    snapshots: u64,
    snapshot_failures: u64,
    stored_bytes: u64,
    corrections: u64,
}

/// How stored history is verified, since the start.
#[derive(Serialize)]
struct Scrub<'v> {
    segments: u64,
    outcomes: u64,
    bytes: u64,
    mended: u64,
    /// Everything that is stored was verified then or later.
    last_full_round: Option<Time>,
    findings: &'v [Finding],
}

#[derive(Serialize)]
struct Removed {
    manifests: u64,
    segments: u64,
    bytes: u64,
    last: Option<Time>,
    stopped: Vec<Partition>,
}

#[derive(Serialize)]
struct Worker<'v> {
    worker: usize,
    name: Option<&'v str>,
    joined: bool,
    last_tick: Option<Time>,
    paused_since: Option<Time>,
    memory_bytes: u64,
    memory_limit_bytes: u64,
}

#[derive(Serialize)]
struct PartitionStatus<'v> {
    partition: Partition,
    worker: usize,
    phase: &'static str,
    phase_since: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase_range: Option<OffsetRange>,
    frontier: Option<Offset>,
    committed: Option<Offset>,
    position: Option<Offset>,
    log_end: Option<Offset>,
    lag: Option<u64>,
    manifest: Option<Sequence>,
    snapshot_at: Option<Time>,
    snapshot_age_seconds: Option<u64>,
    buffered_bytes: u64,
    buffered_outcomes: u64,
    pending_corrections: u64,
    verified_since: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<Held<'v>>,
}

#[derive(Serialize)]
struct Held<'v> {
    refusal: &'v str,
    commands: &'v [String],
    explanation: &'v str,
}

struct Time(DateTime<Utc>);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// What all workers have done together.
pub(super) fn totals(view: &ProcessView) -> Counters {
    let mut sum = Counters::default();
    for (_, worker) in assess::workers(view) {
        let one = &worker.counters;
        sum.results += one.results;
        sum.rejects.merge(&one.rejects);
        sum.filtered += one.filtered;
        sum.raw_timestamps += one.raw_timestamps;
        sum.times_left_out += one.times_left_out;
        sum.replayed += one.replayed;
        sum.commits += one.commits;
        sum.aborts += one.aborts;
        sum.snapshots += one.snapshots;
        sum.stored_bytes += one.stored_bytes;
        sum.corrections += one.corrections;
    }
    sum
}

pub(super) fn render(view: &ProcessView) -> String {
    let about = &*view.about;
    let ready = assess::ready(view);
    let sum = totals(view);
    let wall = |moment| Time(assess::wall(view, moment));
    let degraded = assess::degraded(view).into_iter().map(|one| Degraded {
        reason: one.reason.as_str(),
        since: wall(one.since),
        seconds: one.since.age(view.now).as_secs(),
        partitions: one.partitions,
        detail: one.detail,
    });
    let workers = view.workers.iter().zip(&view.ticks).enumerate();
    let workers = workers.map(|(worker, (shown, tick))| {
        let shown = shown.as_deref();
        Worker {
            worker,
            name: shown.map(|shown| shown.name.as_str()),
            joined: shown.is_some_and(|shown| shown.joined),
            last_tick: tick.map(wall),
            paused_since: shown.and_then(|shown| shown.paused).map(wall),
            memory_bytes: shown.map_or(0, |shown| shown.held_bytes),
            memory_limit_bytes: shown.map_or(0, |shown| shown.limit_bytes),
        }
    });
    let partitions = assess::partitions(view).into_iter();
    let status = Status {
        state: assess::state(view).as_str(),
        ready: ready.is_ok(),
        not_ready_because: ready.err(),
        healthy: assess::alive(view).is_ok(),
        degraded: degraded.collect(),
        version: &about.version,
        instance: &about.instance,
        time: Time(view.time),
        started_at: wall(Default::default()),
        uptime_seconds: view.now.0.as_secs(),
        calculation: &about.calculation,
        condition: about.condition.as_deref(),
        publish: about.publish.as_deref(),
        carry: about.carry.as_deref(),
        fields: &about.fields,
        group: &about.group,
        events: &about.events,
        results: &about.results,
        rejects: &about.rejects,
        brokers: &about.brokers,
        store: &about.store,
        memory_bytes: about.memory,
        totals: Totals {
            results: sum.results,
            rejects: sum
                .rejects
                .iter()
                .map(|(code, count)| (code.to_owned(), count))
                .collect(),
            filtered: sum.filtered,
            replayed: sum.replayed,
            commits: sum.commits,
            aborted_transactions: sum.aborts,
            snapshots: sum.snapshots,
            snapshot_failures: view.snapshot_failures,
            stored_bytes: sum.stored_bytes,
            corrections: sum.corrections,
        },
        scrub: Scrub {
            segments: view.scrub.segments,
            outcomes: view.scrub.rows,
            bytes: view.scrub.bytes,
            mended: view.scrub.mended,
            last_full_round: view.scrub.full_round().map(Time),
            findings: &view.scrub.findings,
        },
        removed: Removed {
            manifests: view.removed.manifests,
            segments: view.removed.segments,
            bytes: view.removed.bytes,
            last: view.removed.last.map(Time),
            stopped: view.removed.stopped.iter().copied().collect(),
        },
        workers: workers.collect(),
        partitions: partitions
            .map(|(worker, one)| partition(view, worker, one))
            .collect(),
    };
    #[expect(
        clippy::expect_used,
        reason = "texts and numbers under keys that are strings always serialise"
    )]
    let mut text = serde_json::to_string_pretty(&status).expect("texts and numbers are JSON");
    text.push('\n');
    text
}

fn partition<'v>(
    view: &'v ProcessView,
    worker: usize,
    one: &'v PartitionView,
) -> PartitionStatus<'v> {
    let (phase_range, held) = match &one.phase {
        PhaseView::AcceptingLoss(range) | PhaseView::Replaying(range) => (Some(*range), None),
        PhaseView::Held(held) => (
            None,
            Some(Held {
                refusal: &held.refusal,
                commands: &held.commands,
                explanation: &held.explanation,
            }),
        ),
        _ => (None, None),
    };
    let verified_since = view.scrub.verified_since.get(&one.partition);
    let verified_since = verified_since.copied().flatten();
    PartitionStatus {
        partition: one.partition,
        worker,
        phase: assess::phase(&one.phase),
        phase_since: Time(assess::wall(view, one.since)),
        phase_range,
        frontier: one.stored.map(|stored| stored.frontier),
        committed: one.committed,
        position: one.position,
        log_end: one.log_end,
        lag: assess::lag(one),
        manifest: one.stored.map(|stored| stored.sequence),
        snapshot_at: one.stored.map(|stored| Time(stored.at)),
        snapshot_age_seconds: one.stored.map(|stored| age(view, stored.at)),
        buffered_bytes: one.buffered_bytes,
        buffered_outcomes: one.buffered_outcomes,
        pending_corrections: one.pending_corrections,
        verified_since: verified_since.map(Time),
        held,
    }
}

/// Seconds since a time on the wall clock; another host's may be ahead of ours.
pub(super) fn age(view: &ProcessView, time: DateTime<Utc>) -> u64 {
    u64::try_from((view.time - time).num_seconds()).unwrap_or(0)
}
