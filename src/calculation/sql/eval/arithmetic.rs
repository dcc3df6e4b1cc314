//! `+ - * / div %`, and the sign.

use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_schema::ArrowError;

use super::{
    decimal::{fits, power},
    value::{Batch, Computed, Value, compute, extent, nulls, primitive},
};
use crate::{
    calculation::sql::{
        tree::{Arithmetic, Node},
        types::{self, MOST_DIGITS},
    },
    events::{FieldType, ReasonCode},
};

pub(super) fn arithmetic(
    node: &Node,
    op: Arithmetic,
    left: Value,
    right: Value,
    batch: &Batch,
) -> Result<Value, ArrowError> {
    let operands = [&left, &right];
    let (rows, constant) = extent(&operands, batch.rows);
    let nulls = nulls(&operands, rows);
    let data_type = node.data_type.data_type();
    let (array, bad): (arrow_array::ArrayRef, _) = match node.data_type {
        FieldType::BigInt => {
            let (a, b) = (left.native::<Int64Type>(), right.native::<Int64Type>());
            let computed = compute(rows, nulls, |row| whole(op, a(row), b(row)));
            let bad = computed.bad.clone();
            (
                std::sync::Arc::new(primitive::<Int64Type>(computed, data_type)),
                bad,
            )
        }
        FieldType::Double => {
            let (a, b) = (left.native::<Float64Type>(), right.native::<Float64Type>());
            let computed = compute(rows, nulls, |row| double(op, a(row), b(row)));
            let bad = computed.bad.clone();
            (
                std::sync::Arc::new(primitive::<Float64Type>(computed, data_type)),
                bad,
            )
        }
        _ => {
            let computed = decimals(node, op, &left, &right, rows, nulls);
            let bad = computed.bad.clone();
            (
                std::sync::Arc::new(primitive::<Decimal128Type>(computed, data_type)),
                bad,
            )
        }
    };
    let faults = left.faults.clone().and(right.faults.clone());
    let result = node.data_type;
    let faults = faults.with(bad, constant, move |row| {
        because(op, result, &left, &right, row)
    });
    Ok(Value {
        array,
        constant,
        faults,
    })
}

/// Two BIGINT, and whether there is no result.
fn whole(op: Arithmetic, a: i64, b: i64) -> (i64, bool) {
    match op {
        Arithmetic::Add => a.overflowing_add(b),
        Arithmetic::Subtract => a.overflowing_sub(b),
        Arithmetic::Multiply => a.overflowing_mul(b),
        Arithmetic::Divide | Arithmetic::IntegerDivide => {
            a.checked_div(b).map_or((0, true), |value| (value, false))
        }
        // DuckDB rejects the least number % -1, too.
        Arithmetic::Remainder => a.checked_rem(b).map_or((0, true), |value| (value, false)),
    }
}

/// Two DOUBLE, and whether there is no result: only zero divides nothing, all else is infinite or NaN.
fn double(op: Arithmetic, a: f64, b: f64) -> (f64, bool) {
    match op {
        Arithmetic::Add => (a + b, false),
        Arithmetic::Subtract => (a - b, false),
        Arithmetic::Multiply => (a * b, false),
        Arithmetic::Divide | Arithmetic::IntegerDivide => (a / b, b == 0.0),
        Arithmetic::Remainder => (a % b, b == 0.0),
    }
}

fn decimals(
    node: &Node,
    op: Arithmetic,
    left: &Value,
    right: &Value,
    rows: usize,
    nulls: Option<arrow_buffer::NullBuffer>,
) -> Computed<i128> {
    let scale_of = |value: &Value| match FieldType::of(value.array.data_type()) {
        Some(FieldType::Decimal { scale, .. }) => scale,
        _ => 0,
    };
    let precision_of = |value: &Value| {
        let found = FieldType::of(value.array.data_type()).and_then(types::digits);
        found.map_or(MOST_DIGITS, |digits| digits.precision)
    };
    let (scale, precision) = types::digits(node.data_type)
        .map_or((0, MOST_DIGITS), |digits| (digits.scale, digits.precision));
    // A BIGINT beside a DECIMAL is a DECIMAL here: the gate made it one.
    let (a, b) = (
        left.native::<Decimal128Type>(),
        right.native::<Decimal128Type>(),
    );
    let checked = |value: Option<i128>| match value.filter(|value| fits(*value, precision)) {
        Some(value) => (value, false),
        None => (0, true),
    };
    let (up_a, up_b) = match op {
        Arithmetic::Multiply => (1, 1),
        _ => (
            power(scale - scale_of(left)),
            power(scale - scale_of(right)),
        ),
    };
    // With fewer digits than the most, no operation can come to more: the rules of types see to it.
    let sure = precision < MOST_DIGITS
        || (op == Arithmetic::Multiply && precision_of(left) + precision_of(right) <= MOST_DIGITS);
    match op {
        Arithmetic::Add if sure => compute(rows, nulls, |row| {
            (
                (a(row).wrapping_mul(up_a)).wrapping_add(b(row).wrapping_mul(up_b)),
                false,
            )
        }),
        Arithmetic::Subtract if sure => compute(rows, nulls, |row| {
            (
                (a(row).wrapping_mul(up_a)).wrapping_sub(b(row).wrapping_mul(up_b)),
                false,
            )
        }),
        Arithmetic::Multiply if sure => {
            compute(rows, nulls, |row| (a(row).wrapping_mul(b(row)), false))
        }
        Arithmetic::Multiply => compute(rows, nulls, |row| checked(a(row).checked_mul(b(row)))),
        Arithmetic::Remainder => compute(rows, nulls, |row| {
            a(row)
                .checked_rem(b(row))
                .map_or((0, true), |value| (value, false))
        }),
        op => compute(rows, nulls, |row| {
            let (a, b) = (a(row).checked_mul(up_a), b(row).checked_mul(up_b));
            let value = a.zip(b).and_then(|(a, b)| match op {
                Arithmetic::Subtract => a.checked_sub(b),
                _ => a.checked_add(b),
            });
            checked(value)
        }),
    }
}

fn because(op: Arithmetic, result: FieldType, left: &Value, right: &Value, row: usize) -> String {
    let (a, b) = (left.shown(row), right.shown(row));
    let symbol = op.symbol();
    let divides = matches!(
        op,
        Arithmetic::Divide | Arithmetic::IntegerDivide | Arithmetic::Remainder
    );
    let zero = b.chars().all(|c| matches!(c, '0' | '.' | '-'));
    if divides && zero {
        return ReasonCode::DivisionByZero.because(format_args!(
            "{a} {symbol} {b}; write NULLIF for the divisor or a CASE for such events"
        ));
    }
    ReasonCode::Overflow.because(match result {
        FieldType::BigInt if divides => {
            format!("{a} {symbol} {b} is not a BIGINT; test for such events in a CASE first")
        }
        FieldType::BigInt => format!(
            "{a} {symbol} {b} is not a BIGINT; CAST an operand to DECIMAL(19,0)"
        ),
        _ => format!(
            "{a} {symbol} {b} has more digits than {result} holds; CAST an operand to fewer digits or to DOUBLE"
        ),
    })
}

/// `-a`
pub(super) fn negate(node: &Node, value: Value, batch: &Batch) -> Result<Value, ArrowError> {
    let (rows, constant) = extent(&[&value], batch.rows);
    let nulls = nulls(&[&value], rows);
    let data_type = node.data_type.data_type();
    match node.data_type {
        FieldType::BigInt => {
            let a = value.native::<Int64Type>();
            let computed = compute(rows, nulls, |row| a(row).overflowing_neg());
            let bad = computed.bad.clone();
            let array = primitive::<Int64Type>(computed, data_type);
            let faults = value.faults.clone().with(bad, constant, |_| {
                ReasonCode::Overflow.because(format_args!(
                    "-({}) is not a BIGINT; CAST it to DECIMAL(19,0)",
                    i64::MIN
                ))
            });
            Ok(Value::new(array, constant, faults))
        }
        FieldType::Double => {
            let a = value.native::<Float64Type>();
            let computed = compute(rows, nulls, |row| (-a(row), false));
            let array = primitive::<Float64Type>(computed, data_type);
            Ok(Value::new(array, constant, value.faults.clone()))
        }
        _ => {
            let a = value.native::<Decimal128Type>();
            let computed = compute(rows, nulls, |row| (-a(row), false));
            let array = primitive::<Decimal128Type>(computed, data_type);
            Ok(Value::new(array, constant, value.faults.clone()))
        }
    }
}
