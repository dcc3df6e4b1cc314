//! Answers about what is stored. No Kafka is needed; all but [`lookup`] and [`inspect`] come from manifests and their pages alone,
//! and open no segment.
//!
//! In flow a store and a topic's layout; out flow values that `cli` renders as tables or JSON. Nothing
//! here writes.

mod inspect;
mod listing;
mod lookup;
mod topics;
mod unknown;

#[cfg(test)]
mod tests;

pub use inspect::{FileKind, Inspected, ListedFiles, NamedCalculation, Says, inspect};
pub use listing::{
    GapEntry, Listing, PartitionEntry, SegmentEntry, Shown, column_types, list, show,
};
pub use lookup::{Corrected, Correction, Fate, Lookup, Stored, StoredReject, StoredResult, lookup};
pub use topics::{QueryError, TopicError, manifests, partition_at};
pub use unknown::UnknownFile;
