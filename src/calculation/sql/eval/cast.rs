//! CAST, and the same between the types of operands.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, StringArray,
    builder::StringBuilder,
    cast::AsArray,
    types::{Decimal128Type, Float64Type, Int64Type},
};
use arrow_buffer::BooleanBuffer;
use arrow_schema::ArrowError;

use super::{
    blocks::{primitive, unary},
    cast_text,
    decimal::{Limit, Rescale, nearest, power},
    times,
    value::{Batch, Value, extent, nulls},
};
use crate::{
    calculation::sql::{
        tree::Node,
        types::{self, BIGINT_DIGITS, Digits},
    },
    events::{FieldType, ReasonCode},
};

/// A DOUBLE as text is the same in DuckDB and Spark for zero and between these two.
const PLAIN: std::ops::Range<f64> = 1e-3..1e7;

/// The first number that is too large for a BIGINT.
const BEYOND_BIGINT: f64 = 9_223_372_036_854_775_808.0;

pub(super) fn cast(
    from: FieldType,
    node: &Node,
    value: Value,
    batch: &Batch,
) -> Result<Value, ArrowError> {
    let to = node.data_type;
    if from == to {
        return Ok(value);
    }
    let (rows, constant) = extent(&[&value], batch.rows);
    let (array, bad): (ArrayRef, _) = match (from, to) {
        (FieldType::Timestamp | FieldType::Date, _)
        | (_, FieldType::Timestamp | FieldType::Date) => times::cast(from, to, &value, rows),
        (_, FieldType::Varchar) => text(from, &value, rows)?,
        (FieldType::Varchar, _) => cast_text::cast(to, &value, rows)?,
        (_, FieldType::Double) => (double(from, &value, rows), None),
        (_, FieldType::BigInt) => whole(from, &value, rows),
        (_, FieldType::Decimal { precision, scale }) => {
            decimal(from, Digits::new(precision, scale), &value, rows)
        }
        // The gate takes no other.
        (_, FieldType::Boolean | FieldType::Json) => {
            return Err(ArrowError::CastError(format!("{from} to {to}")));
        }
    };
    let faults = value.faults.clone();
    let faults = faults.with(bad, constant, move |row| because(from, to, &value, row));
    Ok(Value {
        array,
        constant,
        faults,
    })
}

type Column = (ArrayRef, Option<BooleanBuffer>);

fn decimal(from: FieldType, to: Digits, value: &Value, rows: usize) -> Column {
    let nulls = nulls(&[value], rows);
    let computed = match from {
        FieldType::BigInt => {
            let a = &value.numbers::<Int64Type>();
            let up = power(to.scale);
            let limit = Limit::digits(to.precision);
            match i64::try_from(up) {
                Ok(up) if to.whole() >= BIGINT_DIGITS => {
                    unary(rows, nulls, a, |a| (i128::from(a) * i128::from(up), false))
                }
                _ => unary(rows, nulls, a, |a| {
                    limit.checked(i128::from(a).checked_mul(up))
                }),
            }
        }
        _ => {
            let a = &value.numbers::<Decimal128Type>();
            let from = types::digits(from).unwrap_or(to);
            if to.scale >= from.scale && to.whole() >= from.whole() {
                let up = power(to.scale - from.scale);
                unary(rows, nulls, a, |a| (a.wrapping_mul(up), false))
            } else {
                let rescale = Rescale::new(from.scale, to.scale, to.precision);
                unary(rows, nulls, a, |a| rescale.checked(a))
            }
        }
    };
    let bad = computed.bad.clone();
    let data_type = FieldType::from(to).data_type();
    (
        Arc::new(primitive::<Decimal128Type>(computed, data_type)),
        bad,
    )
}

/// The DOUBLE that is nearest.
#[expect(clippy::cast_precision_loss, reason = "the nearest DOUBLE is meant")]
fn double(from: FieldType, value: &Value, rows: usize) -> ArrayRef {
    let nulls = nulls(&[value], rows);
    let computed = match from {
        FieldType::BigInt => {
            let a = value.numbers::<Int64Type>();
            unary(rows, nulls, &a, |a| (a as f64, false))
        }
        _ => {
            let a = value.numbers::<Decimal128Type>();
            let scale = types::digits(from).map_or(0, |digits| digits.scale);
            unary(rows, nulls, &a, |a| (nearest(a, scale), false))
        }
    };
    let data_type = FieldType::Double.data_type();
    Arc::new(primitive::<Float64Type>(computed, data_type))
}

fn whole(from: FieldType, value: &Value, rows: usize) -> Column {
    let nulls = nulls(&[value], rows);
    let computed = match from {
        FieldType::Double => {
            let a = value.numbers::<Float64Type>();
            unary(rows, nulls, &a, |a| {
                let fits = (-BEYOND_BIGINT..BEYOND_BIGINT).contains(&a) && a.fract() == 0.0;
                #[expect(clippy::cast_possible_truncation, reason = "it fits")]
                (if fits { a as i64 } else { 0 }, !fits)
            })
        }
        _ => {
            let a = value.numbers::<Decimal128Type>();
            unary(rows, nulls, &a, |a| match i64::try_from(a) {
                Ok(value) => (value, false),
                Err(_) => (0, true),
            })
        }
    };
    let bad = computed.bad.clone();
    let data_type = FieldType::BigInt.data_type();
    (Arc::new(primitive::<Int64Type>(computed, data_type)), bad)
}

fn text(from: FieldType, value: &Value, rows: usize) -> Result<Column, ArrowError> {
    let array = &value.array;
    let mut texts = StringBuilder::with_capacity(rows, rows * 8);
    let mut bad = None;
    for row in 0..rows {
        let at = value.at(row);
        if array.is_null(at) {
            texts.append_null();
            continue;
        }
        match from {
            FieldType::BigInt => {
                let number = array.as_primitive::<Int64Type>().value(at);
                texts.append_value(itoa::Buffer::new().format(number));
            }
            FieldType::Double => {
                let number = array.as_primitive::<Float64Type>().value(at);
                // How a negative zero came to be is not the same in DuckDB and Spark, so that its sign must not show.
                let plain = number.to_bits() == 0 || PLAIN.contains(&number.abs());
                if plain {
                    texts.append_value(format!("{number:?}"));
                } else {
                    let bad = bad.get_or_insert_with(|| vec![false; rows]);
                    bad[row] = true;
                    texts.append_value("");
                }
            }
            FieldType::Boolean => {
                let truth = array.as_boolean().value(at);
                texts.append_value(if truth { "true" } else { "false" });
            }
            _ => texts.append_value(array.as_primitive::<Decimal128Type>().value_as_string(at)),
        }
    }
    let texts: StringArray = texts.finish();
    Ok((Arc::new(texts), bad.map(BooleanBuffer::from)))
}

fn because(from: FieldType, to: FieldType, value: &Value, row: usize) -> String {
    let shown = value.shown(row);
    match (from, to) {
        (FieldType::Varchar, _) => cast_text::because(to, &shown),
        (_, FieldType::Varchar) => ReasonCode::BadCast.because(format_args!(
            "the DOUBLE {shown} has no one spelling as text; 0 and from 0.001 to 9999999 have; CASE such events, or round them to a BIGINT"
        )),
        _ => ReasonCode::Overflow.because(format_args!(
            "{shown} does not fit into {to}; CAST it to more digits"
        )),
    }
}
