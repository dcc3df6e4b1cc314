//! `run --on-new-calculation recalculate`: stored history is brought under a new calculation while the processor runs, and
//! what changes is published as corrections, each exactly once, whenever the process dies.

mod command;

use std::collections::BTreeMap;

use serde_json::json;

use crate::corrections::{self, Publication, dead_letters, progress, published, value};
use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::support::{Program, delete_records, eventually, s3};

const FIELDS: [&str; 2] = ["--fields", "a BIGINT, b BIGINT"];
/// The calculation before, and the one after.
pub const OLD: [&str; 4] = [
    FIELDS[0],
    FIELDS[1],
    "--calculation",
    "square(a) AS result NOT NULL",
];
pub const NEW: [&str; 4] = [
    FIELDS[0],
    FIELDS[1],
    "--calculation",
    "square(b) AS result NOT NULL",
];
pub const RECALCULATE: [&str; 2] = ["--on-new-calculation", "recalculate"];

/// One segment's events: under the new calculation the first has another result, the second is a reject, the third is a
/// result, and the last two stay what they are.
pub const EVENTS: [&str; 5] = [
    r#"{"a": 2, "b": 3}"#,
    r#"{"a": 5}"#,
    r#"{"b": 6, "more": true}"#,
    r#"{"a": 1, "b": 1}"#,
    "no JSON",
];

/// The segments of the history's results.
pub const SEGMENTS: usize = 3;

fn run_old(pipeline: &Pipeline) -> Program {
    pipeline.run_to_end().args(OLD)
}

fn recalculate(pipeline: &Pipeline) -> Program {
    pipeline.run_to_end().args(NEW).args(RECALCULATE)
}

/// A history of several segments under the old calculation.
pub fn history(place: Place) -> Pipeline {
    let pipeline = Pipeline::new(1, place);
    for _ in 0..SEGMENTS {
        pipeline.send(0, EVENTS);
        run_old(&pipeline).run().expect_code(0);
    }
    pipeline
}

/// What is published last for each offset; none: taken back.
fn newest(published: &BTreeMap<i64, Vec<Publication>>) -> BTreeMap<i64, Option<String>> {
    let last = published.iter().map(|(offset, all)| {
        let newest = all.iter().max_by_key(|(revision, _)| *revision);
        (*offset, newest.expect("at least one").1.clone())
    });
    last.collect()
}

/// After the recalculation: what changed is published once more, and nothing else is. What was sent after the history is
/// published under the new calculation.
pub fn check_recalculated(pipeline: &Pipeline) {
    let published = published(pipeline);
    let first = |text| (None, value(text));
    let starts = (0..).step_by(5);
    let starts: Vec<i64> = starts
        .take_while(|start| published.contains_key(start))
        .collect();
    let (history, later) = starts.split_at(SEGMENTS);
    let (mut revisions, mut dead) = (Vec::new(), Vec::new());
    for start in history {
        let revision = published[start][1].0;
        assert!(revision.is_some(), "{published:?}");
        revisions.push(revision);
        assert_eq!(
            published[start],
            [
                first(r#"{"a":2,"b":3,"result":4}"#),
                (revision, value(r#"{"a":2,"b":3,"result":9}"#))
            ]
        );
        assert_eq!(
            published[&(start + 1)],
            [first(r#"{"a":5,"b":null,"result":25}"#), (revision, None)]
        );
        let became = (revision, value(r#"{"a":null,"b":6,"result":36}"#));
        assert_eq!(published[&(start + 2)], [became]);
        dead.extend([(start + 1, revision), (start + 2, None)]);
    }
    for start in later {
        assert_eq!(published[start], [first(r#"{"a":2,"b":3,"result":9}"#)]);
        assert!(!published.contains_key(&(start + 1)));
        assert_eq!(
            published[&(start + 2)],
            [first(r#"{"a":null,"b":6,"result":36}"#)]
        );
        dead.push((start + 1, None));
    }
    for start in &starts {
        assert_eq!(
            published[&(start + 3)],
            [first(r#"{"a":1,"b":1,"result":1}"#)]
        );
        assert!(!published.contains_key(&(start + 4)));
        dead.push((start + 4, None));
    }
    assert!(
        revisions.is_sorted_by(|one, next| one < next),
        "in the order of revisions: {revisions:?}"
    );
    dead.sort_unstable();
    let mut found = dead_letters(pipeline);
    found.sort_unstable();
    assert_eq!(found, dead);
    let rows = json!({"sequence": revisions.last(), "rows": 3});
    assert_eq!(progress(pipeline), rows);
    let report = pipeline.verify_with(&NEW, 0);
    let counts = json!([report["results"], report["rejects"], report["findings"]]);
    assert_eq!(
        counts,
        json!([3 * starts.len(), 2 * starts.len(), []]),
        "{report:#}"
    );
}

fn history_is_recalculated(place: Place) {
    let pipeline = history(place);
    let before = published(&pipeline);
    // By default it stays as it is.
    pipeline.run_to_end().args(NEW).run().expect_code(0);
    assert_eq!(published(&pipeline), before);
    let report = pipeline.verify_with(&NEW, 0);
    assert_eq!(report["findings"][0]["kind"], "other-calculation");

    let done = recalculate(&pipeline).args(["-v", "-o", "json"]).run();
    let done = done.expect_code(0);
    let summary: serde_json::Value = serde_json::from_str(&done.stdout).expect("a summary");
    assert_eq!(summary["recalculated"], 15, "{summary}\n{}", done.stderr);
    check_recalculated(&pipeline);
    assert_eq!(newest(&published(&pipeline))[&1], None);

    // Once is enough, with either setting.
    recalculate(&pipeline).run().expect_code(0);
    pipeline.run_to_end().args(NEW).run().expect_code(0);
    check_recalculated(&pipeline);
}

#[test]
fn a_new_calculation_is_put_on_stored_history() {
    history_is_recalculated(Place::folder());
}

#[test]
fn a_new_calculation_is_put_on_stored_history_on_s3() {
    history_is_recalculated(Place::bucket(s3()));
}

#[test]
fn at_least_once_recalculates_too() {
    let pipeline = history(Place::folder());
    let flags = ["--delivery", "at-least-once"];
    recalculate(&pipeline).args(flags).run().expect_code(0);
    check_recalculated(&pipeline);
}

#[test]
fn a_deploy_back_brings_the_old_values_back() {
    let pipeline = history(Place::folder());
    let before = newest(&published(&pipeline));
    recalculate(&pipeline).run().expect_code(0);
    check_recalculated(&pipeline);
    run_old(&pipeline).args(RECALCULATE).run().expect_code(0);
    let mut now = newest(&published(&pipeline));
    // What had never been a result is taken back again.
    now.retain(|_, value| value.is_some());
    assert_eq!(now, before);
    let report = pipeline.verify_with(&OLD, 0);
    let counts = json!([report["results"], report["rejects"], report["findings"]]);
    assert_eq!(counts, json!([9, 6, []]), "{report:#}");
}

/// How many corrections the group's commit says are published.
fn corrected(pipeline: &Pipeline) -> Option<u64> {
    progress(pipeline)["rows"].as_u64()
}

#[test]
fn a_process_killed_in_the_middle_is_continued_with_either_setting() {
    let pipeline = history(Place::folder());
    // It chooses the second range, and gets no further.
    let stuck = pipeline
        .run()
        .args(NEW)
        .args(RECALCULATE)
        .env("FAILPOINTS", "repair-chosen=1*off->1*sleep(600000)")
        .spawn();
    eventually(LIMIT, "the first corrections", || {
        (corrected(&pipeline) == Some(3)).then_some(())
    });
    stuck.kill();
    let middle = published(&pipeline);
    assert!(middle[&0].len() == 2 && middle[&5].len() == 1, "{middle:?}");

    // What is done stays done; the rest stays what it is.
    pipeline.run_to_end().args(NEW).run().expect_code(0);
    assert_eq!(published(&pipeline), middle);
    let report = pipeline.verify_with(&NEW, 0);
    assert_eq!(report["findings"][0]["start"], 5, "{report:#}");

    recalculate(&pipeline).run().expect_code(0);
    check_recalculated(&pipeline);
}

#[test]
fn corrections_on_their_way_are_published_under_keep_too() {
    let pipeline = history(Place::folder());
    let died = recalculate(&pipeline)
        .env("FAILPOINTS", "repair-stored=return")
        .run();
    assert_eq!(died.signal, Some(libc::SIGABRT), "{died:?}");
    assert_eq!(published(&pipeline)[&0].len(), 1);
    pipeline.run_to_end().args(NEW).run().expect_code(0);
    assert_eq!(corrected(&pipeline), Some(3));
    let middle = published(&pipeline);
    assert!(middle[&0].len() == 2 && middle[&5].len() == 1, "{middle:?}");
    recalculate(&pipeline).run().expect_code(0);
    check_recalculated(&pipeline);
}

#[test]
fn new_events_are_processed_beside_it() {
    let pipeline = history(Place::folder());
    let mut running = pipeline
        .run()
        .args(NEW)
        .args(RECALCULATE)
        .args(["--snapshot-interval", "100ms"])
        .spawn();
    for sent in 1..=20 {
        pipeline.send(0, EVENTS);
        wait_until_committed(&pipeline, 15 + 5 * sent);
    }
    eventually(LIMIT, "all corrections", || {
        let published = published(&pipeline);
        [0, 5, 10]
            .iter()
            .all(|start| published[start].len() == 2)
            .then_some(())
    });
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    check_recalculated(&pipeline);
}

/// A history of which Kafka still has everything, under fields of which the new ones cannot be made.
fn history_of_numbers() -> Pipeline {
    let pipeline = Pipeline::new(1, Place::folder());
    for _ in 0..2 {
        pipeline.send(0, corrections::OLD_EVENTS);
        pipeline.run_to_end().run().expect_code(0);
    }
    pipeline
}

fn recalculate_as_double(pipeline: &Pipeline) -> Program {
    pipeline
        .run_to_end()
        .args(corrections::DOUBLE)
        .args(RECALCULATE)
}

#[test]
fn fields_that_the_store_lacks_are_read_again_from_kafka() {
    let pipeline = history_of_numbers();
    recalculate_as_double(&pipeline).run().expect_code(0);
    let published = published(&pipeline);
    for start in [0, 4] {
        let revision = published[&start][1].0;
        let value = |offset: i64| {
            let (of, value) = published[&(start + offset)].last().expect("one").clone();
            assert_eq!(of, revision, "{published:?}");
            value
        };
        assert_eq!(value(0).as_deref(), Some(r#"{"number":3.0,"result":9.0}"#));
        assert_eq!(value(1).as_deref(), Some(r#"{"number":1.5,"result":2.25}"#));
        assert_eq!(value(2).as_deref(), Some(r#"{"number":4.0,"result":16.0}"#));
    }
    let report = pipeline.verify_with(&corrections::DOUBLE, 0);
    let counts = json!([report["results"], report["rejects"], report["findings"]]);
    assert_eq!(counts, json!([6, 2, []]), "{report:#}");
}

#[test]
fn history_that_kafka_no_longer_has_stays_as_it_is_and_that_is_said() {
    let pipeline = history_of_numbers();
    let before = published(&pipeline);
    // All of the first range, and some of the second.
    delete_records(&pipeline.brokers, &pipeline.events, 0, 5);
    let done = recalculate_as_double(&pipeline).run().expect_code(0);
    assert_eq!(published(&pipeline), before);
    assert!(
        done.stderr.contains("0-4 stays as it is"),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("2 ranges stay"), "{}", done.stderr);
    let report = pipeline.verify_with(&corrections::DOUBLE, 0);
    assert_eq!(report["findings"][0]["kind"], "other-calculation");
    pipeline.verify(0);
}
