//! Answers about what is stored, from manifests alone: no segment is opened, no Kafka is needed.
//!
//! In flow a store and a topic's layout; out flow values that `cli` renders as tables or JSON. Nothing
//! here writes.

mod listing;
mod topics;
mod unknown;

#[cfg(test)]
mod tests;

pub use listing::{GapEntry, Listing, PartitionEntry, SegmentEntry, Shown, list, show};
pub use topics::{QueryError, TopicError, manifests, partition_at};
pub use unknown::UnknownFile;
