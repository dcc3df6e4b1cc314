//! `snapback verify` beside DuckDB over the same files: seconds, CPU, memory.
//!
//! Both recompute every square and count each partition's offsets; `verify` also compares digests and sees that every offset is
//! there once. It runs on one core, as DuckDB does with one thread, and then on all cores. Two stores: as snapshots leave
//! them, and as compaction does.
//!
//! `cargo bench --bench verify`, or `-- 5000000` for so many rows. Asserted: CPU of one core no more than DuckDB's, memory
//! under 200 MB.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![allow(unsafe_code, missing_docs, clippy::print_stdout, clippy::print_stderr)]

#[path = "../needed/mod.rs"]
mod needed;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/suite/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use snapback::calculation::{Evaluator, builtin};
use snapback::events::Fields;
use snapback::format::{Accumulation, RangeOutcomes};
use snapback::model::{Event, Offset, OffsetRange, Partition};
use snapback::store::{Store, StoreConfig};

use crate::needed::{Needed, cores, words};
use crate::support::{MadeHistory, python, snapback};

const ROWS: u64 = 50_000_000;
const PARTITIONS: i32 = 8;
/// The rows that a snapshot writes.
const YOUNG: u64 = 100_000;
/// What compaction makes of them: about its 128 MiB.
const AGED: u64 = 9_500_000;
/// Rows that are calculated at a time.
const BATCH: u64 = 10_000;
const ROUNDS: usize = 3;
/// Of `verify`, in bytes.
const MEMORY: u64 = 200_000_000;

const DUCK: &str = include_str!("duck.py");

fn offset(number: u64) -> Offset {
    Offset::ZERO.plus(number)
}

fn range(start: u64, end: u64) -> OffsetRange {
    OffsetRange::new(offset(start), offset(end)).expect("ascending")
}

fn outcomes(evaluator: &Evaluator, start: u64, end: u64) -> RangeOutcomes {
    let number = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let payload = |at: u64| format!("{{\"number\":{}}}", number(at));
    let payloads: Vec<String> = (start..end).map(payload).collect();
    let events = payloads.iter().enumerate().map(|(index, payload)| Event {
        offset: offset(start + index as u64),
        timestamp: Some(1_795_000_000_000 + index as i64),
        key: None,
        payload: Some(payload.as_bytes()),
    });
    let evaluated = evaluator.evaluate(events).expect("squares");
    RangeOutcomes::new(range(start, end), evaluated).expect("of this range")
}

/// Stores `rows` squares of one partition, `of_segment` in each file; the bytes of the files.
async fn fill(store: &Store, partition: Partition, rows: u64, of_segment: u64) -> u64 {
    let fields = Fields::parse("number BIGINT NOT NULL").expect("fields");
    let square = builtin("square").expect("square");
    let evaluator = Evaluator::new(fields, square).expect("square of a BIGINT");
    let partitions = PARTITIONS as u32;
    let mut history = MadeHistory::begin(store, &evaluator, partition, partitions).await;
    let mut written = 0;
    for start in (0..rows).step_by(of_segment as usize) {
        let end = rows.min(start + of_segment);
        let mut accumulation = Accumulation::new(offset(start));
        for batch in (start..end).step_by(BATCH as usize) {
            let outcomes = outcomes(&evaluator, batch, end.min(batch + BATCH));
            accumulation.append(&outcomes).expect("contiguous");
        }
        written += history.append(accumulation).await;
    }
    written
}

/// The best of several runs, and the most memory of any.
fn measure(cores: usize, line: &[String]) -> Needed {
    let runs = (0..ROUNDS).map(|_| Needed::of(line, Path::new("."), cores));
    runs.reduce(|a: Needed, b| Needed {
        seconds: a.seconds.min(b.seconds),
        cpu: a.cpu.min(b.cpu),
        peak: a.peak.max(b.peak),
    })
    .expect("several runs")
}

/// Fills a store and measures over it; whether the bounds hold.
fn compare(name: &str, rows: u64, of_segment: u64) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().display().to_string();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let began = Instant::now();
    let bytes = runtime.block_on(async {
        let store = Store::open(&StoreConfig::new(root.parse().expect("a folder"))).await;
        let store = store.expect("a folder");
        let of_partition = rows / PARTITIONS as u64;
        let partitions = (0..PARTITIONS).map(|partition| {
            let store = store.clone();
            tokio::spawn(async move {
                fill(&store, Partition(partition), of_partition, of_segment).await
            })
        });
        let filled = futures::future::join_all(partitions).await;
        filled
            .into_iter()
            .map(|bytes| bytes.expect("filled"))
            .sum::<u64>()
    });
    println!(
        "{name}: {rows} rows in {PARTITIONS} partitions, {of_segment} at most in a segment, {:.1} bytes for a row; written in {:.0} s",
        bytes as f64 / rows as f64,
        began.elapsed().as_secs_f64()
    );
    let row = |what: &str, needed: Needed| {
        println!(
            "{what:<34}{:>9.2}{:>9.2}{:>12.2}{:>10.0}",
            needed.seconds,
            needed.cpu,
            rows as f64 / needed.seconds / 1e6,
            needed.peak as f64 / 1e6
        );
    };
    println!(
        "{:<34}{:>9}{:>9}{:>12}{:>10}",
        "", "seconds", "CPU s", "M rows/s", "MB"
    );
    let glob = format!("{root}/events/results/partition=*/*.parquet");
    let script = folder.path().join("duck.py");
    std::fs::write(&script, DUCK).expect("a script");
    let duck = words(&python().program(DUCK, &[]));
    let duck = [
        duck[0].clone(),
        script.display().to_string(),
        glob,
        rows.to_string(),
    ];
    let duck = measure(1, &duck);
    row("DuckDB, one thread", duck);
    let verify = |level: &str| {
        let line = snapback(["verify", "--store", &root, "--level", level]);
        words(&line)
    };
    let cores = cores();
    let mut holds = true;
    for level in ["integrity", "coverage", "semantic"] {
        let one = measure(1, &verify(level));
        row(&format!("verify --level {level}, one core"), one);
        holds &= one.peak < MEMORY && one.cpu <= duck.cpu;
        if level == "semantic" {
            println!(
                "of DuckDB's time {:.2}, of its CPU {:.2}",
                one.seconds / duck.seconds,
                one.cpu / duck.cpu
            );
            let all = measure(cores, &verify(level));
            row(&format!("verify --level {level}, {cores} cores"), all);
            println!(
                "{:.2} times as fast on {cores} cores",
                one.seconds / all.seconds
            );
            holds &= all.peak < MEMORY;
        }
    }
    holds
}

fn main() -> ExitCode {
    let args = std::env::args().skip(1);
    let rows = args.filter_map(|arg| arg.parse().ok()).next();
    let rows: u64 = rows.unwrap_or(ROWS);
    let young = compare("as snapshots leave it", rows, YOUNG);
    let aged = compare("as compaction leaves it", rows, AGED);
    if young && aged {
        ExitCode::SUCCESS
    } else {
        println!("not every bound holds");
        ExitCode::FAILURE
    }
}
