//! Corrections: rows that replace outcomes which were published under another calculation.
//!
//! When a range is calculated anew from the log, what was published for an offset is not known any more, so every outcome of
//! the range becomes a correction. A repair knows the old outcomes: those that are others now become corrections, and say of
//! which kind they were. They stand in a segment of their own, complete: publishing needs nothing else.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray,
    cast::AsArray, new_null_array,
};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use arrow_select::{filter::filter_record_batch, interleave::interleave_record_batch};

use super::{SegmentError, rows};
use crate::{
    calculation::{Fingerprint, rejects_schema},
    events::columns::{
        self, NEW_FINGERPRINT, NEW_KIND, OLD_FINGERPRINT, OLD_KIND, PAYLOAD, REASON, Timestamps,
        corrected, rejected,
    },
    model::{Offset, Reject},
};

/// What an outcome was and is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    /// A result.
    Result,
    /// A reject.
    Reject,
    /// Left out by the condition: nothing is stored, and nothing published.
    Filtered,
}

impl OutcomeKind {
    const ALL: [OutcomeKind; 3] = [
        OutcomeKind::Result,
        OutcomeKind::Reject,
        OutcomeKind::Filtered,
    ];

    /// As corrections store it: `result`, `reject`, `filtered`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            OutcomeKind::Result => "result",
            OutcomeKind::Reject => "reject",
            OutcomeKind::Filtered => "filtered",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<OutcomeKind> {
        OutcomeKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

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

/// Outcomes of a kind as corrections; `before` are the kinds that they had, where that is known. Of filtered ones there is
/// the offset alone.
pub(super) fn correct(
    kind: OutcomeKind,
    batch: &RecordBatch,
    schema: &SchemaRef,
    replacement: &Replacement,
    before: Option<&[OutcomeKind]>,
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
            NEW_KIND => text(kind.name()),
            OLD_KIND if before.is_some() => {
                let kinds = before.unwrap_or_default().iter();
                Arc::new(StringArray::from_iter_values(kinds.map(|kind| kind.name())))
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

/// Filtered offsets as rows.
pub(super) fn filtered_rows(offsets: &[Offset]) -> Result<RecordBatch, ArrowError> {
    let [offset, ..] = columns::source();
    let values = offsets.iter().map(|offset| offset.get());
    let column = Arc::new(Int64Array::from_iter_values(values));
    RecordBatch::try_new(Arc::new(Schema::new(vec![offset])), vec![column])
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

/// Corrections as what they are now.
#[derive(Clone, Debug)]
pub struct Corrected {
    /// Results, in the columns that results have.
    pub results: RecordBatch,
    /// Rejects.
    pub rejects: Vec<Reject>,
    /// Outcomes that are filtered.
    pub filtered: Vec<Offset>,
}

/// Rows of corrections as what they are now.
///
/// # Errors
/// When the rows are not those of a corrections segment.
pub fn split_corrections(batch: &RecordBatch) -> Result<Corrected, SegmentError> {
    let kinds = correction_kinds(batch)?;
    let results: BooleanArray = kinds
        .iter()
        .map(|kinds| Some(kinds.now == OutcomeKind::Result))
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
    let (mut rejects, mut filtered) = (Vec::new(), Vec::new());
    for (row, kinds) in kinds.iter().enumerate() {
        if kinds.now == OutcomeKind::Result {
            continue;
        }
        let offset = Offset::new(offsets.value(row)).ok_or_else(|| {
            ArrowError::SchemaError(format!("{} is no offset", offsets.value(row)))
        })?;
        if kinds.now == OutcomeKind::Filtered {
            filtered.push(offset);
            continue;
        }
        rejects.push(Reject {
            offset,
            timestamp: timestamps.get(row),
            key: bytes(keys, row),
            payload: bytes(payloads, row),
            reason: reasons.value(row).to_owned(),
        });
    }
    Ok(Corrected {
        results,
        rejects,
        filtered,
    })
}

/// Of which kind a corrected outcome was, and is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorrectionKinds {
    /// Before; `None` where that is not known.
    pub before: Option<OutcomeKind>,
    /// Now.
    pub now: OutcomeKind,
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
    let (before, now) = (kinds(OLD_KIND)?, kinds(NEW_KIND)?);
    let kind = |text: &str| {
        OutcomeKind::from_name(text)
            .ok_or_else(|| ArrowError::SchemaError(format!("{text:?} is no kind of an outcome")))
    };
    let rows = before.iter().zip(now);
    let rows = rows.map(|(before, now)| {
        Ok(CorrectionKinds {
            before: before.map(kind).transpose()?,
            now: kind(now.unwrap_or_default())?,
        })
    });
    rows.collect()
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef, ArrowError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("corrections without the column {name}")))
}

#[cfg(test)]
mod tests;
