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
use arrow_schema::DataType;

use super::{Calculation, CalculationError, Outcomes};
use crate::events::{ReasonCode, calculations_own};

/// The outcomes of `batch`, whose results are of type `promised`.
///
/// Each row is either in [`Outcomes::rejections`], which are then in order, at most one for a row and
/// with a known code, or has a result that can be stored and published: not NULL, finite, and within
/// its precision.
pub(super) fn outcomes(
    calculation: &dyn Calculation,
    batch: &RecordBatch,
    promised: &DataType,
) -> Result<Outcomes, CalculationError> {
    let name = || calculation.name().to_owned();
    // Nobody sees what a calculation left half done: the error stops the worker that called it.
    let called = catch_unwind(AssertUnwindSafe(|| calculation.calculate(batch)));
    let outcomes = called.map_err(|panic| CalculationError::Panicked {
        calculation: name(),
        message: message(&*panic),
    })??;
    let (expected, found) = (batch.num_rows(), outcomes.results.len());
    if found != expected {
        return Err(CalculationError::WrongRows {
            calculation: name(),
            expected,
            found,
        });
    }
    if outcomes.results.data_type() != promised {
        return Err(CalculationError::WrongType {
            calculation: name(),
            expected: promised.clone(),
            found: outcomes.results.data_type().clone(),
        });
    }
    if let Some((row, _)) = outcomes.rejections.iter().find(|(row, _)| *row >= expected) {
        return Err(CalculationError::NoSuchRow {
            calculation: name(),
            row: *row,
            rows: expected,
        });
    }
    Ok(settled(outcomes))
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}

fn settled(outcomes: Outcomes) -> Outcomes {
    let mut rejections: Vec<(usize, String)> = outcomes
        .rejections
        .into_iter()
        .map(|(row, reason)| (row, calculations_own(&reason)))
        .collect();
    // What the calculation said first about a row counts, and more than what is added here.
    rejections.extend(unusable(outcomes.results.as_ref()));
    rejections.sort_by_key(|(row, _)| *row);
    rejections.dedup_by_key(|(row, _)| *row);
    Outcomes {
        results: outcomes.results,
        rejections,
    }
}

/// The rows whose result cannot be stored or published.
fn unusable(results: &dyn Array) -> Vec<(usize, String)> {
    let mut rows = Vec::new();
    if results.null_count() > 0 {
        let null = |row: &usize| results.is_null(*row);
        let reason = ReasonCode::NullResult.because("the result is NULL, and a result is never NULL; give such events a value, as in COALESCE(expression, 0)");
        rows.extend(
            (0..results.len())
                .filter(null)
                .map(|row| (row, reason.clone())),
        );
    }
    match *results.data_type() {
        DataType::Float64 => {
            let values = results.as_primitive::<Float64Type>().values();
            let infinite = values.iter().enumerate().filter(|(_, v)| !v.is_finite());
            rows.extend(infinite.map(|(row, value)| {
                let text = format!("the result is {value}, which a DOUBLE column does not take");
                (row, ReasonCode::Overflow.because(text))
            }));
        }
        DataType::Decimal128(precision, _) => {
            let limit = 10_u128.pow(precision.into());
            let values = results.as_primitive::<Decimal128Type>().values();
            let too_long = values
                .iter()
                .enumerate()
                .filter(|(_, v)| v.unsigned_abs() >= limit);
            rows.extend(too_long.map(|(row, _)| {
                let text = format!("the result has more than the {precision} digits of its type");
                (row, ReasonCode::Overflow.because(text))
            }));
        }
        _ => {}
    }
    rows
}
