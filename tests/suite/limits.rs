//! Messages that the output topics do not take: a result becomes a reject, a dead letter is cut down, nothing stands still.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::outside::{Pipeline, Place, wait_until_committed};
use crate::published::report;
use crate::support::{
    Record, committed, create_topic_with, eventually, read_all, set_topic_config,
};

pub const FIELDS: [&str; 2] = ["--fields", "number BIGINT NOT NULL, note VARCHAR"];

pub fn header(record: &Record, name: &str) -> Option<String> {
    let (_, value) = record.headers.iter().find(|(header, _)| header == name)?;
    Some(String::from_utf8_lossy(value.as_deref()?).into_owned())
}

/// An event with a note that cannot be compressed: brokers count bytes after compression.
pub fn noted(number: i64, bytes: usize) -> String {
    let mut random = StdRng::seed_from_u64(number.unsigned_abs());
    let letters = (0..bytes).map(|_| char::from(random.random_range(b'#'..b'[')));
    let note: String = letters.collect();
    format!(r#"{{"number": {number}, "note": "{note}"}}"#)
}

/// A pipeline whose output topics take messages of so many bytes.
fn limited(results: &str, rejects: &str) -> Pipeline {
    let pipeline = Pipeline::new(1, Place::folder());
    for (topic, limit) in [(&pipeline.results, results), (&pipeline.rejects, rejects)] {
        create_topic_with(&pipeline.brokers, topic, 1, &[("max.message.bytes", limit)]);
    }
    pipeline
}

fn results(pipeline: &Pipeline) -> usize {
    read_all(&pipeline.brokers, &pipeline.results).len()
}

#[test]
fn a_result_too_large_for_its_topic_becomes_a_reject() {
    let pipeline = limited("2000", "1048588");
    let events = (0..300).map(|n| noted(n, if n % 100 == 50 { 5_000 } else { 500 }));
    pipeline.send(0, events);
    pipeline.run_to_end().args(FIELDS).run().expect_code(0);
    assert_eq!(results(&pipeline), 297);
    let dead = read_all(&pipeline.brokers, &pipeline.rejects);
    let offsets: Vec<_> = dead
        .iter()
        .filter_map(|r| header(r, "snapback-offset"))
        .collect();
    assert_eq!(offsets, ["50", "150", "250"]);
    for letter in &dead {
        let reason = header(letter, "snapback-reason").expect("a reason");
        assert!(
            reason.starts_with("too-large: ") && reason.contains("2000"),
            "{reason}"
        );
        assert_eq!(header(letter, "snapback-payload-bytes"), None);
    }
    let report = pipeline.verify_with(&FIELDS, 0);
    assert_eq!(
        (&report["results"], &report["rejects"]),
        (&297.into(), &3.into())
    );
}

#[test]
fn what_was_too_large_is_a_reject_again_in_a_replay() {
    let pipeline = limited("2000", "1048588");
    pipeline.send(0, [noted(1, 10), noted(2, 5_000), noted(3, 10)]);
    let running = pipeline
        .run()
        .args(FIELDS)
        .args(["--snapshot-interval", "1h"])
        .spawn();
    wait_until_committed(&pipeline, 3);
    running.kill();
    pipeline.run_to_end().args(FIELDS).run().expect_code(0);
    let report = pipeline.verify_with(&FIELDS, 0);
    assert_eq!(
        (&report["results"], &report["rejects"]),
        (&2.into(), &1.into())
    );
}

/// What the store and the topics hold, which must agree: results and rejects.
#[track_caller]
fn outcomes(pipeline: &Pipeline) -> (u64, u64) {
    let report = report(pipeline, &FIELDS, 0);
    let count = |kind: &str| report[kind].as_u64().expect("a count");
    (count("results"), count("rejects"))
}

/// Processes events with notes of 2,000 bytes under one limit, is killed before they are stored, and goes on under another.
fn decided_before_a_kill(before: &str, after: &str) -> Pipeline {
    let pipeline = limited(before, "1048588");
    pipeline.send(0, [noted(1, 10), noted(2, 2_000)]);
    let flags = ["--snapshot-interval", "1h"];
    let running = pipeline.run().args(FIELDS).args(flags).spawn();
    wait_until_committed(&pipeline, 2);
    running.kill();
    let limit = ("max.message.bytes", after);
    set_topic_config(&pipeline.brokers, &pipeline.results, limit);
    pipeline.send(0, [noted(3, 2_000)]);
    pipeline.run_to_end().args(FIELDS).run().expect_code(0);
    pipeline
}

#[test]
fn a_limit_that_is_raised_changes_nothing_that_was_decided() {
    let pipeline = decided_before_a_kill("1000", "1048588");
    assert_eq!(outcomes(&pipeline), (2, 1));
    assert_eq!(read_all(&pipeline.brokers, &pipeline.rejects).len(), 1);
    // What was decided by each limit is in files of its own.
    assert_eq!(pipeline.segments("results", 0).len(), 2);
}

#[test]
fn a_limit_that_is_lowered_changes_nothing_that_was_decided() {
    let pipeline = decided_before_a_kill("1048588", "1000");
    assert_eq!(outcomes(&pipeline), (2, 1));
    assert_eq!(read_all(&pipeline.brokers, &pipeline.rejects).len(), 1);
}

#[test]
fn commits_count_results_and_rejects_apart_and_name_the_limits() {
    let pipeline = limited("2000", "1048588");
    pipeline.send(0, [noted(1, 10), noted(2, 5_000), "bad".to_owned()]);
    pipeline.run_to_end().args(FIELDS).run().expect_code(0);
    let commits = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    let (_, metadata) = commits[&0].clone().expect("a commit");
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    assert_eq!(
        (&metadata["results"], &metadata["rejects"]),
        (&1.into(), &2.into())
    );
    assert_eq!(metadata["limits"]["results"], 2_000);
    assert_eq!(metadata["limits"]["rejects"], 1_048_588);
}

#[test]
fn a_dead_letter_too_large_for_its_topic_is_cut_and_the_store_has_all_of_it() {
    let pipeline = limited("1048588", "1500");
    let payload = "x".repeat(20_000);
    pipeline.send(0, [payload.clone(), r#"{"number": 2}"#.to_owned()]);
    pipeline.run_to_end().run().expect_code(0);
    let dead = read_all(&pipeline.brokers, &pipeline.rejects);
    let rest = dead[0].payload.as_deref().expect("a payload");
    assert!(!rest.is_empty() && rest.len() < 1_500 && payload.as_bytes().starts_with(rest));
    assert_eq!(
        header(&dead[0], "snapback-payload-bytes").as_deref(),
        Some("20000")
    );
    assert!(header(&dead[0], "snapback-payload-digest").is_some());
    assert_eq!(results(&pipeline), 1);
    // Results once, and every reject with its whole payload.
    let expected = pipeline.expected();
    pipeline.check_stored(&expected, crate::outside::Offsets::default());
}

#[test]
fn a_limit_that_is_lowered_while_it_runs_is_noticed() {
    let pipeline = limited("1048588", "1048588");
    pipeline.send(0, [noted(1, 50_000)]);
    let flags = ["--snapshot-interval", "1h"];
    let running = pipeline.run().args(FIELDS).args(flags).spawn();
    wait_until_committed(&pipeline, 1);
    set_topic_config(
        &pipeline.brokers,
        &pipeline.results,
        ("max.message.bytes", "10000"),
    );
    // The broker takes the new limit in a moment after it has said so: until then such an event is a result.
    let mut large: u8 = 0;
    let dead = eventually(Duration::from_secs(60), "a dead letter", || {
        pipeline.send(0, [noted(2, 50_000), noted(3, 10)]);
        large += 1;
        wait_until_committed(&pipeline, 1 + 2 * i64::from(large));
        let dead = read_all(&pipeline.brokers, &pipeline.rejects);
        (!dead.is_empty()).then_some(dead)
    });
    // The next start decides again what is not stored, by the limit of then.
    running.kill();
    pipeline.run_to_end().args(FIELDS).run().expect_code(0);
    assert_eq!(results(&pipeline), 2 * usize::from(large));
    assert_eq!(dead.len(), 1);
    let offset = header(&dead[0], "snapback-offset");
    assert_eq!(offset, Some((2 * large - 1).to_string()));
    assert_eq!(outcomes(&pipeline), (2 * u64::from(large), 1));
}
