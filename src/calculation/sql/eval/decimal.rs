//! Powers of ten, and rounding half away from zero.

/// 10 to the power of 0 to 38.
pub(super) const fn power(exponent: u8) -> i128 {
    10_i128.pow(exponent as u32)
}

/// Whether a number has at most so many digits.
pub(super) const fn fits(value: i128, precision: u8) -> bool {
    value.unsigned_abs() < power(precision).unsigned_abs()
}

/// `value / divisor`, rounded half away from zero; the divisor is positive.
pub(super) const fn divide_rounded(value: i128, divisor: i128) -> i128 {
    let quotient = value / divisor;
    let remainder = value % divisor;
    // Half of an even divisor is exact; a divisor of 1 leaves no remainder.
    if remainder.unsigned_abs() * 2 >= divisor.unsigned_abs() {
        quotient + value.signum()
    } else {
        quotient
    }
}

/// The number with another scale, rounded; `None` when it has more than `precision` digits then.
pub(super) fn rescale(value: i128, from: u8, to: u8, precision: u8) -> Option<i128> {
    let value = if to >= from {
        value.checked_mul(power(to - from))?
    } else {
        divide_rounded(value, power(from - to))
    };
    fits(value, precision).then_some(value)
}

/// The DOUBLE nearest to a DECIMAL.
#[expect(clippy::cast_precision_loss, reason = "the nearest DOUBLE is meant")]
#[expect(clippy::expect_used, reason = "digits and an exponent are a number")]
pub(super) fn nearest(value: i128, scale: u8) -> f64 {
    // Both numbers are exact up to here, so that one rounding gives the nearest.
    if value.unsigned_abs() < 1 << 53 && scale <= 22 {
        return value as f64 / power(scale) as f64;
    }
    format!("{value}e-{scale}").parse().expect("a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_away_from_zero() {
        for (value, from, to, expected) in [
            (265, 2, 1, Some(27)),
            (-265, 2, 1, Some(-27)),
            (264, 2, 1, Some(26)),
            (5, 1, 0, Some(1)),
            (-5, 1, 0, Some(-1)),
            (4, 1, 0, Some(0)),
            (99, 2, 4, Some(9900)),
            (power(38) - 1, 38, 0, Some(1)),
            (power(38) - 1, 0, 1, None),
            (7, 0, 0, Some(7)),
        ] {
            assert_eq!(
                rescale(value, from, to, 38),
                expected,
                "{value} {from} {to}"
            );
        }
        assert_eq!(rescale(999, 2, 1, 2), None);
    }
}
