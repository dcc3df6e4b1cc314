//! `/metrics`: Prometheus' text format.

mod exposition;

use std::fmt::Display;

use chrono::{DateTime, Utc};

use super::{assess, json};
use crate::{
    audit::FindingKind,
    events::ReasonCode,
    processor::{Counters, PartitionView, PhaseView, ProcessView, Reason, Stored},
};
use exposition::{Exposition, Labels};

/// The media type of the format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// With the log lines that could not be written.
pub(super) fn render(view: &ProcessView, dropped_lines: u64) -> String {
    let mut text = Exposition::default();
    process(&mut text, view);
    counters(&mut text, view);
    text.counter(
        "snapback_log_lines_dropped_total",
        "Lines for stderr that could not be written.",
        dropped_lines,
    );
    scrub(&mut text, view);
    workers(&mut text, view);
    partitions(&mut text, view);
    text.into_text()
}

fn process(text: &mut Exposition, view: &ProcessView) {
    let about = &*view.about;
    let one = |labels| [(labels, 1)];
    text.gauge(
        "snapback_build_info",
        "The version that runs.",
        one(vec![("version", about.version.as_str())]),
    );
    text.gauge(
        "snapback_pipeline_info",
        "What this process works on.",
        one(vec![
            ("instance_name", about.instance.as_str()),
            ("group", &about.group),
            ("events", &about.events),
            ("results", &about.results),
            ("calculation", &about.calculation),
            ("where", about.condition.as_deref().unwrap_or_default()),
            ("store", &about.store),
        ]),
    );
    let started = assess::wall(view, Default::default());
    text.single(
        "snapback_start_time_seconds",
        "When the process started.",
        seconds(started),
    );
    text.single(
        "snapback_ready",
        "Whether everything that this process owns is recovered.",
        u8::from(assess::ready(view).is_ok()),
    );
    let degraded = assess::degraded(view);
    text.gauge(
        "snapback_degraded",
        "Whether the process is degraded for this reason.",
        Reason::ALL.iter().map(|reason| {
            let is = degraded.iter().any(|one| one.reason == *reason);
            (vec![("reason", reason.as_str())], u8::from(is))
        }),
    );
    text.single(
        "snapback_memory_limit_bytes",
        "What the process may use: --memory.",
        about.memory,
    );
    text.single(
        "snapback_removal_stopped_partitions",
        "Partitions of which nothing old is removed, because a manifest cannot be read.",
        view.removed.stopped.len(),
    );
    if let Some(last) = view.removed.last {
        text.single(
            "snapback_last_removal_time_seconds",
            "When it was last looked for what can be removed.",
            seconds(last),
        );
    }
    let owned = assess::partitions(view);
    text.single(
        "snapback_owned_partitions",
        "Partitions that the group has given to this process.",
        owned.len(),
    );
    let held = |(_, one): &&(usize, &PartitionView)| matches!(one.phase, PhaseView::Held(_));
    text.single(
        "snapback_held_partitions",
        "Partitions of this process that are held to protect data.",
        owned.iter().filter(held).count(),
    );
}

fn counters(text: &mut Exposition, view: &ProcessView) {
    let sum = json::totals(view);
    text.counter(
        "snapback_results_total",
        "Results published and committed.",
        sum.results,
    );
    rejects(text, &sum);
    for (name, help, count) in [
        (
            "snapback_filtered_total",
            "Events that --where leaves out, committed.",
            sum.filtered,
        ),
        (
            "snapback_raw_timestamps_total",
            "Results and rejects whose event has a timestamp outside of the years 1 to 9999.",
            sum.raw_timestamps,
        ),
        (
            "snapback_times_left_out_total",
            "Results that --carry timestamp published without it, because the topic does not take it.",
            sum.times_left_out,
        ),
        (
            "snapback_replayed_outcomes_total",
            "Outcomes rebuilt after a restart, without publishing them.",
            sum.replayed,
        ),
        (
            "snapback_commits_total",
            "Transactions committed; in at-least-once mode, commits of offsets.",
            sum.commits,
        ),
        (
            "snapback_aborted_transactions_total",
            "Transactions that failed, and whose events were read again.",
            sum.aborts,
        ),
        (
            "snapback_snapshots_stored_total",
            "Snapshots of a partition stored.",
            sum.snapshots,
        ),
        (
            "snapback_snapshot_failures_total",
            "Attempts to store a snapshot that failed; each is made again.",
            view.snapshot_failures,
        ),
        (
            "snapback_stored_bytes_total",
            "Bytes of the segments stored.",
            sum.stored_bytes,
        ),
        (
            "snapback_corrections_published_total",
            "Corrections published and committed.",
            sum.corrections,
        ),
        (
            "snapback_removed_manifests_total",
            "Old manifests removed: the history begins later.",
            view.removed.manifests,
        ),
        (
            "snapback_removed_segments_total",
            "Segments removed that no manifest lists any more.",
            view.removed.segments,
        ),
        (
            "snapback_removed_bytes_total",
            "Bytes of what was removed.",
            view.removed.bytes,
        ),
    ] {
        text.counter(name, help, count);
    }
}

/// Every code from the start, so that a rate can be taken of the first one.
fn rejects(text: &mut Exposition, sum: &Counters) {
    let known = ReasonCode::ALL.iter().map(|code| code.as_str());
    let count = |code| {
        let mut found = sum.rejects.iter().filter(|(found, _)| *found == code);
        found.next().map_or(0, |(_, count)| count)
    };
    let mut samples: Vec<(Labels<'_>, u64)> = known
        .map(|code| (vec![("reason", code)], count(code)))
        .collect();
    let unknown = |(code, _): &(&str, u64)| ReasonCode::parse(code).is_none();
    let other: u64 = sum.rejects.iter().filter(unknown).map(|(_, n)| n).sum();
    if other > 0 {
        samples.push((vec![("reason", "other")], other));
    }
    text.family(
        "snapback_rejects_total",
        "counter",
        "Rejects published and committed, by the code of their reason.",
        samples,
    );
}

fn workers(text: &mut Exposition, view: &ProcessView) {
    let names: Vec<String> = (0..view.workers.len()).map(|n| n.to_string()).collect();
    let ticks = view.ticks.iter().zip(&names);
    text.gauge(
        "snapback_worker_last_tick_timestamp_seconds",
        "When the worker last showed that it lives.",
        ticks.filter_map(|(tick, name)| {
            let at = assess::wall(view, (*tick)?);
            Some((vec![("worker", name.as_str())], seconds(at)))
        }),
    );
    let started =
        || assess::workers(view).map(|(index, one)| (vec![("worker", names[index].as_str())], one));
    text.gauge(
        "snapback_worker_buffered_bytes",
        "Outcomes in memory that are in no snapshot, by what is done with them.",
        started().flat_map(|(labels, one)| {
            let part = move |(part, bytes): &(&'static str, u64)| {
                let labels = labels.iter().copied().chain([("part", *part)]);
                (labels.collect(), *bytes)
            };
            one.held_parts.iter().map(part).collect::<Vec<_>>()
        }),
    );
    text.gauge(
        "snapback_worker_buffered_limit_bytes",
        "Consumption pauses above so many buffered bytes.",
        started().map(|(labels, one)| (labels, one.limit_bytes)),
    );
    text.gauge(
        "snapback_worker_paused",
        "Whether consumption is paused because memory is used.",
        started().map(|(labels, one)| (labels, u8::from(one.paused.is_some()))),
    );
}

fn scrub(text: &mut Exposition, view: &ProcessView) {
    let scrub = &view.scrub;
    for (name, help, count) in [
        (
            "snapback_scrub_segments_total",
            "Stored segments that were verified again.",
            scrub.segments,
        ),
        (
            "snapback_scrub_outcomes_total",
            "Stored outcomes that were calculated again.",
            scrub.rows,
        ),
        (
            "snapback_scrub_bytes_total",
            "Bytes of the segments that were verified again.",
            scrub.bytes,
        ),
        (
            "snapback_scrub_mended_total",
            "Ranges of stored history that were wrong, and were mended.",
            scrub.mended,
        ),
    ] {
        text.counter(name, help, count);
    }
    let found = |kind: FindingKind| scrub.findings.iter().filter(move |one| one.kind == kind);
    text.gauge(
        "snapback_findings",
        "What was found wrong in what is stored, as far as it still is.",
        FindingKind::ALL
            .iter()
            .map(|kind| (vec![("kind", kind.as_str())], found(*kind).count()))
            .filter(|(_, count)| *count > 0),
    );
    let round = scrub.full_round();
    text.gauge(
        "snapback_scrub_last_full_round_timestamp_seconds",
        "Everything that is stored was verified then or later.",
        round.map(|round| (Vec::new(), seconds(round))),
    );
}

fn partitions(text: &mut Exposition, view: &ProcessView) {
    let all = assess::partitions(view);
    let names: Vec<String> = all
        .iter()
        .map(|(_, one)| one.partition.to_string())
        .collect();
    let mut each = |name: &str, help: &str, value: &dyn Fn(&PartitionView) -> Option<String>| {
        let samples = all
            .iter()
            .zip(&names)
            .filter_map(|((_, one), name)| Some((vec![("partition", name.as_str())], value(one)?)));
        text.gauge(name, help, samples);
    };
    fn shown<T: Display>(value: Option<T>) -> Option<String> {
        value.map(|value| value.to_string())
    }
    let stored = |one: &PartitionView, what: &dyn Fn(Stored) -> String| one.stored.map(what);
    each(
        "snapback_partition_frontier_offset",
        "Where the newest snapshot ends.",
        &|one| stored(one, &|stored| stored.frontier.to_string()),
    );
    each(
        "snapback_partition_committed_offset",
        "What the group has committed.",
        &|one| shown(one.committed),
    );
    each(
        "snapback_partition_position_offset",
        "The offset after the last event processed.",
        &|one| shown(one.position),
    );
    each(
        "snapback_partition_log_end_offset",
        "The offset after the last event of the log, as the client last heard it.",
        &|one| shown(one.log_end),
    );
    each(
        "snapback_partition_lag_offsets",
        "From the position to the end of the log.",
        &|one| shown(assess::lag(one)),
    );
    each(
        "snapback_partition_last_snapshot_timestamp_seconds",
        "When the newest snapshot was written.",
        &|one| stored(one, &|stored| seconds(stored.at).to_string()),
    );
    each(
        "snapback_partition_manifest_number",
        "The number of the newest manifest.",
        &|one| stored(one, &|stored| stored.sequence.to_string()),
    );
    each(
        "snapback_partition_buffered_bytes",
        "Outcomes in memory that are in no snapshot.",
        &|one| shown(Some(one.buffered_bytes)),
    );
    each(
        "snapback_partition_buffered_outcomes",
        "Outcomes in memory that are in no snapshot.",
        &|one| shown(Some(one.buffered_outcomes)),
    );
    each(
        "snapback_partition_pending_corrections",
        "Corrections that are still to be published.",
        &|one| shown(Some(one.pending_corrections)),
    );
    each(
        "snapback_partition_held",
        "Whether the partition is held to protect data.",
        &|one| shown(Some(u8::from(matches!(one.phase, PhaseView::Held(_))))),
    );
}

/// As Prometheus counts time. A double holds milliseconds of our time exactly enough.
fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}
