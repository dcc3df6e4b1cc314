//! Corrections: rows that replace outcomes which were published under another calculation.
//!
//! When a range is calculated anew from the log, what was published for an offset is not known any more, so every outcome of
//! the range becomes a correction. A repair knows the old outcomes: those that are others now become corrections, and say what
//! they were, as text: so no column has two types, and the old values are there when the files that held them are gone. They
//! stand in a segment of their own, complete: publishing needs nothing else.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray,
    cast::AsArray, new_null_array,
};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use arrow_select::{filter::filter_record_batch, interleave::interleave_record_batch};

use super::{
    SegmentError,
    changes::{OldColumns, OutcomeKind, OutcomeText},
    rows,
};
use crate::{
    calculation::{Fingerprint, rejects_schema},
    events::{
        MessageBuffer, ResultEncoder,
        columns::{
            self, NEW_FINGERPRINT, NEW_KIND, OLD_FINGERPRINT, OLD_KIND, OLD_MESSAGE, OLD_REASON,
            PAYLOAD, REASON, Timestamps, corrected, rejected,
        },
    },
    model::{Offset, Partition, Reject},
};

/// The columns that results do not have.
const ADDED: [&str; 8] = [
    PAYLOAD,
    REASON,
    OLD_KIND,
    OLD_MESSAGE,
    OLD_REASON,
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

/// Outcomes of a kind as corrections; `before` is what they were, where that is known. Of filtered ones there is
/// the offset alone.
pub(super) fn correct(
    kind: OutcomeKind,
    batch: &RecordBatch,
    schema: &SchemaRef,
    replacement: &Replacement,
    before: Option<&OldColumns>,
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
            OLD_KIND if let Some(before) = before => Arc::clone(&before.kinds),
            OLD_MESSAGE if let Some(before) = before => Arc::clone(&before.messages),
            OLD_REASON if let Some(before) = before => Arc::clone(&before.reasons),
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
    let reasons = texts(batch, REASON)?;
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
    let (before, now) = (texts(batch, OLD_KIND)?, texts(batch, NEW_KIND)?);
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

/// A correction: what an outcome was, and is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'b> {
    /// The event.
    pub offset: i64,
    /// What it was; `None` where that is not known.
    pub before: Option<OutcomeText<'b>>,
    /// What it is.
    pub now: OutcomeText<'b>,
}

/// Calls `each` for every row of corrections of the events of `partition` of `topic`.
///
/// # Errors
/// When the rows are not those of a corrections segment, or what `each` returns.
pub fn each_change<E: From<SegmentError>>(
    topic: &str,
    partition: Partition,
    batch: &RecordBatch,
    mut each: impl FnMut(Change<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let kinds = correction_kinds(batch)?;
    let results = split_corrections(batch)?.results;
    let mut messages = MessageBuffer::new();
    ResultEncoder::new(topic, results.schema_ref())
        .and_then(|encoder| encoder.encode(partition, &results, &mut messages))
        .map_err(|error| SegmentError::from(ArrowError::SchemaError(error.to_string())))?;
    let mut messages = messages.iter().map(|(_, value)| value);
    let (old_messages, old_reasons) = (texts(batch, OLD_MESSAGE)?, texts(batch, OLD_REASON)?);
    let reasons = texts(batch, REASON)?;
    for (row, (offset, kinds)) in rows::offsets(batch).values().iter().zip(kinds).enumerate() {
        let (old_message, old_reason) = (text(old_messages, row), text(old_reasons, row));
        let before = match (kinds.before, old_message, old_reason) {
            (None, None, None) => None,
            (Some(OutcomeKind::Result), Some(message), None) => {
                Some(OutcomeText::Result { message })
            }
            (Some(OutcomeKind::Reject), None, Some(reason)) => Some(OutcomeText::Reject { reason }),
            (Some(OutcomeKind::Filtered), None, None) => Some(OutcomeText::Filtered),
            _ => {
                let detail = format!(
                    "{OLD_MESSAGE} and {OLD_REASON} of offset {offset} are not those of its {OLD_KIND}"
                );
                return Err(SegmentError::from(ArrowError::SchemaError(detail)).into());
            }
        };
        let message = match kinds.now {
            OutcomeKind::Result => messages.next().map(String::from_utf8_lossy),
            _ => None,
        };
        let now = match kinds.now {
            OutcomeKind::Result => OutcomeText::Result {
                message: message.as_deref().unwrap_or_default(),
            },
            OutcomeKind::Reject => OutcomeText::Reject {
                reason: text(reasons, row).unwrap_or_default(),
            },
            OutcomeKind::Filtered => OutcomeText::Filtered,
        };
        each(Change {
            offset: *offset,
            before,
            now,
        })?;
    }
    Ok(())
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn texts<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b StringArray, SegmentError> {
    let texts = column(batch, name)?.as_string_opt::<i32>();
    Ok(texts.ok_or_else(|| ArrowError::SchemaError(format!("{name} is not text")))?)
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef, ArrowError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("corrections without the column {name}")))
}

#[cfg(test)]
mod tests;
