//! From the text of `--calculation` to the calculation.

use std::sync::Arc;

use super::{Calculation, CalculationError, SqlCalculation, square};

/// The calculation that `--calculation` names: `square`, `square(field)`, or a SQL expression over the fields.
///
/// # Errors
/// When the text is none of these. Whether the calculation can work on the declared fields shows in
/// [`Evaluator::new`](super::Evaluator::new).
pub fn builtin(spec: &str) -> Result<Arc<dyn Calculation>, CalculationError> {
    match square::named(spec) {
        Some(square) => Ok(square),
        None => Ok(Arc::new(SqlCalculation::parse(spec)?)),
    }
}
