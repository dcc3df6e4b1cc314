//! Small segments become few large ones: beside the processor, by command, and whenever the process dies. Whoever reads the
//! plain glob meanwhile sees some rows twice for a moment, and never too few.

use std::path::Path;

use serde_json::Value;

use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::support::{Program, eventually, python, s3, snapback};

/// Reads the plain glob again and again until a line comes in, and prints how often, and how often a row was there twice. Every event
/// of partition 0 has a result, but for as many as the second argument says, so the others are those from 0 on.
pub const POLL: &str = r#"
import sys, threading, duckdb
stopped = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stopped.set()), daemon=True).start()
files, lost = f"{sys.argv[1]}/results/partition=0/*.parquet", int(sys.argv[2])
seen, reads, doubles, again = 0, 0, 0, 0
while not stopped.is_set():
    try:
        rows, offsets, last = duckdb.sql(f"SELECT count(*), count(DISTINCT kafka_offset), max(kafka_offset) FROM read_parquet('{files}')").fetchall()[0]
    except duckdb.Error:
        again += 1
        continue
    assert offsets + lost == last + 1 and offsets >= seen, f"{offsets} offsets up to {last}, {seen} before"
    seen, reads, doubles = offsets, reads + 1, doubles + (rows > offsets)
print(reads, doubles, again, seen)
"#;

#[test]
fn a_processor_merges_what_it_stores_and_readers_of_the_glob_never_see_too_few() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..40);
    pipeline.run_to_end().run().expect_code(0);
    let root = pipeline.store.path().join(&pipeline.events);
    let poller = python().program(POLL, &[root.to_str().expect("text"), "0"]);
    let mut poller = poller.open_stdin().limit(LIMIT).spawn();
    let mut running = pipeline
        .run()
        .args(["--snapshot-interval", "100ms", "--commit-interval", "20ms"])
        .spawn();
    let (mut sent, mut snapshots) = (40, 0);
    while snapshots < 60 {
        pipeline.send_numbers(0, sent..sent + 40);
        sent += 40;
        wait_until_committed(&pipeline, sent);
        snapshots += 1;
    }
    eventually(LIMIT, "few segments", || {
        (pipeline.segments("results", 0).len() < 20).then_some(())
    });
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    poller.enter();
    let polled = poller.wait(LIMIT).expect_code(0).stdout;
    println!("reads, with rows twice, made again, offsets: {polled}");
    pipeline.check();
    let (segments, manifests) = (pipeline.segments("results", 0), pipeline.manifests(0));
    assert!(
        segments.len() < 20 && manifests.len() > 30,
        "{} segments after {} manifests",
        segments.len(),
        manifests.len()
    );
}

fn compact(pipeline: &Pipeline, flags: &[&str]) -> Program {
    snapback(["compact", "-o", "json", "--events", &pipeline.events])
        .args(flags)
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
}

fn outcome(program: Program, code: i32) -> Value {
    let done = program.run().expect_code(code);
    serde_json::from_str(&done.stdout).expect("an outcome")
}

/// A few snapshots, each of a run of its own.
fn of_a_few_runs(place: Place) -> Pipeline {
    let pipeline = Pipeline::new(1, place);
    for run in 0..4 {
        pipeline.send_numbers(0, run * 50..(run + 1) * 50);
        pipeline.send(0, ["no JSON"]);
        pipeline.run_to_end().run().expect_code(0);
    }
    pipeline
}

fn is_merged_by_command(place: Place) {
    let pipeline = of_a_few_runs(place);
    let plan = outcome(compact(&pipeline, &[]), 1);
    let partition = &plan["partitions"][0];
    assert_eq!(partition["segments_before"], 8, "{plan}");
    assert_eq!(partition["segments_after"], 2, "{plan}");
    assert_eq!(plan["applied"], false);
    let done = outcome(compact(&pipeline, &["--apply"]), 0);
    assert_eq!(done["partitions"][0]["segments_after"], 2, "{done}");
    let nothing = outcome(compact(&pipeline, &[]), 0);
    assert_eq!(nothing["partitions"][0]["merges"], 0, "{nothing}");
    pipeline.check();
    // And it goes on from there.
    pipeline.send_numbers(0, 200..230);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn a_command_merges_a_store_in_a_folder() {
    is_merged_by_command(Place::folder());
}

#[test]
fn a_command_merges_a_store_on_s3() {
    is_merged_by_command(Place::bucket(s3()));
}

#[test]
fn what_was_filtered_within_segments_and_between_them_is_merged_with_them() {
    let pipeline = Pipeline::new(1, Place::folder());
    // Some are filtered, then all of them, then some again: two snapshots with a file, and a range without.
    let some = |from: i64| (from..from + 20).collect::<Vec<_>>();
    let odd = |from: i64| (from..from + 20).filter(|n| n % 2 != 0).collect();
    for numbers in [some(0), odd(20), some(40), some(60)] {
        pipeline.send_numbers(0, numbers);
        let run = pipeline.run_to_end().args(["--where", "number % 2 = 0"]);
        run.run().expect_code(0);
    }
    let verified = |flags: &[&str]| {
        let report = pipeline.verify_with(flags, 0);
        let counts = ["results", "rejects", "filtered", "absent"].map(|name| report[name].clone());
        assert_eq!(report["findings"], serde_json::json!([]));
        (serde_json::json!(counts), report["kafka"].clone())
    };
    let counts = serde_json::json!([30, 0, 40, 0]);
    assert_eq!(verified(&[]).0, counts);
    let done = outcome(compact(&pipeline, &["--apply"]), 0);
    assert_eq!(done["partitions"][0]["segments_after"], 1, "{done}");
    assert_eq!(pipeline.segments("results", 0).len(), 1);
    // Each offset is what it was; the events themselves say so.
    let (after, kafka) = verified(&["--kafka", "--brokers", &pipeline.brokers]);
    assert_eq!(after, counts);
    assert_eq!(kafka["filtered"], 40, "{kafka}");
    assert_eq!(kafka["not_checkable"], 0, "{kafka}");
}

fn is_complete_whenever_it_dies(place: &dyn Fn() -> Place) {
    for point in [
        "repair-half-put",
        "repair-put",
        "append-begun",
        "append-created",
        "appended",
        "repair-appended",
        "superseded-moved",
    ] {
        let pipeline = of_a_few_runs(place());
        let dies = compact(&pipeline, &["--apply"]).env("FAILPOINTS", format!("{point}=return"));
        let died = dies.run();
        let there = format!("dies at the fail point {point}\n");
        assert!(
            died.signal == Some(libc::SIGABRT) && died.stderr.contains(&there),
            "it did not die at {point}: {died:?}"
        );
        // The next owner tidies; nothing is there twice, nothing is gone.
        pipeline.send_numbers(0, 200..210);
        pipeline.run_to_end().run().expect_code(0);
        pipeline.check();
        outcome(compact(&pipeline, &["--apply"]), 0);
        pipeline.check();
    }
}

#[test]
fn a_merge_that_dies_anywhere_leaves_a_complete_store_in_a_folder() {
    is_complete_whenever_it_dies(&Place::folder);
}

#[test]
fn a_merge_that_dies_anywhere_leaves_a_complete_store_on_s3() {
    is_complete_whenever_it_dies(&|| Place::bucket(s3()));
}

#[test]
fn what_is_damaged_is_named_and_never_merged() {
    let pipeline = of_a_few_runs(Place::folder());
    let damaged = pipeline.segments("results", 0).remove(1);
    flip(&damaged);
    let done = outcome(compact(&pipeline, &["--apply"]), 1);
    let left = done["partitions"][0]["left"][0]
        .as_str()
        .expect("a finding");
    assert!(left.contains("digest-mismatch"), "{done}");
    assert!(damaged.exists());
    assert_eq!(pipeline.segments("results", 0).len(), 3);
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("a segment");
}
