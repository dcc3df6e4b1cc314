//! `snapshots list` and `snapshots show`: what the newest manifests say.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Serialize, Serializer};

use super::{QueryError, TopicError, topics};
use crate::{
    format::{ColumnTypes, GapReason, Layout, Listed, Manifest, SegmentKind, Verified},
    history::{Found, load_manifest, load_tail, load_verified, read_all_listed},
    model::{Digest, Offset, Partition, Sequence, is_zero},
    store::Store,
};

/// Partitions that are read at a time.
const AT_A_TIME: usize = 8;

/// The snapshots of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The store's root.
    pub store: String,
    /// The events topic.
    pub topic: String,
    /// Its partitions, ascending.
    pub partitions: Vec<PartitionEntry>,
    /// Partitions whose newest manifest cannot be read from the store, or none of whose manifests can be read.
    pub unreadable: Vec<Partition>,
    /// Why, for each of them.
    #[serde(skip)]
    pub why: BTreeMap<Partition, String>,
    /// Columns that the live results have in more than one type, which readers cannot read together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mixed_types: Vec<String>,
}

/// One partition's snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionEntry {
    /// The partition.
    pub partition: Partition,
    /// The first offset that the chain accounts for.
    pub origin: Offset,
    /// After the last one: the frontier.
    pub end: Offset,
    /// Offsets with a result.
    pub results: u64,
    /// Offsets with a reject.
    pub rejects: u64,
    /// Offsets whose event the condition of `--where` leaves out.
    pub filtered: u64,
    /// Offsets that the log never delivered.
    pub absent: u64,
    /// Offsets that were given up.
    pub lost: u64,
    /// The gaps that these make.
    pub gaps: u64,
    /// Live segments.
    pub segments: u64,
    /// The pages that list some of them.
    #[serde(skip_serializing_if = "is_zero")]
    pub pages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The number of the manifest.
    pub manifest: Sequence,
    /// When it was written.
    #[serde(serialize_with = "rfc3339")]
    pub created_at: DateTime<Utc>,
    /// Newer manifests that cannot be read.
    pub damaged: Vec<Sequence>,
}

/// One snapshot in detail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The store's root.
    pub store: String,
    /// The events topic.
    pub topic: String,
    /// What `snapshots list` says about it.
    #[serde(flatten)]
    pub entry: PartitionEntry,
    /// The manifest's digest.
    pub digest: Digest,
    /// The edit that made it: `bind`, `append`, `accept-loss`, `repair`, `compact`, `retire`, `seal`, `reopen`.
    pub edit: &'static str,
    /// Who wrote it.
    pub writer: String,
    /// The writer's calculation.
    pub calculation: String,
    /// The writer's fields.
    pub fields: String,
    /// The consumer group.
    pub group: String,
    /// The results topic.
    pub results_topic: String,
    /// The gaps.
    pub gap_list: Vec<GapEntry>,
    /// The live segments, ascending.
    pub segment_list: Vec<SegmentEntry>,
}

/// A gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GapEntry {
    /// The first offset.
    pub start: Offset,
    /// After the last one.
    pub end: Offset,
    /// Why.
    pub reason: GapReason,
    /// When it entered the chain.
    #[serde(serialize_with = "rfc3339")]
    pub accepted_at: DateTime<Utc>,
}

/// A live segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentEntry {
    /// Its path, relative to the root.
    pub path: String,
    /// What its rows are.
    pub kind: SegmentKind,
    /// The first offset.
    pub start: Offset,
    /// After the last one.
    pub end: Offset,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its digest.
    pub digest: Digest,
    /// The fingerprint of its calculation.
    pub fingerprint: String,
    /// When a running processor last verified it; `None` when that is not known.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub verified_at: Option<DateTime<Utc>>,
    /// What was found wrong with it then.
    #[serde(skip_serializing_if = "is_zero")]
    pub verified_findings: u64,
}

/// The newest snapshot of each partition.
///
/// # Errors
/// When there is nothing of the topic, a newer snapback wrote a manifest, or the store cannot be read.
pub async fn list(store: &Store, layout: &Layout) -> Result<Listing, QueryError> {
    let partitions = topics::manifests(store, layout).await?;
    if partitions.is_empty() {
        return Err(TopicError::missing(store, layout).await?.into());
    }
    let tails = partitions.into_keys().map(|partition| async move {
        let tail = match load_tail(store, layout, partition).await {
            Ok(tail) => tail,
            // One partition that cannot be read does not hide the others.
            Err(error) if error.keeps_no_other() => {
                let why = format!("its newest manifest cannot be read: {error}");
                return Ok((partition, Err(why)));
            }
            Err(error) => return Err(error.into()),
        };
        let damaged: Vec<Sequence> = tail
            .damaged
            .iter()
            .map(|damaged| damaged.sequence)
            .collect();
        let newest = tail.newest.map(|manifest| {
            let entry = entry(&manifest, damaged);
            let mut types = ColumnTypes::default();
            types.add(&manifest);
            (entry, types)
        });
        let none = || "none of its manifests can be read".to_owned();
        let newest = newest.ok_or_else(none);
        Ok::<_, QueryError>((partition, newest))
    });
    let tails: Vec<_> = stream::iter(tails)
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    let mut listing = Listing {
        store: store.uri(),
        topic: layout.topic().to_owned(),
        partitions: Vec::new(),
        unreadable: Vec::new(),
        why: BTreeMap::new(),
        mixed_types: Vec::new(),
    };
    let mut types = ColumnTypes::default();
    for (partition, newest) in tails {
        match newest {
            Ok((entry, own)) => {
                listing.partitions.push(entry);
                types.merge(own);
            }
            Err(why) => {
                listing.unreadable.push(partition);
                listing.why.insert(partition, why);
            }
        }
    }
    let mixed = types.mixed();
    listing.mixed_types = mixed.iter().map(ToString::to_string).collect();
    Ok(listing)
}

/// The types of the columns of all live results of a topic, as far as its newest manifests can be read.
///
/// # Errors
/// When the store cannot be listed.
pub async fn column_types(store: &Store, layout: &Layout) -> Result<ColumnTypes, QueryError> {
    let partitions = topics::manifests(store, layout).await?;
    let tails = partitions
        .into_keys()
        .map(|partition| load_tail(store, layout, partition));
    let mut tails = stream::iter(tails).buffered(AT_A_TIME);
    let mut types = ColumnTypes::default();
    while let Some(tail) = tails.next().await {
        match tail {
            Ok(tail) => tail.newest.iter().for_each(|newest| types.add(newest)),
            // Whoever owns the partition says it.
            Err(error) => {
                tracing::debug!("the types of a partition's columns are not known: {error}")
            }
        }
    }
    Ok(types)
}

/// One snapshot of a partition in detail: the newest, or the one that `sequence` names.
///
/// # Errors
/// When it is not there or cannot be read, a newer snapback wrote it, or the store cannot be read.
pub async fn show(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    sequence: Option<Sequence>,
) -> Result<Shown, QueryError> {
    let mut partitions = topics::manifests(store, layout).await?;
    if partitions.is_empty() {
        return Err(TopicError::missing(store, layout).await?.into());
    }
    let Some(numbers) = partitions.remove(&partition) else {
        let there = partitions.into_keys().collect();
        let topic = layout.topic().to_owned();
        return Err(TopicError::NoSuchPartition {
            topic,
            partition,
            there,
        }
        .into());
    };
    let (manifest, damaged) = match sequence {
        Some(sequence) => (
            numbered(store, layout, partition, sequence, &numbers).await?,
            Vec::new(),
        ),
        None => {
            let tail = load_tail(store, layout, partition).await?;
            let damaged: Vec<_> = tail
                .damaged
                .iter()
                .map(|damaged| damaged.sequence)
                .collect();
            let manifest = tail.newest.ok_or_else(|| QueryError::Damaged {
                location: store.locate(&layout.manifests(partition)),
                detail: "none of its manifests can be read".to_owned(),
            })?;
            (manifest, damaged)
        }
    };
    let listed = read_all_listed(store, layout, manifest).await?;
    // It is advice: what cannot be read says nothing, and keeps nothing from being shown.
    let verified = load_verified(store, layout, partition).await;
    let verified = verified.unwrap_or_else(|error| {
        tracing::debug!("when its segments were verified is not known: {error}");
        Verified::default()
    });
    Ok(shown(store, layout, &listed, damaged, &verified))
}

async fn numbered(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    sequence: Sequence,
    numbers: &[Sequence],
) -> Result<Manifest, QueryError> {
    match load_manifest(store, layout, partition, sequence).await? {
        Found::Good(manifest) => Ok(*manifest),
        Found::Damaged { detail, .. } => Err(QueryError::Damaged {
            location: store.locate(&layout.manifest(partition, sequence)),
            detail,
        }),
        Found::Missing => {
            let there = match numbers {
                [only] => format!("only number {only}"),
                [first, .., last] => format!("numbers from {first} to {last}"),
                [] => "none".to_owned(),
            };
            let topic = layout.topic().to_owned();
            Err(TopicError::NoSuchManifest {
                topic,
                partition,
                sequence,
                there,
            }
            .into())
        }
    }
}

fn rfc3339<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn entry(manifest: &Manifest, damaged: Vec<Sequence>) -> PartitionEntry {
    PartitionEntry {
        partition: manifest.partition,
        origin: manifest.origin,
        end: manifest.end,
        results: manifest.counts.results,
        rejects: manifest.counts.rejects,
        filtered: manifest.counts.filtered,
        absent: manifest.counts.absent,
        lost: manifest.counts.lost,
        gaps: manifest.gaps.len() as u64,
        segments: manifest.live_files(),
        pages: manifest.pages.len() as u64,
        bytes: manifest.live_bytes(),
        manifest: manifest.sequence,
        created_at: manifest.created_at,
        damaged,
    }
}

fn rfc3339_or_null<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => rfc3339(time, serializer),
        None => serializer.serialize_none(),
    }
}

fn shown(
    store: &Store,
    layout: &Layout,
    manifest: &Listed,
    damaged: Vec<Sequence>,
    verified: &Verified,
) -> Shown {
    let gaps = manifest.gaps.iter().map(|gap| GapEntry {
        start: gap.range.start(),
        end: gap.range.end(),
        reason: gap.reason,
        accepted_at: gap.accepted_at,
    });
    let segments = manifest.files().map(|segment| {
        let last = verified.last(segment);
        SegmentEntry {
            path: segment.path.to_string(),
            kind: segment.kind,
            start: segment.range.start(),
            end: segment.range.end(),
            rows: segment.rows,
            bytes: segment.bytes,
            digest: segment.digest,
            fingerprint: segment.fingerprint.to_string(),
            verified_at: last.map(|(at, _)| at),
            verified_findings: last.map_or(0, |(_, count)| count),
        }
    });
    Shown {
        store: store.uri(),
        topic: layout.topic().to_owned(),
        entry: entry(manifest, damaged),
        digest: manifest.digest(),
        edit: manifest.edit.name(),
        writer: manifest.writer.clone(),
        calculation: manifest.calculation.clone(),
        fields: manifest.fields.clone(),
        group: manifest.pipeline.group.clone(),
        results_topic: manifest.pipeline.results_topic.clone(),
        gap_list: gaps.collect(),
        segment_list: segments.collect(),
    }
}
