//! Which type an operation has, from the types of its operands. Each rule is the same in DuckDB and in Spark, or refused.

use crate::events::FieldType;

/// The most digits that a DECIMAL holds.
pub(super) const MOST_DIGITS: u8 = 38;

/// BIGINT beside DECIMAL.
pub(super) const BIGINT_DIGITS: u8 = 19;

/// So many fraction digits are kept by Spark however many digits stand before the point; beyond them it rounds.
pub(super) const SAFE_SCALE: u8 = 6;

/// A DECIMAL(p,s).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digits {
    pub(super) precision: u8,
    pub(super) scale: u8,
}

impl Digits {
    pub(super) const fn new(precision: u8, scale: u8) -> Digits {
        Digits { precision, scale }
    }

    /// The digits before the point.
    pub(super) const fn whole(self) -> u8 {
        self.precision - self.scale
    }
}

impl From<Digits> for FieldType {
    fn from(Digits { precision, scale }: Digits) -> FieldType {
        FieldType::Decimal { precision, scale }
    }
}

/// A DECIMAL's digits, or those that a BIGINT counts as; `None` for other types.
pub(super) fn digits(data_type: FieldType) -> Option<Digits> {
    match data_type {
        FieldType::BigInt => Some(Digits::new(BIGINT_DIGITS, 0)),
        FieldType::Decimal { precision, scale } => Some(Digits::new(precision, scale)),
        _ => None,
    }
}

/// The type that holds the values of both, without cutting digits; `None` when there is none.
pub(super) fn common(one: FieldType, other: FieldType) -> Option<FieldType> {
    if one == other {
        return Some(one);
    }
    let is_time = |one| matches!(one, FieldType::Timestamp | FieldType::Date);
    if is_time(one) && is_time(other) {
        return Some(FieldType::Timestamp);
    }
    if !one.is_numeric() || !other.is_numeric() {
        return None;
    }
    let (Some(a), Some(b)) = (digits(one), digits(other)) else {
        return Some(FieldType::Double);
    };
    let scale = a.scale.max(b.scale);
    let precision = a.whole().max(b.whole()) + scale;
    (precision <= MOST_DIGITS).then(|| Digits::new(precision, scale).into())
}

/// The digits of a sum or difference: the larger scale, and one digit more; see [`capped`].
pub(super) fn sum(a: Digits, b: Digits) -> Option<Digits> {
    let scale = a.scale.max(b.scale);
    capped(a.whole().max(b.whole()) + scale + 1, scale, 0)
}

/// The digits of a product: the sum of both; see [`capped`].
pub(super) fn product(a: Digits, b: Digits) -> Option<Digits> {
    capped(a.precision + b.precision, a.scale + b.scale, 1)
}

/// Digits beyond the most are left out before the point, where a value that needs them is rejected. `None` when
/// Spark, which counts `spare` digits more, would round fraction digits away instead.
fn capped(precision: u8, scale: u8, spare: u8) -> Option<Digits> {
    if precision + spare <= MOST_DIGITS {
        Some(Digits::new(precision, scale))
    } else {
        (scale <= SAFE_SCALE).then(|| Digits::new(precision.min(MOST_DIGITS), scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(precision: u8, scale: u8) -> Digits {
        Digits::new(precision, scale)
    }

    #[test]
    fn sums_and_products_keep_every_fraction_digit_or_are_refused() {
        for (a, b, sum_of, product_of) in [
            (d(12, 2), d(5, 4), Some(d(15, 4)), Some(d(17, 6))),
            (d(12, 2), d(19, 0), Some(d(22, 2)), Some(d(31, 2))),
            (d(38, 2), d(38, 2), Some(d(38, 2)), Some(d(38, 4))),
            (d(38, 6), d(1, 0), Some(d(38, 6)), Some(d(38, 6))),
            (d(38, 7), d(1, 0), None, None),
            (d(38, 0), d(38, 20), None, None),
            (d(19, 4), d(19, 4), Some(d(20, 4)), None),
            (d(19, 4), d(18, 4), Some(d(20, 4)), Some(d(37, 8))),
            (d(38, 0), d(38, 0), Some(d(38, 0)), Some(d(38, 0))),
        ] {
            assert_eq!(sum(a, b), sum_of, "{a:?} + {b:?}");
            assert_eq!(product(a, b), product_of, "{a:?} * {b:?}");
        }
    }

    #[test]
    fn a_common_type_holds_both_or_there_is_none() {
        use FieldType::{BigInt, Boolean, Double, Varchar};
        for (one, other, expected) in [
            (BigInt, BigInt, Some(BigInt)),
            (BigInt, Double, Some(Double)),
            (BigInt, d(12, 2).into(), Some(d(21, 2).into())),
            (d(12, 2).into(), d(5, 4).into(), Some(d(14, 4).into())),
            (d(38, 10).into(), d(38, 0).into(), None),
            (d(38, 10).into(), Double, Some(Double)),
            (Varchar, BigInt, None),
            (Boolean, BigInt, None),
        ] {
            assert_eq!(common(one, other), expected, "{one} {other}");
            assert_eq!(common(other, one), expected, "{other} {one}");
        }
    }
}
