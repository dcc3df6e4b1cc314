//! What becomes of a batch of events.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::{
    events::columns,
    model::{Offset, Reject},
};

/// The outcomes of a batch of events: each event is in exactly one of the three.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The results, with the [results schema](super::Evaluator::results_schema), ascending by offset.
    pub results: RecordBatch,
    /// The events without a result, ascending by offset.
    pub rejects: Vec<Reject>,
    /// The offsets of the events that the condition leaves out, ascending.
    pub filtered: Vec<Offset>,
}

impl Evaluated {
    /// How many of the events have a timestamp that readers cannot show.
    #[must_use]
    pub fn raw_timestamps(&self) -> u64 {
        let results = columns::Timestamps::of(&self.results);
        let is_raw = |reject: &&Reject| columns::split_timestamp(reject.timestamp).1.is_some();
        let rejects = self.rejects.iter().filter(is_raw).count() as u64;
        results.map_or(0, columns::Timestamps::raw) + rejects
    }

    /// How many events these are.
    #[must_use]
    pub fn outcomes(&self) -> usize {
        self.results.num_rows() + self.rejects.len() + self.filtered.len()
    }

    /// The outcome of no events at all, where results have this schema.
    #[must_use]
    pub fn empty(results: SchemaRef) -> Evaluated {
        Evaluated {
            results: RecordBatch::new_empty(results),
            rejects: Vec::new(),
            filtered: Vec::new(),
        }
    }
}
