//! SQL expressions against DuckDB, which computes the same over the same rows.

mod cases;
mod expressions;
mod rows;

use serde_json::Value;

use crate::support::{heavy, python, seed};

const ORACLE: &str = include_str!("python/oracle.py");

/// So many expressions for every change; `SNAPBACK_TEST_ORACLE` asks for more.
const EXPRESSIONS: usize = 500;

/// So many at a time: each is a column of a file.
const AT_A_TIME: usize = 1000;

#[test]
fn duckdb_gives_the_same_value_for_every_row_that_both_take() {
    let _turn = heavy();
    let seed = seed("the oracle");
    let total = std::env::var("SNAPBACK_TEST_ORACLE").map_or(EXPRESSIONS, |total| {
        total.parse().expect("SNAPBACK_TEST_ORACLE is a number")
    });
    let mut compared = 0;
    for (round, start) in (0..total).step_by(AT_A_TIME).enumerate() {
        let folder = tempfile::tempdir().expect("a folder");
        let count = AT_A_TIME.min(total - start);
        let made = cases::write(folder.path(), seed.wrapping_add(round as u64), count);
        // Neither the gate nor the rows' errors may leave little to compare.
        assert!(made.refused < made.taken, "{made:?}");
        assert!(made.rejected < made.values, "{made:?}");
        let path = folder.path().to_str().expect("a path of text");
        let told: Value = serde_json::from_str(&python().run(ORACLE, &[path])).expect("JSON");
        assert_eq!(
            told["differences"],
            serde_json::json!([]),
            "of {seed} + {round}"
        );
        let both = told["compared"].as_u64().expect("a count");
        assert!(both * 10 > made.values as u64 * 8, "{made:?} {both}");
        compared += both;
    }
    println!("{total} expressions, {compared} values are the same");
}
