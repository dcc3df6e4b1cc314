//! One value as JSON.

use arrow_array::{
    Array, BooleanArray, StringArray,
    cast::AsArray,
    types::{Decimal128Type, Float64Type, Int64Type},
};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

/// A column's values, of a type known once for the batch.
pub(super) struct Cells<'a> {
    values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
}

enum Values<'a> {
    BigInt(&'a [i64]),
    Double(&'a [f64]),
    Decimal(&'a [i128], usize),
    Varchar(&'a StringArray),
    Boolean(&'a BooleanArray),
}

impl<'a> Cells<'a> {
    /// The cells of `column`; `None` if it has a type that messages do not take.
    pub(super) fn of(column: &'a dyn Array) -> Option<Cells<'a>> {
        let values = match column.data_type() {
            DataType::Int64 => Values::BigInt(column.as_primitive::<Int64Type>().values()),
            DataType::Float64 => Values::Double(column.as_primitive::<Float64Type>().values()),
            DataType::Decimal128(_, scale) => Values::Decimal(
                column.as_primitive::<Decimal128Type>().values(),
                usize::try_from(*scale).ok()?,
            ),
            DataType::Utf8 => Values::Varchar(column.as_string()),
            DataType::Boolean => Values::Boolean(column.as_boolean()),
            _ => return None,
        };
        Some(Cells {
            values,
            nulls: column.nulls().filter(|nulls| nulls.null_count() > 0),
        })
    }

    /// Appends the value at `row`.
    #[inline]
    pub(super) fn write(&self, row: usize, to: &mut Vec<u8>) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            to.extend_from_slice(b"null");
            return;
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
