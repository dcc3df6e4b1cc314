//! Corrections: rows that replace outcomes which were published under another calculation.
//!
//! When a range is calculated anew from the log, what was published for an offset is not known any more, so every outcome of
//! the range becomes a correction. A repair knows the old outcomes: those that are others now become corrections, and say of
//! which kind they were. They stand in a segment of their own, complete: publishing needs nothing else.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch, StringArray, cast::AsArray,
    new_null_array,
};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use arrow_select::{filter::filter_record_batch, interleave::interleave_record_batch};

use super::{SegmentError, SegmentKind, rows};
use crate::{
    calculation::{Fingerprint, rejects_schema},
    events::columns::{
        self, NEW_FINGERPRINT, NEW_KIND, OLD_FINGERPRINT, OLD_KIND, PAYLOAD, REASON, Timestamps,
        corrected, rejected,
    },
    model::{Offset, Reject},
};

/// What an outcome was and is: a result or a reject.
const RESULT: &str = "result";
const REJECT: &str = "reject";

/// The columns that results do not have.
const ADDED: [&str; 6] = [
    PAYLOAD,
    REASON,
    OLD_KIND,
    NEW_KIND,
    OLD_FINGERPRINT,
    NEW_FINGERPRINT,
];

/// Whose outcomes are replaced, and whose replace them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replacement {
    pub before: Fingerprint,
    pub now: Fingerprint,
}

/// The columns of corrections: those of the results, nullable, and behind them what rejects have more and what changed.
pub(super) fn corrections_schema(results: Option<&Schema>) -> SchemaRef {
    let source = rejects_schema();
    let fields = results.map_or(source.fields(), Schema::fields).iter();
    let mut columns: Vec<Field> = fields
        .filter(|field| ![PAYLOAD, REASON].contains(&field.name().as_str()))
        .map(|field| {
            let offset = field.name() == rows::OFFSET_COLUMN;
            field.as_ref().clone().with_nullable(!offset)
        })
        .collect();
    columns.extend(rejected().map(|field| field.with_nullable(true)));
    columns.extend(corrected());
    Arc::new(Schema::new(columns))
}

/// Results or rejects as corrections; `before` are the kinds that they had, where that is known.
pub(super) fn correct(
    kind: SegmentKind,
    batch: &RecordBatch,
    schema: &SchemaRef,
    replacement: &Replacement,
    before: Option<&[SegmentKind]>,
) -> Result<RecordBatch, SegmentError> {
    let count = batch.num_rows();
    let text = |value: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
            value, count,
        )))
    };
    let columns = schema
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            NEW_KIND => text(kind_text(kind)),
            OLD_KIND if before.is_some() => {
                let kinds = before.unwrap_or_default().iter();
                Arc::new(StringArray::from_iter_values(
                    kinds.map(|kind| kind_text(*kind)),
                ))
            }
            OLD_FINGERPRINT => text(replacement.before.as_str()),
            NEW_FINGERPRINT => text(replacement.now.as_str()),
            name => batch
                .column_by_name(name)
                .map_or_else(|| new_null_array(field.data_type(), count), Arc::clone),
        })
        .collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

const fn kind_text(kind: SegmentKind) -> &'static str {
    match kind {
        SegmentKind::Rejects => REJECT,
        SegmentKind::Results | SegmentKind::Corrections => RESULT,
    }
}

/// The rows of all batches, each ascending, in one ascending batch.
pub(super) fn in_order(batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
    if let [single] = batches {
        return Ok(single.clone());
    }
    let mut places: Vec<(i64, (usize, usize))> = Vec::new();
    for (index, batch) in batches.iter().enumerate() {
        let offsets = rows::offsets(batch).values().iter().enumerate();
        places.extend(offsets.map(|(row, offset)| (*offset, (index, row))));
    }
    places.sort_unstable();
    let places: Vec<(usize, usize)> = places.into_iter().map(|(_, place)| place).collect();
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    interleave_record_batch(&batches, &places)
}

/// Rows of corrections as what they are now: results, in the columns that results have, and rejects.
///
/// # Errors
/// When the rows are not those of a corrections segment.
pub fn split_corrections(batch: &RecordBatch) -> Result<(RecordBatch, Vec<Reject>), SegmentError> {
    let kinds = column(batch, NEW_KIND)?.as_string_opt::<i32>();
    let kinds = kinds.ok_or_else(|| ArrowError::SchemaError(format!("{NEW_KIND} is not text")))?;
    let results: BooleanArray = kinds
        .iter()
        .map(|kind| Some(kind == Some(RESULT)))
        .collect();
    let kept: Vec<usize> = (0..batch.num_columns())
        .filter(|index| !ADDED.contains(&batch.schema_ref().field(*index).name().as_str()))
        .collect();
    let results = filter_record_batch(&batch.project(&kept)?, &results)?;
    let offsets = rows::offsets(batch);
    let timestamps = Timestamps::of(batch)
        .ok_or_else(|| ArrowError::SchemaError("corrections without timestamps".to_owned()))?;
    let binary = |name| {
        column(batch, name)?
            .as_binary_opt::<i32>()
            .ok_or_else(|| ArrowError::SchemaError(format!("{name} is not binary")))
    };
    let (keys, payloads) = (binary(columns::KEY)?, binary(PAYLOAD)?);
    let reasons = column(batch, REASON)?.as_string_opt::<i32>();
    let reasons =
        reasons.ok_or_else(|| ArrowError::SchemaError(format!("{REASON} is not text")))?;
    let bytes =
        |array: &BinaryArray, row: usize| array.is_valid(row).then(|| array.value(row).to_vec());
    let mut rejects = Vec::new();
    for row in (0..batch.num_rows()).filter(|row| kinds.value(*row) != RESULT) {
        rejects.push(Reject {
            offset: Offset::new(offsets.value(row)).ok_or_else(|| {
                ArrowError::SchemaError(format!("{} is no offset", offsets.value(row)))
            })?,
            timestamp: timestamps.get(row),
            key: bytes(keys, row),
            payload: bytes(payloads, row),
            reason: reasons.value(row).to_owned(),
        });
    }
    Ok((results, rejects))
}

/// Of which kind a corrected outcome was, and is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorrectionKinds {
    /// Before; `None` where that is not known.
    pub before: Option<SegmentKind>,
    /// Now.
    pub now: SegmentKind,
}

/// The kinds of each row of corrections.
///
/// # Errors
/// When the rows are not those of a corrections segment.
pub fn correction_kinds(batch: &RecordBatch) -> Result<Vec<CorrectionKinds>, SegmentError> {
    let kinds = |name| {
        column(batch, name)?
            .as_string_opt::<i32>()
            .ok_or_else(|| ArrowError::SchemaError(format!("{name} is not text")))
    };
    let kind = |text: &str| match text {
        REJECT => SegmentKind::Rejects,
        _ => SegmentKind::Results,
    };
    let (before, now) = (kinds(OLD_KIND)?, kinds(NEW_KIND)?);
    let rows = before.iter().zip(now);
    let rows = rows.map(|(before, now)| CorrectionKinds {
        before: before.map(kind),
        now: now.map_or(SegmentKind::Results, kind),
    });
    Ok(rows.collect())
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef, ArrowError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("corrections without the column {name}")))
}

#[cfg(test)]
mod tests;
