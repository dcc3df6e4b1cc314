//! Numbers and BOOLEANs from text: the spellings that DuckDB and Spark both read, and read alike.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray,
    types::{Decimal128Type, Float64Type, Int64Type},
};
use arrow_buffer::BooleanBuffer;
use arrow_schema::ArrowError;

use super::{
    blocks::{Computed, compute, primitive},
    decimal::{fits, power},
    value::{Value, nulls},
};
use crate::events::{FieldType, ReasonCode};

/// A column of the type, and the rows whose text is none.
pub(super) fn cast(
    to: FieldType,
    value: &Value,
    rows: usize,
) -> Result<(ArrayRef, Option<BooleanBuffer>), ArrowError> {
    let data_type = to.data_type();
    Ok(match to {
        FieldType::BigInt => {
            let computed = read(value, rows, whole);
            let bad = computed.bad.clone();
            (Arc::new(primitive::<Int64Type>(computed, data_type)), bad)
        }
        FieldType::Double => {
            let computed = read(value, rows, double);
            let bad = computed.bad.clone();
            (Arc::new(primitive::<Float64Type>(computed, data_type)), bad)
        }
        FieldType::Decimal { precision, scale } => {
            let computed = read(value, rows, |text| decimal(text, precision, scale));
            let bad = computed.bad.clone();
            (
                Arc::new(primitive::<Decimal128Type>(computed, data_type)),
                bad,
            )
        }
        FieldType::Boolean => {
            let computed = read(value, rows, truth);
            let values = BooleanBuffer::from(computed.values);
            (
                Arc::new(BooleanArray::new(values, computed.nulls)),
                computed.bad,
            )
        }
        // Points in time have a way of their own.
        _ => (Arc::clone(&value.array), None),
    })
}

fn read<T: Default>(value: &Value, rows: usize, parse: impl Fn(&str) -> Option<T>) -> Computed<T> {
    let texts = value.texts();
    let missing = |row| value.array.is_null(value.at(row));
    compute(rows, nulls(&[value], rows), |row| {
        if missing(row) {
            return (T::default(), false);
        }
        match parse(texts(row)) {
            Some(value) => (value, false),
            None => (T::default(), true),
        }
    })
}

/// The text without the white space that both engines leave out.
fn bare(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\u{b}'])
}

/// The text without its sign, and whether that is a minus.
fn unsigned(text: &str) -> (&str, bool) {
    match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    }
}

fn whole(text: &str) -> Option<i64> {
    let text = bare(text);
    let (digits, _) = unsigned(text);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// `12.5e-3`: the digits before and after the point, and the exponent.
fn parts(text: &str) -> Option<(&str, &str, i32)> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        None => (text, 0),
        Some((digits, exponent)) => {
            let (number, negative) = unsigned(exponent);
            let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            // An exponent of more digits is beyond every number.
            let number = number.trim_start_matches('0');
            let number = match number.len() {
                0 => 0,
                1..=5 => number.parse::<i32>().ok()?,
                _ => 99_999,
            };
            if !plain {
                return None;
            }
            (digits, if negative { -number } else { number })
        }
    };
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let some = !(before.is_empty() && after.is_empty());
    (some && plain(before) && plain(after)).then_some((before, after, exponent))
}

fn double(text: &str) -> Option<f64> {
    let text = bare(text);
    let (digits, negative) = unsigned(text);
    let named = match digits.to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "inf" | "infinity" => Some(f64::INFINITY),
        _ => None,
    };
    let value = match named {
        Some(value) => value,
        None => {
            parts(digits)?;
            digits.parse().ok()?
        }
    };
    Some(if negative { -value } else { value })
}

/// Rounded half away from zero at the digits of the text; `None` when that has too many digits, too.
fn decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (text, negative) = unsigned(bare(text));
    let (before, after, exponent) = parts(text)?;
    let digits = || {
        before
            .bytes()
            .chain(after.bytes())
            .map(|b| i128::from(b - b'0'))
    };
    // So many of the digits stand before the point once it has moved to where the scale counts from.
    let kept = i64::try_from(before.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let mut value: i128 = 0;
    let mut next = None;
    for (index, digit) in (0_i64..).zip(digits()) {
        if index >= kept {
            next = (index == kept).then_some(digit);
            break;
        }
        value = value.checked_mul(10)?.checked_add(digit)?;
        // Leading zeros may be many; a number with more digits than any is out of range.
        if value >= power(38) {
            return None;
        }
    }
    let have = i64::try_from(before.len() + after.len()).ok()?;
    if kept > have && value != 0 {
        let missing = u8::try_from(kept - have).ok().filter(|m| *m <= 38)?;
        value = value.checked_mul(power(missing))?;
    }
    if kept >= 0 && next.is_some_and(|digit| digit >= 5) {
        value += 1;
    }
    fits(value, precision).then_some(if negative { -value } else { value })
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

pub(super) fn because(to: FieldType, shown: &str) -> String {
    let spelled = match to {
        FieldType::BigInt => "a BIGINT, which is digits with a sign at most",
        FieldType::Boolean => "a BOOLEAN, which is true, t, yes, y, 1 or false, f, no, n, 0",
        FieldType::Double => "a DOUBLE, such as 1.5e3",
        FieldType::Date => "a DATE of the years 1 to 9999, such as 2024-05-01",
        FieldType::Timestamp => {
            "a TIMESTAMP of the years 1 to 9999 in UTC, such as 2024-05-01 12:30:00"
        }
        _ => return ReasonCode::BadCast.because(format_args!(
            "the text {shown} is not a {to}, or has too many digits; test it in a CASE first, or CAST it to more digits"
        )),
    };
    ReasonCode::BadCast.because(format_args!(
        "the text {shown} is not {spelled}; test it in a CASE first"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_at_the_digits_of_the_text() {
        for (text, expected) in [
            ("1.25", Some(125)),
            (" +1.25\n", Some(125)),
            ("1.255", Some(126)),
            ("-1.255", Some(-126)),
            ("1.2549999999999999999999999", Some(125)),
            ("1e2", Some(10000)),
            ("125e-2", Some(125)),
            ("1245e-3", Some(125)),
            ("1.5e-1", Some(15)),
            (".5", Some(50)),
            ("5.", Some(500)),
            ("1e-50", Some(0)),
            ("9e-99999999999", Some(0)),
            ("0e99999999999", Some(0)),
            ("0.005", Some(1)),
            ("0.00499999", Some(0)),
            ("00000000000000000000000000000000000000000000007", Some(700)),
            ("99999999.994", Some(9_999_999_999)),
            ("99999999.995", None),
            ("1e20", None),
            ("9e99999999999", None),
            ("", None),
            (".", None),
            ("1e", None),
            ("1_0.5", None),
            ("1.25f", None),
            ("NaN", None),
            ("- 1", None),
        ] {
            assert_eq!(decimal(text, 10, 2), expected, "{text:?}");
        }
    }

    #[test]
    fn other_spellings_than_both_engines_read_are_none() {
        for (text, expected) in [
            ("\t12\n", Some(12)),
            ("-0012", Some(-12)),
            ("+12", Some(12)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1.0", None),
            ("1e3", None),
            ("0x10", None),
            ("", None),
            ("+-1", None),
            ("\u{a0}12", None),
        ] {
            assert_eq!(whole(text), expected, "{text:?}");
        }
        for (text, expected) in [
            ("1.e3", Some(1000.0)),
            (".5", Some(0.5)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1e400", Some(f64::INFINITY)),
            ("1.5d", None),
            ("e5", None),
        ] {
            assert_eq!(double(text), expected, "{text:?}");
        }
        assert_eq!(
            (truth("T"), truth("no"), truth("on")),
            (Some(true), Some(false), None)
        );
    }
}
