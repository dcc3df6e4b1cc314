//! Results of several columns, from outside: looked up, repaired, recalculated, and shown by a running processor.

use serde_json::{Value, json};

use crate::corrections::{published, value};
use crate::outside::{LIMIT, Pipeline, Place};
use crate::recalculation::RECALCULATE;
use crate::repair::store_wrong_column;
use crate::support::{Status, block_on, eventually, python, snapback};

const RECALCULATION: &str = include_str!("../../docs/recalculation.md");

const FIELDS: &str = "price DECIMAL(10,2) NOT NULL, quantity BIGINT";
const OLD: &str = "price * quantity AS total, round(total * 0.19, 2) AS vat";
const NEW: &str = "price * quantity AS total, round(total * 0.16, 2) AS vat";

/// Prints what a query over the store gives, a line of JSON for each row.
const ROWS: &str = r#"
import json, sys
import duckdb
for row in duckdb.sql(sys.argv[1]).fetchall():
    print(json.dumps([str(value) if value is not None else None for value in row]))
"#;

fn message(price: &str, quantity: &str, total: &str, vat: &str) -> String {
    format!(r#"{{"price":{price},"quantity":{quantity},"total":{total},"vat":{vat}}}"#)
}

fn lookup(pipeline: &Pipeline, offset: i64, flags: &[&str]) -> String {
    let source = format!("0/{offset}");
    snapback(["lookup", &source, "--events", &pipeline.events])
        .args(pipeline.store_args())
        .args(flags)
        .limit(LIMIT)
        .run()
        .expect_code(0)
        .stdout
}

/// The query of the documentation that shows what has changed, over this store.
fn changes(pipeline: &Pipeline) -> Vec<Value> {
    let queries = RECALCULATION.split("```sql\n").skip(1);
    let mut queries = queries.filter_map(|text| text.split("```").next());
    let query = queries.find(|query| query.contains("old_message"));
    let root = pipeline.store.path().join(&pipeline.events);
    let root = root.to_str().expect("text");
    let query = query
        .expect("a query of corrections")
        .replace("snapshots/events", root);
    let query = query.replace("total", "vat");
    let printed = python().run(ROWS, &[&query]);
    let rows = printed.lines().map(serde_json::from_str);
    rows.map(|row| row.expect("JSON")).collect()
}

#[test]
fn both_values_of_what_a_repair_and_a_new_calculation_change_are_kept_and_shown() {
    let pipeline = Pipeline::new(1, Place::folder());
    let events = [
        "malformed",
        r#"{"price": 2.50, "quantity": 4}"#,
        r#"{"price": 1.00, "quantity": null}"#,
        r#"{"price": 0.01, "quantity": 1}"#,
    ];
    pipeline.send(0, events);
    let old = ["--fields", FIELDS, "--calculation", OLD];
    pipeline.run_to_end().args(old).run().expect_code(0);

    // The second column is wrong in the store, and mended from the fields beside it.
    let is_first = |row| row == 0;
    block_on(store_wrong_column(
        &pipeline,
        (FIELDS, OLD),
        "vat",
        is_first,
    ));
    let report = pipeline.verify(1);
    let detail = report["findings"][0]["detail"].as_str().expect("text");
    assert_eq!(
        detail,
        "offset 1 is stored with vat 1.91; recalculated, it has vat 1.90"
    );
    let repair = snapback(["repair", "--apply", "--events", &pipeline.events]);
    let repair = repair
        .args(["--brokers", &pipeline.brokers])
        .args(pipeline.store_args());
    repair.run().expect_code(0);
    pipeline.verify(0);

    let new = ["--fields", FIELDS, "--calculation", NEW];
    let running = pipeline.run().args(new).args(RECALCULATE);
    let mut running = running.args(Status::ANYWHERE).spawn();
    let status = Status::of(&running);
    let corrected = |seen: &Value| seen["totals"]["corrections"] == 2;
    let seen = status.wait_until(LIMIT, "both corrections", corrected);
    assert_eq!(seen["calculation"], NEW);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);

    let [wrong, before, now] =
        ["1.91", "1.90", "1.60"].map(|vat| message("2.50", "4", "10.00", vat));
    let first = eventually(LIMIT, "two corrections of the first", || {
        let published = published(&pipeline).remove(&1)?;
        (published.len() == 3).then_some(published)
    });
    let values: Vec<_> = first.iter().map(|(_, value)| value.clone()).collect();
    assert_eq!(values, [value(&before), value(&before), value(&now)]);
    assert_eq!(
        published(&pipeline)[&2],
        [(None, value(&message("1.00", "null", "null", "null")))]
    );

    let shown = lookup(&pipeline, 1, &[]);
    let revisions: Vec<u64> = first.iter().filter_map(|(revision, _)| *revision).collect();
    for part in [
        format!(
            "  corrected, revision {}\n    was: {wrong}\n    is:  {before}\n",
            revisions[0]
        ),
        format!(
            "  corrected, revision {}\n    was: {before}\n    is:  {now}\n",
            revisions[1]
        ),
    ] {
        assert!(shown.contains(&part), "{part}: {shown}");
    }
    let found: Value = serde_json::from_str(&lookup(&pipeline, 1, &["-o", "json"])).expect("JSON");
    let [_, second] = found["corrections"].as_array().expect("a list").as_slice() else {
        panic!("{found:#}")
    };
    assert_eq!(second["was"]["kind"], "result");
    assert_eq!(second["was"]["message"]["vat"], json!(1.90));
    assert_eq!(second["is"]["message"], found["message"]);

    let row = |was: &str, is: &str| json!(["0", "1", "result", "result", was, is, null, null]);
    let mut changes = changes(&pipeline);
    changes.sort_by_key(|row| std::cmp::Reverse(row.to_string()));
    assert_eq!(changes, [row("1.91", "1.90"), row("1.9", "1.60")]);
    pipeline.verify(0);
}
