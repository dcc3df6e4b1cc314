//! Rows of a segment, changed.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, RecordBatch, UInt64Array,
    cast::AsArray as _,
    types::{Decimal128Type, Int64Type},
};
use arrow_select::take::take_record_batch;

/// The rows whose numbers are given, in that order.
pub(super) fn take(batch: &RecordBatch, rows: impl IntoIterator<Item = usize>) -> RecordBatch {
    let rows = UInt64Array::from_iter_values(rows.into_iter().map(|row| row as u64));
    take_record_batch(batch, &rows).unwrap()
}

pub(super) fn replace(batch: &RecordBatch, column: &str, with: ArrayRef) -> RecordBatch {
    let index = batch.schema().index_of(column).unwrap();
    let mut columns = batch.columns().to_vec();
    columns[index] = with;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

/// The row that holds an offset.
pub(super) fn row(batch: &RecordBatch, offset: i64) -> usize {
    let offsets = batch.column(0).as_primitive::<Int64Type>();
    offsets
        .values()
        .iter()
        .position(|found| *found == offset)
        .unwrap()
}

pub(super) fn without(batch: &RecordBatch, offset: i64) -> RecordBatch {
    let gone = row(batch, offset);
    take(batch, (0..batch.num_rows()).filter(|row| *row != gone))
}

pub(in crate::audit) fn wrong_value(
    batch: &RecordBatch,
    wrong: impl Fn(usize) -> bool,
) -> RecordBatch {
    let results = batch
        .column_by_name("result")
        .unwrap()
        .as_primitive::<Decimal128Type>();
    let results = (0..results.len()).map(|row| results.value(row) + i128::from(wrong(row)));
    let results = Decimal128Array::from_iter_values(results)
        .with_precision_and_scale(38, 0)
        .unwrap();
    replace(batch, "result", Arc::new(results))
}
