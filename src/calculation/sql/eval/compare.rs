//! Comparison: numbers by value with NaN equal to itself and the largest and -0.0 equal to 0.0, texts by their bytes.

use std::sync::Arc;

use arrow_array::{
    Array, BooleanArray,
    cast::AsArray,
    types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;

use super::{
    blocks::{self, Numbers},
    value::{Batch, Value, extent, nulls},
};
use crate::calculation::sql::tree::Comparison;

/// NULL where one of the two is.
pub(super) fn compare(op: Comparison, left: Value, right: Value, batch: &Batch) -> Value {
    let operands = [&left, &right];
    let (rows, constant) = extent(&operands, batch.rows);
    let array = BooleanArray::new(compared(op, &left, &right, rows), nulls(&operands, rows));
    Value {
        array: Arc::new(array),
        constant,
        faults: left.faults.and(right.faults),
    }
}

/// IS [NOT] DISTINCT FROM.
pub(super) fn distinct(left: Value, right: Value, negated: bool, batch: &Batch) -> Value {
    let (rows, constant) = extent(&[&left, &right], batch.rows);
    let equal = compared(Comparison::Equal, &left, &right, rows);
    let (a, b) = (left.nulls(rows), right.nulls(rows));
    let alike = match (a, b) {
        (None, None) => equal,
        (a, b) => {
            let none = || BooleanBuffer::new_set(rows);
            let a = a.map_or_else(none, |nulls| nulls.inner().clone());
            let b = b.map_or_else(none, |nulls| nulls.inner().clone());
            // Both there and equal, or both not there.
            &(&(&a & &b) & &equal) | &!&(&a | &b)
        }
    };
    let array = BooleanArray::new(if negated { alike } else { !&alike }, None);
    Value {
        array: Arc::new(array),
        constant,
        faults: left.faults.and(right.faults),
    }
}

/// The comparison of each row; without meaning where one of the two is NULL.
pub(super) fn compared(op: Comparison, left: &Value, right: &Value, rows: usize) -> BooleanBuffer {
    match left.array.data_type() {
        DataType::Int64 => numbers(
            op,
            rows,
            &left.numbers::<Int64Type>(),
            &right.numbers::<Int64Type>(),
            |number| number,
        ),
        DataType::Timestamp(..) => numbers(
            op,
            rows,
            &left.numbers::<TimestampMicrosecondType>(),
            &right.numbers::<TimestampMicrosecondType>(),
            |number| number,
        ),
        DataType::Date32 => numbers(
            op,
            rows,
            &left.numbers::<Date32Type>(),
            &right.numbers::<Date32Type>(),
            |number| number,
        ),
        DataType::Decimal128(..) => numbers(
            op,
            rows,
            &left.numbers::<Decimal128Type>(),
            &right.numbers::<Decimal128Type>(),
            |number| number,
        ),
        DataType::Float64 => {
            let (a, b) = (
                left.numbers::<Float64Type>(),
                right.numbers::<Float64Type>(),
            );
            numbers(op, rows, &a, &b, rank)
        }
        DataType::Boolean => {
            let (a, b) = (left.array.as_boolean(), right.array.as_boolean());
            let (a_at, b_at) = (|row| left.at(row), |row| right.at(row));
            ordered(op, rows, |row| a.value(a_at(row)), |row| b.value(b_at(row)))
        }
        _ => {
            let (a, b) = (left.texts(), right.texts());
            ordered(op, rows, |row| a(row).as_bytes(), |row| b(row).as_bytes())
        }
    }
}

/// The place of a DOUBLE among all of them.
pub(super) fn rank(value: f64) -> i64 {
    if value.is_nan() {
        return i64::MAX;
    }
    // -0.0 becomes 0.0. Of negative numbers, the larger bits are the smaller number.
    let bits = (value + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// Compares the places that numbers have.
fn numbers<T: Copy, P: Ord>(
    op: Comparison,
    rows: usize,
    a: &Numbers<'_, T>,
    b: &Numbers<'_, T>,
    place: impl Fn(T) -> P,
) -> BooleanBuffer {
    match op {
        Comparison::Equal => blocks::test(rows, a, b, |a, b| place(a) == place(b)),
        Comparison::NotEqual => blocks::test(rows, a, b, |a, b| place(a) != place(b)),
        Comparison::Less => blocks::test(rows, a, b, |a, b| place(a) < place(b)),
        Comparison::LessOrEqual => blocks::test(rows, a, b, |a, b| place(a) <= place(b)),
        Comparison::Greater => blocks::test(rows, a, b, |a, b| place(a) > place(b)),
        Comparison::GreaterOrEqual => blocks::test(rows, a, b, |a, b| place(a) >= place(b)),
    }
}

fn ordered<T: Ord>(
    op: Comparison,
    rows: usize,
    a: impl Fn(usize) -> T,
    b: impl Fn(usize) -> T,
) -> BooleanBuffer {
    match op {
        Comparison::Equal => BooleanBuffer::collect_bool(rows, |row| a(row) == b(row)),
        Comparison::NotEqual => BooleanBuffer::collect_bool(rows, |row| a(row) != b(row)),
        Comparison::Less => BooleanBuffer::collect_bool(rows, |row| a(row) < b(row)),
        Comparison::LessOrEqual => BooleanBuffer::collect_bool(rows, |row| a(row) <= b(row)),
        Comparison::Greater => BooleanBuffer::collect_bool(rows, |row| a(row) > b(row)),
        Comparison::GreaterOrEqual => BooleanBuffer::collect_bool(rows, |row| a(row) >= b(row)),
    }
}
