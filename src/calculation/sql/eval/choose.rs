//! CASE, COALESCE, NULLIF, GREATEST, LEAST: of several values, one for each row.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, StringArray,
    builder::StringBuilder,
    new_null_array,
    types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{ArrowError, DataType};

use super::{
    blocks::select,
    compare, logic,
    value::{Batch, Faults, Value},
};
use crate::calculation::sql::tree::{Comparison, Extreme, Node};

/// `one` where the mask is set, else `other`, which is of the same type.
fn either(mask: &BooleanBuffer, one: &Value, other: &Value) -> Result<ArrayRef, ArrowError> {
    let rows = mask.len();
    let nulls = chosen_nulls(mask, one, other);
    Ok(match one.array.data_type() {
        DataType::Int64 => numbers::<Int64Type>(mask, one, other, nulls),
        DataType::Float64 => numbers::<Float64Type>(mask, one, other, nulls),
        DataType::Decimal128(..) => numbers::<Decimal128Type>(mask, one, other, nulls),
        DataType::Timestamp(..) => numbers::<TimestampMicrosecondType>(mask, one, other, nulls),
        DataType::Date32 => numbers::<Date32Type>(mask, one, other, nulls),
        DataType::Boolean => {
            let (one, other) = (one.booleans(rows)?, other.booleans(rows)?);
            let values = &(mask & one.values()) | &(&!mask & other.values());
            Arc::new(BooleanArray::new(values, nulls))
        }
        _ => {
            let mut texts = StringBuilder::with_capacity(rows, rows * 16);
            let (one, other) = (one.texts(), other.texts());
            for (row, takes_one) in mask.iter().enumerate() {
                texts.append_value(if takes_one { one(row) } else { other(row) });
            }
            let (offsets, texts, _) = texts.finish().into_parts();
            Arc::new(StringArray::new(offsets, texts, nulls))
        }
    })
}

fn numbers<T: ArrowPrimitiveType>(
    mask: &BooleanBuffer,
    one: &Value,
    other: &Value,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let values = select(mask, &one.numbers::<T>(), &other.numbers::<T>());
    let array = PrimitiveArray::<T>::new(values.into(), nulls);
    Arc::new(array.with_data_type(one.array.data_type().clone()))
}

fn chosen_nulls(mask: &BooleanBuffer, one: &Value, other: &Value) -> Option<NullBuffer> {
    let rows = mask.len();
    let known = match (one.nulls(rows), other.nulls(rows)) {
        (None, None) => return None,
        (Some(one), None) => one.inner() | &!mask,
        (None, Some(other)) => mask | other.inner(),
        (Some(one), Some(other)) => &(mask & one.inner()) | &(&!mask & other.inner()),
    };
    Some(NullBuffer::new(known)).filter(|nulls| nulls.null_count() > 0)
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
            array: either(&taken, &result, &all)?,
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
            array: either(nulls.inner(), &found, &next)?,
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
        array: either(&equal, &null(node), &operand)?,
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
            array: either(&better, &next, &best)?,
            constant: false,
            faults: best.faults.and(next.faults),
        };
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: usize = 150;

    /// A column of 150 rows with every fifth NULL, and constants: one of its values, and NULL.
    fn values<T>(column: impl Fn(Vec<Option<T>>) -> ArrayRef, of: fn(usize) -> T) -> [Value; 3] {
        let value = |array: ArrayRef, constant| Value {
            array,
            constant,
            faults: Faults::default(),
        };
        let rows = (0..ROWS).map(|row| (row % 5 != 0).then(|| of(row)));
        [
            value(column(rows.collect()), false),
            value(column(vec![Some(of(7))]), true),
            value(column(vec![None]), true),
        ]
    }

    #[test]
    fn of_two_values_of_any_type_the_mask_takes_one_for_each_row() {
        let mask = BooleanBuffer::collect_bool(ROWS, |row| row % 3 == 0 || row > 64);
        for values in [
            values(
                |rows| Arc::new(PrimitiveArray::<Int64Type>::from(rows)),
                |row| row as i64,
            ),
            values(
                |rows| Arc::new(PrimitiveArray::<Float64Type>::from(rows)),
                |row| row as f64,
            ),
            values(
                |rows| {
                    let decimals = PrimitiveArray::<Decimal128Type>::from(rows);
                    Arc::new(decimals.with_data_type(DataType::Decimal128(12, 2)))
                },
                |row| row as i128,
            ),
            values(
                |rows| Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from(rows)),
                |row| row as i64,
            ),
            values(
                |rows| Arc::new(PrimitiveArray::<Date32Type>::from(rows)),
                |row| row as i32,
            ),
            values(
                |rows| Arc::new(BooleanArray::from(rows)),
                |row| row % 2 == 0,
            ),
            values(
                |rows| Arc::new(StringArray::from(rows)),
                |row| "x".repeat(row % 4),
            ),
        ] {
            for (one, other) in values
                .iter()
                .flat_map(|one| values.iter().map(move |it| (one, it)))
            {
                let chosen = either(&mask, one, other).unwrap();
                assert_eq!(chosen.data_type(), one.array.data_type());
                for row in 0..ROWS {
                    let from = if mask.value(row) { one } else { other };
                    let expected = from.array.slice(from.at(row), 1);
                    assert_eq!(
                        &chosen.slice(row, 1),
                        &expected,
                        "{} {row}",
                        chosen.data_type()
                    );
                }
            }
        }
    }
}
