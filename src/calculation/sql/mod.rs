//! A calculation that is SQL: one or more expressions over an event's fields, each a column of the results.
//!
//! ```text
//! text ── grammar (sqlparser) ──> its trees ── gate ──> typed trees ── eval ──> columns, and the rejected rows
//!                                                          └──── print ──> canonical text, an engine's texts
//! ```
//!
//! The set of what is taken is closed, and its meaning is that which DuckDB and Spark (ANSI) share: where they would give
//! two values, the gate refuses the form or the row is rejected. So anyone can compute a result again without snapback.
//! What an expression means must never change under its text: whoever changes a result raises [`EVALUATOR_VERSION`].

mod binding;
mod condition;
mod error;
mod eval;
mod forms;
mod functions;
mod gate;
mod grammar;
mod nullable;
mod print;
mod tree;
mod types;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{Fields, Schema};

pub(super) use condition::Filter;
pub use condition::{Condition, Sifted};
pub use error::SqlError;
pub use functions::{Usable, usable};

use self::{grammar::Written, tree::Columns};
use super::{Calculation, CalculationError, Engine, Outcomes};

/// Raised whenever an expression gives another value for any row; part of the fingerprint.
const EVALUATOR_VERSION: u32 = 1;

/// A calculation that is SQL: `price * quantity AS total, round(total * 0.19, 2) AS vat`.
///
/// A column may be used in those after it. A single expression needs no name: its column is `result`.
pub struct SqlCalculation {
    text: String,
    written: Vec<Written>,
    /// The typed trees for the fields that were asked for last: always the same ones, outside of tests.
    typed: Mutex<Option<(Schema, Arc<Columns>)>>,
}

impl SqlCalculation {
    /// The calculation that `text` is. Whether it can work on the declared fields shows in
    /// [`output`](Calculation::output).
    ///
    /// # Errors
    /// When it is no such list of expressions: the error says where.
    pub fn parse(text: &str) -> Result<SqlCalculation, SqlError> {
        Ok(SqlCalculation {
            text: text.to_owned(),
            written: grammar::columns(text)?,
            typed: Mutex::new(None),
        })
    }

    fn typed(&self, fields: &Schema) -> Result<Arc<Columns>, SqlError> {
        let mut typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        match &*typed {
            Some((known, columns)) if known == fields => Ok(Arc::clone(columns)),
            _ => {
                let columns = Arc::new(gate::typed(&self.text, &self.written, fields)?);
                // What is stored of a calculation is its canonical text, which must be read again.
                let canonical = print::text(&columns);
                grammar::columns(&canonical).map_err(|_| SqlError::too_deep(&self.text))?;
                *typed = Some((fields.clone(), Arc::clone(&columns)));
                Ok(columns)
            }
        }
    }
}

impl Calculation for SqlCalculation {
    fn name(&self) -> &str {
        "sql"
    }

    fn version(&self) -> u32 {
        EVALUATOR_VERSION
    }

    /// The canonical text; the text as it was given for fields that it does not work on.
    fn parameters(&self, fields: &Schema) -> String {
        match self.typed(fields) {
            Ok(columns) => print::text(&columns),
            Err(_) => self.text.clone(),
        }
    }

    fn text(&self, fields: &Schema) -> String {
        self.parameters(fields)
    }

    fn expressions(&self, fields: &Schema, engine: Engine) -> Option<Vec<String>> {
        print::expressions(&*self.typed(fields).ok()?, engine)
    }

    fn output(&self, fields: &Schema) -> Result<Fields, CalculationError> {
        Ok(self.typed(fields)?.output())
    }

    fn calculate(&self, batch: &RecordBatch) -> Result<Outcomes, CalculationError> {
        let columns = self.typed(batch.schema_ref())?;
        eval::evaluate(&columns.nodes, batch)
            .map_err(|error| CalculationError::failed(self.text.clone(), error))
    }
}
