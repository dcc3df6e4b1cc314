//! AND, OR, NOT, IS, IN, BETWEEN: three-valued.

use std::sync::Arc;

use arrow_arith::boolean::{and_kleene, not as not_of, or_kleene};
use arrow_array::{Array, BooleanArray, cast::AsArray};
use arrow_buffer::BooleanBuffer;
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
    let array = and_kleene(&left.booleans(rows)?, &right.booleans(rows)?)?;
    decided_by(falsehoods, left, right, array, rows)
}

/// Where the left is true, the right does not count.
pub(super) fn or(left: Value, right: Value, batch: &Batch) -> Result<Value, ArrowError> {
    let rows = batch.rows;
    let array = or_kleene(&left.booleans(rows)?, &right.booleans(rows)?)?;
    decided_by(truths, left, right, array, rows)
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

pub(super) fn not(value: Value) -> Result<Value, ArrowError> {
    Ok(Value {
        array: Arc::new(not_of(value.array.as_boolean())?),
        ..value
    })
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
    if negated { not(found) } else { Ok(found) }
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
    if negated { not(both) } else { Ok(both) }
}
