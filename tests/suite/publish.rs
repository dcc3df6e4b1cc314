//! `--publish`: which columns a message holds. The snapshots hold all of them, and what was published is proven, corrected and
//! shown as it was chosen.

use serde_json::Value;

use crate::corrections::{published, value};
use crate::outside::{LIMIT, Pipeline, Place};
use crate::recalculation::RECALCULATE;
use crate::support::process::Finished;
use crate::support::{Program, python, read_all, snapback};

const INPUT: [&str; 4] = [
    "--fields",
    "email VARCHAR NOT NULL, price DECIMAL(10,2), quantity BIGINT",
    "--calculation",
    "left(email, 1) || '***' AS who, price * quantity AS total",
];
const EVENTS: [&str; 2] = [
    r#"{"email": "ann@example.com", "price": 2.50, "quantity": 4}"#,
    "no JSON",
];

/// Prints the column `email` of the stored results.
const EMAILS: &str = r#"
import sys
import duckdb
rows = duckdb.sql(f"SELECT email FROM read_parquet('{sys.argv[1]}/results/partition=*/*.parquet') ORDER BY kafka_offset")
print([row[0] for row in rows.fetchall()])
"#;

fn run(pipeline: &Pipeline, publish: &str) -> Program {
    pipeline
        .run_to_end()
        .args(INPUT)
        .args(["--publish", publish])
}

fn store_command(pipeline: &Pipeline, arguments: &[&str]) -> Program {
    snapback(arguments)
        .args(["--events", &pipeline.events])
        .args(pipeline.store_args())
        .limit(LIMIT)
}

fn recalculate(pipeline: &Pipeline, publish: &str) -> Finished {
    store_command(pipeline, &["recalculate", "--brokers", &pipeline.brokers])
        .args(INPUT)
        .args(["--publish", publish])
        .run()
}

#[test]
fn messages_hold_what_is_chosen_and_the_snapshots_everything() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send(0, EVENTS);
    run(&pipeline, "TOTAL, who").run().expect_code(0);
    let masked = r#"{"who":"a***","total":10.00}"#;
    assert_eq!(published(&pipeline)[&0], [(None, value(masked))]);
    let everything = read_all(&pipeline.brokers, &pipeline.results);
    let holds = |record: &crate::support::Record| {
        let payload = record.payload.as_deref().unwrap_or_default();
        String::from_utf8_lossy(payload).contains("ann@")
    };
    assert!(!everything.iter().any(holds));
    let root = pipeline.store.path().join(&pipeline.events);
    let printed = python().run(EMAILS, &[root.to_str().expect("text")]);
    assert_eq!(printed.trim(), "['ann@example.com']");
    let report = pipeline.verify_published(0);
    assert_eq!(report["not_compared"], 0);

    // The same columns in another order are the same; others are another calculation, which a run without a flag keeps.
    let same = recalculate(&pipeline, "who,total").expect_code(0);
    assert!(
        same.stdout.contains("all of it is of this calculation"),
        "{same:?}"
    );
    let differs = recalculate(&pipeline, "who").expect_code(1);
    let line = format!(r#"  offset 0: {masked} becomes {{"who":"a***"}}"#);
    assert!(differs.stdout.contains(&line), "{differs:?}");
    pipeline.send(0, EVENTS);
    let variable = pipeline
        .run_to_end()
        .args(INPUT)
        .env("SNAPBACK_PUBLISH", "who");
    variable.run().expect_code(0);
    assert_eq!(
        published(&pipeline)[&2],
        [(None, value(r#"{"who":"a***"}"#))]
    );
    assert_eq!(published(&pipeline)[&0].len(), 1);
    pipeline.verify_published(0);

    // Recalculated, what was published is published as it is chosen now.
    run(&pipeline, "total")
        .args(RECALCULATE)
        .run()
        .expect_code(0);
    let all = published(&pipeline);
    let (first, last) = (all[&0].last().expect("two"), all[&2].last().expect("two"));
    assert_eq!([&first.1, &last.1], [&value(r#"{"total":10.00}"#); 2]);
    pipeline.verify_published(0);
    let shown = store_command(&pipeline, &["lookup", "0/0"])
        .run()
        .expect_code(0)
        .stdout;
    let part = format!("    was: {masked}\n    is:  {{\"total\":10.00}}\n");
    assert!(shown.contains(&part), "{shown}");

    // Where no message changes, nothing is published: the column that changes is kept back.
    let changed = [
        INPUT[0],
        INPUT[1],
        INPUT[2],
        "left(email, 2) || '***' AS who, price * quantity AS total",
    ];
    let silent = pipeline
        .run_to_end()
        .args(changed)
        .args(["--publish", "total"]);
    silent.args(RECALCULATE).run().expect_code(0);
    assert_eq!(published(&pipeline), all);
    let report = pipeline.verify_published(0);
    let calculation = &report["calculations"][0]["calculation"];
    assert_eq!(*calculation, Value::from(changed[3]));
}

#[test]
fn a_column_that_there_is_not_is_named_before_anything_starts() {
    for (publish, part) in [
        (
            "totl",
            r#"there is no column "totl"; did you mean total?; a message can hold: email, price, quantity, who, total"#,
        ),
        ("who,", "a column's name"),
        ("kafka_offset", "there is no column"),
    ] {
        let refused = snapback(["calculation"])
            .args(INPUT)
            .args(["--publish", publish]);
        let refused = refused.run().expect_code(2);
        assert!(refused.stderr.contains("--publish"), "{refused:?}");
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
    let shown = snapback(["calculation"])
        .args(INPUT)
        .args(["--publish", "TOTAL,who"])
        .run();
    let shown = shown.expect_code(0).stdout;
    let line = shown
        .lines()
        .find(|line| line.contains("publish"))
        .expect("a line");
    assert!(line.ends_with("who, total"), "{shown}");
}
