//! A calculation that is a SQL expression over an event's fields.
//!
//! ```text
//! text ── grammar (sqlparser) ──> its tree ── gate ──> typed tree ── eval ──> a column, and the rejected rows
//!                                                          └──── print ──> canonical text, an engine's text
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
mod print;
mod tree;
mod types;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use sqlparser::ast::Expr;

pub(super) use condition::Filter;
pub use condition::{Condition, Sifted};
pub use error::SqlError;
pub use functions::{Usable, usable};

use self::{print::Spelling, tree::Node};
use super::{Calculation, CalculationError, Engine, Outcomes};

/// Raised whenever an expression gives another value for any row; part of the fingerprint.
const EVALUATOR_VERSION: u32 = 1;

/// A calculation that is a SQL expression.
pub struct SqlCalculation {
    text: String,
    expression: Expr,
    /// The typed tree for the fields that were asked for last: always the same ones, outside of tests.
    typed: Mutex<Option<(Schema, Arc<Node>)>>,
}

impl SqlCalculation {
    /// The calculation that `text` is. Whether it can work on the declared fields shows in
    /// [`output`](Calculation::output).
    ///
    /// # Errors
    /// When it is no expression: the error says where.
    pub fn parse(text: &str) -> Result<SqlCalculation, SqlError> {
        Ok(SqlCalculation {
            text: text.to_owned(),
            expression: grammar::expression(text)?,
            typed: Mutex::new(None),
        })
    }

    fn typed(&self, fields: &Schema) -> Result<Arc<Node>, SqlError> {
        let mut typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        match &*typed {
            Some((known, node)) if known == fields => Ok(Arc::clone(node)),
            _ => {
                let node = Arc::new(gate::typed(&self.text, &self.expression, fields)?);
                // What is stored of a calculation is its canonical text, which must be read again.
                let canonical = print::text(&node, fields, Spelling::Canonical);
                grammar::expression(&canonical).map_err(|_| SqlError::too_deep(&self.text))?;
                *typed = Some((fields.clone(), Arc::clone(&node)));
                Ok(node)
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
            Ok(node) => print::text(&node, fields, Spelling::Canonical),
            Err(_) => self.text.clone(),
        }
    }

    fn text(&self, fields: &Schema) -> String {
        self.parameters(fields)
    }

    fn expression(&self, fields: &Schema, engine: Engine) -> Option<String> {
        let node = self.typed(fields).ok()?;
        Some(print::text(&node, fields, Spelling::Engine(engine)))
    }

    fn output(&self, fields: &Schema) -> Result<DataType, CalculationError> {
        Ok(self.typed(fields)?.data_type.data_type())
    }

    fn calculate(&self, batch: &RecordBatch) -> Result<Outcomes, CalculationError> {
        let schema: SchemaRef = batch.schema();
        let node = self.typed(&schema)?;
        let (results, rejections) = eval::evaluate(&node, batch)
            .map_err(|error| CalculationError::failed(self.text.clone(), error))?;
        Ok(Outcomes {
            results,
            rejections,
        })
    }
}
