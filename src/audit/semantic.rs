//! Whether stored outcomes are what the calculation gives: results from the fields stored beside them,
//! rejects from the payloads stored with them. No I/O, no Kafka.

use arrow_array::{
    Array, ArrayRef, RecordBatch,
    cast::AsArray,
    types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use arrow_schema::{DataType, Field, TimeUnit};

use crate::{
    calculation::{CalculationError, Evaluator},
    events::{
        Identifier, ReasonCode,
        columns::{self, Timestamps, offsets},
        reason_code, time,
    },
    format::{Change, SegmentError, each_change},
    model::{Event, Offset, OffsetRange, Partition},
};

/// A row whose stored outcome is not the calculation's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Its offset; a range when it is a whole batch.
    pub range: OffsetRange,
    /// What is stored, and what it should be.
    pub detail: String,
}

/// What comparing a batch gave.
#[derive(Debug)]
pub(super) enum Compared {
    /// These rows differ.
    Rows(Vec<Wrong>),
    /// The columns are not those that the fingerprint stands for.
    OtherColumns(String),
}

/// Recalculates a batch of stored results.
pub(super) fn results(evaluator: &Evaluator, batch: &RecordBatch) -> Compared {
    let Some(offsets) = offsets(batch) else {
        return Compared::OtherColumns("there is no column of offsets".to_owned());
    };
    let sifted = evaluator.sift_stored(batch);
    let calculated = sifted.and_then(|sifted| Ok((sifted, evaluator.recalculate(batch)?)));
    let (sifted, outcomes) = match calculated {
        Ok(calculated) => calculated,
        Err(error @ (CalculationError::Stored { .. } | CalculationError::Batch { .. })) => {
            return Compared::OtherColumns(error.to_string());
        }
        Err(error) => return failed(batch, &error),
    };
    let declared = evaluator.results_schema();
    for field in batch.schema_ref().fields() {
        let is_published = columns::is_published(field);
        let expected = declared.field_with_name(field.name());
        if expected.is_ok_and(|expected| columns::is_published(expected) != is_published) {
            let not = if is_published { "" } else { "not " };
            let name = Identifier(field.name());
            let detail = format!("the column {name} is {not}marked as one that messages hold");
            return Compared::OtherColumns(detail);
        }
    }
    if columns::carries_keys(batch.schema_ref()) != columns::carries_keys(&declared) {
        let detail =
            "the column of keys is not marked as its calculation says (--carry)".to_owned();
        return Compared::OtherColumns(detail);
    }
    let mut columns: Vec<Column<'_>> = Vec::new();
    for (field, calculated) in evaluator.output().fields().iter().zip(&outcomes.columns) {
        let name = Identifier(field.name());
        let Some(stored) = batch.column_by_name(field.name()) else {
            return Compared::OtherColumns(format!("there is no column {name}"));
        };
        if stored.data_type() != calculated.data_type() {
            return Compared::OtherColumns(format!(
                "the column {name} is a {}, the calculation gives a {}",
                stored.data_type(),
                calculated.data_type()
            ));
        }
        columns.push(Column {
            field,
            stored,
            calculated,
        });
    }
    // Column against column first: nearly always that is all.
    let same = |column: &Column<'_>| column.stored.to_data() == column.calculated.to_data();
    if sifted.is_none() && outcomes.rejections.is_empty() && columns.iter().all(same) {
        return Compared::Rows(Vec::new());
    }
    let mut rejections = outcomes.rejections.iter().peekable();
    let mut wrong = Vec::new();
    for (row, offset) in offsets.iter().enumerate() {
        let rejected = rejections.next_if(|(rejected, _)| *rejected == row);
        let sifted = sifted.as_ref().filter(|sifted| !sifted.passes(row));
        let rejected = match sifted {
            Some(sifted) => sifted.reason(row),
            None => rejected.map(|(_, reason)| reason.as_str()),
        };
        let is_result = rejected.is_none() && sifted.is_none();
        let differ = |column: &&Column<'_>| !is_result || column.differs(row);
        let differ: Vec<&Column<'_>> = columns.iter().filter(differ).collect();
        if differ.is_empty() {
            continue;
        }
        let list = |text: &dyn Fn(&Column<'_>) -> String| {
            let texts: Vec<String> = differ.iter().map(|column| text(column)).collect();
            texts.join(", ")
        };
        let is = list(&|column| column.text(column.stored, row));
        let detail = match rejected {
            Some(reason) => format!(
                "offset {offset} is stored with {is}; recalculated, it is a reject: {reason}"
            ),
            None if sifted.is_some() => format!(
                "offset {offset} is stored with {is}; recalculated, it is filtered: --where leaves it out"
            ),
            None => format!(
                "offset {offset} is stored with {is}; recalculated, it has {}",
                list(&|column| column.text(column.calculated, row))
            ),
        };
        wrong.push(Wrong {
            range: single(*offset),
            detail,
        });
    }
    Compared::Rows(wrong)
}

/// A column of the results, as it is stored and as it is calculated.
struct Column<'a> {
    field: &'a Field,
    stored: &'a ArrayRef,
    calculated: &'a ArrayRef,
}

impl Column<'_> {
    fn differs(&self, row: usize) -> bool {
        self.stored.slice(row, 1).to_data() != self.calculated.slice(row, 1).to_data()
    }

    /// One of its values, with its name before it.
    fn text(&self, values: &ArrayRef, row: usize) -> String {
        format!("{} {}", Identifier(self.field.name()), display(values, row))
    }
}

/// Corrections whose outcome is what it was.
pub(super) fn corrections(partition: Partition, batch: &RecordBatch) -> Compared {
    let mut wrong = Vec::new();
    // Only keys tell topics apart, and values are compared.
    let read = each_change("", partition, batch, |change: Change<'_>| {
        if change.before == Some(change.now) {
            let (offset, is) = (change.offset, change.now.kind().name());
            wrong.push(Wrong {
                range: single(offset),
                detail: format!("offset {offset} is corrected from a {is} to the same {is}"),
            });
        }
        Ok::<(), SegmentError>(())
    });
    match read {
        Ok(()) => Compared::Rows(wrong),
        Err(error) => Compared::OtherColumns(error.to_string()),
    }
}

/// Rows whose timestamp stands in the wrong one of its two columns, or in both; and how many stand in the one of those that
/// readers cannot show.
pub(super) fn timestamps(batch: &RecordBatch) -> Option<(Vec<Wrong>, u64)> {
    let (offsets, timestamps) = offsets(batch).zip(Timestamps::of(batch))?;
    let wrong = timestamps.misplaced().map(|row| Wrong {
        range: single(offsets[row]),
        detail: format!(
            "the timestamp of offset {} stands in the wrong one of {} and {}, or in both",
            offsets[row],
            columns::TIMESTAMP,
            columns::RAW_TIMESTAMP
        ),
    });
    Some((wrong.collect(), timestamps.raw()))
}

/// Decodes and calculates a batch of stored rejects once more.
pub(super) fn rejects(evaluator: &Evaluator, batch: &RecordBatch) -> Compared {
    let Some((columns, events)) = Columns::of(batch).zip(events(batch)) else {
        return Compared::OtherColumns("the columns are not those of rejects".to_owned());
    };
    let evaluated = match evaluator.evaluate(events) {
        Ok(evaluated) => evaluated,
        Err(error) => return failed(batch, &error),
    };
    let mut again = evaluated.rejects.iter().peekable();
    let mut wrong = Vec::new();
    for row in 0..batch.num_rows() {
        let (offset, stored) = (columns.offsets[row], columns.reasons.value(row));
        let code = reason_code(stored);
        let detail = match again.next_if(|reject| reject.offset.get() == offset) {
            Some(reject) if reason_code(&reject.reason) == code => continue,
            Some(reject) => format!(
                "offset {offset} is stored as rejected for {stored:?}; decoded again, the reason is {:?}",
                reject.reason
            ),
            None if evaluated.filtered.iter().any(|at| at.get() == offset) => format!(
                "offset {offset} is stored as rejected for {stored:?}; decoded again, it is filtered: --where leaves it out"
            ),
            // The topic's limit decides it, not the calculation.
            None if from_the_topic(code) => continue,
            None => format!(
                "offset {offset} is stored as rejected for {stored:?}; decoded again, it has a result"
            ),
        };
        wrong.push(Wrong {
            range: single(offset),
            detail,
        });
    }
    Compared::Rows(wrong)
}

fn from_the_topic(code: &str) -> bool {
    ReasonCode::parse(code) == Some(ReasonCode::TooLarge)
}

fn failed(batch: &RecordBatch, error: &CalculationError) -> Compared {
    let offsets = offsets(batch).unwrap_or_default();
    let ends = offsets.first().zip(offsets.last());
    let range = ends.and_then(|(first, last)| {
        OffsetRange::new(single(*first).start(), single(*last).end()).ok()
    });
    Compared::Rows(vec![Wrong {
        range: range.unwrap_or(OffsetRange::empty(Offset::ZERO)),
        detail: format!("the stored rows cannot be recalculated: {error}"),
    }])
}

struct Columns<'a> {
    offsets: &'a [i64],
    timestamps: Timestamps<'a>,
    keys: &'a arrow_array::BinaryArray,
    payloads: &'a arrow_array::BinaryArray,
    reasons: &'a arrow_array::StringArray,
}

/// The events of stored rejects; `None` when the columns are not theirs.
pub(super) fn events(batch: &RecordBatch) -> Option<impl ExactSizeIterator<Item = Event<'_>>> {
    let columns = Columns::of(batch)?;
    Some((0..batch.num_rows()).map(move |row| columns.event(row)))
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Option<Columns<'a>> {
        Some(Columns {
            offsets: offsets(batch)?,
            timestamps: Timestamps::of(batch)?,
            keys: columns::keys(batch)?,
            payloads: columns::payloads(batch)?,
            reasons: columns::reasons(batch)?,
        })
    }

    fn event(&self, row: usize) -> Event<'a> {
        Event {
            offset: single(self.offsets[row]).start(),
            timestamp: self.timestamps.get(row),
            key: self.keys.is_valid(row).then(|| self.keys.value(row)),
            payload: self
                .payloads
                .is_valid(row)
                .then(|| self.payloads.value(row)),
        }
    }
}

/// The range of one offset; what is no offset becomes an empty range at 0.
pub(super) fn single(offset: i64) -> OffsetRange {
    let at = Offset::new(offset).unwrap_or(Offset::ZERO);
    OffsetRange::new(at, at.plus(1)).unwrap_or(OffsetRange::empty(at))
}

/// A value as findings show it: as messages have it, without the quotes of JSON.
pub(super) fn display(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut text = Vec::new();
        write(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            ryu::Buffer::new().format(value).to_owned()
        }
        DataType::Decimal128(..) => {
            let decimals = column.as_primitive::<Decimal128Type>();
            decimals.value_as_string(row)
        }
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            written(&|text| time::write_timestamp(micros, text))
        }
        DataType::Date32 => {
            let day = column.as_primitive::<Date32Type>().value(row);
            written(&|text| time::write_date(day.into(), text))
        }
        // No field and no result is of another type.
        _ => format!("{:?}", column.slice(row, 1)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
        TimestampMicrosecondArray,
    };

    use super::*;

    #[test]
    fn findings_show_values_as_messages_have_them() {
        let decimals = Decimal128Array::from(vec![-5]).with_data_type(DataType::Decimal128(9, 2));
        let times = TimestampMicrosecondArray::from(vec![1_714_566_600_500_000]);
        let columns: [(ArrayRef, &str); 9] = [
            (Arc::new(Int64Array::from(vec![-7])), "-7"),
            (Arc::new(Int64Array::from(vec![None])), "NULL"),
            (Arc::new(Float64Array::from(vec![1.0])), "1.0"),
            (Arc::new(Float64Array::from(vec![f64::NAN])), "NaN"),
            (Arc::new(decimals), "-0.05"),
            (Arc::new(StringArray::from(vec!["it's"])), "it's"),
            (Arc::new(BooleanArray::from(vec![true])), "true"),
            (
                Arc::new(times.with_timezone("UTC")),
                "2024-05-01T12:30:00.500Z",
            ),
            (Arc::new(Date32Array::from(vec![-1])), "1969-12-31"),
        ];
        for (column, shown) in columns {
            assert_eq!(display(&column, 0), shown);
        }
    }
}
