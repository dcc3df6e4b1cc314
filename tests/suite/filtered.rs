//! `--where`: events that a condition leaves out are counted and located, and neither stored nor published.

mod silent;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::corrections::{Publication, dead_letters, published, value};
use crate::outside::{LIMIT, Pipeline, Place, committed_events};
use crate::support::{Program, delete_records, eventually, heavy, python, s3, snapback};

const FIELDS: [&str; 4] = [
    "--fields",
    "a BIGINT, b BIGINT",
    "--calculation",
    "square(b)",
];
const OLD: [&str; 2] = ["--where", "a + 1 > 1"];
const NEW: [&str; 2] = ["--where", "a < 3"];
const RECALCULATE: [&str; 2] = ["--on-new-calculation", "recalculate"];

/// What they are under the old condition, and under the new one.
const EVENTS: [&str; 6] = [
    // a result, twice
    r#"{"a": 2, "b": 3}"#,
    // a result, then filtered
    r#"{"a": 5, "b": 4}"#,
    // filtered, then a result
    r#"{"a": -1, "b": 6}"#,
    // filtered, twice: the condition is NULL
    r#"{"b": 7}"#,
    // a reject, twice
    "no JSON",
    // a reject: the condition has no value; then filtered
    r#"{"a": 9223372036854775807, "b": 1}"#,
];

fn run(pipeline: &Pipeline, condition: [&str; 2]) -> Program {
    pipeline.run_to_end().args(FIELDS).args(condition)
}

fn counts(report: &Value) -> Value {
    let names = ["results", "rejects", "filtered", "absent", "lost"];
    json!([names.map(|name| &report[name]), report["findings"]])
}

fn fate(pipeline: &Pipeline, offset: i64) -> Value {
    let source = format!("0/{offset}");
    let found = snapback([
        "lookup",
        &source,
        "-o",
        "json",
        "--events",
        &pipeline.events,
    ])
    .args(pipeline.store_args())
    .envs(pipeline.env())
    .limit(LIMIT)
    .run()
    .expect_code(0);
    let found: Value = serde_json::from_str(&found.stdout).expect("JSON");
    found["fate"].clone()
}

fn they_are_counted(place: Place) {
    let pipeline = Pipeline::new(1, place);
    for _ in 0..2 {
        pipeline.send(0, EVENTS);
        let done = run(&pipeline, OLD)
            .args(["-o", "json"])
            .run()
            .expect_code(0);
        let summary: Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert_eq!(summary["filtered"], 2, "{summary}");
    }
    let published = published(&pipeline);
    assert_eq!(published.keys().copied().collect::<Vec<_>>(), [0, 1, 6, 7]);
    assert_eq!(
        published[&1],
        [(None, value(r#"{"a":5,"b":4,"result":16}"#))]
    );
    let dead: Vec<i64> = dead_letters(&pipeline).iter().map(|(at, _)| *at).collect();
    assert_eq!(dead, [4, 5, 10, 11]);
    // Commits of transactions are absent: they are not filtered.
    let report = pipeline.verify_with(&[&FIELDS[..], &OLD].concat(), 0);
    assert_eq!(counts(&report), json!([[4, 4, 4, 0, 0], []]), "{report:#}");
    let fates = [0, 2, 3, 4, 5].map(|offset| fate(&pipeline, offset));
    assert_eq!(
        json!(fates),
        json!(["result", "filtered", "filtered", "reject", "reject"])
    );
    let listed = snapback(["snapshots", "-o", "json", "--events", &pipeline.events])
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
        .run()
        .expect_code(0);
    let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    assert_eq!(listed["partitions"][0]["filtered"], 4, "{listed:#}");
    let all = pipeline.verify_published(0);
    assert_eq!(all["findings"], json!([]));
}

#[test]
fn events_that_a_condition_leaves_out_are_counted_and_located() {
    they_are_counted(Place::folder());
}

#[test]
fn events_that_a_condition_leaves_out_are_counted_and_located_on_s3() {
    they_are_counted(Place::bucket(s3()));
}

/// The events that the results should be of, by DuckDB: the condition over the events themselves.
const RECOUNT: &str = "import duckdb, json, sys
events, condition = sys.argv[1:]
rows = duckdb.sql(f\"\"\"SELECT n FROM read_json('{events}', format='newline_delimited', columns={{n:'BIGINT', a:'BIGINT', b:'BIGINT'}})
WHERE {condition} ORDER BY n\"\"\").fetchall()
print(json.dumps([n for n, in rows]))";

const CONDITION: &str = "a % 3 <> 0 AND (b > 10 OR b IS NULL)";

#[test]
fn killed_again_and_again_results_rejects_and_filtered_events_add_up_as_duckdb_counts_them() {
    let _turn = heavy();
    let pipeline = Pipeline::new(1, Place::folder());
    let event = |n: i64| {
        let b = match n % 7 {
            0 => String::new(),
            1 => r#", "b": null"#.to_owned(),
            _ => format!(r#", "b": {}"#, n % 29),
        };
        format!(r#"{{"n": {n}, "a": {}{b}}}"#, n % 11)
    };
    let total = 40_000;
    let fields = [
        "--fields",
        "n BIGINT NOT NULL, a BIGINT, b BIGINT",
        "--calculation",
        "n * 2",
    ];
    let flags = [&fields[..], &["--where", CONDITION]].concat();
    let start = || {
        pipeline
            .run()
            .args(&flags)
            .args(["--snapshot-interval", "250ms"])
            .spawn()
    };
    let mut sent = 0;
    for _ in 0..4 {
        let running = start();
        let before = committed_events(&pipeline);
        pipeline.send(0, (sent..sent + total / 4).map(event));
        sent += total / 4;
        eventually(LIMIT, "progress", || {
            (committed_events(&pipeline) > before + 1_000).then_some(())
        });
        running.kill();
    }
    pipeline.run_to_end().args(&flags).run().expect_code(0);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.jsonl");
    let lines: Vec<String> = (0..total).map(event).collect();
    std::fs::write(&path, lines.join("\n")).expect("a file");
    let told = python().run(RECOUNT, &[path.to_str().expect("text"), CONDITION]);
    let expected: Vec<i64> = serde_json::from_str(&told).expect("JSON");
    assert!(expected.len() > 1_000 && expected.len() < 39_000);
    let results: Vec<i64> = published(&pipeline)
        .values()
        .map(|all| {
            let [(None, Some(value))] = all.as_slice() else {
                panic!("published otherwise than once: {all:?}")
            };
            let value: Value = serde_json::from_str(value).expect("JSON");
            value["n"].as_i64().expect("a number")
        })
        .collect();
    let (found, wanted): (BTreeSet<_>, BTreeSet<_>) =
        (results.iter().collect(), expected.iter().collect());
    assert_eq!((results.len(), found), (expected.len(), wanted));
    let report = pipeline.verify_with(&flags, 0);
    let filtered = total - i64::try_from(expected.len()).expect("a count");
    assert_eq!(report["findings"], json!([]));
    assert_eq!(
        json!([report["results"], report["rejects"], report["filtered"]]),
        json!([expected.len(), 0, filtered])
    );
}

fn all(publications: &[Publication]) -> Vec<Option<&str>> {
    publications
        .iter()
        .map(|(_, text)| text.as_deref())
        .collect()
}

fn a_changed_condition_is_put_on_history(place: Place) {
    let pipeline = Pipeline::new(1, place);
    for _ in 0..2 {
        pipeline.send(0, EVENTS);
        run(&pipeline, OLD).run().expect_code(0);
    }
    // What it would change.
    let plan = snapback(["recalculate", "-o", "json", "--events", &pipeline.events])
        .args(["--brokers", &pipeline.brokers])
        .args(FIELDS)
        .args(NEW)
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
        .run()
        .expect_code(1);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
    let difference = &plan["partitions"][0];
    assert_eq!(
        json!([difference["to_filtered"], difference["from_filtered"]]),
        json!([4, 2]),
        "{plan:#}"
    );
    for _ in 0..2 {
        run(&pipeline, NEW).args(RECALCULATE).run().expect_code(0);
        let published = published(&pipeline);
        for start in [0, 6] {
            let at = |offset: i64| published.get(&(start + offset)).map(|found| all(found));
            assert_eq!(at(0), Some(vec![Some(r#"{"a":2,"b":3,"result":9}"#)]));
            assert_eq!(
                at(1),
                Some(vec![Some(r#"{"a":5,"b":4,"result":16}"#), None])
            );
            assert_eq!(at(2), Some(vec![Some(r#"{"a":-1,"b":6,"result":36}"#)]));
            assert_eq!((at(3), at(4)), (None, None));
            assert_eq!(at(5), Some(vec![None]), "a reject that is filtered now");
        }
        // No dead letter says that something was filtered.
        assert_eq!(dead_letters(&pipeline).len(), 4);
        let report = pipeline.verify_with(&[&FIELDS[..], &NEW].concat(), 0);
        assert_eq!(counts(&report), json!([[4, 2, 6, 0, 0], []]), "{report:#}");
        let all = pipeline.verify_published(0);
        assert_eq!(all["findings"], json!([]), "{all:#}");
    }
}

#[test]
fn a_changed_condition_is_put_on_stored_history_and_published_once() {
    a_changed_condition_is_put_on_history(Place::folder());
}

#[test]
fn a_changed_condition_is_put_on_stored_history_and_published_once_on_s3() {
    a_changed_condition_is_put_on_history(Place::bucket(s3()));
}

#[test]
fn a_range_whose_filtered_events_are_gone_from_kafka_stays_and_is_named() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send(0, EVENTS);
    run(&pipeline, OLD).run().expect_code(0);
    delete_records(&pipeline.brokers, &pipeline.events, 0, 4);
    let before = published(&pipeline);
    let done = run(&pipeline, NEW).args(RECALCULATE).run().expect_code(0);
    for part in [
        "0-6 stays as it is",
        "2 events were filtered under another condition",
    ] {
        assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
    }
    assert_eq!(published(&pipeline), before);
    let report = pipeline.verify_with(&[&FIELDS[..], &NEW].concat(), 0);
    assert_eq!(report["findings"][0]["kind"], "other-calculation");
}

#[test]
fn what_was_published_before_a_crash_is_taken_back_when_the_deploy_filters_it() {
    let pipeline = Pipeline::new(1, Place::folder());
    let running = pipeline
        .run()
        .args(FIELDS)
        .args(["--snapshot-interval", "1h"])
        .spawn();
    pipeline.send(0, EVENTS);
    eventually(LIMIT, "a commit", || {
        (committed_events(&pipeline) >= 6).then_some(())
    });
    running.kill();
    run(&pipeline, NEW).run().expect_code(0);
    let published = published(&pipeline);
    let last = |offset: i64| all(&published[&offset]).pop().expect("a publication");
    assert_eq!(last(0), Some(r#"{"a":2,"b":3,"result":9}"#));
    assert_eq!((last(1), last(5)), (None, None));
    let report = pipeline.verify_with(&[&FIELDS[..], &NEW].concat(), 0);
    assert_eq!(report["findings"], json!([]), "{report:#}");
    assert_eq!(report["filtered"], 3);
}

#[test]
fn a_condition_that_is_wrong_is_refused_with_its_place() {
    for (condition, part) in [
        ("amount", "there is no field"),
        ("a", "a BOOLEAN must stand here"),
        ("a >", "--where cannot be"),
        ("NULL", "always NULL"),
    ] {
        let refused = snapback(["run"])
            .args(FIELDS)
            .args(["--where", condition])
            .run();
        let refused = refused.expect_code(2);
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
}
