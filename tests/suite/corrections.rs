//! A crash followed by a deploy: what was published under the old calculation and is in no snapshot is calculated anew,
//! stored, and published again as corrections, each exactly once, whenever the process dies.

use std::collections::BTreeMap;

use crate::outside::{Pipeline, Place, committed_events, wait_until_committed};
use crate::support::{Record, committed, read_all, s3};

/// Under the default `number BIGINT NOT NULL` and under NOTED some of them are rejects.
pub const OLD_EVENTS: [&str; 4] = [
    r#"{"number": 3}"#,
    r#"{"number": 1.5}"#,
    r#"{"number": 4, "note": "four"}"#,
    r#"{"number": "x"}"#,
];
/// Under this one every number is a result.
pub const DOUBLE: [&str; 2] = ["--fields", "number DOUBLE NOT NULL"];
/// Under this one only the event with a note is a result.
const NOTED: [&str; 2] = ["--fields", "number DOUBLE NOT NULL, note VARCHAR NOT NULL"];

/// Events in a snapshot, and after it as many that were published and committed but not stored, under NOTED.
pub fn crashed(place: Place) -> Pipeline {
    crashed_under(NOTED, place)
}

fn crashed_under(fields: [&str; 2], place: Place) -> Pipeline {
    let pipeline = Pipeline::new(1, place);
    pipeline.send(0, OLD_EVENTS);
    pipeline.run_to_end().args(fields).run().expect_code(0);
    let target = committed_events(&pipeline) + 4;
    pipeline.send(0, OLD_EVENTS);
    let running = pipeline.run().args(fields);
    let running = running.args(["--snapshot-interval", "1h"]).spawn();
    wait_until_committed(&pipeline, target);
    running.kill();
    pipeline
}

pub fn header<'r>(record: &'r Record, name: &str) -> Option<&'r str> {
    let (_, value) = record.headers.iter().find(|(header, _)| header == name)?;
    std::str::from_utf8(value.as_deref()?).ok()
}

/// A revision (none: the first publication) and a value (none: taken back).
pub type Publication = (Option<u64>, Option<String>);

/// What is published for each offset.
pub fn published(pipeline: &Pipeline) -> BTreeMap<i64, Vec<Publication>> {
    let mut found: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for record in read_all(&pipeline.brokers, &pipeline.results) {
        let key = String::from_utf8(record.key.clone().expect("a key")).expect("text");
        let offset = key
            .strip_prefix(&format!("{}/0/", pipeline.events))
            .and_then(|offset| offset.parse().ok())
            .unwrap_or_else(|| panic!("{key} is no source"));
        let revision = header(&record, "snapback-revision").map(|r| r.parse().expect("a number"));
        let value = record
            .payload
            .map(|value| String::from_utf8(value).expect("text"));
        found.entry(offset).or_default().push((revision, value));
    }
    found
}

/// The offsets in the dead-letter topic, with their revisions.
pub fn dead_letters(pipeline: &Pipeline) -> Vec<(i64, Option<u64>)> {
    let records = read_all(&pipeline.brokers, &pipeline.rejects);
    let place = |record: &Record| {
        let offset = header(record, "snapback-offset").expect("an offset");
        let revision = header(record, "snapback-revision").map(|r| r.parse().expect("a number"));
        (offset.parse().expect("a number"), revision)
    };
    records.iter().map(place).collect()
}

pub fn progress(pipeline: &Pipeline) -> serde_json::Value {
    let commits = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    let (_, metadata) = commits[&0].clone().expect("a committed offset");
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("metadata of ours");
    metadata["corrections"].clone()
}

pub fn value(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// After the crash under DOUBLE: each outcome of offsets 4 to 7 once more, as a correction.
pub fn check_corrected(pipeline: &Pipeline) {
    let published = published(pipeline);
    let first = |text| (None, value(text));
    let noted = || first(r#"{"number":4.0,"note":"four","result":16.0}"#);
    assert!(!published.contains_key(&0));
    assert_eq!(published[&2], [noted()]);
    let revision = published[&6][1].0;
    assert!(
        revision.is_some(),
        "a correction has a revision: {published:?}"
    );
    let corrected = |text| (revision, value(text));
    // Rejects that became results: to the results only.
    assert_eq!(published[&4], [corrected(r#"{"number":3.0,"result":9.0}"#)]);
    assert_eq!(
        published[&5],
        [corrected(r#"{"number":1.5,"result":2.25}"#)]
    );
    assert_eq!(
        published[&6],
        [noted(), corrected(r#"{"number":4.0,"result":16.0}"#)]
    );
    // Still a reject: its reason may be another now.
    assert_eq!(published[&7], [(revision, None)]);
    let mut dead = dead_letters(pipeline);
    dead.sort_unstable();
    assert_eq!(
        dead,
        [
            (0, None),
            (1, None),
            (3, None),
            (4, None),
            (5, None),
            (7, None),
            (7, revision)
        ]
    );
    let rows = serde_json::json!({"sequence": revision, "rows": 4});
    assert_eq!(progress(pipeline), rows);
    let report = pipeline.verify_with(&DOUBLE, 0);
    let counts = (&report["results"], &report["rejects"]);
    assert_eq!(counts, (&4.into(), &4.into()), "{report:#}");
}

fn a_deploy_after_a_crash(place: Place) {
    let pipeline = crashed(place);
    pipeline.run_to_end().args(DOUBLE).run().expect_code(0);
    check_corrected(&pipeline);

    // Nothing is corrected a second time, by neither calculation.
    pipeline.run_to_end().args(DOUBLE).run().expect_code(0);
    check_corrected(&pipeline);
    pipeline.send(0, [r#"{"number": 2.5}"#]);
    pipeline.run_to_end().args(DOUBLE).run().expect_code(0);
    assert_eq!(
        published(&pipeline)[&8],
        [(None, value(r#"{"number":2.5,"result":6.25}"#))]
    );
    pipeline.verify_with(&DOUBLE, 0);
}

#[test]
fn a_deploy_after_a_crash_corrects_what_was_published() {
    a_deploy_after_a_crash(Place::folder());
}

#[test]
fn a_deploy_after_a_crash_corrects_what_was_published_with_a_store_on_s3() {
    a_deploy_after_a_crash(Place::bucket(s3()));
}

#[test]
fn results_that_became_rejects_are_taken_back() {
    let pipeline = crashed_under(DOUBLE, Place::folder());
    pipeline.run_to_end().args(NOTED).run().expect_code(0);
    let published = published(&pipeline);
    let revision = published[&4][1].0;
    assert!(revision.is_some());
    assert_eq!(
        published[&4],
        [
            (None, value(r#"{"number":3.0,"result":9.0}"#)),
            (revision, None)
        ]
    );
    let noted = r#"{"number":4.0,"note":"four","result":16.0}"#;
    assert_eq!(
        published[&6],
        [
            (None, value(r#"{"number":4.0,"result":16.0}"#)),
            (revision, value(noted))
        ]
    );
    let corrected: Vec<i64> = dead_letters(&pipeline)
        .into_iter()
        .filter_map(|(offset, of)| of.is_some().then_some(offset))
        .collect();
    assert_eq!(corrected, [4, 5, 7]);
    pipeline.verify_with(&NOTED, 0);
}

#[test]
fn going_back_to_the_old_calculation_after_another_crash_corrects_again() {
    let pipeline = crashed(Place::folder());
    pipeline.run_to_end().args(DOUBLE).run().expect_code(0);
    let target = committed_events(&pipeline) + 2;
    pipeline.send(
        0,
        [r#"{"number": 7, "note": "seven"}"#, r#"{"number": 0.5}"#],
    );
    let new = pipeline
        .run()
        .args(DOUBLE)
        .args(["--snapshot-interval", "1h"])
        .spawn();
    wait_until_committed(&pipeline, target);
    new.kill();
    pipeline.run_to_end().args(NOTED).run().expect_code(0);
    let published = published(&pipeline);
    let revision = published[&8][1].0;
    assert!(
        revision > published[&6][1].0,
        "revisions grow: {published:?}"
    );
    assert_eq!(
        published[&8],
        [
            (None, value(r#"{"number":7.0,"result":49.0}"#)),
            (
                revision,
                value(r#"{"number":7.0,"note":"seven","result":49.0}"#)
            )
        ]
    );
    assert_eq!(
        published[&9],
        [
            (None, value(r#"{"number":0.5,"result":0.25}"#)),
            (revision, None)
        ]
    );
    pipeline.verify_with(&[], 0);
}

#[test]
fn at_least_once_corrects_too() {
    let pipeline = crashed(Place::folder());
    let flags = ["--delivery", "at-least-once"];
    pipeline
        .run_to_end()
        .args(DOUBLE)
        .args(flags)
        .run()
        .expect_code(0);
    check_corrected(&pipeline);
}
