//! Views of processors, and what is made of them.

mod assessing;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use hyper::{Method, StatusCode};

use super::{
    assess::{self, State},
    json, metrics, page,
    respond::respond,
};
use crate::{
    audit::{Finding, FindingKind, Severity},
    model::{Offset, OffsetRange, Partition, Sequence},
    processor::{
        About, Counters, HeldView, Moment, PartitionView, PhaseView, ProcessView, Reason,
        RemovedView, ScrubView, Stored, Tally, TroubleView, WorkerView,
    },
};

/// 20 minutes after the start.
const NOW: u64 = 1_200;

fn moment(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

fn time(seconds_ago: i64) -> DateTime<Utc> {
    let now = DateTime::parse_from_rfc3339("2026-01-31T12:00:00.250Z").unwrap();
    now.to_utc() - TimeDelta::seconds(seconds_ago)
}

fn offset(value: u64) -> Option<Offset> {
    Some(Offset::ZERO.plus(value))
}

fn range(start: u64, end: u64) -> OffsetRange {
    OffsetRange::new(Offset::ZERO.plus(start), Offset::ZERO.plus(end)).unwrap()
}

fn running(partition: i32) -> PartitionView {
    PartitionView {
        partition: Partition(partition),
        phase: PhaseView::Running,
        since: moment(3),
        stored: Some(Stored {
            sequence: Sequence(7),
            frontier: Offset::ZERO.plus(1_000),
            outcomes: 990,
            at: time(12),
        }),
        committed: offset(1_400),
        position: offset(1_500),
        log_end: offset(2_500),
        buffered_bytes: 65_536,
        buffered_outcomes: 498,
        pending_corrections: 0,
        corrections_stuck: None,
    }
}

fn in_phase(partition: i32, phase: PhaseView) -> PartitionView {
    PartitionView {
        phase,
        ..running(partition)
    }
}

fn held(partition: i32) -> PartitionView {
    PartitionView {
        stored: None,
        committed: None,
        position: None,
        log_end: None,
        buffered_bytes: 0,
        buffered_outcomes: 0,
        since: moment(600),
        ..in_phase(
            partition,
            PhaseView::Held(HeldView {
                refusal: "partition 2 of topic events is held: the group was reset".to_owned(),
                explanation: "refused: because\n\n  snapback run --resume-from frontier".to_owned(),
                commands: vec!["snapback run --resume-from frontier".to_owned()],
            }),
        )
    }
}

fn worker(partitions: Vec<PartitionView>) -> WorkerView {
    let mut rejects = Tally::default();
    rejects.add("fraction", 3);
    WorkerView {
        name: "recalc_group.events.host-0.0".to_owned(),
        joined: true,
        arriving: false,
        held_bytes: 131_072,
        held_parts: vec![("uncommitted", 31_072), ("accumulated", 100_000)],
        limit_bytes: 134_217_728,
        paused: None,
        counters: Counters {
            results: 1_234_567,
            rejects,
            filtered: 0,
            raw_timestamps: 3,
            times_left_out: 2,
            replayed: 20,
            commits: 55,
            aborts: 1,
            snapshots: 9,
            stored_bytes: 5_000_000,
            corrections: 4,
        },
        partitions,
    }
}

fn process(workers: Vec<Option<WorkerView>>) -> ProcessView {
    let about = About {
        version: "1.2.3".to_owned(),
        instance: "host-0".to_owned(),
        calculation: "square(number)".to_owned(),
        condition: None,
        publish: None,
        carry: None,
        fields: "number BIGINT NOT NULL".to_owned(),
        group: "recalc_group".to_owned(),
        events: "events".to_owned(),
        results: "results".to_owned(),
        rejects: "events.dlq".to_owned(),
        brokers: "kafka:9092".to_owned(),
        store: "s3://bucket/it's \"here\"\\<b>".to_owned(),
        memory: 268_435_456,
    };
    ProcessView {
        about: Arc::new(about),
        now: moment(NOW),
        time: time(0),
        stopping: false,
        snapshot_failures: 2,
        removed: RemovedView {
            manifests: 120,
            segments: 34,
            bytes: 5_600_000,
            last: Some(time(30)),
            stopped: [Partition(1)].into(),
        },
        ticks: workers
            .iter()
            .map(|one| one.as_ref().map(|_| moment(NOW - 1)))
            .collect(),
        workers: workers.into_iter().map(|one| one.map(Arc::new)).collect(),
        troubles: Vec::new(),
        scrub: ScrubView {
            segments: 70,
            rows: 1_400_000,
            bytes: 15_000_000,
            mended: 2,
            verified_since: [
                (Partition(0), Some(time(600))),
                (Partition(1), Some(time(60))),
            ]
            .into(),
            findings: Vec::new(),
        },
    }
}

fn well() -> ProcessView {
    process(vec![Some(worker(vec![running(0), running(1)]))])
}

fn trouble(reason: Reason, since: u64, partitions: &[i32], text: &str) -> TroubleView {
    TroubleView {
        reason,
        since: moment(since),
        partitions: partitions.iter().copied().map(Partition).collect(),
        text: text.to_owned(),
    }
}

/// Nearly everything at once.
fn in_trouble() -> ProcessView {
    let stuck = PartitionView {
        pending_corrections: 10,
        corrections_stuck: Some(moment(30)),
        ..running(1)
    };
    let replaying = in_phase(3, PhaseView::Replaying(range(1_000, 1_400)));
    let paused = WorkerView {
        paused: Some(moment(1_000)),
        held_bytes: 140_000_000,
        ..worker(vec![running(0), held(2)])
    };
    let mut view = process(vec![
        Some(paused),
        Some(worker(vec![stuck, replaying])),
        None,
    ]);
    view.scrub.verified_since.insert(Partition(1), None);
    view.scrub.findings = vec![Finding {
        kind: FindingKind::WrongResult,
        partition: Partition(1),
        start: Offset::ZERO.plus(7),
        end: Offset::ZERO.plus(8),
        segment: Some("events/results/partition=1/a.parquet".to_owned()),
        manifest: None,
        not_given: false,
        detail: "offset 7 is stored with the result <50>; recalculated, it is 49".to_owned(),
        remedy: "`snapback repair --apply`".to_owned(),
        severity: Severity::Damage,
    }];
    view.troubles = vec![
        trouble(
            Reason::Store,
            900,
            &[1],
            "the snapshot cannot be stored yet: <away>",
        ),
        trouble(
            Reason::Store,
            800,
            &[0],
            "the snapshot cannot be stored yet: away again",
        ),
        trouble(Reason::Broker, 1_190, &[], "no answer"),
    ];
    view
}

#[test]
fn the_page_says_everything_and_loads_nothing() {
    let page = page::render(&in_trouble());
    insta::assert_snapshot!("page", page);
    for markup in [
        "<script", "<img", "<link", "http://", "https://", "<b>\\", "<away>",
    ] {
        assert!(!page.contains(markup), "{markup}");
    }
}

#[test]
fn the_status_is_json() {
    for (name, view) in [
        ("json-well", well()),
        ("json-in-trouble", in_trouble()),
        ("json-starting", process(vec![None])),
    ] {
        let text = json::render(&view);
        let _: serde_json::Value = serde_json::from_str(&text).unwrap();
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn the_metrics_are_in_prometheus_format() {
    insta::assert_snapshot!("metrics-well", metrics::render(&well(), 3));
    let text = metrics::render(&in_trouble(), 3);
    insta::assert_snapshot!("metrics-in-trouble", text);
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    assert!(names.len() > 30);
    for line in &names {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(name.starts_with("snapback_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
    }
}

#[test]
fn a_reason_that_no_list_has_makes_no_label_of_its_own() {
    let mut one = worker(Vec::new());
    one.counters.rejects.add("anything \"at all\"", 5);
    one.counters.rejects.add("else", 2);
    let text = metrics::render(&process(vec![Some(one)]), 3);
    assert!(
        text.contains("snapback_rejects_total{reason=\"other\"} 7\n"),
        "{text}"
    );
    assert!(
        text.contains("snapback_rejects_total{reason=\"fraction\"} 3\n"),
        "{text}"
    );
}

#[test]
fn only_what_there_is_is_answered() {
    let ask = |method: &Method, path| respond(method, path, in_trouble);
    for path in ["/", "/status", "/metrics", "/healthz"] {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(&method, path);
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert!(!answer.body.is_empty());
        }
    }
    let well = respond(&Method::GET, "/healthz", well);
    assert_eq!(well.body, "healthy\n");
    let reasons =
        "partitions-held, corrections-stuck, memory-full, store-unreachable, broker-unreachable";
    let health = ask(&Method::GET, "/healthz");
    assert_eq!(health.body, format!("healthy, but degraded: {reasons}\n"));
    let ready = ask(&Method::GET, "/readyz");
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.body, "not ready: 2 of 3 workers have started\n");
    for path in ["/nothing", "/status/", "//", "/../status", "*"] {
        let answer = ask(&Method::GET, path);
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.body.contains("/healthz"));
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = ask(&method, "/status");
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
}
