//! Functions of numbers.

use std::sync::Arc;

use arrow_array::{
    ArrayRef,
    types::{Decimal128Type, Float64Type, Int64Type},
};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::{
    decimal::{divide_rounded, fits, nearest, power},
    value::{Batch, Value, compute, extent, nulls, primitive},
};
use crate::{
    calculation::sql::{
        functions::Function,
        tree::{Kind, Node, Scalar},
        types::{self, MOST_DIGITS},
    },
    events::{FieldType, ReasonCode},
};

/// From here on, Spark's whole numbers are no more those of a DOUBLE.
const BEYOND_BIGINT: f64 = 9_223_372_036_854_775_808.0;

pub(super) fn call(
    function: Function,
    node: &Node,
    arguments: &[Node],
    values: &[Value],
    batch: &Batch,
) -> Value {
    let value = values[0].clone();
    let (rows, constant) = extent(&[&value], batch.rows);
    let nulls = nulls(&[&value], rows);
    let from = arguments[0].data_type;
    let digits = match arguments.get(1).map(|node| &node.kind) {
        Some(Kind::Literal(Scalar::BigInt(digits))) => *digits,
        _ => 0,
    };
    let (array, bad) = match from {
        FieldType::BigInt => of_bigint(function, node, &value, digits, rows, nulls),
        FieldType::Double => of_double(function, node, &value, rows, nulls),
        _ => of_decimal(function, node, arguments, &value, digits, rows, nulls),
    };
    let faults = value.faults.clone();
    let faults = faults.with(bad, constant, move |row| because(function, &value, row));
    Value {
        array,
        constant,
        faults,
    }
}

type Column = (ArrayRef, Option<BooleanBuffer>);

fn of_bigint(
    function: Function,
    node: &Node,
    value: &Value,
    digits: i64,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Column {
    let a = value.native::<Int64Type>();
    let data_type = node.data_type.data_type();
    match function {
        Function::Square => {
            let computed = compute(rows, nulls, |row| {
                (i128::from(a(row)) * i128::from(a(row)), false)
            });
            (
                Arc::new(primitive::<Decimal128Type>(computed, data_type)),
                None,
            )
        }
        #[expect(clippy::cast_precision_loss, reason = "the nearest DOUBLE is meant")]
        Function::Sqrt => {
            let computed = compute(rows, nulls, |row| ((a(row) as f64).sqrt(), false));
            (
                Arc::new(primitive::<Float64Type>(computed, data_type)),
                None,
            )
        }
        _ => {
            let computed = compute(rows, nulls, |row| match function {
                Function::Abs => a(row).overflowing_abs(),
                Function::Sign => (a(row).signum(), false),
                Function::Round if digits < 0 => {
                    let rounded = round_whole(i128::from(a(row)), 0, digits);
                    match i64::try_from(rounded) {
                        Ok(value) => (value, false),
                        Err(_) => (0, true),
                    }
                }
                _ => (a(row), false),
            });
            let bad = computed.bad.clone();
            (Arc::new(primitive::<Int64Type>(computed, data_type)), bad)
        }
    }
}

fn of_double(
    function: Function,
    node: &Node,
    value: &Value,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Column {
    let a = value.native::<Float64Type>();
    let data_type = node.data_type.data_type();
    if function == Function::Sign {
        let computed = compute(rows, nulls, |row| {
            let a = a(row);
            (i64::from(a > 0.0) - i64::from(a < 0.0), a.is_nan())
        });
        let bad = computed.bad.clone();
        return (Arc::new(primitive::<Int64Type>(computed, data_type)), bad);
    }
    let whole = |value: f64| {
        let fits = (-BEYOND_BIGINT..BEYOND_BIGINT).contains(&value);
        (value, !fits)
    };
    let computed = compute(rows, nulls, |row| {
        let a = a(row);
        match function {
            Function::Abs => (a.abs(), false),
            Function::Sqrt => (a.sqrt(), false),
            Function::Square => (a * a, false),
            Function::Round => (a.round(), false),
            Function::Ceil => whole(a.ceil()),
            Function::Floor => whole(a.floor()),
            Function::Trunc => whole(a.trunc()),
            // No other is taken of a DOUBLE.
            _ => (a, true),
        }
    });
    let bad = computed.bad.clone();
    (Arc::new(primitive::<Float64Type>(computed, data_type)), bad)
}

fn of_decimal(
    function: Function,
    node: &Node,
    arguments: &[Node],
    value: &Value,
    digits: i64,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Column {
    let a = value.native::<Decimal128Type>();
    let scale = types::digits(arguments[0].data_type).map_or(0, |digits| digits.scale);
    let data_type = node.data_type.data_type();
    let one = power(scale);
    match function {
        Function::Sign => {
            let computed = compute(rows, nulls, |row| {
                let a = a(row);
                (i64::from(a > 0) - i64::from(a < 0), false)
            });
            return (Arc::new(primitive::<Int64Type>(computed, data_type)), None);
        }
        Function::Sqrt => {
            let as_double = |row| nearest(a(row), scale);
            let computed = compute(rows, nulls, |row| (as_double(row).sqrt(), false));
            return (
                Arc::new(primitive::<Float64Type>(computed, data_type)),
                None,
            );
        }
        _ => {}
    }
    let precision = types::digits(node.data_type).map_or(MOST_DIGITS, |digits| digits.precision);
    let checked = |value: Option<i128>| match value.filter(|value| fits(*value, precision)) {
        Some(value) => (value, false),
        None => (0, true),
    };
    let computed = compute(rows, nulls, |row| {
        let a = a(row);
        match function {
            Function::Abs => (a.abs(), false),
            Function::Square => checked(a.checked_mul(a)),
            Function::Ceil => checked(Some(a.div_euclid(one) + i128::from(a.rem_euclid(one) != 0))),
            Function::Floor => checked(Some(a.div_euclid(one))),
            Function::Trunc => checked(Some(a / one)),
            _ if digits < 0 => checked(Some(round_whole(a, scale, digits))),
            _ => {
                let kept = u8::try_from(digits).unwrap_or(scale).min(scale);
                checked(Some(divide_rounded(a, power(scale - kept))))
            }
        }
    });
    let bad = computed.bad.clone();
    (
        Arc::new(primitive::<Decimal128Type>(computed, data_type)),
        bad,
    )
}

/// A number of this scale, rounded to tens, hundreds and so on: a whole number.
fn round_whole(value: i128, scale: u8, digits: i64) -> i128 {
    let zeros = u8::try_from(-digits).unwrap_or(MOST_DIGITS);
    match zeros + scale {
        // Half of it would be more than any number.
        beyond if beyond > MOST_DIGITS => 0,
        places => divide_rounded(value, power(places)).saturating_mul(power(zeros)),
    }
}

fn because(function: Function, value: &Value, row: usize) -> String {
    let (name, shown) = (function.definition().name, value.shown(row));
    let what = match function {
        Function::Sign => "has no sign; test it in a CASE first".to_owned(),
        Function::Ceil | Function::Floor | Function::Trunc => {
            "is not within BIGINT, beyond which Spark gives other numbers; test it in a CASE first".to_owned()
        }
        _ => "has more digits than its type holds; CAST the number to DOUBLE or to fewer digits first".to_owned(),
    };
    ReasonCode::Overflow.because(format_args!("{name}({shown}) {what}"))
}
