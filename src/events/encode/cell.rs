//! One value as JSON.

use arrow_array::{
    Array, BooleanArray, StringArray,
    cast::AsArray,
    types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use arrow_buffer::NullBuffer;

use super::super::{fields::FieldType, time};

/// A column's values, of a type known once for the batch.
pub(super) struct Cells<'a> {
    values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
    /// Whether numbers are written in strings.
    quoted: bool,
}

enum Values<'a> {
    BigInt(&'a [i64]),
    Double(&'a [f64]),
    Decimal(&'a [i128], usize),
    Varchar(&'a StringArray),
    Boolean(&'a BooleanArray),
    Timestamp(&'a [i64]),
    Date(&'a [i32]),
    Json(&'a StringArray),
}

impl<'a> Cells<'a> {
    /// The cells of `column`, which has the Arrow type of `data_type`; `None` if it has another.
    pub(super) fn of(column: &'a dyn Array, data_type: FieldType) -> Option<Cells<'a>> {
        if *column.data_type() != data_type.data_type() {
            return None;
        }
        let values = match data_type {
            FieldType::BigInt => Values::BigInt(column.as_primitive::<Int64Type>().values()),
            FieldType::Double => Values::Double(column.as_primitive::<Float64Type>().values()),
            FieldType::Decimal { scale, .. } => Values::Decimal(
                column.as_primitive::<Decimal128Type>().values(),
                usize::from(scale),
            ),
            FieldType::Varchar => Values::Varchar(column.as_string()),
            FieldType::Boolean => Values::Boolean(column.as_boolean()),
            FieldType::Timestamp => {
                Values::Timestamp(column.as_primitive::<TimestampMicrosecondType>().values())
            }
            FieldType::Date => Values::Date(column.as_primitive::<Date32Type>().values()),
            FieldType::Json => Values::Json(column.as_string()),
        };
        Some(Cells {
            values,
            quoted: false,
            nulls: column.nulls().filter(|nulls| nulls.null_count() > 0),
        })
    }

    /// The same with numbers in strings, as FROM STRING reads them.
    pub(super) fn in_strings(self) -> Cells<'a> {
        Cells {
            quoted: true,
            ..self
        }
    }

    /// Appends the value at `row`.
    #[inline]
    pub(super) fn write(&self, row: usize, to: &mut Vec<u8>) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            to.extend_from_slice(b"null");
            return;
        }
        if self.quoted {
            to.push(b'"');
        }
        match &self.values {
            Values::BigInt(values) => {
                to.extend_from_slice(itoa::Buffer::new().format(values[row]).as_bytes());
            }
            Values::Double(values) => double(values[row], to),
            Values::Decimal(values, scale) => decimal(values[row], *scale, to),
            Values::Varchar(values) => string(values.value(row), to),
            Values::Boolean(values) => {
                let text: &[u8] = if values.value(row) { b"true" } else { b"false" };
                to.extend_from_slice(text);
            }
            Values::Timestamp(values) => {
                to.push(b'"');
                time::write_timestamp(values[row], to);
                to.push(b'"');
            }
            Values::Date(values) => {
                to.push(b'"');
                time::write_date(i64::from(values[row]), to);
                to.push(b'"');
            }
            Values::Json(values) => to.extend_from_slice(values.value(row).as_bytes()),
        }
        if self.quoted {
            to.push(b'"');
        }
    }
}

/// The shortest text that reads back as the same number. Only a damaged file holds one that JSON lacks.
fn double(value: f64, to: &mut Vec<u8>) {
    if value.is_finite() {
        to.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        to.extend_from_slice(b"null");
    }
}

/// A number of which `scale` digits stand after the point; all of them are written.
#[inline]
fn decimal(value: i128, scale: usize, to: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    // Most numbers fit 64 bits, which are written faster.
    let digits = match u64::try_from(value.unsigned_abs()) {
        Ok(small) => buffer.format(small),
        Err(_) => buffer.format(value.unsigned_abs()),
    };
    if value < 0 {
        to.push(b'-');
    }
    if scale == 0 {
        to.extend_from_slice(digits.as_bytes());
        return;
    }
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    to.extend_from_slice(if whole.is_empty() {
        b"0"
    } else {
        whole.as_bytes()
    });
    to.push(b'.');
    to.resize(to.len() + scale - fraction.len(), b'0');
    to.extend_from_slice(fraction.as_bytes());
}

/// A string with its quotes and escapes.
#[expect(
    clippy::expect_used,
    reason = "a vector takes all bytes, and every string is JSON"
)]
pub(super) fn string(text: &str, to: &mut Vec<u8>) {
    serde_json::to_writer(to, text).expect("writing to memory does not fail, nor does a string");
}
