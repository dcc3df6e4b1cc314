//! Ranges all of whose events a condition leaves out: no file has them.

use serde_json::{Value, json};

use super::{EVENTS, FIELDS, NEW, OLD, RECALCULATE, all, counts, fate, run};
use crate::corrections::published;
use crate::outside::{LIMIT, Pipeline, Place};
use crate::support::{delete_records, snapback};

/// Events all of which the old condition leaves out, and the new one the last of them.
const LEFT_OUT: [&str; 3] = [
    r#"{"a": -1, "b": 6}"#,
    r#"{"a": -2, "b": 5}"#,
    r#"{"b": 7}"#,
];

/// What `recalculate` says of the only partition.
fn recalculated(pipeline: &Pipeline, flags: &[&str], code: i32) -> Value {
    let done = snapback(["recalculate", "-o", "json", "--events", &pipeline.events])
        .args(["--brokers", &pipeline.brokers])
        .args(FIELDS)
        .args(NEW)
        .args(flags)
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
        .run()
        .expect_code(code);
    let done: Value = serde_json::from_str(&done.stdout).expect("JSON");
    done["partitions"][0].clone()
}

#[test]
fn a_range_that_was_filtered_as_a_whole_is_read_again_under_another_condition() {
    let pipeline = Pipeline::new(1, Place::folder());
    // Two snapshots without a file, one with some, and one without.
    for events in [&LEFT_OUT[..], &LEFT_OUT, &EVENTS[..1], &LEFT_OUT] {
        pipeline.send(0, events.iter().copied());
        run(&pipeline, OLD).run().expect_code(0);
    }
    let report = pipeline.verify_with(&[&FIELDS[..], &OLD].concat(), 0);
    assert_eq!(counts(&report), json!([[1, 0, 9, 0, 0], []]), "{report:#}");
    let report = pipeline.verify_with(&[&FIELDS[..], &NEW].concat(), 0);
    let found = report["findings"].as_array().expect("a list").iter();
    let found = found.map(|found| json!([found["kind"], found["start"], found["end"]]));
    // Neighbours of one condition are one.
    assert_eq!(
        found.collect::<Vec<_>>(),
        [(0, 6), (6, 7), (7, 10)].map(|(start, end)| json!(["other-calculation", start, end])),
    );
    let plan = recalculated(&pipeline, &[], 1);
    let difference = json!([
        plan["ranges"],
        plan["outcomes"],
        plan["from_filtered"],
        plan["left"]
    ]);
    assert_eq!(difference, json!([3, 10, 6, []]), "{plan:#}");
    assert_eq!(plan["examples"][0]["was"], "filtered");
    // The processor does it for all; both publish once.
    run(&pipeline, NEW).args(RECALCULATE).run().expect_code(0);
    let seen = published(&pipeline);
    assert_eq!(
        seen.keys().copied().collect::<Vec<_>>(),
        [0, 1, 3, 4, 6, 7, 8]
    );
    assert_eq!(all(&seen[&0]), [Some(r#"{"a":-1,"b":6,"result":36}"#)]);
    assert_eq!(all(&seen[&1]), [Some(r#"{"a":-2,"b":5,"result":25}"#)]);
    let report = pipeline.verify_with(&[&FIELDS[..], &NEW].concat(), 0);
    assert_eq!(counts(&report), json!([[7, 0, 3, 0, 0], []]), "{report:#}");
    assert_eq!(pipeline.verify_published(0)["findings"], json!([]));
    let nothing = recalculated(&pipeline, &[], 0);
    assert_eq!(nothing["ranges"], 0);
    assert_eq!(fate(&pipeline, 2), "filtered");
}

#[test]
fn a_silent_range_that_kafka_does_not_hold_any_more_stays_and_is_named() {
    let pipeline = Pipeline::new(1, Place::folder());
    for events in [&LEFT_OUT[..], &EVENTS[..1], &LEFT_OUT] {
        pipeline.send(0, events.iter().copied());
        run(&pipeline, OLD).run().expect_code(0);
    }
    delete_records(&pipeline.brokers, &pipeline.events, 0, 2);
    let done = recalculated(&pipeline, &["--apply"], 1);
    let left = done["left"].as_array().expect("a list");
    assert_eq!(left.len(), 1, "{done:#}");
    let text = left[0].as_str().expect("text");
    for part in ["offsets 0-3", "3 events were filtered", "does not hold"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(done["from_filtered"], 2);
    run(&pipeline, NEW).args(RECALCULATE).run().expect_code(0);
    let report = pipeline.verify_with(&[&FIELDS[..], &NEW].concat(), 0);
    assert_eq!(report["findings"][0]["kind"], "other-calculation");
    assert_eq!(
        (
            &report["findings"][0]["start"],
            &report["findings"][0]["end"]
        ),
        (&json!(0), &json!(3))
    );
    assert_eq!(pipeline.verify_published(0)["findings"], json!([]));
}

#[test]
fn kafka_proves_what_was_filtered_as_far_as_it_holds_the_events() {
    let pipeline = Pipeline::new(1, Place::folder());
    for events in [&EVENTS[..], &LEFT_OUT] {
        pipeline.send(0, events.iter().copied());
        run(&pipeline, OLD).run().expect_code(0);
    }
    let verified = || {
        let report = pipeline.verify_with(&["--kafka", "--brokers", &pipeline.brokers], 0);
        assert_eq!(report["findings"], json!([]), "{report:#}");
        let names = ["filtered", "not_checkable", "not_compared", "unstored"];
        json!(names.map(|name| &report["kafka"][name]))
    };
    assert_eq!(verified(), json!([5, 0, 0, 0]));
    // What is gone is no damage.
    delete_records(&pipeline.brokers, &pipeline.events, 0, 3);
    assert_eq!(verified(), json!([4, 1, 0, 0]));
    delete_records(&pipeline.brokers, &pipeline.events, 0, 7);
    assert_eq!(verified(), json!([2, 3, 0, 0]));
    // Without Kafka, they are counted.
    let report = pipeline.verify_with(&[], 0);
    assert_eq!(
        (&report["filtered"], &report["kafka"]),
        (&json!(5), &Value::Null)
    );
}
