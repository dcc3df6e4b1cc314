//! The condition of `--where`: which events are calculated at all.

use std::{fmt, slice, sync::Arc};

use arrow_array::{Array as _, BooleanArray, RecordBatch, cast::AsArray as _};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_schema::Schema;
use sqlparser::ast::Expr;

use super::{EVALUATOR_VERSION, SqlError, eval, gate, grammar, print, tree::Node};
use crate::calculation::{CalculationError, Outcomes};

/// A condition over an event's fields: a SQL expression that is a BOOLEAN.
#[derive(Clone)]
pub struct Condition {
    text: String,
    expression: Arc<Expr>,
}

/// A condition on declared fields.
pub(in crate::calculation) struct Filter {
    node: Node,
    canonical: String,
}

/// What a condition says of the rows of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sifted {
    /// The rows that it is true for.
    pub(in crate::calculation) passed: BooleanBuffer,
    /// The rows that it has no value for, because calculating it fails, with the reason of each, in order.
    pub(in crate::calculation) rejections: Vec<(usize, String)>,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

impl Condition {
    /// The condition that `text` is. Whether it works on the declared fields shows in [`check`](Condition::check).
    ///
    /// # Errors
    /// When it is no expression: the error says where.
    pub fn parse(text: &str) -> Result<Condition, SqlError> {
        Ok(Condition {
            text: text.to_owned(),
            expression: Arc::new(grammar::expression(text)?),
        })
    }

    /// Whether it works on `fields`.
    ///
    /// # Errors
    /// When it does not, or is no BOOLEAN: the error says where, and what to write instead.
    pub fn check(&self, fields: &Schema) -> Result<(), SqlError> {
        self.on(fields).map(|_| ())
    }

    /// Its canonical text; the text as it was given for fields that it does not work on.
    #[must_use]
    pub fn text(&self, fields: &Schema) -> String {
        self.on(fields)
            .map_or_else(|_| self.text.clone(), |filter| filter.canonical)
    }

    /// The condition for events with `fields`.
    pub(in crate::calculation) fn on(&self, fields: &Schema) -> Result<Filter, SqlError> {
        let node = gate::condition(&self.text, &self.expression, fields)?;
        // What is stored of it is its canonical text, which must be read again.
        let canonical = print::expression(&node, fields);
        grammar::expression(&canonical).map_err(|_| SqlError::too_deep(&self.text))?;
        Ok(Filter { node, canonical })
    }
}

impl Filter {
    /// Its canonical text.
    pub(in crate::calculation) fn text(&self) -> &str {
        &self.canonical
    }

    /// The version of what evaluates it.
    pub(in crate::calculation) const fn version(&self) -> u32 {
        EVALUATOR_VERSION
    }

    /// Which rows of `batch`, which has one column for each field, pass: those that it is true for, so not where it is NULL.
    pub(in crate::calculation) fn sift(
        &self,
        batch: &RecordBatch,
    ) -> Result<Sifted, CalculationError> {
        let Outcomes {
            columns,
            rejections,
        } = eval::evaluate(slice::from_ref(&self.node), batch)
            .map_err(|error| CalculationError::failed(self.canonical.clone(), error))?;
        let values: &BooleanArray = columns[0].as_boolean();
        let passed = match values.nulls() {
            None => values.values().clone(),
            Some(known) => values.values() & known.inner(),
        };
        let mut passed_or_failed = BooleanBufferBuilder::new(passed.len());
        passed_or_failed.append_buffer(&passed);
        for (row, _) in &rejections {
            passed_or_failed.set_bit(*row, false);
        }
        Ok(Sifted {
            passed: passed_or_failed.finish(),
            rejections,
        })
    }
}

impl Sifted {
    /// Whether every row passes.
    pub(in crate::calculation) fn all(&self) -> bool {
        self.passed.count_set_bits() == self.passed.len()
    }

    /// Whether the condition is true for a row.
    #[must_use]
    pub fn passes(&self, row: usize) -> bool {
        self.passed.value(row)
    }

    /// Why the condition has no value for a row, if calculating it fails.
    #[must_use]
    pub fn reason(&self, row: usize) -> Option<&str> {
        let place = self.rejections.binary_search_by_key(&row, |(row, _)| *row);
        let (_, reason) = self.rejections.get(place.ok()?)?;
        Some(reason)
    }

    /// The rows that are left out, in order.
    pub(in crate::calculation) fn filtered(&self) -> impl Iterator<Item = usize> {
        let mut rejections = self.rejections.iter().map(|(row, _)| *row).peekable();
        let rows = 0..self.passed.len();
        let out = rows.filter(|row| !self.passed.value(*row));
        out.filter(move |row| rejections.next_if_eq(row).is_none())
    }
}
