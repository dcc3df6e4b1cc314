//! Files of a store that somebody rewrote who knows how digests are made.

use std::fs;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};

use snapback::calculation::{Condition, Evaluator, builtin};
use snapback::events::Fields;

use crate::outside::Pipeline;
use crate::recovery::forge_manifest;

/// Gives the newest segment of this kind other bytes, and its size and digest in the newest manifest, which added it, with them.
fn restate(pipeline: &Pipeline, kind: &str, change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let file = pipeline.segments(kind, 0).pop().expect("a segment");
    let manifest = pipeline.manifests(0).pop().expect("a manifest");
    let before = fs::read(&file).expect("a segment");
    let now = change(&before);
    let stated = |bytes: &[u8]| {
        let digest = hex::encode(Sha256::digest(bytes));
        format!("\"bytes\":{},\"digest\":\"sha256:{digest}\"", bytes.len())
    };
    forge_manifest(&manifest, |body| {
        let (before, now) = (stated(&before), stated(&now));
        assert!(body.contains(&before), "{before} is not in {body}");
        body.replace(&before, &now)
    });
    fs::write(&file, now).expect("a writable store");
}

/// The newest segment of this kind has other rows.
fn with_rows(pipeline: &Pipeline, kind: &str, change: impl FnOnce(&RecordBatch) -> RecordBatch) {
    restate(pipeline, kind, |file| {
        let file = bytes::Bytes::from(file.to_vec());
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a segment");
        let pairs = reader.metadata().file_metadata().key_value_metadata();
        let mut pairs = pairs.expect("pairs").clone();
        pairs.retain(|pair| pair.key.starts_with("snapback."));
        let schema = reader.schema().clone();
        let batches = reader
            .build()
            .expect("rows")
            .map(|batch| batch.expect("rows"));
        let batches: Vec<RecordBatch> = batches.collect();
        let rows = concat_batches(&batches[0].schema(), &batches).expect("rows");
        let properties = WriterProperties::builder()
            .set_key_value_metadata(Some(pairs))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties));
        let mut writer = writer.expect("a writer");
        writer.write(&change(&rows)).expect("rows");
        writer.into_inner().expect("a file")
    });
}

fn replace(batch: &RecordBatch, column: &str, with: ArrayRef) -> RecordBatch {
    let index = batch.schema().index_of(column).expect("a column");
    let mut columns = batch.columns().to_vec();
    columns[index] = with;
    RecordBatch::try_new(batch.schema(), columns).expect("the same columns")
}

/// The newest results are no Parquet file.
pub fn no_parquet(pipeline: &Pipeline) {
    restate(pipeline, "results", |_| b"no Parquet at all".to_vec());
}

/// The last of the newest results is gone.
pub fn without_the_last_row(pipeline: &Pipeline) {
    with_rows(pipeline, "results", |rows| {
        rows.slice(0, rows.num_rows() - 1)
    });
}

/// The newest results are in another order.
pub fn backwards(pipeline: &Pipeline) {
    with_rows(pipeline, "results", |rows| {
        let order = UInt64Array::from_iter_values((0..rows.num_rows() as u64).rev());
        take_record_batch(rows, &order).expect("rows")
    });
}

/// One of the newest results stands at the offset of a reject, which follows it.
pub fn at_the_offset_of_a_reject(pipeline: &Pipeline) {
    with_rows(pipeline, "results", |rows| {
        let offsets = rows.column(0).as_primitive::<Int64Type>().values();
        let gap = offsets.windows(2).position(|pair| pair[1] > pair[0] + 1);
        let gap = gap.expect("a reject between two results");
        let moved = offsets.iter().enumerate();
        let moved = moved.map(|(row, offset)| offset + i64::from(row == gap));
        let moved = Int64Array::from_iter_values(moved);
        replace(rows, "kafka_offset", std::sync::Arc::new(moved))
    });
}

/// The first of the newest results is one too high.
pub fn one_too_high(pipeline: &Pipeline) {
    with_rows(pipeline, "results", |rows| {
        let results = rows.column_by_name("result").expect("a column");
        let results = results.as_primitive::<Decimal128Type>().values().iter();
        let wrong = results
            .enumerate()
            .map(|(row, result)| result + i128::from(row == 0));
        let wrong = Decimal128Array::from_iter_values(wrong).with_precision_and_scale(38, 0);
        replace(
            rows,
            "result",
            std::sync::Arc::new(wrong.expect("they fit")),
        )
    });
}

/// The first of the newest rejects has another reason.
pub fn another_reason(pipeline: &Pipeline) {
    with_rows(pipeline, "rejects", |rows| {
        let reasons = rows.column_by_name("reason").expect("a column");
        let reasons = reasons.as_string::<i32>().iter().enumerate();
        let wrong = reasons.map(|(row, reason)| match row {
            0 => Some("somebody said so"),
            _ => reason,
        });
        let wrong: StringArray = wrong.collect();
        replace(rows, "reason", std::sync::Arc::new(wrong))
    });
}

/// What `number < 0` filtered is on record as filtered by `number > 16`.
pub fn filtered_by_another_condition(pipeline: &Pipeline) {
    let declared = |condition: &str| {
        let fields = Fields::parse("number BIGINT NOT NULL").expect("fields");
        let evaluator = Evaluator::new(fields, builtin("square(number)").expect("a calculation"));
        let condition = Condition::parse(condition).expect("a condition");
        let evaluator = evaluator
            .expect("one that fits")
            .with_condition(Some(&condition));
        evaluator.expect("a condition that fits").declaration()
    };
    let (was, now) = (declared("number < 0"), declared("number > 16"));
    let manifest = pipeline.manifests(0).pop().expect("a manifest");
    forge_manifest(&manifest, |body| {
        let fingerprints = [&was, &now].map(|one| one.fingerprint.to_string());
        assert!(body.contains(&fingerprints[0]), "{body}");
        let body = body.replace(&fingerprints[0], &fingerprints[1]);
        let conditions = [was, now].map(|one| one.condition.expect("a condition"));
        body.replace(&conditions[0], &conditions[1])
    });
}
