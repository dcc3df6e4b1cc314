//! Decoded events as columns, on their way to their outcomes.

use std::sync::Arc;

use arrow_array::{
    Array as _, ArrayRef, BooleanArray, RecordBatch,
    cast::AsArray,
    types::{Int64Type, TimestampMillisecondType},
};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::filter::FilterBuilder;

use super::{CalculationError, sql::Filter};
use crate::{
    events::columns,
    model::{Offset, Reject},
};

/// The columns without the rows that are not marked.
pub(super) fn kept(
    columns: &[ArrayRef],
    marked: BooleanBuffer,
) -> Result<Vec<ArrayRef>, ArrowError> {
    let filter = FilterBuilder::new(&BooleanArray::from(marked))
        .optimize()
        .build();
    columns.iter().map(|column| filter.filter(column)).collect()
}

/// A batch of events that could be decoded, and those that are out already.
pub(super) struct Batch<'a> {
    /// Offset, timestamp, key, and the fields.
    pub(super) columns: Vec<ArrayRef>,
    pub(super) payloads: Vec<&'a [u8]>,
    pub(super) rejects: Vec<Reject>,
    pub(super) filtered: Vec<Offset>,
}

impl<'a> Batch<'a> {
    /// The rows that the condition is true for. The others are filtered, or rejects where it cannot be calculated.
    pub(super) fn sift(
        self,
        condition: &Filter,
        fields: &SchemaRef,
    ) -> Result<Batch<'a>, CalculationError> {
        if self.payloads.is_empty() {
            return Ok(self);
        }
        let failed = batch_error(self.payloads.len());
        let inputs = self.columns[columns::SOURCE.len()..].to_vec();
        let inputs = RecordBatch::try_new(Arc::clone(fields), inputs).map_err(&failed)?;
        let sifted = condition.sift(&inputs)?;
        if sifted.all() {
            return Ok(self);
        }
        let Batch {
            mut columns,
            mut payloads,
            mut rejects,
            ..
        } = self;
        let offsets = columns[0].as_primitive::<Int64Type>().values();
        let filtered = sifted.filtered();
        let filtered = filtered
            .filter_map(|row| Offset::new(offsets[row]))
            .collect();
        for (row, reason) in sifted.rejections {
            rejects.push(rejected(&columns, row, payloads[row], reason));
        }
        columns = kept(&columns, sifted.passed.clone()).map_err(failed)?;
        let mut passed = sifted.passed.iter();
        payloads.retain(|_| passed.next().unwrap_or_default());
        Ok(Batch {
            columns,
            payloads,
            rejects,
            filtered,
        })
    }
}

pub(super) fn batch_error(rows: usize) -> impl Fn(ArrowError) -> CalculationError {
    move |source| CalculationError::Batch { rows, source }
}

/// An event that was decoded, but could not be calculated.
#[expect(clippy::expect_used, reason = "the column was made of offsets")]
pub(super) fn rejected(columns: &[ArrayRef], row: usize, payload: &[u8], reason: String) -> Reject {
    let offset = columns[0].as_primitive::<Int64Type>().value(row);
    let timestamps = columns[1].as_primitive::<TimestampMillisecondType>();
    let raws = columns[2].as_primitive::<Int64Type>();
    let keys = columns[3].as_binary::<i32>();
    Reject {
        offset: Offset::new(offset).expect("it was an offset before it was put into the column"),
        timestamp: match timestamps.is_valid(row) {
            true => Some(timestamps.value(row)),
            false => raws.is_valid(row).then(|| raws.value(row)),
        },
        key: keys.is_valid(row).then(|| keys.value(row).to_vec()),
        payload: Some(payload.to_vec()),
        reason,
    }
}
