//! What `verify` has in memory does not grow with what is stored.

use std::sync::Arc;

use arrow_array::types::TimestampMillisecondType;
use arrow_array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, PrimitiveArray, RecordBatch,
    new_null_array,
};
use arrow_schema::Field;
use snapback::calculation::{Evaluated, Evaluator, builtin};
use snapback::events::Fields;
use snapback::format::{Accumulation, RangeOutcomes};
use snapback::model::{Offset, OffsetRange, Partition};
use snapback::store::{Store, StoreConfig};

use crate::support::{MadeHistory, block_on, heavy, python, snapback};

/// What HISTORY promises, in bytes.
const MOST: u64 = 200_000_000;
const PARTITIONS: i32 = 3;
/// Fields of 8 random bytes, which nothing makes smaller.
const DOUBLES: usize = 12;
const BATCH: i64 = 20_000;
/// A segment of these is about as large as compaction makes one.
const ROWS: i64 = 50 * BATCH;

fn random(at: i64, column: usize) -> u64 {
    let seed = (at as u64) * 64 + column as u64;
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn column(field: &Field, place: usize, start: i64) -> ArrayRef {
    let offsets = start..start + BATCH;
    let number = |at: i64| (random(at, 0) >> 1) as i64;
    match field.name().as_str() {
        "kafka_offset" => Arc::new(Int64Array::from_iter_values(offsets)),
        "kafka_timestamp" => {
            let times = offsets.map(|at| 1_795_000_000_000 + at);
            let times = PrimitiveArray::<TimestampMillisecondType>::from_iter_values(times);
            Arc::new(times.with_timezone("UTC"))
        }
        "number" => Arc::new(Int64Array::from_iter_values(offsets.map(number))),
        "result" => {
            let squares = offsets.map(|at| i128::from(number(at)).pow(2));
            let squares = Decimal128Array::from_iter_values(squares);
            Arc::new(squares.with_data_type(field.data_type().clone()))
        }
        name if name.starts_with("double") => {
            let value = |at| f64::from_bits(random(at, place) >> 2);
            Arc::new(Float64Array::from_iter_values(offsets.map(value)))
        }
        _ => new_null_array(field.data_type(), BATCH as usize),
    }
}

/// Partitions whose outcomes are in one large segment each.
async fn fill(root: &str) -> u64 {
    let store = Store::open(&StoreConfig::new(root.parse().expect("a folder"))).await;
    let store = store.expect("a folder");
    let doubles = (0..DOUBLES).map(|one| format!(", double{one} DOUBLE NOT NULL"));
    let fields = format!("number BIGINT NOT NULL{}", doubles.collect::<String>());
    let fields = Fields::parse(&fields).expect("fields");
    let evaluator = Evaluator::new(fields, builtin("square").expect("square"));
    let evaluator = evaluator.expect("square of a BIGINT");
    let schema = evaluator.results_schema();
    let mut bytes = 0;
    for partition in 0..PARTITIONS {
        let partition = Partition(partition);
        let mut history =
            MadeHistory::begin(&store, &evaluator, partition, PARTITIONS as u32).await;
        let mut accumulation = Accumulation::new(Offset::ZERO);
        for start in (0..ROWS).step_by(BATCH as usize) {
            let fields = schema.fields().iter().enumerate();
            let columns = fields.map(|(place, field)| column(field, place, start));
            let results = RecordBatch::try_new(Arc::clone(&schema), columns.collect());
            let evaluated = Evaluated {
                results: results.expect("results"),
                rejects: Vec::new(),
                filtered: Vec::new(),
            };
            let offset = |at| Offset::new(at).expect("an offset");
            let range = OffsetRange::new(offset(start), offset(start + BATCH)).expect("ascending");
            let outcomes = RangeOutcomes::new(range, evaluated).expect("of this range");
            accumulation.append(&outcomes).expect("contiguous");
        }
        bytes += history.append(accumulation).await;
    }
    bytes
}

#[test]
fn segments_as_large_as_compaction_makes_them_are_verified_in_200_mb() {
    let _turn = heavy();
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().display().to_string();
    let bytes = block_on(fill(&root));
    // Two at a time would be too much.
    assert!(bytes > MOST / 2 * PARTITIONS as u64, "{bytes} bytes");
    let verified = peak(&root, &["-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&verified.0).expect("JSON");
    assert_eq!(report["clean"], true, "{report:#}");
    assert_eq!(report["results"], ROWS * i64::from(PARTITIONS));
    let statement = folder.path().join("statement.json");
    let stated = peak(&root, &["--statement", statement.to_str().expect("text")]);
    println!(
        "{bytes} bytes of segments: verified in {}, stated in {} bytes of memory",
        verified.1, stated.1
    );
    assert!(
        verified.1.max(stated.1) < MOST,
        "{} and {} bytes",
        verified.1,
        stated.1
    );
}

/// What `verify` with these flags prints, and the memory that it takes at most, in bytes.
fn peak(root: &str, flags: &[&str]) -> (String, u64) {
    let line = snapback(["verify", "--store", root]).args(flags).line();
    let line: Vec<&str> = line
        .iter()
        .map(|word| word.to_str().expect("text"))
        .collect();
    let finished = python()
        .program(include_str!("python/peak.py"), &line)
        .run()
        .expect_code(0);
    let peak = finished.stderr.split("peak bytes: ").nth(1);
    let peak = peak.expect("a peak").trim().parse().expect("a number");
    (finished.stdout, peak)
}
