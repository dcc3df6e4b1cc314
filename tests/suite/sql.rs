//! Calculations in SQL: those of the documentation, and one from Kafka to a proof.

use std::{fs::File, path::Path};

use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use snapback::{
    arrow_schema::{DataType, Field, Schema},
    calculation::{Calculation as _, Engine, Evaluator, Publish, SqlCalculation, builtin},
    events::{Fields, MessageBuffer, ResultEncoder},
    model::{Event, Offset, Partition},
};

use crate::corrections::{dead_letters, published};
use crate::outside::{Pipeline, Place};
use crate::support::{python, snapback};

const DOCUMENTATION: &str = include_str!("../../docs/calculations.md");

/// Runs each query in a folder whose snapshots are those of the documentation.
const QUERIES: &str = "import duckdb, json, os, sys
folder, query = sys.argv[1:]
os.chdir(folder)
print(json.dumps([[str(value) for value in row] for row in duckdb.sql(query).fetchall()]))";

/// An example of the documentation: its sections are fenced.
struct Example<'a> {
    name: &'a str,
    blocks: Vec<(&'a str, &'a str)>,
}

impl<'a> Example<'a> {
    fn all() -> Vec<Example<'a>> {
        let (_, examples) = DOCUMENTATION
            .split_once("\n## Real calculations\n")
            .expect("examples");
        let (examples, _) = examples.split_once("\n## ").unwrap_or((examples, ""));
        let parts = examples.split("\n### ").skip(1);
        parts
            .map(|part| {
                let fences: Vec<&str> = part.split("\n```").collect();
                let blocks = fences[1..].iter().step_by(2);
                Example {
                    name: part.lines().next().unwrap_or_default(),
                    blocks: blocks
                        .map(|block| block.split_once('\n').expect("a block"))
                        .collect(),
                }
            })
            .collect()
    }

    fn block(&self, kind: &str, nth: usize) -> &'a str {
        let mut blocks = self.blocks.iter().filter(|(found, _)| *found == kind);
        let block = blocks.nth(nth);
        block
            .unwrap_or_else(|| panic!("{}: no {kind} block", self.name))
            .1
    }

    /// What a flag of the command says, between single quotes.
    fn flag(&self, name: &str) -> String {
        let command = self.block("sh", 0);
        let (_, rest) = command.split_once(&format!("{name} '")).expect(name);
        // A quote in a shell's quotes: '\\''
        let mut value = String::new();
        let mut rest = rest;
        loop {
            let (part, after) = rest.split_once('\'').expect("the end of the quotes");
            value += part;
            match after.strip_prefix("\\''") {
                Some(more) => {
                    value.push('\'');
                    rest = more;
                }
                None => return value,
            }
        }
    }
}

#[test]
fn every_calculation_of_the_documentation_gives_what_stands_there_and_duckdb_agrees() {
    let examples = Example::all();
    assert!(examples.len() >= 10);
    for example in examples {
        let fields = Fields::parse(&example.flag("--fields")).expect("fields");
        let calculation = builtin(&example.flag("--calculation")).expect("a calculation");
        let publish = example.block("sh", 0).contains("--publish '");
        let publish = publish.then(|| example.flag("--publish"));
        let publish = publish.map(|text| Publish::parse(&text).expect("names"));
        let evaluator = Evaluator::new(fields, calculation)
            .and_then(|evaluator| evaluator.with_publish(publish.as_ref()))
            .unwrap_or_else(|error| panic!("{error}"));
        let payloads: Vec<&str> = example.block("json", 0).lines().collect();
        let events = payloads.iter().enumerate().map(|(index, payload)| Event {
            offset: Offset::new(index as i64).expect("an offset"),
            timestamp: None,
            key: None,
            payload: Some(payload.as_bytes()),
        });
        let evaluated = evaluator.evaluate(events).expect("outcomes");
        let mut messages = MessageBuffer::new();
        let encoder =
            ResultEncoder::new("events", &evaluator.results_schema()).expect("an encoder");
        encoder
            .encode(Partition(0), &evaluated.results, &mut messages)
            .expect("messages");
        let mut found = String::new();
        for row in 0..evaluated.results.num_rows() {
            let (_, message) = messages.get(row).expect("a message");
            found += &format!("{}\n", std::str::from_utf8(message).expect("text"));
        }
        for reject in &evaluated.rejects {
            found += &format!("{}\n", reject.reason);
        }
        assert_eq!(found.trim(), example.block("json", 1), "{}", example.name);

        let folder = tempfile::tempdir().expect("a folder");
        let results = folder.path().join("snapshots/events/results/partition=0");
        std::fs::create_dir_all(&results).expect("a folder");
        save(&results.join("one.parquet"), &evaluated.results);
        let path = folder.path().to_str().expect("a path of text");
        let query = example.block("sql", 0);
        let differing = python().run(QUERIES, &[path, query]);
        assert_eq!(differing.trim(), "[]", "{}: {query}", example.name);
        // A query that could find nothing proves nothing.
        let equal = query.replace("IS DISTINCT FROM", "IS NOT DISTINCT FROM");
        let equal: Value =
            serde_json::from_str(&python().run(QUERIES, &[path, &equal])).expect("JSON");
        assert_eq!(
            equal.as_array().map(Vec::len),
            Some(evaluated.results.num_rows()),
            "{}",
            example.name
        );
    }
}

fn save(path: &Path, batch: &snapback::arrow_array::RecordBatch) {
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(batch).expect("rows");
    writer.close().expect("the end of the file");
}

#[test]
fn two_columns_are_calculated_stored_proven_and_replaced_by_others() {
    let pipeline = Pipeline::new(1, Place::folder());
    let fields = ["--fields", "price DECIMAL(12,2) NOT NULL, quantity BIGINT"];
    let vat = "round(total * 0.19, 2) AS vat";
    let total = format!("price * quantity AS total, {vat}");
    let total = ["--calculation", &total];
    pipeline.send(
        0,
        [
            r#"{"price": 19.99, "quantity": 3}"#,
            r#"{"price": 0.50}"#,
            r#"{"price": 1.25, "quantity": -2}"#,
            r#"{"price": 9999999999.99, "quantity": 9223372036854775807}"#,
        ],
    );
    pipeline
        .run_to_end()
        .args(fields)
        .args(total)
        .run()
        .expect_code(0);
    let values = |offset: i64| {
        let published = published(&pipeline);
        let (_, newest) = published[&offset]
            .iter()
            .max_by_key(|(revision, _)| *revision)
            .cloned()
            .expect("a message");
        newest.map(|text| serde_json::from_str::<Value>(&text).expect("JSON"))
    };
    assert_eq!(
        values(0),
        Some(json!({"price": 19.99, "quantity": 3, "total": 59.97, "vat": 11.39}))
    );
    assert_eq!(
        values(2),
        Some(json!({"price": 1.25, "quantity": -2, "total": -2.50, "vat": -0.48}))
    );
    // NULL is a value.
    assert_eq!(
        values(1),
        Some(json!({"price": 0.5, "quantity": null, "total": null, "vat": null}))
    );
    assert_eq!(dead_letters(&pipeline), []);

    let verify = |calculation: [&str; 2]| {
        let command = snapback(["verify", "-o", "json", "--events", &pipeline.events])
            .args(pipeline.store_args())
            .args(fields)
            .args(calculation);
        command.run()
    };
    // However it is written, it is the same calculation.
    let written = format!("PRICE * Quantity as total,\n{vat}");
    let told = verify(["--calculation", &written]).expect_code(0).stdout;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(
        (&told["clean"], &told["results"], &told["rejects"]),
        (&json!(true), &json!(4), &json!(0))
    );

    let other = format!("price * coalesce(quantity, 1) AS total, {vat}");
    let other = ["--calculation", &other];
    let recalculate = ["--on-new-calculation", "recalculate"];
    pipeline
        .run_to_end()
        .args(fields)
        .args(other)
        .args(recalculate)
        .run()
        .expect_code(0);
    assert_eq!(
        values(1),
        Some(json!({"price": 0.5, "quantity": null, "total": 0.5, "vat": 0.1}))
    );
    verify(other).expect_code(0);
}

/// Stores one result of a segment one too high.
const ONE_TOO_HIGH: &str = "import duckdb, os, sys
path, = sys.argv[1:]
duckdb.sql(f\"COPY (SELECT * REPLACE (CASE WHEN kafka_offset = 2 THEN result + 1 ELSE result END AS result) \\
    FROM read_parquet('{path}', hive_partitioning = false)) TO '{path}.new' (FORMAT parquet)\")
os.replace(path + '.new', path)";

#[test]
fn the_query_of_a_calculation_gives_the_stored_rows_that_duckdb_computes_otherwise() {
    let pipeline = Pipeline::new(1, Place::folder());
    let flags = [
        "--fields",
        "price DECIMAL(12,2) NOT NULL, \"order\" BIGINT",
        "--calculation",
        "CASE WHEN \"order\" % 2 = 0 THEN round(price * \"order\" * 1.19, 2) ELSE 0 END",
    ];
    let events = (0..5).map(|n| format!("{{\"price\": {n}.05, \"order\": {n}}}"));
    pipeline.send(0, events.chain(["{\"price\": 1}".to_owned()]));
    pipeline.run_to_end().args(flags).run().expect_code(0);
    let differing = || -> Value {
        let query = [
            "calculation",
            "--sql",
            "duckdb",
            "--events",
            &pipeline.events,
        ];
        let query = snapback(query).args(pipeline.store_args()).args(flags);
        let query = query.run().expect_code(0).stdout;
        let rows = python().run(QUERIES, &["/", &query]);
        serde_json::from_str(&rows).expect("JSON")
    };
    assert_eq!(differing(), json!([]));
    // Files of another calculation need not have its columns.
    pipeline.send(0, [r#"{"price": 1}"#]);
    let other = ["--fields", flags[1], "--calculation", "price AS another"];
    let run = pipeline.run_to_end().args(other).run().expect_code(0);
    let said = "made by another calculation";
    assert_eq!(run.stderr.matches(said).count(), 1, "{}", run.stderr);
    // What the engine computes of its row, it does not have.
    let found = differing();
    assert_eq!(
        (&found[0][0], &found[1]),
        (&json!("6"), &json!(null)),
        "{found}"
    );
    let again = pipeline.run_to_end().args(other).run().expect_code(0);
    assert!(!again.stderr.contains(said), "{}", again.stderr);

    let segment = pipeline.segments("results", 0).remove(0);
    python().run(ONE_TOO_HIGH, &[segment.to_str().expect("a path of text")]);
    let found = differing();
    let rows = found.as_array().expect("rows");
    let changed: Vec<_> = rows.iter().filter(|row| row[0] != "6").collect();
    assert_eq!((rows.len(), changed.len()), (2, 1), "{found}");
    assert_eq!(
        (&changed[0][0], &changed[0][6]),
        (&json!("2"), &json!("5.88")),
        "{found}"
    );
}

#[test]
fn names_that_duckdb_reserves_are_quoted() {
    let words = python().run(
        "import duckdb
print(' '.join(word for (word,) in duckdb.sql(\"SELECT keyword_name FROM duckdb_keywords() \\
    WHERE keyword_category <> 'unreserved'\").fetchall()))",
        &[],
    );
    for word in words.split_whitespace() {
        let schema = Schema::new(vec![Field::new(word, DataType::Int64, true)]);
        let field = SqlCalculation::parse(&format!("\"{word}\"")).expect("a field");
        let text = field.expressions(&schema, Engine::DuckDb);
        assert_eq!(text, Some(vec![format!("\"{word}\"")]));
    }
}
