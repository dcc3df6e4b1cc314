//! What a job of a keeper gives back when it has ended.

use super::{super::partition::Loaded, turn::Worked};
use crate::{format::Segment, history::Chain};

/// A job that has ended.
pub struct Finished {
    pub chain: Box<Chain>,
    pub done: Done,
}

/// What became of it.
pub enum Done {
    /// A snapshot is stored, with these segments; none when another writer's covered it.
    Stored(Vec<Segment>),
    /// It cannot be stored, ever.
    NotStored(String),
    /// The gap is in the chain, by this edit or another.
    LossRecorded,
    /// Corrections are read; `None` when they cannot be, ever.
    Loaded(Option<Box<Loaded>>),
    /// The chain is as the store has it.
    Looked,
    /// What background work made is in the chain, or given up.
    Worked(Box<Worked>),
    /// The processor stops, or the partition is given up, before it was done.
    GivenUp,
}

impl Finished {
    pub fn new(chain: Box<Chain>, done: Done) -> Finished {
        Finished { chain, done }
    }
}
