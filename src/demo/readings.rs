//! What topics and store hold, as somebody from outside reads it.

use std::collections::BTreeMap;

use crate::{
    load::Content,
    model::{Offset, OffsetRange, Partition},
};

/// Everything that the checks look at. Nothing in it comes from the processor's own counters.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// Events that the broker acknowledged to the producer.
    pub loaded: u64,
    /// Whether no outcome may be published twice.
    pub exactly_once: bool,
    /// Each partition of the events topic.
    pub partitions: Vec<PartitionReadings>,
    /// Messages of the output topics that do not say which event they belong to.
    pub strangers: Vec<String>,
    /// What could not be read in the store.
    pub unreadable: Vec<String>,
    /// What the audit found.
    pub findings: Vec<String>,
}

/// What belongs to one partition of the events topic.
#[derive(Clone, Debug)]
pub struct PartitionReadings {
    /// The partition.
    pub partition: Partition,
    /// Its log.
    pub log: OffsetRange,
    /// The events that the log delivers; `None` is one that is not ours.
    pub events: BTreeMap<Offset, Option<Content>>,
    /// Messages of the results topic.
    pub published: Vec<Published>,
    /// Messages of the dead-letter topic.
    pub letters: Vec<Letter>,
    /// The rows of the Parquet files under a plain glob.
    pub stored: Vec<Stored>,
    /// What the newest manifest accounts for.
    pub chain: Option<OffsetRange>,
    /// The accepted gaps.
    pub gaps: Vec<OffsetRange>,
    /// The group's committed offset.
    pub committed: Option<Offset>,
    /// Manifests with outcomes.
    pub snapshots: u64,
    /// Parquet files.
    pub segments: u64,
    /// The bytes of these files.
    pub bytes: u64,
}

impl PartitionReadings {
    /// A partition of which only the log is known.
    #[must_use]
    pub fn new(partition: Partition, log: OffsetRange) -> PartitionReadings {
        PartitionReadings {
            partition,
            log,
            events: BTreeMap::new(),
            published: Vec::new(),
            letters: Vec::new(),
            stored: Vec::new(),
            chain: None,
            gaps: Vec::new(),
            committed: None,
            snapshots: 0,
            segments: 0,
            bytes: 0,
        }
    }
}

/// A calculated number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calculated {
    /// The event's number.
    pub number: i64,
    /// What was made of it.
    pub result: i128,
}

/// A message of the results topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The event that its key names.
    pub source: Offset,
    /// When it was published, in milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Its value.
    pub value: Calculated,
}

/// A message of the dead-letter topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The event that its headers name.
    pub source: Offset,
    /// The code of the reason that they give.
    pub reason: String,
    /// What its payload means; `None` when it is none of ours.
    pub content: Option<Content>,
}

/// A row of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The event.
    pub source: Offset,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A result.
    Result(Calculated),
    /// A reject.
    Reject {
        /// The reason's code.
        reason: String,
        /// What the stored payload means; `None` when it is none of ours.
        content: Option<Content>,
    },
}
