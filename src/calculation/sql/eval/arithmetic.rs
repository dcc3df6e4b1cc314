//! `+ - * / div %`, and the sign.

use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_buffer::NullBuffer;
use arrow_schema::ArrowError;

use super::{
    blocks::{Computed, Numbers, binary, primitive, unary},
    decimal::{Limit, power},
    value::{Batch, Value, extent, nulls},
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
            let (a, b) = (left.numbers::<Int64Type>(), right.numbers::<Int64Type>());
            let computed = whole(op, rows, nulls, &a, &b);
            let bad = computed.bad.clone();
            (
                std::sync::Arc::new(primitive::<Int64Type>(computed, data_type)),
                bad,
            )
        }
        FieldType::Double => {
            let (a, b) = (
                left.numbers::<Float64Type>(),
                right.numbers::<Float64Type>(),
            );
            let computed = double(op, rows, nulls, &a, &b);
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

/// Of BIGINTs; a row fails that has no result.
fn whole(
    op: Arithmetic,
    rows: usize,
    nulls: Option<NullBuffer>,
    a: &Numbers<'_, i64>,
    b: &Numbers<'_, i64>,
) -> Computed<i64> {
    let found = |value: Option<i64>| (value.unwrap_or_default(), value.is_none());
    match op {
        Arithmetic::Add => binary(rows, nulls, a, b, i64::overflowing_add),
        Arithmetic::Subtract => binary(rows, nulls, a, b, i64::overflowing_sub),
        Arithmetic::Multiply => binary(rows, nulls, a, b, i64::overflowing_mul),
        Arithmetic::Divide | Arithmetic::IntegerDivide => {
            binary(rows, nulls, a, b, |a, b| found(a.checked_div(b)))
        }
        // DuckDB rejects the least number % -1, too.
        Arithmetic::Remainder => binary(rows, nulls, a, b, |a, b| found(a.checked_rem(b))),
    }
}

/// Of DOUBLEs; only by zero nothing is divided, all else is infinite or NaN.
fn double(
    op: Arithmetic,
    rows: usize,
    nulls: Option<NullBuffer>,
    a: &Numbers<'_, f64>,
    b: &Numbers<'_, f64>,
) -> Computed<f64> {
    match op {
        Arithmetic::Add => binary(rows, nulls, a, b, |a, b| (a + b, false)),
        Arithmetic::Subtract => binary(rows, nulls, a, b, |a, b| (a - b, false)),
        Arithmetic::Multiply => binary(rows, nulls, a, b, |a, b| (a * b, false)),
        Arithmetic::Divide | Arithmetic::IntegerDivide => {
            binary(rows, nulls, a, b, |a, b| (a / b, b == 0.0))
        }
        Arithmetic::Remainder => binary(rows, nulls, a, b, |a, b| (a % b, b == 0.0)),
    }
}

fn decimals(
    node: &Node,
    op: Arithmetic,
    left: &Value,
    right: &Value,
    rows: usize,
    nulls: Option<NullBuffer>,
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
        &left.numbers::<Decimal128Type>(),
        &right.numbers::<Decimal128Type>(),
    );
    let limit = Limit::digits(precision);
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
        Arithmetic::Add if sure => binary(rows, nulls, a, b, |a, b| {
            let (a, b) = (a.wrapping_mul(up_a), b.wrapping_mul(up_b));
            (a.wrapping_add(b), false)
        }),
        Arithmetic::Subtract if sure => binary(rows, nulls, a, b, |a, b| {
            let (a, b) = (a.wrapping_mul(up_a), b.wrapping_mul(up_b));
            (a.wrapping_sub(b), false)
        }),
        Arithmetic::Multiply if sure => {
            binary(rows, nulls, a, b, |a, b| (a.wrapping_mul(b), false))
        }
        Arithmetic::Multiply => binary(rows, nulls, a, b, |a, b| limit.checked(a.checked_mul(b))),
        Arithmetic::Remainder => binary(rows, nulls, a, b, |a, b| {
            let rest = a.checked_rem(b);
            (rest.unwrap_or_default(), rest.is_none())
        }),
        op => binary(rows, nulls, a, b, |a, b| {
            let both = a.checked_mul(up_a).zip(b.checked_mul(up_b));
            limit.checked(both.and_then(|(a, b)| match op {
                Arithmetic::Subtract => a.checked_sub(b),
                _ => a.checked_add(b),
            }))
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
            let a = value.numbers::<Int64Type>();
            let computed = unary(rows, nulls, &a, i64::overflowing_neg);
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
            let a = value.numbers::<Float64Type>();
            let computed = unary(rows, nulls, &a, |a| (-a, false));
            let array = primitive::<Float64Type>(computed, data_type);
            Ok(Value::new(array, constant, value.faults.clone()))
        }
        _ => {
            let a = value.numbers::<Decimal128Type>();
            let computed = unary(rows, nulls, &a, |a| (-a, false));
            let array = primitive::<Decimal128Type>(computed, data_type);
            Ok(Value::new(array, constant, value.faults.clone()))
        }
    }
}
