//! The canonical bytes of a row: the same whatever file it stands in, and however that is encoded. Pure.
//!
//! A row is the first eight bytes of its columns' digest, then each of its values in the order of the columns. The columns'
//! digest is over `NAME TYPE` lines, each ended by a line feed, types as Arrow names them. A value is the byte 0 when it is
//! null; else the byte 1 and its bytes: whole numbers, times and dates big-endian in 8, decimals in 16, the bits of a DOUBLE
//! big-endian in 8, a boolean in 1, texts and binaries after their length in 8. Other types, which nothing stores, are their text.

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array,
    Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    cast::AsArray as _,
    types::{
        Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
        TimestampMillisecondType,
    },
};
use arrow_schema::{DataType, TimeUnit};

use crate::{events::columns, model::Digest};

/// The rows of a batch.
pub(super) struct CanonicalRows<'b> {
    schema: [u8; 8],
    offsets: &'b [i64],
    columns: Vec<Column<'b>>,
}

enum Column<'b> {
    Int64(&'b Int64Array),
    Time(&'b TimestampMillisecondArray),
    Micros(&'b TimestampMicrosecondArray),
    Date(&'b Date32Array),
    Float64(&'b Float64Array),
    Decimal(&'b Decimal128Array),
    Boolean(&'b BooleanArray),
    Text(&'b StringArray),
    Binary(&'b BinaryArray),
    Other(&'b ArrayRef),
}

impl<'b> CanonicalRows<'b> {
    /// `None` when the batch has no offsets.
    pub fn of(batch: &'b RecordBatch) -> Option<CanonicalRows<'b>> {
        let fields = batch.schema_ref().fields().iter();
        let text: String = fields
            .map(|field| format!("{} {}\n", field.name(), field.data_type()))
            .collect();
        let digest = Digest::of(text.as_bytes());
        let mut schema = [0; 8];
        schema.copy_from_slice(&digest.as_bytes()[..8]);
        let columns = batch.columns().iter().map(column);
        Some(CanonicalRows {
            schema,
            offsets: columns::offsets(batch)?,
            columns: columns.collect(),
        })
    }

    pub fn offsets(&self) -> &[i64] {
        self.offsets
    }

    /// Appends the bytes of a row.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.schema);
        for column in &self.columns {
            column.write(row, out);
        }
    }
}

fn column(array: &ArrayRef) -> Column<'_> {
    match array.data_type() {
        DataType::Int64 => Column::Int64(array.as_primitive::<Int64Type>()),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Column::Time(array.as_primitive::<TimestampMillisecondType>())
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Column::Micros(array.as_primitive::<TimestampMicrosecondType>())
        }
        DataType::Date32 => Column::Date(array.as_primitive::<Date32Type>()),
        DataType::Float64 => Column::Float64(array.as_primitive::<Float64Type>()),
        DataType::Decimal128(..) => Column::Decimal(array.as_primitive::<Decimal128Type>()),
        DataType::Boolean => Column::Boolean(array.as_boolean()),
        DataType::Utf8 => Column::Text(array.as_string::<i32>()),
        DataType::Binary => Column::Binary(array.as_binary::<i32>()),
        _ => Column::Other(array),
    }
}

impl Column<'_> {
    fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Int64(array) => array.is_null(row),
            Column::Time(array) => array.is_null(row),
            Column::Micros(array) => array.is_null(row),
            Column::Date(array) => array.is_null(row),
            Column::Float64(array) => array.is_null(row),
            Column::Decimal(array) => array.is_null(row),
            Column::Boolean(array) => array.is_null(row),
            Column::Text(array) => array.is_null(row),
            Column::Binary(array) => array.is_null(row),
            Column::Other(array) => array.is_null(row),
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.push(0);
            return;
        }
        out.push(1);
        match self {
            Column::Int64(array) => whole(array.value(row), out),
            Column::Time(array) => whole(array.value(row), out),
            Column::Micros(array) => whole(array.value(row), out),
            Column::Date(array) => whole(array.value(row), out),
            Column::Float64(array) => {
                out.extend_from_slice(&array.value(row).to_bits().to_be_bytes());
            }
            Column::Decimal(array) => out.extend_from_slice(&array.value(row).to_be_bytes()),
            Column::Boolean(array) => out.push(u8::from(array.value(row))),
            Column::Text(array) => text(array.value(row).as_bytes(), out),
            Column::Binary(array) => text(array.value(row), out),
            Column::Other(array) => {
                // Of no type that is written here.
                text(format!("{:?}", array.slice(row, 1)).as_bytes(), out);
            }
        }
    }
}

fn whole(value: impl Into<i64>, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.into().to_be_bytes());
}

fn text(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{Field, Schema};

    use super::*;

    fn batch() -> RecordBatch {
        let fields = vec![
            Field::new("kafka_offset", DataType::Int64, false),
            Field::new("name", DataType::Utf8, true),
            Field::new("result", DataType::Decimal128(38, 0), false),
        ];
        let result = Decimal128Array::from(vec![1_i128, -2, 3]);
        RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            vec![
                Arc::new(Int64Array::from(vec![7, 8, 9])),
                Arc::new(StringArray::from(vec![Some("ab"), None, Some("")])),
                Arc::new(result.with_precision_and_scale(38, 0).unwrap()),
            ],
        )
        .unwrap()
    }

    fn bytes(batch: &RecordBatch, row: usize) -> String {
        let mut out = Vec::new();
        CanonicalRows::of(batch).unwrap().write(row, &mut out);
        hex::encode(out)
    }

    #[test]
    fn a_row_has_the_bytes_that_are_written_down() {
        let batch = batch();
        let columns = "kafka_offset Int64\nname Utf8\nresult Decimal128(38, 0)\n";
        let schema = hex::encode(&Digest::of(columns.as_bytes()).as_bytes()[..8]);
        let expected = [
            format!("{schema}01{:016x}01{:016x}616201{:032x}", 7, 2, 1_u128),
            format!("{schema}01{:016x}0001{:032x}", 8, -2_i128),
            format!("{schema}01{:016x}01{:016x}01{:032x}", 9, 0, 3_u128),
        ];
        for (row, expected) in expected.iter().enumerate() {
            assert_eq!(bytes(&batch, row), *expected);
        }
        // The same rows cut otherwise.
        assert_eq!(bytes(&batch.slice(1, 2), 0), expected[1]);
    }
}
