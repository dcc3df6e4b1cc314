//! What can go wrong with a calculation as a whole. A single event's trouble is a reject instead.

use std::error::Error;

use arrow_schema::{ArrowError, DataType};

use super::{carry::CarryError, publish::PublishError, sql::SqlError};
use crate::events::NameTaken;

/// A calculation that cannot be used, or that failed on a batch.
#[derive(Debug, thiserror::Error)]
pub enum CalculationError {
    /// The text is no calculation that is taken.
    #[error("{0}")]
    Sql(#[from] SqlError),
    /// Messages cannot hold the columns that are chosen for them.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Messages cannot carry what they are to carry.
    #[error(transparent)]
    Carry(#[from] CarryError),
    /// The field to calculate with is not declared.
    #[error("{calculation}: there is no field {field:?}; declared are: {declared}")]
    NoSuchField {
        /// The calculation.
        calculation: String,
        /// The field that it names.
        field: String,
        /// The declared fields.
        declared: String,
    },
    /// It is not clear which field to calculate with.
    #[error(
        "{calculation}: which field? {candidates} could be meant; name it, as in {calculation}({example})"
    )]
    Ambiguous {
        /// The calculation.
        calculation: String,
        /// The fields that could be meant.
        candidates: String,
        /// One of them.
        example: String,
    },
    /// No field has a type that it can calculate with.
    #[error(
        "{calculation} needs a field that is a BIGINT, DOUBLE or DECIMAL(p,s); declared are: {declared}"
    )]
    NoNumber {
        /// The calculation.
        calculation: String,
        /// The declared fields.
        declared: String,
    },
    /// The field has a type that it cannot calculate with.
    #[error(
        "{calculation}: field {field:?} is a {found}; it must be a BIGINT, DOUBLE or DECIMAL(p,s)"
    )]
    WrongFieldType {
        /// The calculation.
        calculation: String,
        /// The field.
        field: String,
        /// Its type.
        found: String,
    },
    /// The result would need more fraction digits than a DECIMAL holds.
    #[error("{calculation}: field {field:?} has {scale} fraction digits, so its result has {}, but a DECIMAL holds 38; declare it DECIMAL(p,s) with s of at most 19, or DOUBLE", 2 * u16::from(*.scale))]
    Scale {
        /// The calculation.
        calculation: String,
        /// The field.
        field: String,
        /// Its scale.
        scale: u8,
    },
    /// The calculation promises no column at all.
    #[error("{calculation} gives no column; a result has at least one")]
    NoColumns {
        /// The calculation.
        calculation: String,
    },
    /// The calculation promises a column whose name cannot be taken.
    #[error("{calculation} gives the column {column:?}: {source}")]
    ResultName {
        /// The calculation.
        calculation: String,
        /// The column.
        column: String,
        /// Why not.
        source: NameTaken,
    },
    /// The calculation promises a column of a type that cannot be stored or published.
    #[error(
        "{calculation} gives the column {column:?} of the type {found}; a result is a BIGINT (Int64), DOUBLE (Float64), DECIMAL(p,s) (Decimal128), VARCHAR (Utf8) or BOOLEAN (Boolean)"
    )]
    ResultType {
        /// The calculation.
        calculation: String,
        /// The column.
        column: String,
        /// The type that it promises.
        found: DataType,
    },
    /// A calculation of the user's own cannot work on the declared fields.
    #[error("{calculation}: {needs}")]
    Unsuited {
        /// The calculation.
        calculation: String,
        /// What it needs.
        needs: String,
    },
    /// The calculation panicked.
    #[error("{calculation} panicked: {message}")]
    Panicked {
        /// The calculation.
        calculation: String,
        /// What the panic said.
        message: String,
    },
    /// The calculation failed.
    #[error("{calculation} failed: {source}")]
    Failed {
        /// The calculation.
        calculation: String,
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The calculation returned another number of columns than it promised.
    #[error("{calculation} returned {found} columns but promised {expected}")]
    WrongColumns {
        /// The calculation.
        calculation: String,
        /// The columns that it promised.
        expected: usize,
        /// The columns that it returned.
        found: usize,
    },
    /// The calculation returned another number of values than it was given rows.
    #[error(
        "{calculation} returned {found} values of {column:?} for {expected} rows; it must return one for each row"
    )]
    WrongRows {
        /// The calculation.
        calculation: String,
        /// The column.
        column: String,
        /// The rows that it was given.
        expected: usize,
        /// The values that it returned.
        found: usize,
    },
    /// The calculation returned a column of another type than it promised.
    #[error("{calculation} returned {column:?} with the type {found} but promised {expected}")]
    WrongType {
        /// The calculation.
        calculation: String,
        /// The column.
        column: String,
        /// The type that it promised.
        expected: DataType,
        /// The type that it returned.
        found: DataType,
    },
    /// The calculation rejected a row that does not exist.
    #[error("{calculation} rejected row {row} of {rows} rows; rows count from 0")]
    NoSuchRow {
        /// The calculation.
        calculation: String,
        /// The row.
        row: usize,
        /// The rows that it was given.
        rows: usize,
    },
    /// Stored results do not have the fields that are declared.
    #[error("the stored results have {} column {column:?}; the declared fields need it as {expected}. They were written with other fields: recalculate them", .found.as_ref().map_or("no".to_owned(), |found| format!("a {found}")))]
    Stored {
        /// The column.
        column: String,
        /// The type that the declared fields need.
        expected: DataType,
        /// The type that is stored.
        found: Option<DataType>,
    },
    /// The columns of a batch do not fit together or became too large.
    #[error(
        "a batch of {rows} events could not be put together (a batch holds at most 2 GiB of keys or of one text field): {source}"
    )]
    Batch {
        /// The events of the batch.
        rows: usize,
        /// What Arrow said.
        source: ArrowError,
    },
}

impl CalculationError {
    /// The failure of `calculation` on a whole batch, for [`Calculation`](super::Calculation)s to return.
    pub fn failed(
        calculation: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> CalculationError {
        CalculationError::Failed {
            calculation: calculation.into(),
            source: source.into(),
        }
    }

    /// `calculation` cannot work on the declared fields, because of what it `needs`; for
    /// [`Calculation::output`](super::Calculation::output) to return.
    pub fn unsuited(calculation: impl Into<String>, needs: impl Into<String>) -> CalculationError {
        CalculationError::Unsuited {
            calculation: calculation.into(),
            needs: needs.into(),
        }
    }

    /// Whether another `--fields` or `--calculation` is the remedy, as opposed to a fault of the
    /// calculation.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        matches!(
            self,
            CalculationError::Sql(_)
                | CalculationError::NoSuchField { .. }
                | CalculationError::Ambiguous { .. }
                | CalculationError::NoNumber { .. }
                | CalculationError::WrongFieldType { .. }
                | CalculationError::Scale { .. }
                | CalculationError::NoColumns { .. }
                | CalculationError::ResultName { .. }
                | CalculationError::ResultType { .. }
                | CalculationError::Unsuited { .. }
        )
    }
}
