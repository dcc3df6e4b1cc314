//! A statement for others: what was verified, with a digest of the rows themselves.
//!
//! In flow a store that was verified and its [`Report`]; out flows a [`Statement`], a file that somebody else keeps. On another
//! machine, without Kafka and without trusting who wrote it, [`compare`] says whether a store still holds exactly these
//! outcomes. It is made of rows, not of files: compaction and the removal of old files change nothing, a repair changes the
//! blocks that it touched, and these are named.
//!
//! Memory: of each partition that is read at a time a small file, or a row group of a large one; and a digest for each block.

mod blocks;
mod comparison;
mod document;
mod rows;

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

pub use comparison::{Changed, Comparison, compare};
pub use document::StatementError;

use super::{AuditError, Level, Report, Unread};
use crate::{
    calculation::Declaration,
    format::{Layout, Manifest, SegmentKind},
    history::{load_tail, read_all_listed},
    model::{Counts, Digest, Offset, OffsetRange, Partition, Sequence},
    query,
    store::Store,
};
use blocks::{Rows, row_digests};

/// The version of the form, and of the bytes that digests are over.
const FORMAT: u32 = 1;
/// See the module. Its members are written in alphabetical order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    format_version: u32,
    topic: String,
    /// The cluster and the events topic that the store was made from, as far as the broker has ids for them.
    cluster_id: Option<String>,
    events_topic_id: Option<String>,
    results_topic: String,
    group: String,
    /// How much was verified.
    level: String,
    /// When, in UTC.
    written_at: String,
    /// By which program.
    version: String,
    counts: Counts,
    /// What outcomes were compared with.
    calculations: Vec<Compared>,
    partitions: Vec<Head>,
    blocks: Vec<Block>,
}

/// A calculation, and the outcomes that were compared with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Compared {
    #[serde(flatten)]
    declaration: Declaration,
    outcomes: u64,
}

/// A partition as it was when verifying began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    partition: Partition,
    start: Offset,
    end: Offset,
    manifest: Sequence,
    manifest_digest: Digest,
}

/// The outcomes of up to 1,000,000 offsets of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    partition: Partition,
    start: Offset,
    end: Offset,
    results: Rows,
    rejects: Rows,
}

/// What a statement will be about: the partitions as they are before they are verified.
pub struct Scope {
    heads: Vec<Head>,
    counts: Counts,
    first: Manifest,
}

impl Scope {
    /// Looks at the partitions: all, or those in `wanted`; `None` when nothing of them can be read.
    ///
    /// # Errors
    /// When nothing is stored of the topic, or the store does not answer.
    pub async fn of(
        store: &Store,
        layout: &Layout,
        wanted: Option<&BTreeSet<Partition>>,
    ) -> Result<Option<Scope>, AuditError> {
        let (mut heads, mut counts, mut first) = (Vec::new(), Counts::default(), None);
        let there = query::manifests(store, layout).await?;
        let is_missing = there.is_empty();
        for partition in there.into_keys() {
            if wanted.is_some_and(|wanted| !wanted.contains(&partition)) {
                continue;
            }
            let newest = match load_tail(store, layout, partition).await {
                // Verifying finds it, so that nothing is stated.
                Err(error) if error.keeps_no_other() => continue,
                tail => tail?.newest,
            };
            let Some(newest) = newest else {
                continue;
            };
            heads.push(Head {
                partition,
                start: newest.origin,
                end: newest.end,
                manifest: newest.sequence,
                manifest_digest: newest.digest(),
            });
            counts = counts + newest.counts;
            first.get_or_insert(newest);
        }
        if is_missing {
            return Err(query::TopicError::missing(store, layout).await?.into());
        }
        Ok(first.map(|first| Scope {
            heads,
            counts,
            first,
        }))
    }
}

impl Statement {
    /// States what a report found clean at this level.
    ///
    /// # Errors
    /// When the store does not answer, or a file is not what its manifest says any more.
    pub async fn of(
        scope: Scope,
        report: &Report,
        level: Level,
        now: DateTime<Utc>,
        (store, layout): (&Store, &Layout),
    ) -> Result<Statement, AuditError> {
        let mut blocks = Vec::new();
        for (_, stored) in stored(store, layout, &scope.heads).await {
            blocks.append(&mut stored?);
        }
        let pipeline = scope.first.pipeline;
        let calculations = report.calculations.iter().map(|with| Compared {
            declaration: with.declaration.clone(),
            outcomes: with.outcomes,
        });
        Ok(Statement {
            format_version: FORMAT,
            topic: layout.topic().to_owned(),
            cluster_id: pipeline.cluster_id,
            events_topic_id: pipeline.events_topic_id,
            results_topic: pipeline.results_topic,
            group: pipeline.group,
            level: level.to_string(),
            written_at: now
                .trunc_subsecs(3)
                .to_rfc3339_opts(SecondsFormat::Millis, true),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            counts: scope.counts,
            calculations: calculations.collect(),
            partitions: scope.heads,
            blocks,
        })
    }

    /// The topic that it is about.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let Counts {
            results,
            rejects,
            absent,
            lost,
            ..
        } = self.counts;
        format!(
            "{}: {} partitions, {} blocks: {results} results, {rejects} rejects, {absent} absent, {lost} lost",
            self.topic,
            self.partitions.len(),
            self.blocks.len()
        )
    }
}

impl Head {
    /// Nothing is said of it.
    fn unread(&self, layout: &Layout, error: &AuditError) -> Unread {
        let range = OffsetRange::new(self.start, self.end);
        let range = range.unwrap_or(OffsetRange::empty(self.start));
        Unread::stored(layout.topic(), self.partition, range, error)
    }
}

/// The blocks that a store holds of each of these partitions.
async fn stored(
    store: &Store,
    layout: &Layout,
    heads: &[Head],
) -> Vec<(Head, Result<Vec<Block>, AuditError>)> {
    let parallelism = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let partitions = stream::iter(heads.to_vec()).map(|head| {
        let (store, layout) = (store.clone(), layout.clone());
        async move {
            let stored = tokio::spawn(of_partition(store, layout, head.clone())).await;
            (head, stored.unwrap_or_else(|error| Err(error.into())))
        }
    });
    partitions.buffered(parallelism).collect().await
}

async fn of_partition(store: Store, layout: Layout, head: Head) -> Result<Vec<Block>, AuditError> {
    let partition = head.partition;
    let Ok(range) = OffsetRange::new(head.start, head.end) else {
        return Ok(Vec::new());
    };
    let Some(newest) = load_tail(&store, &layout, partition).await?.newest else {
        return Ok(Vec::new());
    };
    let newest = read_all_listed(&store, &layout, newest).await?;
    let of = |kind| row_digests(&store, &layout, &newest, kind, range);
    let mut results = of(SegmentKind::Results).await?;
    let mut rejects = of(SegmentKind::Rejects).await?;
    let blocks = blocks::of(range).map(|range| Block {
        partition,
        start: range.start(),
        end: range.end(),
        results: results.remove(&range.start()).unwrap_or_else(Rows::none),
        rejects: rejects.remove(&range.start()).unwrap_or_else(Rows::none),
    });
    Ok(blocks.collect())
}

#[cfg(test)]
mod tests;
