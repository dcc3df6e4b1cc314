//! Functions of numbers.

use std::sync::Arc;

use arrow_array::{
    ArrayRef,
    types::{Decimal128Type, Float64Type, Int64Type},
};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::{
    blocks::{primitive, unary},
    decimal::{Division, Limit, nearest, power},
    value::{Batch, Value, extent, nulls},
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
    let a = &value.numbers::<Int64Type>();
    let data_type = node.data_type.data_type();
    match function {
        Function::Square => {
            let squared = |a| (i128::from(a) * i128::from(a), false);
            let computed = unary(rows, nulls, a, squared);
            (
                Arc::new(primitive::<Decimal128Type>(computed, data_type)),
                None,
            )
        }
        #[expect(clippy::cast_precision_loss, reason = "the nearest DOUBLE is meant")]
        Function::Sqrt => {
            let computed = unary(rows, nulls, a, |a| ((a as f64).sqrt(), false));
            (
                Arc::new(primitive::<Float64Type>(computed, data_type)),
                None,
            )
        }
        _ => {
            let computed = match function {
                Function::Abs => unary(rows, nulls, a, i64::overflowing_abs),
                Function::Sign => unary(rows, nulls, a, |a| (a.signum(), false)),
                Function::Round if digits < 0 => {
                    let zeros = Zeros::new(0, digits);
                    unary(rows, nulls, a, |a| {
                        let rounded = i64::try_from(zeros.rounded(i128::from(a)));
                        (rounded.unwrap_or_default(), rounded.is_err())
                    })
                }
                _ => unary(rows, nulls, a, |a| (a, false)),
            };
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
    let a = &value.numbers::<Float64Type>();
    let data_type = node.data_type.data_type();
    if function == Function::Sign {
        let computed = unary(rows, nulls, a, |a| {
            (i64::from(a > 0.0) - i64::from(a < 0.0), a.is_nan())
        });
        let bad = computed.bad.clone();
        return (Arc::new(primitive::<Int64Type>(computed, data_type)), bad);
    }
    let whole = |value: f64| {
        let fits = (-BEYOND_BIGINT..BEYOND_BIGINT).contains(&value);
        (value, !fits)
    };
    let computed = match function {
        Function::Abs => unary(rows, nulls, a, |a| (a.abs(), false)),
        Function::Sqrt => unary(rows, nulls, a, |a| (a.sqrt(), false)),
        Function::Square => unary(rows, nulls, a, |a| (a * a, false)),
        Function::Round => unary(rows, nulls, a, |a| (a.round(), false)),
        Function::Ceil => unary(rows, nulls, a, |a| whole(a.ceil())),
        Function::Floor => unary(rows, nulls, a, |a| whole(a.floor())),
        Function::Trunc => unary(rows, nulls, a, |a| whole(a.trunc())),
        // No other is taken of a DOUBLE.
        _ => unary(rows, nulls, a, |a| (a, true)),
    };
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
    let a = &value.numbers::<Decimal128Type>();
    let scale = types::digits(arguments[0].data_type).map_or(0, |digits| digits.scale);
    let data_type = node.data_type.data_type();
    let one = power(scale);
    match function {
        Function::Sign => {
            let sign = |a| (i64::from(a > 0) - i64::from(a < 0), false);
            let computed = unary(rows, nulls, a, sign);
            return (Arc::new(primitive::<Int64Type>(computed, data_type)), None);
        }
        Function::Sqrt => {
            let computed = unary(rows, nulls, a, |a| (nearest(a, scale).sqrt(), false));
            return (
                Arc::new(primitive::<Float64Type>(computed, data_type)),
                None,
            );
        }
        _ => {}
    }
    let precision = types::digits(node.data_type).map_or(MOST_DIGITS, |digits| digits.precision);
    let limit = Limit::digits(precision);
    let checked = |value| limit.checked(Some(value));
    let computed = match function {
        Function::Abs => unary(rows, nulls, a, |a| (a.abs(), false)),
        Function::Square => unary(rows, nulls, a, |a| limit.checked(a.checked_mul(a))),
        Function::Ceil => unary(rows, nulls, a, |a| {
            checked(a.div_euclid(one) + i128::from(a.rem_euclid(one) != 0))
        }),
        Function::Floor => unary(rows, nulls, a, |a| checked(a.div_euclid(one))),
        Function::Trunc => unary(rows, nulls, a, |a| checked(a / one)),
        _ if digits < 0 => {
            let zeros = Zeros::new(scale, digits);
            unary(rows, nulls, a, |a| checked(zeros.rounded(a)))
        }
        _ => {
            let kept = u8::try_from(digits).unwrap_or(scale).min(scale);
            let division = Division::by_power(scale - kept);
            unary(rows, nulls, a, |a| checked(division.rounded(a)))
        }
    };
    let bad = computed.bad.clone();
    (
        Arc::new(primitive::<Decimal128Type>(computed, data_type)),
        bad,
    )
}

/// Rounds numbers of a scale to tens, hundreds and so on: to whole numbers that end in zeros.
#[derive(Clone, Copy)]
struct Zeros {
    /// `None` when half of it would be more than any number.
    division: Option<Division>,
    up: i128,
}

impl Zeros {
    /// `digits` is negative.
    fn new(scale: u8, digits: i64) -> Zeros {
        let zeros = u8::try_from(-digits).unwrap_or(MOST_DIGITS);
        let places = zeros.saturating_add(scale);
        Zeros {
            division: (places <= MOST_DIGITS).then(|| Division::by_power(places)),
            up: power(zeros.min(MOST_DIGITS)),
        }
    }

    fn rounded(self, value: i128) -> i128 {
        let division = self.division;
        division.map_or(0, |it| it.rounded(value).saturating_mul(self.up))
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
