//! The outcomes of events that are gone, from what was published of them.

use super::{CalculationError, Evaluated, Evaluator};
use crate::{
    events::{Decoder, Field, Format, columns},
    model::Event,
};

impl Evaluator {
    /// The outcomes of events whose payloads are the messages of their results: they hold the fields, each as the member of its
    /// name.
    ///
    /// # Errors
    /// As [`evaluate`](Evaluator::evaluate).
    pub fn evaluate_messages<'a>(
        &self,
        messages: impl ExactSizeIterator<Item = Event<'a>>,
    ) -> Result<Evaluated, CalculationError> {
        let decoder = Decoder::new(Format::default(), self.fields().in_messages());
        self.evaluate_by(&decoder, messages)
    }

    /// A field that messages of results do not hold (`--publish`), if there is one: without it, what was published cannot be
    /// calculated again.
    #[must_use]
    pub fn field_kept_back(&self) -> Option<&Field> {
        let results = self.results_schema();
        self.fields().iter().find(|field| {
            let column = results.field_with_name(&field.name);
            column.is_ok_and(|column| !columns::is_published(column))
        })
    }
}

#[cfg(test)]
mod tests;
