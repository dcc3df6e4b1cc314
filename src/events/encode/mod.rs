//! From results to messages: key `events/3/1042`, value `{"number":7,"result":49}`.
//!
//! Where the columns say so, a message has the key of its event instead, and the source stands beside it.

mod cell;
mod message;
mod payload;

#[cfg(test)]
mod tests;

use arrow_array::{Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, SchemaRef};

use cell::Cells;
pub use message::MessageBuffer;
pub(crate) use message::SOURCE_HEADER;
pub(crate) use payload::Payloads;

use super::{columns, fields::FieldType};
use crate::model::{Offset, Partition};

/// Results that cannot be written as messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A column of another type than that of a field or result.
    #[error("column {column:?} is of the type {found}, which a result message does not take")]
    Type {
        /// The column.
        column: String,
        /// Its type.
        found: DataType,
    },
    /// A batch that lacks a column, or has it with another type than the encoder was made for.
    #[error("column {column:?} must be {expected}, but the results have {}", .found.as_ref().map_or("none".to_owned(), ToString::to_string))]
    Column {
        /// The column.
        column: String,
        /// The type that it must have.
        expected: DataType,
        /// The type that it has.
        found: Option<DataType>,
    },
}

/// The key of what is published for an event: its source, `events/3/1042`.
#[must_use]
pub fn source_key(topic: &str, partition: Partition, offset: Offset) -> String {
    format!("{topic}/{partition}/{offset}")
}

/// Writes results as messages.
#[derive(Clone)]
pub struct ResultEncoder {
    topic: String,
    columns: Vec<Column>,
    /// Whether messages have the keys of their events, where these have one.
    carries_keys: bool,
}

#[derive(Clone)]
struct Column {
    name: String,
    data_type: DataType,
    field_type: FieldType,
    /// What stands before its value: `{"number":` or `,"result":`.
    before: Vec<u8>,
}

impl ResultEncoder {
    /// An encoder of those columns of results with `schema` that messages hold, calculated from the events of `topic`.
    ///
    /// # Errors
    /// When a column has a type that a message does not take.
    pub fn new(topic: &str, schema: &SchemaRef) -> Result<ResultEncoder, EncodeError> {
        let mut columns: Vec<Column> = Vec::new();
        for field in schema.fields() {
            if !columns::is_published(field) {
                continue;
            }
            let Some(field_type) = FieldType::of_column(field) else {
                return Err(EncodeError::Type {
                    column: field.name().clone(),
                    found: field.data_type().clone(),
                });
            };
            let mut before = if columns.is_empty() {
                b"{".to_vec()
            } else {
                b",".to_vec()
            };
            cell::string(field.name(), &mut before);
            before.push(b':');
            columns.push(Column {
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                field_type,
                before,
            });
        }
        Ok(ResultEncoder {
            topic: topic.to_owned(),
            columns,
            carries_keys: columns::carries_keys(schema),
        })
    }

    /// The same with the source as the key of every message, as corrections have it.
    #[must_use]
    pub fn with_sources_as_keys(self) -> ResultEncoder {
        self.with_keys_of_events(false)
    }

    /// The same with the keys of events as the keys of their messages, or with sources.
    #[must_use]
    pub fn with_keys_of_events(self, carries_keys: bool) -> ResultEncoder {
        ResultEncoder {
            carries_keys,
            ..self
        }
    }

    /// Whether a message can be of any size, because it holds text or has the key of its event.
    #[must_use]
    pub fn is_of_any_size(&self) -> bool {
        let mut columns = self.columns.iter();
        self.carries_keys || columns.any(|column| column.data_type == DataType::Utf8)
    }

    /// Adds the message of each result of `partition` to `into`, after what it holds already.
    ///
    /// Whole numbers are JSON integers of any size, a DECIMAL has all its fraction digits, a DOUBLE is the
    /// shortest text that reads back as the same number, TIMESTAMP is RFC 3339 in UTC, DATE ISO 8601, JSON is embedded as it is,
    /// NULL is `null`.
    ///
    /// # Errors
    /// When `results` does not have the columns that the encoder was made for; nothing is added then.
    pub fn encode(
        &self,
        partition: Partition,
        results: &RecordBatch,
        into: &mut MessageBuffer,
    ) -> Result<(), EncodeError> {
        let offsets = typed(results, columns::OFFSET, &DataType::Int64)?;
        let offsets = offsets.as_primitive::<Int64Type>().values();
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let values = typed(results, &column.name, &column.data_type)?;
            let cells = Cells::of(values, column.field_type).ok_or_else(|| EncodeError::Type {
                column: column.name.clone(),
                found: column.data_type.clone(),
            })?;
            columns.push((column.before.as_slice(), cells));
        }
        let source = format!("{}/{partition}/", self.topic);
        let mut digits = itoa::Buffer::new();
        let keys = columns::keys(results).filter(|_| self.carries_keys);
        into.reserve(results.num_rows());
        for (row, offset) in offsets.iter().enumerate() {
            let mut write_source = |bytes: &mut Vec<u8>| {
                bytes.extend_from_slice(source.as_bytes());
                bytes.extend_from_slice(digits.format(*offset).as_bytes());
            };
            let carried = keys.filter(|keys| keys.is_valid(row));
            into.add(
                |bytes| match carried {
                    None => write_source(bytes),
                    Some(keys) => bytes.extend_from_slice(keys.value(row)),
                },
                |bytes| {
                    for (before, cells) in &columns {
                        bytes.extend_from_slice(before);
                        cells.write(row, bytes);
                    }
                    bytes.push(b'}');
                },
            );
            if carried.is_some() {
                into.add_source(write_source);
            }
        }
        Ok(())
    }
}

fn typed<'a>(
    results: &'a RecordBatch,
    name: &str,
    expected: &DataType,
) -> Result<&'a dyn Array, EncodeError> {
    let found = results.column_by_name(name);
    found
        .filter(|column| column.data_type() == expected)
        .map(AsRef::as_ref)
        .ok_or_else(|| EncodeError::Column {
            column: name.to_owned(),
            expected: expected.clone(),
            found: found.map(|column| column.data_type().clone()),
        })
}
