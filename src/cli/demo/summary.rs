//! What the demo ends with: the checks, the table, and what to try.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanCount;

use super::paint::Paint;
use crate::{
    demo::{Check, Summary},
    recovery::Invocation,
};

/// Checks and counts for programs.
pub(super) fn json(summary: &Summary) -> serde_json::Result<String> {
    let value = serde_json::json!({
        "passed": summary.checked.holds(),
        "checks": summary.checked.checks,
        "totals": summary.checked.totals,
        "bytes_per_event": summary.checked.totals.bytes_per_event(),
        "events_per_second": summary.catch_up.and_then(|catch_up| catch_up.rate()),
        "exactly_once": summary.exactly_once,
        "lost_in_memory": summary.loss.in_memory,
        "folder": summary.folder,
        "events": summary.pipeline.events,
    });
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

/// The checks, one line each; what contradicts them below.
pub(super) fn checks(checks: &[Check], paint: Paint) -> String {
    let mut text = String::new();
    for check in checks {
        if check.passed() {
            line(
                &mut text,
                format_args!("  {} {}", paint.good("✓"), check.claim),
            );
            continue;
        }
        let wrong = HumanCount(check.wrong);
        let claim = paint.bad(&format!("✗ NOT TRUE: {}", check.claim));
        line(&mut text, format_args!("  {claim}"));
        for example in &check.examples {
            line(&mut text, format_args!("      {example}"));
        }
        let shown = check.examples.len() as u64;
        if check.wrong > shown {
            line(&mut text, format_args!("      … {wrong} in all"));
        }
    }
    text
}

/// Everything that was counted.
pub(super) fn table(summary: &Summary) -> String {
    let totals = &summary.checked.totals;
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let mut row = |name: &str, value: String, note: &str| {
        table.add_row([format!(" {name}"), value, note.to_owned()]);
    };
    let count = |value: u64| HumanCount(value).to_string();
    row("events", count(totals.events), "");
    row("results", count(totals.results), "");
    row("rejects", count(totals.rejects), "");
    for (reason, number) in totals.malformed.iter().chain(&totals.rejected) {
        row(&format!("  {reason}"), count(*number), "");
    }
    if summary.task.condition.is_some() {
        row("filtered", count(totals.filtered), "");
    }
    row("absent", count(totals.absent), "");
    row("lost", count(totals.lost), "");
    row("snapshots", count(totals.snapshots), "");
    row("segments", count(totals.segments), "");
    if let Some(bytes) = totals.bytes_per_event() {
        row(
            "bytes per event",
            format!("{bytes:.1}"),
            "in the Parquet files",
        );
    }
    match summary
        .catch_up
        .and_then(|catch_up| Some((catch_up, catch_up.rate()?)))
    {
        Some((catch_up, rate)) => {
            let (results, took) = (HumanCount(catch_up.results), catch_up.took.as_millis());
            let note =
                format!("after the restart: {results} results in {took} ms, by the results topic");
            row("events/s", count(rate.round() as u64), &note);
        }
        None => row(
            "events/s",
            "-".to_owned(),
            "too fast for the clock of the results topic",
        ),
    }
    let note = if summary.exactly_once {
        "exactly-once: results, rejects and offsets in one transaction"
    } else {
        "at-least-once: the embedded broker has no transactions; exactly-once: --brokers HOST:PORT"
    };
    row("published twice", count(totals.published_twice), note);
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = String::new();
    for row in table.lines() {
        line(&mut text, format_args!("{}", row.trim_end()));
    }
    text
}

/// What to do with the folder now.
pub(super) fn suggestions(summary: &Summary) -> String {
    let folder = summary.folder.display();
    let events = &summary.pipeline.events;
    // A quote in a text of SQL is written twice.
    let root = format!("{folder}/{events}").replace('\'', "''");
    let glob = |kind: &str| format!("'{root}/{kind}/partition=*/*.parquet'");
    let topic = if events == "events" {
        String::new()
    } else {
        format!(" --events {events}")
    };
    let mut text = String::new();
    line(
        &mut text,
        format_args!("The snapshots are plain Parquet files in {folder}. In DuckDB:"),
    );
    line(
        &mut text,
        format_args!(
            "  SELECT partition, count(*) AS results, max(kafka_offset) AS newest FROM read_parquet({}, hive_partitioning=true) GROUP BY partition ORDER BY partition;",
            glob("results")
        ),
    );
    let some = match summary.task.is_own() {
        false => "SELECT number, result FROM",
        true => "SELECT * EXCLUDE (kafka_timestamp, kafka_timestamp_raw, key) FROM",
    };
    let order = match summary.task.is_own() {
        false => "result",
        true => "number",
    };
    line(
        &mut text,
        format_args!(
            "  {some} read_parquet({}) ORDER BY {order} DESC LIMIT 5;",
            glob("results")
        ),
    );
    line(
        &mut text,
        format_args!(
            "  SELECT reason, coalesce(try(decode(payload)), payload::VARCHAR) AS payload FROM read_parquet({}) LIMIT 20;",
            glob("rejects")
        ),
    );
    line(&mut text, format_args!("And without DuckDB:"));
    line(
        &mut text,
        format_args!("  snapback snapshots list --store {folder}{topic}"),
    );
    line(
        &mut text,
        format_args!("  snapback verify --store {folder}{topic}"),
    );
    if summary.task.is_own() {
        let query = Invocation::new("calculation")
            .with("--store", folder.to_string())
            .with("--events", events)
            .with("--sql", "duckdb");
        let query = summary.task.on(query);
        line(
            &mut text,
            format_args!("The query that finds the results which DuckDB calculates otherwise:"),
        );
        line(&mut text, format_args!("  {query}"));
    }
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{arguments}");
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf, time::Duration};

    use super::*;
    use crate::demo::{CatchUp, Checked, Loss, Pipeline, Task, Totals};

    fn summary(exactly_once: bool) -> Summary {
        let totals = Totals {
            events: 200_000,
            results: 199_800,
            rejects: 200,
            malformed: BTreeMap::from([("empty".to_owned(), 90), ("not-json".to_owned(), 110)]),
            rejected: BTreeMap::new(),
            filtered: 0,
            absent: 0,
            lost: 0,
            snapshots: 40,
            segments: 71,
            bytes: 2_200_000,
            published_twice: if exactly_once { 0 } else { 1_234 },
        };
        Summary {
            checked: Checked {
                checks: Vec::new(),
                totals,
            },
            pipeline: Pipeline::named(None),
            exactly_once,
            catch_up: Some(CatchUp {
                results: 95_000,
                took: Duration::from_millis(100),
            }),
            loss: Loss::default(),
            folder: PathBuf::from("./snapback-demo"),
            task: Task::default(),
        }
    }

    #[test]
    fn the_table_says_everything_that_was_counted() {
        insta::assert_snapshot!(table(&summary(false)), @r"
        events           200,000
        results          199,800
        rejects              200
          empty               90
          not-json           110
        absent                 0
        lost                   0
        snapshots             40
        segments              71
        bytes per event     11.0  in the Parquet files
        events/s         950,000  after the restart: 95,000 results in 100 ms, by the results topic
        published twice    1,234  at-least-once: the embedded broker has no transactions; exactly-once: --brokers HOST:PORT
        ");
    }

    #[test]
    fn a_check_that_failed_shows_its_first_contradictions() {
        let failed = Check {
            claim: "each event is stored exactly once",
            wrong: 1_007,
            examples: vec!["3/1042 is not in the snapshots".to_owned()],
        };
        let passed = Check {
            claim: "`snapback verify` finds nothing",
            wrong: 0,
            examples: Vec::new(),
        };
        insta::assert_snapshot!(checks(&[failed, passed], Paint::plain()), @r"
        ✗ NOT TRUE: each event is stored exactly once
            3/1042 is not in the snapshots
            … 1,007 in all
        ✓ `snapback verify` finds nothing
        ");
    }

    #[test]
    fn the_suggestions_name_the_folder_and_the_topic() {
        insta::assert_snapshot!(suggestions(&summary(true)), @r"
        The snapshots are plain Parquet files in ./snapback-demo. In DuckDB:
          SELECT partition, count(*) AS results, max(kafka_offset) AS newest FROM read_parquet('./snapback-demo/events/results/partition=*/*.parquet', hive_partitioning=true) GROUP BY partition ORDER BY partition;
          SELECT number, result FROM read_parquet('./snapback-demo/events/results/partition=*/*.parquet') ORDER BY result DESC LIMIT 5;
          SELECT reason, coalesce(try(decode(payload)), payload::VARCHAR) AS payload FROM read_parquet('./snapback-demo/events/rejects/partition=*/*.parquet') LIMIT 20;
        And without DuckDB:
          snapback snapshots list --store ./snapback-demo
          snapback verify --store ./snapback-demo
        ");
    }

    #[test]
    fn with_a_calculation_of_ones_own_the_suggestions_prove_it() {
        let mut summary = summary(true);
        summary.task = Task {
            calculation: Some("number * 2 AS twice".to_owned()),
            condition: Some("number > 0".to_owned()),
        };
        summary.checked.totals.filtered = 7;
        insta::assert_snapshot!(suggestions(&summary), @r"
        The snapshots are plain Parquet files in ./snapback-demo. In DuckDB:
          SELECT partition, count(*) AS results, max(kafka_offset) AS newest FROM read_parquet('./snapback-demo/events/results/partition=*/*.parquet', hive_partitioning=true) GROUP BY partition ORDER BY partition;
          SELECT * EXCLUDE (kafka_timestamp, kafka_timestamp_raw, key) FROM read_parquet('./snapback-demo/events/results/partition=*/*.parquet') ORDER BY number DESC LIMIT 5;
          SELECT reason, coalesce(try(decode(payload)), payload::VARCHAR) AS payload FROM read_parquet('./snapback-demo/events/rejects/partition=*/*.parquet') LIMIT 20;
        And without DuckDB:
          snapback snapshots list --store ./snapback-demo
          snapback verify --store ./snapback-demo
        The query that finds the results which DuckDB calculates otherwise:
          snapback calculation --store ./snapback-demo --events events --sql duckdb --calculation 'number * 2 AS twice' --where 'number > 0'
        ");
        assert!(table(&summary).contains("filtered               7"));
    }
}
