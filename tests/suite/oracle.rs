//! SQL expressions against DuckDB and Spark, which compute the same over the same rows.

mod cases;
mod expressions;
mod rows;

use std::time::Duration;

use serde_json::Value;

use crate::support::{Python, heavy, python, seed, spark};

const DUCKDB: &str = include_str!("python/oracle.py");
const SPARK: &str = include_str!("python/oracle_spark.py");

/// So many expressions for every change; `SNAPBACK_TEST_ORACLE` asks for more.
const EXPRESSIONS: usize = 500;

/// So many at a time: each is a column of a file.
const AT_A_TIME: usize = 1000;

/// How long an engine may take for the files of one start.
const LIMIT: Duration = Duration::from_secs(3600);

/// An engine that computes the expressions again.
struct Oracle {
    python: &'static Python,
    script: &'static str,
    /// So many files of expressions for one start of the engine.
    files: usize,
}

impl Oracle {
    /// Computes random expressions, and demands that every value is the same.
    fn compare(&self) {
        let _turn = heavy();
        let seed = seed("the oracle");
        let total = std::env::var("SNAPBACK_TEST_ORACLE").map_or(EXPRESSIONS, |total| {
            total.parse().expect("SNAPBACK_TEST_ORACLE is a number")
        });
        let starts: Vec<usize> = (0..total).step_by(AT_A_TIME).collect();
        let (mut compared, mut values) = (0, 0);
        for starts in starts.chunks(self.files) {
            let folder = tempfile::tempdir().expect("a folder");
            let mut folders = Vec::new();
            for start in starts {
                let round = folder.path().join(start.to_string());
                std::fs::create_dir(&round).expect("a folder");
                let count = AT_A_TIME.min(total - start);
                let seed = seed.wrapping_add((start / AT_A_TIME) as u64);
                let made = cases::write(&round, seed, count);
                // Neither the gate nor the rows' errors may leave little to compare.
                assert!(made.refused < made.taken, "{made:?}");
                assert!(made.rejected < made.values, "{made:?}");
                values += made.values as u64;
                folders.push(round.to_str().expect("a path of text").to_owned());
            }
            let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
            let program = self.python.program(self.script, &folders).limit(LIMIT);
            let told = program.run().expect_code(0).stdout;
            let told: Value = serde_json::from_str(&told).expect("JSON");
            let differences = &told["differences"];
            assert_eq!(
                differences,
                &serde_json::json!([]),
                "of {seed} + {starts:?}"
            );
            compared += told["compared"].as_u64().expect("a count");
        }
        assert!(compared * 10 > values * 8, "{compared} of {values}");
        println!("{total} expressions, {compared} of {values} values are compared, and the same");
    }
}

#[test]
fn duckdb_gives_the_same_value_for_every_row_that_both_take() {
    let (python, script) = (python(), DUCKDB);
    let oracle = Oracle {
        python,
        script,
        files: 1,
    };
    oracle.compare();
}

#[test]
#[ignore = "it downloads Spark (500 MB installed): .ci/nightly runs it"]
fn spark_gives_the_same_value_for_every_row_that_both_take() {
    let (python, script) = (spark(), SPARK);
    let oracle = Oracle {
        python,
        script,
        files: 25,
    };
    oracle.compare();
}
