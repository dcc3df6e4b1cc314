//! The newest end of a partition's chain, as it is in the store.

use crate::{
    format::{
        ApplyError, Damaged, Layout, LayoutError, MAX_MANIFEST_BYTES, Manifest, ManifestError,
        NotAPage,
    },
    model::{Digest, Offset, OffsetRange, Partition, Sequence},
    store::{Path, Store, StoreError},
};

/// Why a chain cannot be read or continued.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A newer snapback wrote a manifest.
    #[error("{path}: {source}")]
    Newer {
        /// The manifest.
        path: Path,
        /// The versions.
        source: ManifestError,
    },
    /// A newer snapback wrote a page.
    #[error("{path}: {source}")]
    NewerPage {
        /// The page.
        path: Path,
        /// The versions.
        source: Box<NotAPage>,
    },
    /// A page cannot be read, so that it is not known what is live in its range.
    #[error(
        "the page {path}, which lists the segments of {range}, cannot be read: {why}; `snapback verify` says what can be done"
    )]
    UnreadPage {
        /// The page.
        path: Path,
        /// Its offsets.
        range: OffsetRange,
        /// What is wrong with it.
        why: String,
    },
    /// Manifests exist, and none can be read.
    #[error("none of the manifests of partition {partition} can be read, up to number {highest}")]
    NothingReadable {
        /// The partition.
        partition: Partition,
        /// The highest number.
        highest: Sequence,
    },
    /// A file has a number that the chain cannot have come to: nothing may follow it.
    #[error(
        "{path} is far above {below}, the next lower number of a manifest: no manifest of this chain can \
         have it. Find out where the file comes from, and move it out of the store"
    )]
    StrayNumber {
        /// The file.
        path: Path,
        /// The next lower number.
        below: Sequence,
    },
    /// The events topic cannot be a folder.
    #[error(transparent)]
    Topic(#[from] LayoutError),
    /// The edit does not fit the chain.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// A segment that was put is gone, so that no manifest may list it (I3).
    #[error("the segment {path} has vanished since it was written")]
    SegmentVanished {
        /// The segment.
        path: Path,
    },
    /// The store did not say whether the manifest was created; the next append finds out.
    #[error("it is not known whether {path} was created, after {attempts} attempts")]
    Unsettled {
        /// The manifest.
        path: Path,
        /// How often it was tried.
        attempts: u32,
        /// The last error.
        source: Option<Box<StoreError>>,
    },
    /// The chain ends before what is to follow starts: it was rolled back, or is another one (I1).
    #[error(
        "the chain of partition {partition} ends at {end}, but was longer: outcomes of {range} are to \
         follow; is the store an older copy?"
    )]
    Diverged {
        /// The partition.
        partition: Partition,
        /// Where the chain ends.
        end: Offset,
        /// What is to follow.
        range: OffsetRange,
    },
    /// Others were faster every time.
    #[error("partition {partition}: others appended first {races} times in a row")]
    Outrun {
        /// The partition.
        partition: Partition,
        /// How many times.
        races: u32,
    },
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(Box<StoreError>),
}

impl From<StoreError> for ChainError {
    fn from(error: StoreError) -> ChainError {
        ChainError::Store(Box::new(error))
    }
}

impl ChainError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            ChainError::Store(error) => error.is_retryable(),
            ChainError::Unsettled { .. }
            | ChainError::SegmentVanished { .. }
            | ChainError::Outrun { .. } => true,
            _ => false,
        }
    }

    /// Whether it keeps no other partition: it lies at what is stored of this one, and the store answers. What a newer snapback
    /// writes, or nobody who writes this store can have written, is judged by a person first.
    #[must_use]
    pub fn keeps_no_other(&self) -> bool {
        match self {
            ChainError::Store(error) => error.concerns_the_object(),
            ChainError::Newer { .. } | ChainError::StrayNumber { .. } => false,
            error => !error.is_retryable(),
        }
    }
}

/// The newest end of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainTail {
    /// The newest manifest that can be read.
    pub newest: Option<Manifest>,
    /// The numbers above it, ascending, none of which can be read.
    pub damaged: Vec<Damaged>,
    /// The highest number present.
    pub highest: Option<Sequence>,
}

impl ChainTail {
    /// Number and digest of the newest manifest that can be read.
    #[must_use]
    pub fn head(&self) -> Option<(Sequence, Digest)> {
        self.newest.as_ref().map(Manifest::head)
    }
}

/// What is at one number.
#[derive(Debug)]
pub enum Found {
    /// A manifest that can be read.
    Good(Box<Manifest>),
    /// One that cannot.
    Damaged {
        /// The digest of the bytes; `None` when there are too many to read.
        digest: Option<Digest>,
        /// What is wrong with it, for people.
        detail: String,
    },
    /// Nothing.
    Missing,
}

/// Reads one manifest of a partition.
///
/// # Errors
/// When a newer snapback wrote it, or the store cannot be read. Damage is an answer, not an error.
pub async fn load_manifest(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    sequence: Sequence,
) -> Result<Found, ChainError> {
    let path = layout.manifest(partition, sequence);
    let bytes = match store.get(&path, MAX_MANIFEST_BYTES).await {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(Found::Missing),
        Err(error @ StoreError::TooLarge { .. }) => {
            return Ok(Found::Damaged {
                digest: None,
                detail: error.to_string(),
            });
        }
        Err(error) => return Err(error.into()),
    };
    let detail = match Manifest::decode(&bytes) {
        Ok(manifest)
            if manifest.partition == partition
                && manifest.sequence == sequence
                && manifest.pipeline.events_topic == layout.topic() =>
        {
            return Ok(Found::Good(Box::new(manifest)));
        }
        Ok(manifest) => format!(
            "it is number {} of partition {} of {}",
            manifest.sequence, manifest.partition, manifest.pipeline.events_topic
        ),
        Err(source) if source.is_newer() => return Err(ChainError::Newer { path, source }),
        Err(error) => error.to_string(),
    };
    Ok(Found::Damaged {
        digest: Some(Digest::of(&bytes)),
        detail: shortened(detail),
    })
}

/// What is wrong may quote a text of the file, which may be as long as the file.
pub(super) fn shortened(mut detail: String) -> String {
    if detail.len() > MAX_DETAIL {
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL));
        detail.push('…');
    }
    detail
}

/// More bytes of an explanation are of no use to anybody.
const MAX_DETAIL: usize = 1000;

/// The numbers of a partition's manifests, ascending: one listing, nothing is read.
///
/// # Errors
/// When the store cannot be listed.
pub async fn list_manifests(
    store: &Store,
    layout: &Layout,
    partition: Partition,
) -> Result<Vec<Sequence>, StoreError> {
    let entries = store.list(&layout.manifests(partition)).await?;
    let numbers = entries
        .iter()
        .filter_map(|entry| layout.parse_manifest(&entry.path));
    let mut numbers: Vec<Sequence> = numbers.map(|(_, sequence)| sequence).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Those of them above `last`.
///
/// # Errors
/// When the store cannot be listed.
pub(super) async fn list_manifests_after(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    last: Sequence,
) -> Result<Vec<Sequence>, StoreError> {
    let (folder, last) = (
        layout.manifests(partition),
        layout.manifest(partition, last),
    );
    let entries = store.list_after(&folder, &last).await?;
    let numbers = entries
        .iter()
        .filter_map(|entry| layout.parse_manifest(&entry.path));
    Ok(numbers.map(|(_, sequence)| sequence).collect())
}

/// Finds the newest end of a chain: one listing, then reads from the highest number down to the first
/// manifest that can be read. Newest = highest number present; a number without a file counts as damaged.
///
/// # Errors
/// When a newer snapback wrote a manifest on the way, a file has a number that the chain cannot have come to,
/// or the store cannot be read.
pub async fn load_tail(
    store: &Store,
    layout: &Layout,
    partition: Partition,
) -> Result<ChainTail, ChainError> {
    let numbers = list_manifests(store, layout, partition).await?;
    read_tail(store, layout, partition, &numbers, |_, _| ()).await
}

/// The same for who goes on from there: a damaged manifest is said.
pub(super) async fn load_tail_to_go_on(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    numbers: &[Sequence],
) -> Result<ChainTail, ChainError> {
    let damaged = |sequence, detail: &str| {
        let path = store.locate(&layout.manifest(partition, sequence));
        tracing::warn!(%partition, %sequence, path, detail, "a manifest cannot be read");
    };
    read_tail(store, layout, partition, numbers, damaged).await
}

async fn read_tail(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    numbers: &[Sequence],
    damaged: impl Fn(Sequence, &str),
) -> Result<ChainTail, ChainError> {
    let mut tail = ChainTail {
        highest: numbers.last().copied(),
        ..ChainTail::default()
    };
    for (index, sequence) in numbers.iter().enumerate().rev() {
        let digest = match load_manifest(store, layout, partition, *sequence).await? {
            Found::Good(manifest) => {
                tail.newest = Some(*manifest);
                break;
            }
            Found::Damaged { digest, detail } => {
                damaged(*sequence, &detail);
                digest
            }
            Found::Missing => None,
        };
        let sequence = *sequence;
        tail.damaged.push(Damaged { sequence, digest });
        // Numbers without a file, down to the next that has one. Nobody has lost as many as a forged number claims.
        let below = index.checked_sub(1).map(|below| numbers[below]);
        if let Some(below) = below.filter(|below| sequence.0 - below.0 > MAX_HOLES) {
            let path = layout.manifest(partition, sequence);
            return Err(ChainError::StrayNumber { path, below });
        }
        let lowest = below.map_or(0, |below| below.0) + 1;
        let holes = (lowest..sequence.0).rev().take(MAX_HOLES as usize);
        tail.damaged.extend(holes.map(|number| Damaged {
            sequence: Sequence(number),
            digest: None,
        }));
    }
    tail.damaged.reverse();
    Ok(tail)
}

/// More manifests than this are never missing between two that are there.
const MAX_HOLES: u64 = 10_000;

/// Whether `head` (from the commit metadata) is in the chain whose highest number is `highest`. Numbers and digests are
/// compared where the manifest, or its successor, still exists and can be read; one that is damaged, or that gc has removed
/// below the highest, counts as present.
///
/// # Errors
/// When a newer snapback wrote a manifest, or the store cannot be read.
pub async fn contains(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    head: (Sequence, Digest),
    highest: Option<Sequence>,
) -> Result<bool, ChainError> {
    let (sequence, digest) = head;
    match load_manifest(store, layout, partition, sequence).await? {
        Found::Good(manifest) => Ok(manifest.digest() == digest),
        Found::Damaged { .. } => Ok(true),
        Found::Missing => {
            let next = load_manifest(store, layout, partition, sequence.next()).await?;
            let Found::Good(next) = next else {
                return Ok(highest.is_some_and(|highest| sequence < highest));
            };
            Ok(next.base.is_some_and(|base| {
                (base.sequence, base.digest) == head
                    || base
                        .skipped
                        .iter()
                        .any(|damaged| damaged.sequence == sequence)
            }))
        }
    }
}
