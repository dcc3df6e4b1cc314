//! `backfill`: what a history does not have comes from Kafka, is published once, and the history has no hole.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::corrections::{published, value};
use crate::outside::{LIMIT, Offsets, Pipeline, Place, wait_until_committed};
use crate::recovery::commit_elsewhere;
use crate::support::{Program, delete_records, eventually, read_all, s3, snapback};

fn backfill(pipeline: &Pipeline, flags: &[&str]) -> Program {
    snapback(["backfill", "--brokers", &pipeline.brokers])
        .args(["--events", &pipeline.events])
        .args(flags)
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
}

fn apply(pipeline: &Pipeline, flags: &[&str]) -> Value {
    let done = backfill(pipeline, flags)
        .args(["--apply", "-o", "json"])
        .run();
    serde_json::from_str(&done.expect_code(0).stdout).expect("JSON")
}

/// A pipeline that begins at the end of a topic with 60 events, one of which is malformed, and processes 40 more.
pub fn begun_late(place: Place) -> Pipeline {
    let pipeline = Pipeline::new(1, place);
    pipeline.send_numbers(0, 0..59);
    pipeline.send(0, ["malformed"]);
    let latest = ["--start", "latest"];
    pipeline.run_to_end().args(latest).run().expect_code(0);
    pipeline.send_numbers(0, 60..100);
    pipeline.run_to_end().args(latest).run().expect_code(0);
    let stored = pipeline.expected().only(|(_, offset)| offset >= 60);
    pipeline.check_stored(&stored, Offsets::default());
    pipeline
}

fn what_lies_before_the_origin_is_stored_and_not_published(place: Place) {
    let pipeline = begun_late(place);
    let before = read_all(&pipeline.brokers, &pipeline.results).len();
    let planned = backfill(&pipeline, &[]).run().expect_code(1);
    let line = "partition 0, offsets 0-60: before the origin";
    assert!(planned.stdout.contains(line), "{planned:?}");
    assert!(planned.stdout.contains("not published"), "{planned:?}");

    let done = apply(&pipeline, &["--offsets", "20-60"]);
    let partition = &done["partitions"][0];
    assert_eq!(partition["filled"]["results"], 39, "{done}");
    let done = apply(&pipeline, &[]);
    assert_eq!(done["partitions"][0]["filled"]["results"], 20, "{done}");
    pipeline.check_stored(&pipeline.expected(), Offsets::default());
    let nothing = backfill(&pipeline, &["--apply"]).run().expect_code(0);
    assert!(nothing.stdout.contains("nothing is missing"), "{nothing:?}");

    // The group goes on, killed or not, and nothing of the past is published.
    let running = pipeline.run().args(["--snapshot-interval", "1h"]).spawn();
    pipeline.send_numbers(0, 100..130);
    wait_until_committed(&pipeline, 130);
    running.kill();
    let summary = pipeline.run_to_end().args(["-o", "json"]).run();
    let summary: Value = serde_json::from_str(&summary.expect_code(0).stdout).expect("JSON");
    assert_eq!(summary["replayed"], 30, "{summary}");
    pipeline.check_stored(&pipeline.expected(), Offsets::default());
    let after = read_all(&pipeline.brokers, &pipeline.results).len();
    assert_eq!(after, before + 30);
    assert_eq!(pipeline.verify_published(0)["offsets"], 130);
}

#[test]
fn what_lies_before_the_origin_is_stored_in_a_folder() {
    what_lies_before_the_origin_is_stored_and_not_published(Place::folder());
}

#[test]
fn what_lies_before_the_origin_is_stored_in_a_bucket() {
    what_lies_before_the_origin_is_stored_and_not_published(Place::bucket(s3()));
}

#[test]
fn what_lies_before_the_origin_is_published_once_when_somebody_says_so() {
    let pipeline = begun_late(Place::folder());
    let done = apply(&pipeline, &["--publish-before-origin"]);
    assert_eq!(done["partitions"][0]["corrections"], 60, "{done}");
    for _ in 0..2 {
        pipeline.run_to_end().run().expect_code(0);
    }
    let published = published(&pipeline);
    for (offset, publications) in &published {
        let square = format!(r#"{{"number":{offset},"result":{}}}"#, offset * offset);
        // A reject takes back what may have been published.
        let expected = (*offset != 59).then(|| value(&square)).flatten();
        let all: Vec<_> = publications.iter().map(|(_, is)| is.clone()).collect();
        assert_eq!(all, [expected], "{offset}");
    }
    assert_eq!(published.len(), 100);
    assert_eq!(read_all(&pipeline.brokers, &pipeline.rejects).len(), 1);
    pipeline.verify_published(0);
}

/// A loss that was accepted although the events are there: the store had no other way then.
#[test]
fn a_gap_is_filled_beside_a_running_processor_which_publishes_it_once() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..40);
    pipeline.run_to_end().run().expect_code(0);
    // Somebody else has committed the next ones, and they are recorded as lost.
    pipeline.send_numbers(0, 40..60);
    commit_elsewhere(&pipeline, 60);
    let resumed = ["--resume-from", "committed"];
    pipeline.run_to_end().args(resumed).run().expect_code(0);
    assert_eq!(pipeline.verify(0)["lost"], 20);
    let mut running = pipeline
        .run()
        .args(["--snapshot-interval", "200ms", "--scrub", "off"])
        .spawn();
    pipeline.send_numbers(0, 60..80);
    wait_until_committed(&pipeline, 80);
    let done = apply(&pipeline, &["--offsets", "40-50"]);
    assert_eq!(done["partitions"][0]["corrections"], 10, "{done}");
    let gap = &pipeline.verify(0)["lost_ranges"];
    assert_eq!(
        (&gap[0]["start"], &gap[0]["reason"]),
        (&json!(50), &json!("foreign"))
    );
    apply(&pipeline, &[]);
    eventually(LIMIT, "the publications", || {
        (published(&pipeline).len() == 80).then_some(())
    });
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.run_to_end().run().expect_code(0);
    for (offset, publications) in published(&pipeline) {
        assert_eq!(publications.len(), 1, "{offset}");
        assert_eq!(
            publications[0].0.is_some(),
            (40..60).contains(&offset),
            "{offset}"
        );
    }
    pipeline.check_stored(&pipeline.expected(), Offsets::default());
    pipeline.verify_published(0);
}

/// Whenever it dies, what is left behind is a history without a hole, and the next one goes on.
#[test]
fn a_backfill_that_dies_is_done_by_the_next_one() {
    let pipeline = begun_late(Place::folder());
    let publishing = ["--publish-before-origin"];
    for (point, range) in [
        ("repair-half-put", "40-60"),
        ("repair-put", "40-60"),
        ("append-created", "20-60"),
        ("repair-appended", "0-60"),
    ] {
        let dies = backfill(&pipeline, &["--apply", "--offsets", range])
            .args(publishing)
            .env("FAILPOINTS", format!("{point}=return"))
            .run();
        assert!(dies.stderr.contains("dies at the fail point"), "{dies:?}");
        // What no manifest lists is in nobody's way.
        pipeline.run_to_end().run().expect_code(0);
    }
    let rest = backfill(&pipeline, &["--apply"]).args(publishing).run();
    rest.expect_code(0);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check_stored(&pipeline.expected(), Offsets::default());
    assert!(published(&pipeline).values().all(|all| all.len() == 1));
    assert_eq!(pipeline.verify_published(0)["offsets"], 100);
}

#[test]
fn what_kafka_has_no_more_is_said() {
    let pipeline = begun_late(Place::folder());
    delete_records(&pipeline.brokers, &pipeline.events, 0, 30);
    let done = backfill(&pipeline, &["--apply"]).run().expect_code(0);
    let gone = "stays missing: partition 0, offsets 0-30: before the origin: Kafka does not hold them any more";
    assert!(done.stdout.contains(gone), "{done:?}");
    assert_eq!(pipeline.verify(0)["offsets"], 70);
}

/// Nothing was committed, whoever made the history begin earlier meanwhile.
#[test]
fn a_backfill_before_the_first_commit_keeps_nobody_from_starting() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..30);
    let latest = ["--start", "latest"];
    let dies = pipeline.run_to_end().args(latest);
    let dies = dies.env("FAILPOINTS", "bound=return").run();
    assert!(dies.stderr.contains("dies at the fail point"), "{dies:?}");
    let done = apply(&pipeline, &[]);
    assert_eq!(done["partitions"][0]["filled"]["results"], 30, "{done}");
    pipeline.send_numbers(0, 30..50);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check_stored(&pipeline.expected(), Offsets::default());
    let published = read_all(&pipeline.brokers, &pipeline.results).len();
    assert_eq!(published, 20);
}

/// What is stored of these events is little; what is read is not.
#[test]
fn what_is_read_from_kafka_counts_for_the_rate() {
    let pipeline = Pipeline::new(1, Place::folder());
    let padding = "x".repeat(4000);
    let padded = |number| format!(r#"{{"number":{number},"padding":"{padding}"}}"#);
    pipeline.send(0, (0..1000).map(padded));
    let latest = ["--start", "latest"];
    pipeline.run_to_end().args(latest).run().expect_code(0);
    let began = Instant::now();
    let done = apply(&pipeline, &["--max-rate", "1MiB"]);
    assert_eq!(done["partitions"][0]["filled"]["results"], 1000, "{done}");
    // Nearly four megabytes.
    assert!(began.elapsed() > Duration::from_secs(3));
}
