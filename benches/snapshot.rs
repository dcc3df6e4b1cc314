//! Outcomes to files and back on one core: million rows per second, bytes per row as handed over, open and on disk; and
//! what a manifest costs after 3,000 appends.
//!
//! `cargo bench --bench snapshot`
#![allow(clippy::print_stdout)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]

use std::{hint::black_box, time::Instant};

use snapback::{
    calculation::{Evaluated, Evaluator, builtin},
    events::Fields,
    format::{
        Absent, Accumulation, Edit, Identity, Layout, Manifest, Pipeline, RangeOutcomes, Rowless,
        RowlessRecord, Segment, SegmentKind, Stamp, apply, read_segment,
    },
    history::Clock,
    model::{Counts, Digest, Event, Offset, OffsetRange, Partition, Sequence},
};

const ROWS: u64 = 5_000_000;
const ROUNDS: usize = 3;

fn range(start: u64, end: u64) -> OffsetRange {
    OffsetRange::new(Offset::ZERO.plus(start), Offset::ZERO.plus(end)).expect("start <= end")
}

fn identity(evaluator: &Evaluator) -> Identity {
    Identity {
        topic: "events".into(),
        partition: Partition(0),
        declaration: evaluator.declaration(),
        writer: "bench".into(),
    }
}

fn evaluate(evaluator: &mut Evaluator, from: u64, count: u64, random: bool) -> Evaluated {
    let number = |n: u64| {
        if random {
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1
        } else {
            n
        }
    };
    let payloads: Vec<String> = (from..from + count)
        .map(|n| format!("{{\"number\":{}}}", number(n)))
        .collect();
    let events = payloads.iter().enumerate().map(|(index, payload)| Event {
        offset: Offset::ZERO.plus(from + index as u64),
        timestamp: Some(1_795_000_000_000 + ((from + index as u64) / 1000) as i64),
        key: None,
        payload: Some(payload.as_bytes()),
    });
    evaluator.evaluate(events).expect("squares")
}

/// The outcomes of `rows` events, in batches of `batch`, as they are handed over.
fn outcomes(evaluator: &mut Evaluator, batch: u64, rows: u64, random: bool) -> Vec<RangeOutcomes> {
    let batches = (0..rows).step_by(batch as usize).map(|from| {
        let count = batch.min(rows - from);
        let evaluated = evaluate(evaluator, from, count, random);
        RangeOutcomes::new(range(from, from + count), evaluated).expect("ascending")
    });
    batches.collect()
}

fn main() {
    let fields = Fields::parse("number BIGINT NOT NULL").expect("fields");
    let square = builtin("square").expect("square");
    let mut evaluator = Evaluator::new(fields, square).expect("square of a BIGINT");
    let identity = identity(&evaluator);
    println!(
        "{:<34}{:>9}{:>9}{:>14}{:>14}{:>11}",
        "rows, batches", "encode", "read", "B/row handed", "B/row open", "B/row file"
    );
    for (name, batch, rows, random) in [
        ("5M ascending numbers, 10,000", 10_000, ROWS, false),
        ("5M random numbers, 10,000", 10_000, ROWS, true),
        ("1M ascending numbers, 1", 1, 1_000_000, false),
        ("1M ascending numbers, 7", 7, 1_000_000, false),
    ] {
        let outcomes = outcomes(&mut evaluator, batch, rows, random);
        let handed: usize = outcomes.iter().map(RangeOutcomes::bytes).sum();
        let mut best_encode = f64::MAX;
        let mut best_read = f64::MAX;
        let (mut open, mut bytes) = (0, 0);
        for _ in 0..ROUNDS {
            let started = Instant::now();
            let mut accumulation = Accumulation::new(Offset::ZERO);
            for outcomes in &outcomes {
                accumulation.append(outcomes).expect("contiguous");
            }
            open = accumulation.bytes();
            let encoded = accumulation.close(&identity).expect("encodes");
            best_encode = best_encode.min(started.elapsed().as_secs_f64());
            let file = encoded.results.expect("rows").bytes;
            bytes = file.len();
            let started = Instant::now();
            for batch in read_segment(file).expect("a segment") {
                black_box(batch.expect("rows"));
            }
            best_read = best_read.min(started.elapsed().as_secs_f64());
        }
        let rate = |seconds: f64| rows as f64 / seconds / 1e6;
        let per_row = |bytes: usize| bytes as f64 / rows as f64;
        println!(
            "{name:<34}{:>9.2}{:>9.2}{:>14.1}{:>14.2}{:>11.2}",
            rate(best_encode),
            rate(best_read),
            per_row(handed),
            per_row(open),
            per_row(bytes)
        );
    }
    manifests(&identity);
}

fn manifests(identity: &Identity) {
    let pipeline = Pipeline {
        cluster_id: None,
        group: "recalc_group".into(),
        events_topic: "events".into(),
        events_topic_id: None,
        events_partitions: Some(8),
        results_topic: "results".into(),
        results_partitions: 8,
    };
    let (layout, clock) = (Layout::new("events").expect("a topic"), Clock::system());
    let stamp = || Stamp {
        writer: identity.writer.clone(),
        created_at: clock.now(),
        calculation: identity.declaration.clone(),
        known: Vec::new(),
        committed: None,
        skipped: Vec::new(),
    };
    let bind = Edit::Bind {
        pipeline,
        partition: identity.partition,
        origin: Offset::ZERO,
    };
    let mut manifest = apply(None, bind, stamp()).expect("the first");
    let started = Instant::now();
    let mut last = started;
    for _ in 0..3000 {
        last = Instant::now();
        let over = OffsetRange::new(manifest.end, manifest.end.plus(1000)).expect("ascending");
        let segment = |kind, rows| Segment {
            path: layout.segment(kind, identity.partition, over, clock.segment_id()),
            kind,
            range: over,
            rows,
            rowless: Rowless::default(),
            bytes: 10_000,
            digest: Digest::of(b"segment"),
            fingerprint: identity.declaration.fingerprint.clone(),
            not_known: None,
            revision: None,
        };
        let edit = Edit::Append {
            range: over,
            segments: vec![
                segment(SegmentKind::Results, 990),
                segment(SegmentKind::Rejects, 10),
            ],
            counts: Counts {
                results: 990,
                rejects: 10,
                filtered: 0,
                absent: 0,
                lost: 0,
            },
            record: RowlessRecord {
                absent: Absent::none(),
                filtered: 0,
            },
        };
        manifest = apply(Some(&manifest), edit, stamp()).expect("an append");
    }
    let applied = last.elapsed();
    assert_eq!(manifest.sequence, Sequence(3001));
    let started = Instant::now();
    let bytes = manifest.encode();
    let encoded = started.elapsed();
    let started = Instant::now();
    black_box(Manifest::decode(&bytes).expect("its own"));
    println!(
        "manifest after 3,000 appends (6,000 segments): {} bytes; last apply {applied:.1?}, encode {encoded:.1?}, decode {:.1?}",
        bytes.len(),
        started.elapsed()
    );
}
