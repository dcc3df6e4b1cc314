//! Powers of ten, and rounding half away from zero.

/// 10 to the power of 0 to 38.
pub(super) const fn power(exponent: u8) -> i128 {
    10_i128.pow(exponent as u32)
}

/// Whether a number has at most so many digits.
pub(super) const fn fits(value: i128, precision: u8) -> bool {
    Limit::digits(precision).holds(value)
}

/// The first number of too many digits.
#[derive(Clone, Copy)]
pub(super) struct Limit(u128);

impl Limit {
    pub(super) const fn digits(precision: u8) -> Limit {
        Limit(power(precision).unsigned_abs())
    }

    pub(super) const fn holds(self, value: i128) -> bool {
        value.unsigned_abs() < self.0
    }

    /// The value, and whether it has too many digits.
    pub(super) fn checked(self, value: Option<i128>) -> (i128, bool) {
        match value.filter(|value| self.holds(*value)) {
            Some(value) => (value, false),
            None => (0, true),
        }
    }
}

/// Division by a power of ten, rounded half away from zero.
#[derive(Clone, Copy)]
pub(super) struct Division {
    divisor: u128,
    half: u128,
    /// 2^128 divided by the divisor, rounded up: for a dividend and a divisor of 64 bits, the product of it and the dividend is
    /// the quotient and 128 bits of fraction (Lemire, Kaser, Kurz: Faster remainder by direct computation, 2019). 0 where there
    /// is no such number.
    reciprocal: u128,
}

impl Division {
    /// By 10 to the power of `exponent`.
    pub(super) const fn by_power(exponent: u8) -> Division {
        let divisor = power(exponent).unsigned_abs();
        let short = divisor > 1 && divisor <= u64::MAX as u128;
        Division {
            divisor,
            half: divisor / 2,
            reciprocal: if short { u128::MAX / divisor + 1 } else { 0 },
        }
    }

    pub(super) fn rounded(self, value: i128) -> i128 {
        // Half of an even divisor is exact; and 1 has none to add.
        let dividend = value.unsigned_abs() + self.half;
        let quotient = match u64::try_from(dividend) {
            Ok(dividend) if self.reciprocal != 0 => {
                let dividend = u128::from(dividend);
                let low = (self.reciprocal & u128::from(u64::MAX)) * dividend;
                ((self.reciprocal >> 64) * dividend + (low >> 64)) >> 64
            }
            _ if self.divisor == 1 => dividend,
            _ => dividend / self.divisor,
        };
        #[expect(clippy::cast_possible_wrap, reason = "no larger than the value")]
        let quotient = quotient as i128;
        if value < 0 { -quotient } else { quotient }
    }
}

/// Numbers of one scale to another.
#[derive(Clone, Copy)]
pub(super) struct Rescale {
    up: i128,
    down: Division,
    limit: Limit,
}

impl Rescale {
    pub(super) const fn new(from: u8, to: u8, precision: u8) -> Rescale {
        Rescale {
            up: power(to.saturating_sub(from)),
            down: Division::by_power(from.saturating_sub(to)),
            limit: Limit::digits(precision),
        }
    }

    /// The number with the other scale, rounded, and whether it has too many digits then.
    pub(super) fn checked(self, value: i128) -> (i128, bool) {
        let value = match self.up {
            1 => Some(self.down.rounded(value)),
            up => value.checked_mul(up),
        };
        self.limit.checked(value)
    }
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
            let (rescaled, too_long) = Rescale::new(from, to, 38).checked(value);
            let rescaled = (!too_long).then_some(rescaled);
            assert_eq!(rescaled, expected, "{value} {from} {to}");
        }
        assert!(Rescale::new(2, 1, 2).checked(999).1);
    }

    #[test]
    fn every_power_divides_numbers_of_every_length() {
        let division = |value: i128, exponent: u8| {
            let (quotient, rest) = (value / power(exponent), value % power(exponent));
            let away = rest.unsigned_abs() >= power(exponent).unsigned_abs().div_ceil(2);
            quotient
                + if away && exponent > 0 {
                    value.signum()
                } else {
                    0
                }
        };
        for exponent in 0..=38 {
            let halves = [0, 1].map(|more| (power(exponent) / 2 - more).max(0));
            for digits in 0..=38 {
                for near in -2..=2 {
                    for value in halves.map(|half| power(digits) + half + near) {
                        for value in [value, -value, value.wrapping_mul(7) % power(38)] {
                            let rounded = Division::by_power(exponent).rounded(value);
                            assert_eq!(rounded, division(value, exponent), "{value} {exponent}");
                        }
                    }
                }
            }
        }
        for edge in [u64::MAX.into(), u64::MAX as i128 + 1, power(38) - 1] {
            for exponent in 0..=38 {
                let division_of_edge = Division::by_power(exponent).rounded(edge);
                assert_eq!(
                    division_of_edge,
                    division(edge, exponent),
                    "{edge} {exponent}"
                );
            }
        }
    }
}
