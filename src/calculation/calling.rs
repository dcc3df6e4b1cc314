//! Calling a calculation, and holding it to its word.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Decimal128Type, Float64Type},
};
use arrow_schema::{DataType, Field, Schema};

use super::{Calculation, CalculationError, Outcomes};
use crate::events::{ReasonCode, calculations_own};

/// The outcomes of `batch`, whose results have the columns `promised`.
///
/// Each row is either in [`Outcomes::rejections`], which are then in order, at most one for a row and
/// with a known code, or has a result that can be stored and published: finite, within its precision, and NULL only
/// where that was promised.
pub(super) fn outcomes(
    calculation: &dyn Calculation,
    batch: &RecordBatch,
    promised: &Schema,
) -> Result<Outcomes, CalculationError> {
    let name = || calculation.name().to_owned();
    // Nobody sees what a calculation left half done: the error stops the worker that called it.
    let called = catch_unwind(AssertUnwindSafe(|| calculation.calculate(batch)));
    let outcomes = called.map_err(|panic| CalculationError::Panicked {
        calculation: name(),
        message: message(&*panic),
    })??;
    if outcomes.columns.len() != promised.fields().len() {
        return Err(CalculationError::WrongColumns {
            calculation: name(),
            expected: promised.fields().len(),
            found: outcomes.columns.len(),
        });
    }
    let expected = batch.num_rows();
    for (field, column) in promised.fields().iter().zip(&outcomes.columns) {
        if column.len() != expected {
            return Err(CalculationError::WrongRows {
                calculation: name(),
                column: field.name().clone(),
                expected,
                found: column.len(),
            });
        }
        if column.data_type() != field.data_type() {
            return Err(CalculationError::WrongType {
                calculation: name(),
                column: field.name().clone(),
                expected: field.data_type().clone(),
                found: column.data_type().clone(),
            });
        }
    }
    if let Some((row, _)) = outcomes.rejections.iter().find(|(row, _)| *row >= expected) {
        return Err(CalculationError::NoSuchRow {
            calculation: name(),
            row: *row,
            rows: expected,
        });
    }
    Ok(settled(outcomes, promised))
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}

fn settled(outcomes: Outcomes, promised: &Schema) -> Outcomes {
    let mut rejections: Vec<(usize, String)> = outcomes
        .rejections
        .into_iter()
        .map(|(row, reason)| (row, calculations_own(&reason)))
        .collect();
    // What the calculation said first about a row counts, and more than what is added here.
    for (field, column) in promised.fields().iter().zip(&outcomes.columns) {
        rejections.extend(unusable(field, column.as_ref()));
    }
    rejections.sort_by_key(|(row, _)| *row);
    rejections.dedup_by_key(|(row, _)| *row);
    Outcomes {
        columns: outcomes.columns,
        rejections,
    }
}

/// The rows whose value in this column cannot be stored or published.
fn unusable(field: &Field, column: &dyn Array) -> Vec<(usize, String)> {
    let mut rows = Vec::new();
    let name = field.name();
    if !field.is_nullable() && column.null_count() > 0 {
        let null = |row: &usize| column.is_null(*row);
        let reason = ReasonCode::NullResult.because(format_args!(
            "{name} is NULL, and the calculation promises NOT NULL; give such events a value, as in COALESCE(expression, 0)"
        ));
        rows.extend(
            (0..column.len())
                .filter(null)
                .map(|row| (row, reason.clone())),
        );
    }
    // Of a NULL, the value beneath has no meaning.
    let wrong = |row: usize, wrong: bool| wrong && column.is_valid(row);
    match *column.data_type() {
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>().values();
            let infinite = values.iter().enumerate();
            let infinite = infinite.filter(|(row, v)| wrong(*row, !v.is_finite()));
            rows.extend(infinite.map(|(row, value)| {
                let text = format!("{name} is {value}, which a DOUBLE column does not take");
                (row, ReasonCode::Overflow.because(text))
            }));
        }
        DataType::Decimal128(precision, _) => {
            let limit = 10_u128.pow(precision.into());
            let values = column.as_primitive::<Decimal128Type>().values();
            let too_long = values.iter().enumerate();
            let too_long = too_long.filter(|(row, v)| wrong(*row, v.unsigned_abs() >= limit));
            rows.extend(too_long.map(|(row, _)| {
                let text = format!("{name} has more than the {precision} digits of its type");
                (row, ReasonCode::Overflow.because(text))
            }));
        }
        _ => {}
    }
    rows
}
