//! Numbers from the digits of a message. What comes in is a JSON number, so its form is known.

use super::super::super::reason::ReasonCode;

/// A number with an integer part, fraction digits and an exponent: `-12.50e3`.
struct Parts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl Parts<'_> {
    fn of(token: &str) -> Parts<'_> {
        let (negative, token) = match token.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, token),
        };
        let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        Parts {
            negative,
            whole: whole.as_bytes(),
            fraction: fraction.as_bytes(),
            exponent: saturating(exponent),
        }
    }
}

/// An exponent; one of more than 15 digits is as large as any that no payload has the digits to undo.
fn saturating(exponent: &str) -> i64 {
    const LARGEST: i64 = 1_000_000_000_000_000;
    let (negative, digits) = match exponent.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let size = digits
        .iter()
        .fold(0, |n, digit| LARGEST.min(n * 10 + i64::from(digit - b'0')));
    if negative { -size } else { size }
}

/// A whole number of 64 bits. `-0` is 0; a point or an exponent is refused even where it changes nothing.
pub(super) fn bigint(token: &str) -> Result<i64, ReasonCode> {
    token.parse().map_err(|_| {
        let has = |wanted: &[u8]| token.bytes().any(|b| wanted.contains(&b));
        if has(b".") {
            ReasonCode::Fraction
        } else if has(b"eE") {
            ReasonCode::Exponent
        } else {
            ReasonCode::OutOfRange
        }
    })
}

/// The 64-bit float nearest to the number, which may be 0; never infinity.
pub(super) fn double(token: &str) -> Result<f64, ReasonCode> {
    token
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .ok_or(ReasonCode::OutOfRange)
}

/// The number times `10^scale`, if that is a whole number of up to `precision` digits.
///
/// Only the value counts, not how it is written: `1e3` is 1000, and `1.500` has one fraction digit.
pub(super) fn decimal(token: &str, precision: u8, scale: u8) -> Result<i128, ReasonCode> {
    let parts = Parts::of(token);
    let digits = || parts.whole.iter().chain(parts.fraction);
    let all = parts.whole.len() + parts.fraction.len();
    let Some(first) = digits().position(|digit| *digit != b'0') else {
        return Ok(0);
    };
    let trailing = digits().rev().take_while(|digit| **digit == b'0').count();
    // The significant digits are a whole number; the result is that number and `zeros` zeros.
    let significant = all - first - trailing;
    let zeros = length(trailing) - length(parts.fraction.len()) + parts.exponent + i64::from(scale);
    if zeros < 0 {
        return Err(ReasonCode::Fraction);
    }
    if length(significant) + zeros > i64::from(precision) {
        return Err(ReasonCode::OutOfRange);
    }
    let number = digits()
        .skip(first)
        .take(significant)
        .fold(0, |n: i128, digit| n * 10 + i128::from(digit - b'0'));
    #[expect(clippy::expect_used, reason = "both bounds are checked above")]
    let zeros = u32::try_from(zeros).expect("between 0 and the precision, as checked above");
    let number = number * 10_i128.pow(zeros);
    Ok(if parts.negative { -number } else { number })
}

#[expect(
    clippy::expect_used,
    reason = "a text in memory has at most isize::MAX bytes"
)]
fn length(digits: usize) -> i64 {
    i64::try_from(digits).expect("no text in memory is longer")
}
