//! A statement for others: what was verified, with a digest of the rows themselves.
//!
//! In flow a store that was verified and its [`Report`]; out flows a [`Statement`], a file that somebody else keeps. On another
//! machine, without Kafka and without trusting who wrote it, [`compare`] says whether a store still holds exactly these
//! outcomes. It is made of rows, not of files: compaction and the removal of old files change nothing, a repair changes the
//! blocks that it touched, and these are named.
//!
//! Memory: a file of each partition that is read at a time, and a digest for each block.

mod blocks;
mod document;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

pub use document::StatementError;

use super::{AuditError, Level, Report, Unread};
use crate::{
    calculation::Declaration,
    format::{Layout, Listed, Manifest, SegmentKind},
    history::{load_tail, read_all_listed, read_listed},
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

/// A block that is not as it was stated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The partition.
    pub partition: Partition,
    /// The first offset of the block.
    pub start: Offset,
    /// The offset after its last one.
    pub end: Offset,
    /// What is different, and what made it so, as far as the chain tells.
    pub detail: String,
}

/// What a statement says, against what a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// When the statement was written.
    pub written_at: String,
    /// The blocks that were compared.
    pub blocks: u64,
    /// Their outcomes, as stated.
    pub outcomes: u64,
    /// Those that are different.
    pub changed: Vec<Changed>,
    /// Partitions that could not be read: nothing is said about them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
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

/// Compares what a store holds with a statement. Offsets that came after it are not looked at. A partition of which something
/// cannot be read is named, and keeps no other.
///
/// # Errors
/// When the store does not answer.
pub async fn compare(
    statement: &Statement,
    store: &Store,
    layout: &Layout,
) -> Result<Comparison, AuditError> {
    let mut changed = Vec::new();
    let mut there = Vec::new();
    let mut newest = BTreeMap::new();
    let mut unread = Vec::new();
    for head in &statement.partitions {
        let tail = match load_tail(store, layout, head.partition).await {
            Err(error) if error.keeps_no_other() => {
                unread.push(head.unread(layout, &error.into()));
                continue;
            }
            tail => tail?,
        };
        let held = tail
            .newest
            .as_ref()
            .is_some_and(|now| now.origin <= head.start && now.end >= head.end);
        let detail = match tail.newest {
            Some(now) if held => {
                let listed = read_listed(store, layout, now).await?;
                let mut unread = listed.unread().iter();
                let Some(page) = unread.next() else {
                    there.push(head.clone());
                    newest.insert(head.partition, listed);
                    continue;
                };
                let (path, why) = (&page.link.path, page.why());
                format!("what is stored is not known: the page {path} cannot be read: {why}")
            }
            Some(now) => format!("the store holds {} only", now.range()),
            None => "the store holds nothing of this partition".to_owned(),
        };
        changed.push(Changed {
            partition: head.partition,
            start: head.start,
            end: head.end,
            detail,
        });
    }
    let mut now = Vec::new();
    for (head, stored) in stored(store, layout, &there).await {
        match stored {
            Ok(mut blocks) => now.append(&mut blocks),
            Err(error) if error.keeps_no_other() => {
                newest.remove(&head.partition);
                unread.push(head.unread(layout, &error));
            }
            Err(error) => return Err(error),
        }
    }
    let now: BTreeMap<(Partition, Offset), &Block> = now
        .iter()
        .map(|block| ((block.partition, block.start), block))
        .collect();
    for stated in &statement.blocks {
        let Some(newest) = newest.get(&stated.partition) else {
            continue;
        };
        let head = there.iter().find(|head| head.partition == stated.partition);
        let since = head.map(|head| head.manifest);
        let detail = match now.get(&(stated.partition, stated.start)) {
            Some(now) if **now == *stated => continue,
            Some(now) => different(stated, now, newest, since),
            None => "the statement has a block that its partition does not have".to_owned(),
        };
        changed.push(Changed {
            partition: stated.partition,
            start: stated.start,
            end: stated.end,
            detail,
        });
    }
    let was_read = |block: &&Block| unread.iter().all(|one| one.partition != block.partition);
    let compared: Vec<&Block> = statement.blocks.iter().filter(was_read).collect();
    Ok(Comparison {
        written_at: statement.written_at.clone(),
        blocks: compared.len() as u64,
        outcomes: compared
            .iter()
            .map(|block| block.results.rows + block.rejects.rows)
            .sum(),
        changed,
        unread,
    })
}

/// What differs in a block, and which edits since the statement have corrected something in it.
fn different(stated: &Block, now: &Block, newest: &Listed, since: Option<Sequence>) -> String {
    let mut parts = Vec::new();
    for (what, stated, now) in [
        ("results", stated.results, now.results),
        ("rejects", stated.rejects, now.rejects),
    ] {
        if stated.rows != now.rows {
            parts.push(format!(
                "{} {what} were stated, {} are stored",
                stated.rows, now.rows
            ));
        } else if stated != now {
            parts.push(format!("{} {what}, not all of them as stated", now.rows));
        }
    }
    let range = OffsetRange::new(stated.start, stated.end).ok();
    let corrected = newest.files().filter(|segment| {
        segment.kind == SegmentKind::Corrections
            && range.is_some_and(|range| range.overlaps(segment.range))
            && segment.revision > since
    });
    let by: Vec<String> = corrected
        .filter_map(|segment| {
            Some(format!(
                "manifest {} ({} corrections)",
                segment.revision?, segment.rows
            ))
        })
        .collect();
    match by.is_empty() {
        true => parts.push("no correction in the chain says why".to_owned()),
        false => parts.push(format!("changed by {}", by.join(", "))),
    }
    parts.join("; ")
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
