//! `lookup`: what became of one event, as the store has it.

use serde_json::{Value, json};

use crate::outside::{LIMIT, Pipeline, Place};
use crate::recalculation::{NEW, RECALCULATE, history};
use crate::support::process::Finished;
use crate::support::{s3, snapback};

fn lookup(pipeline: &Pipeline, source: &str, flags: &[&str]) -> Finished {
    snapback(["lookup", source, "--events", &pipeline.events])
        .args(flags)
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
        .run()
}

fn answer(pipeline: &Pipeline, source: &str, code: i32) -> Value {
    let finished = lookup(pipeline, source, &["-o", "json"]).expect_code(code);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

/// Outcomes of both kinds, some of them corrected.
fn every_fate_is_shown(place: Place) {
    let pipeline = history(place);
    let result = answer(&pipeline, "0/5", 0);
    assert_eq!(result["fate"], "result");
    assert_eq!(result["message"], json!({"a": 2, "b": 3, "result": 4}));
    assert_eq!(result["corrections"], Value::Null);
    let recalculated = pipeline.run_to_end().args(NEW).args(RECALCULATE).run();
    recalculated.expect_code(0);

    let result = answer(&pipeline, "0/5", 0);
    let message = json!({"a": 2, "b": 3, "result": 9});
    assert_eq!(result["message"], message);
    let corrections = result["corrections"].as_array().expect("a list");
    let [correction] = corrections.as_slice() else {
        panic!("{result:#}")
    };
    assert_eq!(
        correction["was"],
        json!({"kind": "result", "message": {"a": 2, "b": 3, "result": 4}})
    );
    assert_eq!(
        correction["is"],
        json!({"kind": "result", "message": message})
    );
    assert!(correction["revision"].as_u64() <= result["snapshot"].as_u64());

    let reject = answer(&pipeline, "0/6", 0);
    let reason = reject["reason"].as_str().expect("a reason");
    assert_eq!(reject["fate"], "reject");
    assert!(reason.starts_with("null-result"), "{reason}");
    let correction = &reject["corrections"][0];
    assert_eq!(
        correction["is"],
        json!({"kind": "reject", "reason": reason})
    );
    assert_eq!(correction["was"]["message"]["result"], 25);
    let undecodable = answer(&pipeline, "0/9", 0);
    assert_eq!(undecodable["payload"], "no JSON");

    let end = 5 * crate::recalculation::SEGMENTS;
    let beyond = answer(&pipeline, &format!("0/{end}"), 1);
    assert_eq!(
        (&beyond["fate"], &beyond["end"]),
        (&"not-stored".into(), &end.into())
    );

    let shown = lookup(&pipeline, "0/5", &[]).expect_code(0).stdout;
    for part in [
        "/0/5: a result",
        r#"  {"a":2,"b":3,"result":9}"#,
        "  in ",
        "  corrected, revision ",
        "\n    was: {\"a\":2,\"b\":3,\"result\":4}\n    is:  {\"a\":2,\"b\":3,\"result\":9}\n",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn every_fate_is_shown_with_its_corrections() {
    every_fate_is_shown(Place::folder());
}

#[test]
fn every_fate_is_shown_with_its_corrections_on_s3() {
    every_fate_is_shown(Place::bucket(s3()));
}

#[test]
fn what_cannot_be_looked_up_is_named() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..10);
    pipeline.run_to_end().run().expect_code(0);
    let other = lookup(&pipeline, "3/1", &[]).expect_code(2).stderr;
    assert!(other.contains("partition 3"), "{other}");
    let shape = lookup(&pipeline, "3-1", &[]).expect_code(2).stderr;
    assert!(shape.contains("PARTITION/OFFSET"), "{shape}");
    let segment = &pipeline.segments("results", 0)[0];
    std::fs::write(segment, b"no segment").expect("a writable store");
    let damaged = lookup(&pipeline, "0/3", &[]).expect_code(3).stderr;
    assert!(
        damaged.contains(&segment.display().to_string()),
        "{damaged}"
    );
    assert!(damaged.contains("snapback verify"), "{damaged}");
}
