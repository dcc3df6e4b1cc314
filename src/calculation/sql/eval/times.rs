//! Dates and points in time, in UTC and the years 1 to 9999: beyond them, DuckDB and Spark have other calendars and texts.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, StringArray,
    builder::StringBuilder,
    cast::AsArray,
    types::{Date32Type, Int64Type, TimestampMicrosecondType},
};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::{
    blocks::{Computed, compute, primitive, unary},
    value::{Batch, Value, extent, nulls},
};
use crate::{
    calculation::sql::{
        functions::Function,
        tree::{Kind, Node, Scalar, Unit},
    },
    events::{
        FieldType, ReasonCode,
        time::{self, DAY, SHOWN, civil, days},
    },
};

const MILLISECOND: i64 = 1_000;
const SECOND: i64 = 1_000_000;

type Column = (ArrayRef, Option<BooleanBuffer>);

/// Whether readers can show such a point in time.
fn shown(micros: i64) -> bool {
    SHOWN.contains(&micros)
}

fn timestamps(computed: Computed<i64>) -> Column {
    let bad = computed.bad.clone();
    let array = primitive::<TimestampMicrosecondType>(computed, FieldType::Timestamp.data_type());
    (Arc::new(array), bad)
}

/// A cast of which one side is a TIMESTAMP or a DATE.
pub(super) fn cast(from: FieldType, to: FieldType, value: &Value, rows: usize) -> Column {
    let missing = nulls(&[value], rows);
    match (from, to) {
        (FieldType::Varchar, _) => {
            let texts = value.texts();
            let text = |row| match value.array.is_null(value.at(row)) {
                true => "",
                false => texts(row),
            };
            if to == FieldType::Timestamp {
                return timestamps(compute(rows, missing, |row| {
                    let read = timestamp(text(row));
                    (read.unwrap_or_default(), read.is_none())
                }));
            }
            let computed = compute(rows, missing, |row| {
                let read = time::date(text(row)).ok();
                (read.unwrap_or_default(), read.is_none())
            });
            let bad = computed.bad.clone();
            (
                Arc::new(primitive::<Date32Type>(computed, to.data_type())),
                bad,
            )
        }
        (FieldType::Date, FieldType::Timestamp) => {
            let a = value.numbers::<Date32Type>();
            timestamps(unary(rows, missing, &a, |a| (i64::from(a) * DAY, false)))
        }
        (FieldType::Timestamp, FieldType::Date) => {
            let a = value.numbers::<TimestampMicrosecondType>();
            let computed = unary(rows, missing, &a, |a| {
                let day = i32::try_from(a.div_euclid(DAY));
                (day.unwrap_or_default(), day.is_err())
            });
            let bad = computed.bad.clone();
            (
                Arc::new(primitive::<Date32Type>(computed, to.data_type())),
                bad,
            )
        }
        _ => (Arc::new(texts(from, value, rows)), None),
    }
}

/// A text as a point in time: RFC 3339 in UTC, or without an offset, which is UTC too. Another offset is dropped by one of
/// DuckDB's types.
pub fn timestamp(text: &str) -> Option<i64> {
    let without = text
        .strip_suffix(['Z', 'z'])
        .or_else(|| text.strip_suffix("+00:00"))
        .unwrap_or(text);
    time::timestamp(&format!("{without}Z")).ok()
}

/// `2024-05-01`, `2024-05-01 12:30:00.5`: as both engines write them.
fn texts(from: FieldType, value: &Value, rows: usize) -> StringArray {
    let mut texts = StringBuilder::with_capacity(rows, rows * 20);
    for row in 0..rows {
        let at = value.at(row);
        if value.array.is_null(at) {
            texts.append_null();
            continue;
        }
        let mut text = Vec::new();
        if from == FieldType::Date {
            let day = value.array.as_primitive::<Date32Type>().value(at);
            time::write_date(i64::from(day), &mut text);
        } else {
            let micros = value.array.as_primitive::<TimestampMicrosecondType>();
            time::write_timestamp(micros.value(at), &mut text);
            text.pop();
            text.iter_mut()
                .filter(|byte| **byte == b'T')
                .for_each(|byte| *byte = b' ');
            if text.contains(&b'.') {
                while text.last() == Some(&b'0') {
                    text.pop();
                }
            }
        }
        texts.append_value(String::from_utf8_lossy(&text));
    }
    texts.finish()
}

/// A function of points in time.
pub(super) fn call(
    function: Function,
    arguments: &[Node],
    values: &[Value],
    batch: &Batch,
) -> Value {
    let unit = match &arguments[0].kind {
        Kind::Literal(Scalar::Text(unit)) => Unit::named(unit),
        _ => None,
    };
    let value = &values[values.len() - 1];
    let (rows, constant) = extent(&[value], batch.rows);
    let missing = nulls(&[value], rows);
    let (array, bad): Column = match function {
        Function::ToTimestamp => {
            let a = value.numbers::<Int64Type>();
            timestamps(unary(rows, missing, &a, |a| {
                let micros = a.checked_mul(SECOND).filter(|micros| shown(*micros));
                (micros.unwrap_or_default(), micros.is_none())
            }))
        }
        Function::DateTrunc => {
            let unit = unit.unwrap_or(Unit::Day);
            timestamps(truncated(unit, rows, missing, value))
        }
        _ => {
            let a = value.numbers::<TimestampMicrosecondType>();
            let computed = unary(rows, missing, &a, |a| part(function, a));
            let bad = computed.bad.clone();
            let data_type = FieldType::BigInt.data_type();
            (Arc::new(primitive::<Int64Type>(computed, data_type)), bad)
        }
    };
    let value = value.clone();
    let faults = value.faults.clone().with(bad, constant, move |row| {
        let shown = value.shown(row);
        match function {
            Function::EpochMs => ReasonCode::BadArgument.because(format_args!(
                "{shown} has parts of a millisecond and lies before 1970, where DuckDB and Spark round otherwise; write epoch_ms(date_trunc('millisecond', x))"
            )),
            _ => overflow(&format!("{} of {shown}", function.definition().name)),
        }
    });
    Value {
        array,
        constant,
        faults,
    }
}

fn overflow(what: &str) -> String {
    ReasonCode::Overflow.because(format_args!(
        "{what} is not in the years 1 to 9999; test it in a CASE first"
    ))
}

/// A part of a point in time, and whether it has none.
fn part(function: Function, micros: i64) -> (i64, bool) {
    let (day, of_day) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (year, month, of_month) = civil(day);
    let first = days(year, 1, 1).unwrap_or_default();
    let part = match function {
        Function::Year => year,
        Function::Quarter => (month + 2) / 3,
        Function::Month => month,
        Function::Week => week(day),
        Function::Day => of_month,
        Function::DayOfYear => day - first + 1,
        Function::Hour => of_day / (3_600 * SECOND),
        Function::Minute => of_day / (60 * SECOND) % 60,
        Function::Second => of_day / SECOND % 60,
        _ => {
            let inexact = micros < 0 && micros % MILLISECOND != 0;
            return (micros.div_euclid(MILLISECOND), inexact);
        }
    };
    (part, false)
}

/// The week of ISO 8601: that of its Thursday.
fn week(day: i64) -> i64 {
    let thursday = monday(day) + 3;
    let (year, ..) = civil(thursday);
    (thursday - days(year, 1, 1).unwrap_or_default()) / 7 + 1
}

/// The Monday of the week; 1970 began with a Thursday.
fn monday(day: i64) -> i64 {
    day - (day + 3).rem_euclid(7)
}

/// The beginnings of units of time.
fn truncated(unit: Unit, rows: usize, missing: Option<NullBuffer>, value: &Value) -> Computed<i64> {
    let a = &value.numbers::<TimestampMicrosecondType>();
    // The week of the first day began before it.
    let checked = |micros: i64| (micros, !shown(micros));
    let first_of = |micros: i64, month: fn(i64) -> i64| {
        let (year, of_it, _) = civil(micros.div_euclid(DAY));
        checked(days(year, month(of_it), 1).unwrap_or_default() * DAY)
    };
    match unit {
        Unit::Year => unary(rows, missing, a, |a| first_of(a, |_| 1)),
        Unit::Quarter => unary(rows, missing, a, |a| {
            first_of(a, |month| (month - 1) / 3 * 3 + 1)
        }),
        Unit::Month => unary(rows, missing, a, |a| first_of(a, |month| month)),
        Unit::Week => unary(rows, missing, a, |a| {
            checked(monday(a.div_euclid(DAY)) * DAY)
        }),
        // A division by a known number is a multiplication.
        Unit::Day => unary(rows, missing, a, |a| checked(a - a.rem_euclid(DAY))),
        Unit::Hour => unary(rows, missing, a, |a| {
            checked(a - a.rem_euclid(3_600 * SECOND))
        }),
        fixed => {
            let length = fixed.micros();
            unary(rows, missing, a, |a| checked(a - a.rem_euclid(length)))
        }
    }
}

/// `value + INTERVAL 'count' UNIT`
pub(super) fn shift(value: Value, count: i64, unit: Unit, batch: &Batch) -> Value {
    let (rows, constant) = extent(&[&value], batch.rows);
    let a = value.numbers::<TimestampMicrosecondType>();
    let computed = unary(rows, nulls(&[&value], rows), &a, |a| {
        let moved = moved(a, count, unit).filter(|micros| shown(*micros));
        (moved.unwrap_or_default(), moved.is_none())
    });
    let (array, bad) = timestamps(computed);
    let faults = value.faults.clone().with(bad, constant, move |row| {
        let (sign, count) = (if count < 0 { '-' } else { '+' }, count.unsigned_abs());
        overflow(&format!(
            "{} {sign} INTERVAL '{count}' {unit}",
            value.shown(row)
        ))
    });
    Value {
        array,
        constant,
        faults,
    }
}

/// Months keep the day, or take the last one of a shorter month.
fn moved(micros: i64, count: i64, unit: Unit) -> Option<i64> {
    let months = match unit {
        Unit::Year => 12,
        Unit::Quarter => 3,
        Unit::Month => 1,
        fixed => return micros.checked_add(count.checked_mul(fixed.micros())?),
    };
    let (year, month, day) = civil(micros.div_euclid(DAY));
    let month = (year * 12 + month - 1).checked_add(count.checked_mul(months)?)?;
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    if !(0..=10_000).contains(&year) {
        return None;
    }
    let last = (0..4).find_map(|less| days(year, month, day - less))?;
    Some(last * DAY + micros.rem_euclid(DAY))
}
