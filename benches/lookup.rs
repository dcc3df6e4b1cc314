//! What became of one event, in a history of 10,000 segments: milliseconds and requests, in memory, in a folder, in a bucket.
//!
//! `cargo bench --bench lookup`, or `-- 1000` for so many segments.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![allow(unsafe_code, missing_docs, clippy::print_stdout, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "../tests/suite/costs/counted.rs"]
mod counted;
#[allow(dead_code, unused_imports)]
#[path = "../tests/suite/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use snapback::calculation::{Evaluator, builtin};
use snapback::events::Fields;
use snapback::format::{
    Accumulation, Edit, Identity, Layout, Pipeline, RangeOutcomes, Stamp, apply,
};
use snapback::history::Clock;
use snapback::model::{Event, Offset, OffsetRange, Partition};
use snapback::query::{Fate, lookup};
use snapback::store::{Path, Store, StoreConfig};

use crate::counted::counted;
use crate::support::S3Server;

const SEGMENTS: u64 = 10_000;
const ROWS: u64 = 1_000;
/// Of each segment, one event in so many is a reject.
const REJECT_EVERY: u64 = 500;
const LOOKUPS: u64 = 40;
const PARTITION: Partition = Partition(0);
const AT_A_TIME: usize = 16;
/// What a lookup may ask for.
const RESULT: u64 = 6;
const REJECT: u64 = 10;

fn offset(number: u64) -> Offset {
    Offset::ZERO.plus(number)
}

fn evaluator() -> Evaluator {
    let fields = Fields::parse("number BIGINT NOT NULL").expect("fields");
    let square = builtin("square").expect("square");
    Evaluator::new(fields, square).expect("square of a BIGINT")
}

fn outcomes(evaluator: &Evaluator, start: u64) -> RangeOutcomes {
    let numbers = start..start + ROWS;
    let payload = |number: u64| match number % REJECT_EVERY {
        1 => "no JSON".to_owned(),
        _ => format!("{{\"number\":{number}}}"),
    };
    let payloads: Vec<String> = numbers.map(payload).collect();
    let events = payloads.iter().enumerate().map(|(index, payload)| Event {
        offset: offset(start + index as u64),
        timestamp: Some(1_795_000_000_000 + index as i64),
        key: None,
        payload: Some(payload.as_bytes()),
    });
    let evaluated = evaluator.evaluate(events).expect("squares");
    let range = OffsetRange::new(offset(start), offset(start + ROWS)).expect("ascending");
    RangeOutcomes::new(range, evaluated).expect("of this range")
}

/// The objects of a history of so many segments of each kind; of its manifests the newest.
fn objects(segments: u64) -> Vec<(Path, Bytes)> {
    let (evaluator, clock) = (evaluator(), Clock::system());
    let layout = Layout::new("events").expect("a topic");
    let identity = Identity {
        topic: "events".to_owned(),
        partition: PARTITION,
        declaration: evaluator.declaration(),
        writer: "bench".to_owned(),
    };
    let stamp = || Stamp {
        writer: identity.writer.clone(),
        created_at: clock.now(),
        calculation: identity.declaration.clone(),
        known: Vec::new(),
        committed: None,
        skipped: Vec::new(),
    };
    let pipeline = Pipeline {
        cluster_id: None,
        group: "recalc_group".to_owned(),
        events_topic: "events".to_owned(),
        events_topic_id: None,
        events_partitions: Some(1),
        results_topic: "results".to_owned(),
        results_partitions: 1,
    };
    let bind = Edit::Bind {
        pipeline,
        partition: PARTITION,
        origin: Offset::ZERO,
    };
    let mut manifest = apply(None, bind, stamp()).expect("the first");
    let mut objects = Vec::new();
    for start in (0..segments * ROWS).step_by(ROWS as usize) {
        let mut accumulation = Accumulation::new(offset(start));
        let outcomes = outcomes(&evaluator, start);
        accumulation.append(&outcomes).expect("contiguous");
        let encoded = accumulation.close(&identity).expect("encodes");
        let named = encoded.segments().map(|file| {
            let segment = file.named(&layout, clock.segment_id());
            objects.push((segment.path.clone(), file.bytes.clone()));
            segment
        });
        let edit = Edit::Append {
            range: encoded.range,
            segments: named.collect(),
            counts: encoded.counts,
            record: encoded.record.clone(),
        };
        manifest = apply(Some(&manifest), edit, stamp()).expect("an append");
    }
    let path = layout.manifest(PARTITION, manifest.sequence);
    let bytes = manifest.encode();
    println!(
        "{segments} ranges of {ROWS} events, a manifest of {} kB",
        bytes.len() / 1000
    );
    objects.push((path, bytes));
    objects
}

/// Looks up events that have a result, then such that are rejects; whether the bounds hold.
async fn measure(name: &str, store: Store, objects: &[(Path, Bytes)], segments: u64) -> bool {
    let (store, counter) = counted(store, &Clock::system(), ROWS, None);
    stream::iter(objects)
        .map(|(path, bytes)| store.put(path, bytes.clone()))
        .buffer_unordered(AT_A_TIME)
        .try_collect::<()>()
        .await
        .expect("a writable store");
    let layout = Layout::new("events").expect("a topic");
    let mut holds = true;
    for (kind, place, most) in [("result", 0, RESULT), ("reject", 1, REJECT)] {
        let (mut times, mut requests, mut bytes) = (Vec::new(), 0, 0);
        for number in 0..LOOKUPS {
            let segment = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % segments;
            let at = offset(segment * ROWS + place);
            let before = counter.counts().all();
            let began = Instant::now();
            let found = lookup(&store, &layout, PARTITION, at).await;
            times.push(began.elapsed());
            let asked = counter.counts().all() - before;
            requests = requests.max(asked.all());
            bytes = bytes.max(asked.bytes_got);
            let fate = found.expect("a readable store").fate;
            let is_right = match kind {
                "result" => matches!(fate, Fate::Result(_)),
                _ => matches!(fate, Fate::Reject(_)),
            };
            assert!(is_right, "{at}: {fate:?}");
        }
        times.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{name}: a {kind} in {:.1} ms (median; the slowest {:.1} ms), {requests} requests (at most {most}), {:.1} kB read",
            ms(times[times.len() / 2]),
            ms(times[times.len() - 1]),
            bytes as f64 / 1e3
        );
        holds &= requests <= most;
    }
    holds
}

fn main() -> ExitCode {
    let args = std::env::args().skip(1);
    let segments = args.filter_map(|arg| arg.parse().ok()).next();
    let segments: u64 = segments.unwrap_or(SEGMENTS);
    let objects = objects(segments);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let server = S3Server::start();
    let holds = runtime.block_on(async {
        let local = StoreConfig::new(
            folder
                .path()
                .display()
                .to_string()
                .parse()
                .expect("a folder"),
        );
        let env = server.env().into_iter();
        let bucket = StoreConfig {
            url: format!("s3://{}/lookup", server.bucket())
                .parse()
                .expect("a bucket"),
            s3_endpoint: Some(server.endpoint().to_owned()),
            env: env.map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        let local = Store::open(&local).await.expect("a folder");
        let bucket = Store::open(&bucket).await.expect("a bucket");
        let mut holds = true;
        for (name, store) in [
            ("memory", Store::memory()),
            ("folder", local),
            ("bucket", bucket),
        ] {
            holds &= measure(name, store, &objects, segments).await;
        }
        holds
    });
    if holds {
        ExitCode::SUCCESS
    } else {
        println!("not every bound holds");
        ExitCode::FAILURE
    }
}
