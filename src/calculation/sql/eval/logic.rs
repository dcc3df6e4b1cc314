//! AND, OR, NOT, IS, IN, BETWEEN: three-valued.

use std::sync::Arc;

use arrow_array::{Array, BooleanArray, cast::AsArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, bitwise_quaternary_op_helper};
use arrow_schema::ArrowError;

use super::{
    compare,
    value::{Batch, Faults, Value},
};
use crate::calculation::sql::tree::{Comparison, Truth};

/// The rows that are true.
pub(super) fn truths(value: &Value, rows: usize) -> Result<BooleanBuffer, ArrowError> {
    let booleans = value.booleans(rows)?;
    Ok(match booleans.nulls() {
        Some(nulls) => booleans.values() & nulls.inner(),
        None => booleans.values().clone(),
    })
}

/// The rows that are neither false nor NULL are true, and those that are neither true nor NULL are false.
fn falsehoods(value: &Value, rows: usize) -> Result<BooleanBuffer, ArrowError> {
    let booleans = value.booleans(rows)?;
    let not = !booleans.values();
    Ok(match booleans.nulls() {
        Some(nulls) => &not & nulls.inner(),
        None => not,
    })
}

/// Where the left is false, the right does not count.
pub(super) fn and(left: Value, right: Value, batch: &Batch) -> Result<Value, ArrowError> {
    let rows = batch.rows;
    let (a, b) = (left.booleans(rows)?, right.booleans(rows)?);
    let array = BooleanArray::new(a.values() & b.values(), nulls::<false>(&a, &b));
    decided_by(falsehoods, left, right, array, rows)
}

/// Where the left is true, the right does not count.
pub(super) fn or(left: Value, right: Value, batch: &Batch) -> Result<Value, ArrowError> {
    let rows = batch.rows;
    let (a, b) = (left.booleans(rows)?, right.booleans(rows)?);
    let array = BooleanArray::new(a.values() | b.values(), nulls::<true>(&a, &b));
    decided_by(truths, left, right, array, rows)
}

/// Where neither the two together nor one alone say what AND or OR is: it is NULL there. One that is `DECIDES` does so alone,
/// false for AND and true for OR.
fn nulls<const DECIDES: bool>(a: &BooleanArray, b: &BooleanArray) -> Option<NullBuffer> {
    let decides = |values: u64| if DECIDES { values } else { !values };
    let unless = |nulls: &NullBuffer, other: &BooleanBuffer| {
        BooleanBuffer::from_bitwise_binary_op(
            nulls.buffer(),
            nulls.offset(),
            other.inner(),
            other.offset(),
            other.len(),
            |known, values| known | decides(values),
        )
    };
    let known = match (a.nulls(), b.nulls()) {
        (None, None) => return None,
        (Some(nulls), None) => unless(nulls, b.values()),
        (None, Some(nulls)) => unless(nulls, a.values()),
        (Some(a_nulls), Some(b_nulls)) => {
            let masks = [a_nulls.inner(), a.values(), b_nulls.inner(), b.values()];
            let known = bitwise_quaternary_op_helper(
                masks.map(BooleanBuffer::inner),
                masks.map(BooleanBuffer::offset),
                a.len(),
                |a_known, a, b_known, b| {
                    (a_known | (b_known & decides(b))) & (b_known | (a_known & decides(a)))
                },
            );
            BooleanBuffer::new(known, 0, a.len())
        }
    };
    Some(NullBuffer::new(known))
}

/// `array` with the faults of both sides, but for those of the right where the left alone decides.
fn decided_by(
    decides: impl Fn(&Value, usize) -> Result<BooleanBuffer, ArrowError>,
    left: Value,
    right: Value,
    array: BooleanArray,
    rows: usize,
) -> Result<Value, ArrowError> {
    let faults = match right.faults.0.is_empty() {
        true => left.faults,
        false => {
            let counts = !&decides(&left, rows)?;
            left.faults.and(right.faults.within(&counts))
        }
    };
    Ok(Value::new(array, false, faults))
}

pub(super) fn not(value: Value) -> Value {
    let booleans = value.array.as_boolean();
    let array = BooleanArray::new(!booleans.values(), booleans.nulls().cloned());
    Value {
        array: Arc::new(array),
        ..value
    }
}

/// IS [NOT] NULL, TRUE, FALSE, UNKNOWN: never NULL.
pub(super) fn is(value: Value, what: Truth, negated: bool) -> Value {
    let array = &value.array;
    let rows = array.len();
    let valid = || match array.nulls() {
        Some(nulls) => nulls.inner().clone(),
        None => BooleanBuffer::new_set(rows),
    };
    let holds = match what {
        Truth::Null | Truth::Unknown => !&valid(),
        Truth::True => array.as_boolean().values() & &valid(),
        Truth::False => &!array.as_boolean().values() & &valid(),
    };
    let holds = if negated { !&holds } else { holds };
    Value {
        array: Arc::new(BooleanArray::new(holds, None)),
        ..value
    }
}

/// `a IN (b, c)` is `a = b OR a = c`, with `a` evaluated once.
pub(super) fn contained(
    operand: Value,
    list: impl Iterator<Item = Result<Value, ArrowError>>,
    negated: bool,
    batch: &Batch,
) -> Result<Value, ArrowError> {
    let bare = Value {
        faults: Faults::default(),
        ..operand.clone()
    };
    let mut found: Option<Value> = None;
    for item in list {
        let equal = compare::compare(Comparison::Equal, bare.clone(), item?, batch);
        found = Some(match found {
            None => equal,
            Some(found) => or(found, equal, batch)?,
        });
    }
    let Some(mut found) = found else {
        return Err(ArrowError::ComputeError("IN of an empty list".to_owned()));
    };
    found.faults = operand.faults.and(found.faults);
    Ok(if negated { not(found) } else { found })
}

/// `a BETWEEN b AND c` is `a >= b AND a <= c`, with `a` evaluated once.
pub(super) fn between(
    operand: Value,
    [low, high]: [Value; 2],
    negated: bool,
    batch: &Batch,
) -> Result<Value, ArrowError> {
    let bare = Value {
        faults: Faults::default(),
        ..operand.clone()
    };
    let above = compare::compare(Comparison::GreaterOrEqual, bare.clone(), low, batch);
    let below = compare::compare(Comparison::LessOrEqual, bare, high, batch);
    let mut both = and(above, below, batch)?;
    both.faults = operand.faults.and(both.faults);
    Ok(if negated { not(both) } else { both })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Option<bool>; 3] = [Some(false), None, Some(true)];

    /// Every pair of two truth values, often enough that masks are longer than a word; rows before them are cut off, so that
    /// the masks begin within a byte.
    fn pairs(left: &[Option<bool>], right: &[Option<bool>]) -> [BooleanArray; 2] {
        let pairs = left
            .iter()
            .flat_map(|a| right.iter().map(move |b| [*a, *b]));
        let pairs: Vec<_> = pairs.cycle().take(9 * 15).collect();
        [(0, 3), (1, 5)].map(|(side, before)| {
            let before_it = (0..before).map(|_| Some(true));
            let column: BooleanArray = before_it.chain(pairs.iter().map(|it| it[side])).collect();
            column.slice(before, pairs.len())
        })
    }

    #[test]
    fn of_three_truth_values_and_is_the_least_or_is_the_largest_and_not_turns_them_round() {
        let known = [Some(false), Some(true)];
        for (left, right) in [
            (&ALL[..], &ALL[..]),
            (&ALL, &known),
            (&known, &ALL),
            (&known, &known),
        ] {
            let [a, b] = pairs(left, right);
            let batch = Batch {
                columns: Vec::new(),
                rows: a.len(),
            };
            let value = |array: &BooleanArray| Value::new(array.clone(), false, Faults::default());
            let rank = |truth: Option<bool>| ALL.iter().position(|it| *it == truth).unwrap();
            let least = and(value(&a), value(&b), &batch).unwrap().array;
            let largest = or(value(&a), value(&b), &batch).unwrap().array;
            let turned = not(value(&a)).array;
            let at =
                |array: &BooleanArray, row: usize| array.is_valid(row).then(|| array.value(row));
            for row in 0..a.len() {
                let (a, b) = (at(&a, row), at(&b, row));
                let of = |array: &Arc<dyn Array>| at(array.as_boolean(), row);
                assert_eq!(of(&least), ALL[rank(a).min(rank(b))], "{a:?} AND {b:?}");
                assert_eq!(of(&largest), ALL[rank(a).max(rank(b))], "{a:?} OR {b:?}");
                assert_eq!(of(&turned), a.map(|a| !a), "NOT {a:?}");
            }
        }
    }
}
