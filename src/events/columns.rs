//! The columns that snapback itself stores: the name and the Arrow type of each, here and nowhere else.
//!
//! | file | columns, in this order |
//! |---|---|
//! | results | [`source`], the declared fields, [`RESULT`] |
//! | rejects | [`source`], [`rejected`] |
//! | corrections | those of the results, [`rejected`], [`corrected`] |

use std::{ops::RangeInclusive, sync::Arc};

use arrow_array::{
    Array as _, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
    cast::AsArray as _,
    types::{Int64Type, TimestampMillisecondType},
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::time;

/// The event's offset, by which every file is sorted.
pub(crate) const OFFSET: &str = "kafka_offset";
/// The event's timestamp, where it lies in [`SHOWN`].
pub(crate) const TIMESTAMP: &str = "kafka_timestamp";
/// The event's timestamp where it does not: milliseconds since 1970, as producers that count in nanoseconds do not mean it.
pub(crate) const RAW_TIMESTAMP: &str = "kafka_timestamp_raw";
/// The event's key.
pub(crate) const KEY: &str = "key";
/// The result, of the type that the calculation gives.
pub(crate) const RESULT: &str = "result";
/// The payload of a rejected event.
pub(crate) const PAYLOAD: &str = "payload";
/// Why an event was rejected.
pub(crate) const REASON: &str = "reason";
/// What a corrected outcome was before; null where that is not known.
pub(crate) const OLD_KIND: &str = "old_kind";
/// The message of a corrected outcome that was a result before.
pub(crate) const OLD_MESSAGE: &str = "old_message";
/// Why a corrected outcome was a reject before.
pub(crate) const OLD_REASON: &str = "old_reason";
/// What a corrected outcome is now.
pub(crate) const NEW_KIND: &str = "new_kind";
/// The calculation whose outcome was replaced.
pub(crate) const OLD_FINGERPRINT: &str = "old_fingerprint";
/// The calculation whose outcome replaced it.
pub(crate) const NEW_FINGERPRINT: &str = "new_fingerprint";
/// The column that readers make of the folders' names.
const PARTITION: &str = "partition";

/// What stands before the fields of a result, and is not in its message.
pub(crate) const SOURCE: [&str; 4] = [OFFSET, TIMESTAMP, RAW_TIMESTAMP, KEY];

/// The timestamps that every reader can show, in milliseconds since 1970: those of the years 1 to 9999.
const SHOWN: RangeInclusive<i64> = time::SHOWN.start / 1_000..=(time::SHOWN.end - 1) / 1_000;

/// The names that no declared field may have.
pub(super) const RESERVED: [&str; 14] = [
    OFFSET,
    TIMESTAMP,
    RAW_TIMESTAMP,
    KEY,
    PAYLOAD,
    REASON,
    RESULT,
    PARTITION,
    OLD_KIND,
    OLD_MESSAGE,
    OLD_REASON,
    NEW_KIND,
    OLD_FINGERPRINT,
    NEW_FINGERPRINT,
];

/// The type of timestamps.
pub(crate) fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// Where an outcome comes from: the first columns of every file.
pub(crate) fn source() -> [Field; 4] {
    [
        Field::new(OFFSET, DataType::Int64, false),
        Field::new(TIMESTAMP, timestamp_type(), true),
        Field::new(RAW_TIMESTAMP, DataType::Int64, true),
        Field::new(KEY, DataType::Binary, true),
    ]
}

/// What marks a column of results that messages do not hold, in the metadata of its Arrow field.
const PUBLISHED: (&str, &str) = ("snapback.published", "false");

/// What marks the column of keys where messages have the key of their event, in the metadata of its Arrow field.
const CARRIED: (&str, &str) = ("snapback.carried", "true");

fn marked(column: Field, (key, value): (&str, &str)) -> Field {
    let mut metadata = column.metadata().clone();
    metadata.insert(key.to_owned(), value.to_owned());
    column.with_metadata(metadata)
}

fn is_marked(column: &Field, (key, value): (&str, &str)) -> bool {
    column.metadata().get(key).is_some_and(|mark| mark == value)
}

/// A column of results, as one that messages do not hold.
pub(crate) fn kept_back(column: Field) -> Field {
    marked(column, PUBLISHED)
}

/// Whether messages hold a column of results.
pub(crate) fn is_published(column: &Field) -> bool {
    !is_marked(column, PUBLISHED) && !SOURCE.contains(&column.name().as_str())
}

/// The columns of results whose messages have the keys of their events, if `keys` says so.
pub(crate) fn carrying(results: &Schema, keys: bool) -> SchemaRef {
    let columns = results.fields().iter().map(|field| {
        if !keys || field.name() != KEY {
            return Arc::clone(field);
        }
        Arc::new(marked(Field::clone(field), CARRIED))
    });
    Arc::new(Schema::new(columns.collect::<Vec<_>>()))
}

/// Whether messages of results with these columns have the keys of their events.
pub(crate) fn carries_keys(results: &Schema) -> bool {
    let mut columns = results.fields().iter();
    columns.any(|column| is_marked(column, CARRIED))
}

/// What rejects have besides.
pub(crate) fn rejected() -> [Field; 2] {
    [
        Field::new(PAYLOAD, DataType::Binary, true),
        Field::new(REASON, DataType::Utf8, false),
    ]
}

/// What corrections have besides the columns of results and rejects.
pub(crate) fn corrected() -> [Field; 6] {
    [
        Field::new(OLD_KIND, DataType::Utf8, true),
        Field::new(OLD_MESSAGE, DataType::Utf8, true),
        Field::new(OLD_REASON, DataType::Utf8, true),
        Field::new(NEW_KIND, DataType::Utf8, false),
        Field::new(OLD_FINGERPRINT, DataType::Utf8, false),
        Field::new(NEW_FINGERPRINT, DataType::Utf8, false),
    ]
}

/// The offsets of a batch of any kind; `None` when it has no such column, or with another type, or with a null.
pub(crate) fn offsets(batch: &RecordBatch) -> Option<&[i64]> {
    let column = batch
        .column_by_name(OFFSET)?
        .as_primitive_opt::<Int64Type>()?;
    (column.null_count() == 0).then(|| &**column.values())
}

/// A timestamp as its two columns hold it: the one that shows it, or the other.
pub(crate) fn split_timestamp(timestamp: Option<i64>) -> (Option<i64>, Option<i64>) {
    match timestamp {
        Some(timestamp) if !SHOWN.contains(&timestamp) => (None, Some(timestamp)),
        timestamp => (timestamp, None),
    }
}

/// The timestamps of a batch, from the two columns that hold them.
#[derive(Clone, Copy)]
pub(crate) struct Timestamps<'b> {
    shown: &'b TimestampMillisecondArray,
    raw: &'b Int64Array,
}

impl<'b> Timestamps<'b> {
    /// `None` when the batch has no such columns.
    pub fn of(batch: &'b RecordBatch) -> Option<Timestamps<'b>> {
        let column = |name| batch.column_by_name(name);
        Some(Timestamps {
            shown: column(TIMESTAMP)?.as_primitive_opt::<TimestampMillisecondType>()?,
            raw: column(RAW_TIMESTAMP)?.as_primitive_opt::<Int64Type>()?,
        })
    }

    /// The event's own timestamp.
    pub fn get(self, row: usize) -> Option<i64> {
        match self.shown.is_valid(row) {
            true => Some(self.shown.value(row)),
            false => self.raw.is_valid(row).then(|| self.raw.value(row)),
        }
    }

    /// How many cannot be shown.
    pub fn raw(self) -> u64 {
        (self.raw.len() - self.raw.null_count()) as u64
    }

    /// The rows of which the wrong one of the two columns holds the timestamp, or both do.
    pub fn misplaced(self) -> impl Iterator<Item = usize> + 'b {
        let least = self.shown.iter().flatten().min();
        let most = self.shown.iter().flatten().max();
        let fits = |bound: Option<i64>| bound.is_none_or(|bound| SHOWN.contains(&bound));
        let rows = match self.raw() == 0 && fits(least) && fits(most) {
            true => 0..0,
            false => 0..self.shown.len(),
        };
        rows.filter(move |row| {
            let raw = self.raw.is_valid(*row).then(|| self.raw.value(*row));
            let shown = self.shown.is_valid(*row).then(|| self.shown.value(*row));
            split_timestamp(shown.or(raw)) != (shown, raw)
        })
    }
}

/// The keys of a batch; `None` when it has no such column.
pub(crate) fn keys(batch: &RecordBatch) -> Option<&BinaryArray> {
    batch.column_by_name(KEY)?.as_binary_opt()
}

/// The payloads of a batch of rejects; `None` when it has no such column.
pub(crate) fn payloads(batch: &RecordBatch) -> Option<&BinaryArray> {
    batch.column_by_name(PAYLOAD)?.as_binary_opt()
}

/// The reasons of a batch of rejects; `None` when it has no such column.
pub(crate) fn reasons(batch: &RecordBatch) -> Option<&StringArray> {
    batch.column_by_name(REASON)?.as_string_opt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> i64 {
        let time: chrono::DateTime<chrono::Utc> = text.parse().unwrap();
        time.timestamp_millis()
    }

    #[test]
    fn a_timestamp_is_shown_in_the_years_1_to_9999_and_kept_as_it_is_otherwise() {
        let (first, last) = (utc("0001-01-01T00:00:00Z"), utc("9999-12-31T23:59:59.999Z"));
        for shown in [first, -1, 0, 1_764_201_600_000, last] {
            assert_eq!(split_timestamp(Some(shown)), (Some(shown), None));
        }
        for raw in [i64::MIN, first - 1, last + 1, 1_764_201_600_000_000_000] {
            assert_eq!(split_timestamp(Some(raw)), (None, Some(raw)));
        }
        assert_eq!(split_timestamp(None), (None, None));
    }

    #[test]
    fn a_timestamp_in_the_wrong_column_or_in_both_is_misplaced() {
        let nanoseconds = 1_764_201_600_000_000_000;
        let rows = [
            (Some(5), None),
            (None, None),
            (None, Some(nanoseconds)),
            (None, Some(5)),
            (Some(nanoseconds), None),
            (Some(5), Some(nanoseconds)),
            (Some(5), Some(5)),
        ];
        let misplaced = |rows: &[(Option<i64>, Option<i64>)]| {
            let shown = TimestampMillisecondArray::from_iter(rows.iter().map(|row| row.0));
            let raw = Int64Array::from_iter(rows.iter().map(|row| row.1));
            let timestamps = Timestamps {
                shown: &shown,
                raw: &raw,
            };
            timestamps.misplaced().collect::<Vec<_>>()
        };
        assert_eq!(misplaced(&rows), [3, 4, 5, 6]);
        assert_eq!(misplaced(&rows[..3]), [] as [usize; 0]);
        // Without any that cannot be shown, and with one that stands among those that can.
        assert_eq!(misplaced(&rows[..2]), [] as [usize; 0]);
        assert_eq!(misplaced(&[rows[0], rows[4]]), [1]);
    }
}
