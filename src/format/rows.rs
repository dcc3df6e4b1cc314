//! The offsets of rows in memory.

use arrow_array::{Array, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};

use crate::{events::columns, model::Offset};

/// The column that every segment is sorted by; always the first.
pub(super) const OFFSET_COLUMN: &str = columns::OFFSET;

/// The size of exactly these rows.
pub(crate) fn rows_size(batch: &RecordBatch) -> usize {
    let sizes = batch
        .columns()
        .iter()
        .map(|column| column.to_data().get_slice_memory_size());
    sizes.map(|size| size.unwrap_or(0)).sum()
}

/// The rows of `[start, end)`.
pub(crate) fn within(batch: &RecordBatch, start: Offset, end: Offset) -> RecordBatch {
    let offsets = offsets(batch).values();
    let before = |at: Offset| offsets.partition_point(|offset| *offset < at.get());
    let from = before(start);
    batch.slice(from, before(end).saturating_sub(from))
}

/// The offset column of a batch; empty when the batch has none, which [`has_offsets`] rules out first.
pub(super) fn offsets(batch: &RecordBatch) -> &Int64Array {
    batch.column(0).as_primitive::<Int64Type>()
}

/// Whether the first column is the one that segments are sorted by.
pub(super) fn has_offsets(batch: &RecordBatch) -> bool {
    batch.schema_ref().fields().first().is_some_and(|field| {
        field.name() == OFFSET_COLUMN && *field.data_type() == arrow_schema::DataType::Int64
    }) && batch.column(0).null_count() == 0
}
