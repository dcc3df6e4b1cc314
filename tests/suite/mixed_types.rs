//! A column in two types: DuckDB reads wrong numbers over both, so a start that would bring that about is refused.

use serde_json::Value;

use crate::outside::{LIMIT, Pipeline, Place, committed_events, in_a_shell, printed_commands};
use crate::recalculation::RECALCULATE;
use crate::support::{Status, delete_records, python, snapback};

pub const DECIMAL: [&str; 2] = ["--fields", "number DECIMAL(10,2) NOT NULL"];

/// The sum of a column over the plain glob, and its type.
const SUM: &str = r#"
import sys, duckdb
files = f"{sys.argv[1]}/results/partition=*/*.parquet"
print(*duckdb.sql(f"SELECT sum(number), typeof(any_value(number)) FROM read_parquet('{files}')").fetchall()[0])
"#;

fn sum(pipeline: &Pipeline) -> String {
    let root = pipeline.store.path().join(&pipeline.events);
    let printed = python().run(SUM, &[root.to_str().expect("text")]);
    printed.trim().to_owned()
}

/// Whole numbers, stored as such; then a price.
pub fn of_two_types() -> Pipeline {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send(0, [r#"{"number": 3}"#, r#"{"number": 5}"#]);
    pipeline.run_to_end().run().expect_code(0);
    assert_eq!(sum(&pipeline), "8 BIGINT");
    pipeline.send(0, [r#"{"number": 3.25}"#]);
    pipeline
}

fn shown(pipeline: &Pipeline) -> String {
    let listed = snapback(["snapshots", "--events", &pipeline.events]).args(pipeline.store_args());
    listed.run().expect_code(0).stdout
}

#[test]
fn a_start_that_would_give_a_column_another_type_is_refused_and_what_it_prints_goes_on() {
    let pipeline = of_two_types();
    let before = committed_events(&pipeline);
    let refused = pipeline.run_to_end().args(DECIMAL).run().expect_code(4);
    for part in [
        "number is BIGINT in 1 segment",
        "number DECIMAL(10,2)",
        "field of another name",
    ] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    assert_eq!(committed_events(&pipeline), before);
    assert_eq!(sum(&pipeline), "8 BIGINT");
    assert!(!shown(&pipeline).contains("MIXED"));
    let commands = printed_commands(&refused);
    assert_eq!(commands.len(), 2, "{}", refused.stderr);

    // A new history beside it.
    let fresh = in_a_shell(&commands[1]).env("SNAPBACK_STATUS", "off");
    fresh.run().expect_code(0);
    let other = pipeline.fresh(&["store", "group", "results"]);
    assert_eq!(sum(&other), "11.25 DECIMAL(10,2)");

    let rewritten = in_a_shell(&commands[0]).env("SNAPBACK_STATUS", "off");
    rewritten.run().expect_code(0);
    assert_eq!(sum(&pipeline), "11.25 DECIMAL(10,2)");
    let report = pipeline.verify(0);
    assert_eq!(report["findings"], serde_json::json!([]));
    assert!(!shown(&pipeline).contains("MIXED"));
    // And now it is the whole numbers that do not fit.
    pipeline.run_to_end().run().expect_code(4);
    pipeline.run_to_end().args(DECIMAL).run().expect_code(0);
}

#[test]
fn as_long_as_two_types_are_stored_everything_says_so() {
    let pipeline = of_two_types();
    // The history cannot be rewritten: its events are gone.
    delete_records(&pipeline.brokers, &pipeline.events, 0, 2);
    let run = pipeline.run().args(DECIMAL).args(RECALCULATE);
    let mut running = run.args(Status::ANYWHERE).spawn();
    let status = Status::of(&running);
    status.wait_until(LIMIT, "mixed types", |seen| {
        let reasons = seen["degraded"].as_array().expect("a list");
        let mixed = |one: &Value| one["reason"] == "mixed-types";
        seen["ready"] == true && committed_events(&pipeline) == 3 && reasons.iter().any(mixed)
    });
    assert_eq!(
        status.metric("snapback_degraded{reason=\"mixed-types\"}"),
        1.0
    );
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    let report = pipeline.verify(1);
    let finding = &report["findings"][0];
    assert_eq!(finding["kind"], "mixed-types");
    let detail = finding["detail"].as_str().expect("text");
    let types = "number is BIGINT in 1 segment and DECIMAL(10,2) in 1";
    assert!(detail.contains(types), "{detail}");
    let listed = shown(&pipeline);
    assert!(
        listed.contains("MIXED TYPES") && listed.contains(types),
        "{listed}"
    );
    let refused = pipeline.run_to_end().args(DECIMAL).run().expect_code(4);
    assert!(refused.stderr.contains(types), "{}", refused.stderr);
}
