//! The columns that a calculation promises, checked and as text.

use arrow_schema::Schema;

use super::CalculationError;
use crate::events::{Field, FieldType, NameTaken};

/// The columns of results as a declaration has them: `total DECIMAL(31,2) NOT NULL, vat DECIMAL(33,2)`.
///
/// # Errors
/// When there is none, or one has a type that cannot be stored, or a name that is taken.
pub(super) fn declared(
    calculation: &str,
    inputs: &Schema,
    output: &Schema,
) -> Result<String, CalculationError> {
    let calculation = || calculation.to_owned();
    if output.fields().is_empty() {
        return Err(CalculationError::NoColumns {
            calculation: calculation(),
        });
    }
    let mut declared = Vec::new();
    for (index, column) in output.fields().iter().enumerate() {
        let name = column.name();
        let results = output.fields().iter().take(index);
        NameTaken::check(
            name,
            inputs.fields().iter().map(|field| field.name().as_str()),
            results.map(|other| other.name().as_str()),
        )
        .map_err(|source| CalculationError::ResultName {
            calculation: calculation(),
            column: name.clone(),
            source,
        })?;
        let data_type = FieldType::of_column(column);
        let data_type = data_type.ok_or_else(|| CalculationError::ResultType {
            calculation: calculation(),
            column: name.clone(),
            found: column.data_type().clone(),
        })?;
        let field = Field::new(name, data_type, column.is_nullable());
        declared.push(field.to_string());
    }
    Ok(declared.join(", "))
}
