//! CASE, COALESCE, NULLIF, GREATEST, LEAST: of several values, one for each row.

use arrow_array::{ArrayRef, BooleanArray, new_null_array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::ArrowError;
use arrow_select::zip::zip;

use super::{
    compare, logic,
    value::{Batch, Faults, Value},
};
use crate::calculation::sql::tree::{Comparison, Extreme, Node};

/// `one` where the mask is set, else `other`.
fn either(mask: BooleanBuffer, one: &Value, other: &Value) -> Result<ArrayRef, ArrowError> {
    let (one, other) = (one.datum(), other.datum());
    zip(&BooleanArray::new(mask, None), &*one, &*other)
}

fn null(node: &Node) -> Value {
    Value {
        array: new_null_array(&node.data_type.data_type(), 1),
        constant: true,
        faults: Faults::default(),
    }
}

/// A branch counts only for the rows that no earlier condition was true for, and its result for those that its own is.
pub(super) fn case(
    node: &Node,
    branches: impl ExactSizeIterator<Item = Result<(Value, Value), ArrowError>>,
    otherwise: Option<Value>,
    batch: &Batch,
) -> Result<Value, ArrowError> {
    let rows = batch.rows;
    let mut left = BooleanBuffer::new_set(rows);
    let mut faults = Faults::default();
    let mut chosen = Vec::with_capacity(branches.len());
    for branch in branches {
        let (condition, mut result) = branch?;
        let taken = &logic::truths(&condition, rows)? & &left;
        faults = faults.and(condition.faults.within(&left));
        faults = faults.and(std::mem::take(&mut result.faults).within(&taken));
        left = &left & &!&taken;
        chosen.push((taken, result));
    }
    let mut all = otherwise.unwrap_or_else(|| null(node));
    faults = faults.and(std::mem::take(&mut all.faults).within(&left));
    for (taken, result) in chosen.into_iter().rev() {
        all = Value {
            array: either(taken, &result, &all)?,
            constant: false,
            faults: Faults::default(),
        };
    }
    Ok(Value { faults, ..all })
}

/// A value counts only where all before it are NULL.
pub(super) fn coalesce(
    mut values: impl Iterator<Item = Result<Value, ArrowError>>,
    batch: &Batch,
) -> Result<Value, ArrowError> {
    let Some(first) = values.next() else {
        return Err(ArrowError::ComputeError("COALESCE of nothing".to_owned()));
    };
    let mut found = first?;
    while let Some(nulls) = found.nulls(batch.rows) {
        let Some(next) = values.next() else {
            break;
        };
        let mut next = next?;
        let missing = !nulls.inner();
        let faults = std::mem::take(&mut next.faults).within(&missing);
        found = Value {
            array: either(nulls.into_inner(), &found, &next)?,
            constant: false,
            faults: found.faults.and(faults),
        };
    }
    Ok(found)
}

pub(super) fn null_if(
    node: &Node,
    operand: Value,
    condition: Value,
    batch: &Batch,
) -> Result<Value, ArrowError> {
    let equal = logic::truths(&condition, batch.rows)?;
    Ok(Value {
        array: either(equal, &null(node), &operand)?,
        constant: false,
        faults: operand.faults.and(condition.faults),
    })
}

/// NULLs do not count; of two that are equal, the first stays.
pub(super) fn extreme(
    extreme: Extreme,
    mut values: impl Iterator<Item = Result<Value, ArrowError>>,
    batch: &Batch,
) -> Result<Value, ArrowError> {
    let op = match extreme {
        Extreme::Greatest => Comparison::Greater,
        Extreme::Least => Comparison::Less,
    };
    let rows = batch.rows;
    let Some(first) = values.next() else {
        return Err(ArrowError::ComputeError("an extreme of nothing".to_owned()));
    };
    let mut best = first?;
    for next in values {
        let next = next?;
        let mut better = compare::compared(op, &next, &best, rows);
        if let Some(nulls) = next.nulls(rows) {
            better = &better & nulls.inner();
        }
        if let Some(nulls) = best.nulls(rows) {
            better = &better | &!nulls.inner();
        }
        best = Value {
            array: either(better, &next, &best)?,
            constant: false,
            faults: best.faults.and(next.faults),
        };
    }
    Ok(best)
}
