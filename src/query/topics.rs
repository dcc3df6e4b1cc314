//! Which topics and partitions a store holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    format::{Layout, SegmentKind},
    history::ChainError,
    model::{Partition, Sequence},
    store::{Path, Store, StoreError},
};

/// What was asked for is not in the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// There is nothing of the topic.
    #[error(
        "there are no snapshots of the topic {topic:?} in {store}; {}; check --events and --store",
        topics(there)
    )]
    NoSuchTopic {
        /// The topic.
        topic: String,
        /// The store's root.
        store: String,
        /// The topics that it holds.
        there: Vec<String>,
    },
    /// There is nothing of the partition.
    #[error(
        "there are no snapshots of partition {partition} of {topic}; there are those of {}",
        list(there)
    )]
    NoSuchPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// The partitions that the store holds.
        there: Vec<Partition>,
    },
    /// There is no manifest of this number.
    #[error("partition {partition} of {topic} has no manifest {sequence}; there are {there}")]
    NoSuchManifest {
        /// The topic.
        topic: String,
        /// The partition.
        partition: Partition,
        /// The number.
        sequence: Sequence,
        /// The numbers that there are, as text.
        there: String,
    },
}

fn topics(there: &[String]) -> String {
    match there {
        [] => "it holds none of any topic".to_owned(),
        _ => format!("it holds those of {}", list(there)),
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    items
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// What was asked for is not there.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A manifest is of a newer format, or the store could not be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The manifest that was asked for is damaged.
    #[error("{location} cannot be read: {detail}; `snapback verify` shows what is damaged")]
    Damaged {
        /// Where it is, for people.
        location: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl TopicError {
    /// The error that says which topics are there instead. Lists the whole store.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub async fn missing(store: &Store, layout: &Layout) -> Result<TopicError, StoreError> {
        let mut there = BTreeSet::new();
        for entry in store.list_readable(&Path::root()).await?.entries {
            let topic = entry.path.as_str().split('/').next().unwrap_or_default();
            let of_topic = Layout::new(topic).ok();
            if of_topic.is_some_and(|layout| layout.parse_manifest(&entry.path).is_some()) {
                there.insert(topic.to_owned());
            }
        }
        Ok(TopicError::NoSuchTopic {
            topic: layout.topic().to_owned(),
            store: store.uri(),
            there: there.into_iter().collect(),
        })
    }
}

/// The numbers of each partition's manifests, ascending: one listing, nothing is read. Empty when there is
/// nothing of the topic; of a partition whose folder cannot be read, there are no numbers.
///
/// # Errors
/// When the store cannot be listed.
pub async fn manifests(
    store: &Store,
    layout: &Layout,
) -> Result<BTreeMap<Partition, Vec<Sequence>>, StoreError> {
    let mut partitions: BTreeMap<Partition, Vec<Sequence>> = BTreeMap::new();
    let listing = store.list_readable(&layout.all_manifests()).await?;
    for entry in listing.entries {
        if let Some((partition, sequence)) = layout.parse_manifest(&entry.path) {
            partitions.entry(partition).or_default().push(sequence);
        }
    }
    // A partition whose folder cannot be read is there all the same.
    for unreadable in listing.unreadable {
        match partition_at(layout, &unreadable.path) {
            Some(partition) => _ = partitions.entry(partition).or_default(),
            None => return Err(unreadable.error),
        }
    }
    partitions
        .values_mut()
        .for_each(|numbers| numbers.sort_unstable());
    Ok(partitions)
}

/// The partition in whose folder of manifests or segments a path lies, or whose folder it is.
#[must_use]
pub fn partition_at(layout: &Layout, path: &Path) -> Option<Partition> {
    let parts = path.as_str().split('/');
    let number = parts.filter_map(|part| part.strip_prefix("partition=")?.parse().ok());
    let partition = number.map(Partition).next()?;
    let manifests = layout.manifests(partition);
    let segments = SegmentKind::ALL.map(|kind| layout.segments(kind, partition));
    let within = |folder: &Path| path == folder || path.below(folder).is_some();
    (within(&manifests) || segments.iter().any(within)).then_some(partition)
}
