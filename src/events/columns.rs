//! The columns that snapback itself stores: the name and the Arrow type of each, here and nowhere else.
//!
//! | file | columns, in this order |
//! |---|---|
//! | results | [`source`], the declared fields, [`RESULT`] |
//! | rejects | [`source`], [`rejected`] |
//! | corrections | those of the results, [`rejected`], [`corrected`] |

use arrow_array::{
    Array as _, BinaryArray, RecordBatch, StringArray, TimestampMillisecondArray,
    cast::AsArray as _,
    types::{Int64Type, TimestampMillisecondType},
};
use arrow_schema::{DataType, Field, TimeUnit};

/// The event's offset, by which every file is sorted.
pub(crate) const OFFSET: &str = "kafka_offset";
/// The event's timestamp.
pub(crate) const TIMESTAMP: &str = "kafka_timestamp";
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
/// What a corrected outcome is now.
pub(crate) const NEW_KIND: &str = "new_kind";
/// The calculation whose outcome was replaced.
pub(crate) const OLD_FINGERPRINT: &str = "old_fingerprint";
/// The calculation whose outcome replaced it.
pub(crate) const NEW_FINGERPRINT: &str = "new_fingerprint";
/// The column that readers make of the folders' names.
const PARTITION: &str = "partition";

/// What stands before the fields of a result, and is not in its message.
pub(crate) const SOURCE: [&str; 3] = [OFFSET, TIMESTAMP, KEY];

/// The names that no declared field may have.
pub(super) const RESERVED: [&str; 11] = [
    OFFSET,
    TIMESTAMP,
    KEY,
    PAYLOAD,
    REASON,
    RESULT,
    PARTITION,
    OLD_KIND,
    NEW_KIND,
    OLD_FINGERPRINT,
    NEW_FINGERPRINT,
];

/// The type of timestamps.
pub(crate) fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// Where an outcome comes from: the first columns of every file.
pub(crate) fn source() -> [Field; 3] {
    [
        Field::new(OFFSET, DataType::Int64, false),
        Field::new(TIMESTAMP, timestamp_type(), true),
        Field::new(KEY, DataType::Binary, true),
    ]
}

/// What rejects have besides.
pub(crate) fn rejected() -> [Field; 2] {
    [
        Field::new(PAYLOAD, DataType::Binary, true),
        Field::new(REASON, DataType::Utf8, false),
    ]
}

/// What corrections have besides the columns of results and rejects.
pub(crate) fn corrected() -> [Field; 4] {
    [
        Field::new(OLD_KIND, DataType::Utf8, true),
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

/// The timestamps of a batch; `None` when it has no such column.
pub(crate) fn timestamps(batch: &RecordBatch) -> Option<&TimestampMillisecondArray> {
    batch
        .column_by_name(TIMESTAMP)?
        .as_primitive_opt::<TimestampMillisecondType>()
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
