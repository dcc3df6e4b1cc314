//! `snapback recalculate`: the difference first, then the change.

use serde_json::{Value, json};

use super::{NEW, OLD, check_recalculated, history, recalculate};
use crate::corrections::published;
use crate::outside::{LIMIT, Pipeline, Place};
use crate::support::{Program, snapback};

fn command(pipeline: &Pipeline, flags: &[&str]) -> Program {
    snapback(["recalculate", "--brokers", &pipeline.brokers])
        .args(["--events", &pipeline.events])
        .args(NEW)
        .args(flags)
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
}

fn answer(pipeline: &Pipeline, flags: &[&str], code: i32) -> Value {
    let finished = command(pipeline, &[flags, &["-o", "json"]].concat()).run();
    let finished = finished.expect_code(code);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

fn counts(answer: &Value) -> Value {
    let one = &answer["partitions"][0];
    let names = [
        "ranges",
        "outcomes",
        "results",
        "to_reject",
        "to_result",
        "reasons",
    ];
    assert_eq!(one["left"], json!([]), "{answer:#}");
    names.iter().map(|name| one[name].clone()).collect()
}

#[test]
fn the_difference_is_counted_then_stored_range_by_range_and_published_by_the_next_owner() {
    let pipeline = history(Place::folder());
    let before = published(&pipeline);
    let all = json!([3, 15, 3, 3, 3, 0]);
    assert_eq!(counts(&answer(&pipeline, &[], 1)), all);
    let shown = command(&pipeline, &[]).run().expect_code(1).stdout;
    assert!(
        shown.contains("nothing was changed, --apply changes it"),
        "{shown}"
    );
    // Nothing was changed.
    pipeline.verify_with(&OLD, 0);
    assert_eq!(published(&pipeline), before);

    let one = json!([1, 5, 1, 1, 1, 0]);
    let first = ["--apply", "--offsets", "0-5"];
    assert_eq!(counts(&answer(&pipeline, &first, 0)), one);
    assert_eq!(counts(&answer(&pipeline, &first, 0))[0], 0, "it is done");
    let rest = ["--apply", "--rejects", "--partition", "0"];
    assert_eq!(
        counts(&answer(&pipeline, &rest, 0)),
        json!([2, 10, 2, 2, 2, 0])
    );
    let shown = command(&pipeline, &[]).run().expect_code(0).stdout;
    assert!(
        shown.contains("all of it is of this calculation"),
        "{shown}"
    );
    assert_eq!(published(&pipeline), before, "that is the owner's work");

    recalculate(&pipeline).run().expect_code(0);
    check_recalculated(&pipeline);
}

#[test]
fn a_partition_of_which_nothing_is_stored_is_named() {
    let pipeline = history(Place::folder());
    let finished = command(&pipeline, &["--partition", "7"]).run();
    assert!(finished.stderr.contains("partition 7"), "{finished:?}");
    finished.expect_code(2);
}
