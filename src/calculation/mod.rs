//! From events to results: what is calculated from an event's fields, and what becomes of events that have no result.
//!
//! In flows a batch of one partition's [`Event`](crate::model::Event)s, in the order of the log. Out
//! flows [`Evaluated`]: the results as one Arrow batch, the rejects with their reasons and the events that the
//! condition leaves out, every event in exactly one of the three (the part of I4 that is decided here), all
//! ascending by offset.
//!
//! Nothing here does I/O, looks at a clock or draws a random number: the same events give the same
//! outcomes in every process and on every day, which is what verifying and repairing rest on. Whatever
//! could change an outcome is in the [`Fingerprint`].

mod batch;
mod calling;
mod carry;
mod carry_choices;
mod declaration;
mod declared;
mod engine;
mod error;
mod evaluated;
mod evaluator;
mod fingerprint;
mod messages;
mod named;
mod near;
mod propose;
mod publish;
mod results;
mod sql;
mod square;
mod stored;

#[cfg(test)]
mod conditions_tests;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod evaluator_tests;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Fields, Schema};

pub use carry::{Carry, CarryError};
pub use carry_choices::CarryChoices;
pub use declaration::Declaration;
pub use declared::{Calculations, NotCalculable};
pub use engine::Engine;
pub use error::CalculationError;
pub use evaluated::Evaluated;
pub use evaluator::{Evaluator, rejects_schema};
pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use named::builtin;
pub use propose::{Proposal, propose, widen};
pub use publish::{Publish, PublishError};
pub use sql::{Condition, Sifted, SqlCalculation, SqlError, Usable, usable};
pub use stored::reject_stored;

/// A deterministic function from an event's fields to a result of one or more columns.
///
/// It is called with a batch at a time, columns in and columns out. The same fields must always give
/// the same result: snapback recomputes results to prove them. When its arithmetic changes, raise
/// [`version`](Calculation::version).
pub trait Calculation: Send + Sync {
    /// Its name, as in `square(number)`.
    fn name(&self) -> &str;

    /// The version of its arithmetic; part of the fingerprint.
    fn version(&self) -> u32;

    /// Its parameters as they apply to `fields`, as text (`number` in `square(number)`); part of the
    /// fingerprint.
    fn parameters(&self, fields: &Schema) -> String {
        let _ = fields;
        String::new()
    }

    /// It as `--calculation` names it, for events with these fields: `square(number)`.
    fn text(&self, fields: &Schema) -> String {
        match self.parameters(fields) {
            none if none.is_empty() => self.name().to_owned(),
            parameters => format!("{}({parameters})", self.name()),
        }
    }

    /// The expression that computes each column of its result in an engine, over columns that are named like the fields and
    /// the columns before it: in parentheses unless it is one word. `None` when none does, or only by a text that is too long.
    fn expressions(&self, fields: &Schema, engine: Engine) -> Option<Vec<String>> {
        let _ = (fields, engine);
        None
    }

    /// The columns of its results for events with these fields, at least one, in their order in messages and segments:
    /// BIGINT (`Int64`), DOUBLE (`Float64`), DECIMAL(p,s) (`Decimal128`), VARCHAR (`Utf8`) or BOOLEAN (`Boolean`), each
    /// nullable or not. No name is that of a field, of another column or of one of snapback's own; a single column is
    /// usually called `result`.
    ///
    /// # Errors
    /// When it cannot work on these fields: a configuration error that says what it needs.
    fn output(&self, fields: &Schema) -> Result<Fields, CalculationError>;

    /// The results of a batch that has one column for each field, and at least one row.
    ///
    /// # Errors
    /// Only when the batch as a whole cannot be calculated; it stops the processor. A row that has no
    /// result is one of the [`Outcomes::rejections`].
    fn calculate(&self, batch: &RecordBatch) -> Result<Outcomes, CalculationError>;
}

/// Finds the calculation that a text such as `square(number)` names: [`builtin`], or a function of the user's own.
pub type Find = fn(&str) -> Result<Arc<dyn Calculation>, CalculationError>;

/// What a calculation makes of a batch.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// The columns that [`Calculation::output`] promised, each with one value for each row of the batch. NULL is a value
    /// where the column is nullable. The values of rejected rows are ignored.
    pub columns: Vec<ArrayRef>,
    /// The rows that have no result, and why: `code: text` with a [`ReasonCode`](crate::events::ReasonCode); text without a known
    /// code is given the code `calculation`.
    pub rejections: Vec<(usize, String)>,
}
