//! `verify`: partitions are walked, then their segments inspected, several at a time.
//!
//! Memory: of the segments that are read at a time no more than [`MEMORY`] (small files, a row group of each large one, and a
//! batch of decoded rows), the newest manifest and a few of its predecessors per slot, and the listing of the folders. It does
//! not grow with the rows.

use std::{collections::BTreeSet, num::NonZeroUsize, sync::Arc, thread::available_parallelism};

use futures::{Stream, StreamExt as _, stream};
use tokio::sync::Semaphore;

use super::{
    AuditError, Finding, FindingKind, Level, Report, chain,
    examine::{MEMORY, examine},
    folders::{Folder, Folders, folders, orphans, taken_for_ours, unreadable},
    groups::{Group, group},
    inspect::Inspected,
    instructions::{self, Commands},
    pages,
    partition::{self, Examined},
    report::ComparedWith,
    verification::Verification,
};
use crate::{
    calculation::{Calculations, Declaration},
    format::{ColumnTypes, Layout, Manifest},
    history::{END, LARGE, read_listed},
    model::Partition,
    query::{TopicError, UnknownFile},
    recovery::Invocation,
    store::Store,
};

/// What to verify, and how fast.
#[derive(Clone, Debug)]
pub struct Options {
    /// Groups of segments, or chains, at a time.
    pub parallelism: NonZeroUsize,
    /// The partitions to verify; `None` for all.
    pub partitions: Option<BTreeSet<Partition>>,
    /// The calculation that all should be of: others are found, though no fault.
    pub given: Option<Declaration>,
    /// How the program was started.
    pub invocation: Invocation,
    /// Segments of more bytes are read in parts, so that they are never in memory as a whole.
    pub large: u64,
}

impl Default for Options {
    /// All partitions, with as many tasks as the machine has cores.
    fn default() -> Options {
        Options {
            parallelism: available_parallelism().unwrap_or(NonZeroUsize::MIN),
            partitions: None,
            given: None,
            invocation: Invocation::new("verify"),
            large: LARGE,
        }
    }
}

/// How far verifying is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Segments read so far.
    pub segments: u64,
    /// The segments that lie in the folders.
    pub total_segments: u64,
    /// Rows read so far.
    pub rows: u64,
    /// Bytes of segments read so far.
    pub bytes: u64,
    /// The bytes of all segments in the folders.
    pub total_bytes: u64,
}

/// Verifies the snapshots of a topic. `progress` is called after every group of segments.
///
/// # Errors
/// When there is nothing of the topic or of a partition asked for, a newer snapback wrote a manifest, or the store does not
/// answer. Damage is in the report.
pub async fn verify(
    store: &Store,
    layout: &Layout,
    level: Level,
    calculations: &Calculations,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, AuditError> {
    let context = Verification {
        store: store.clone(),
        layout: layout.clone(),
        level,
        calculations: calculations.clone(),
        given: options.given.clone(),
        until: None,
        large: options.large,
        end: END,
        memory: Some(Arc::new(Semaphore::new(MEMORY))),
    };
    let (chosen, unknown_files) = chosen(&context, options).await?;
    let files = || chosen.iter().flat_map(|(_, folder)| &folder.files);
    let mut state = Progress {
        total_segments: files().count() as u64,
        total_bytes: files().map(|entry| entry.size).sum(),
        ..Progress::default()
    };
    let mut types = ColumnTypes::default();
    let mut report = Report {
        unknown_files,
        ..Report::default()
    };
    let mut work = std::pin::pin!(work(context, chosen, options.parallelism.get()));
    while let Some(done) = work.next().await {
        match done? {
            Done::Partition(examined) => {
                let newest = examined.newest.as_deref();
                report.partition(newest.map(|newest| newest.counts));
                if let Some(newest) = newest {
                    types.add(newest);
                    report.lost(newest.partition, &newest.gaps);
                }
                report.findings.extend(examined.findings);
                let with = examined.compared_with;
                with.into_iter().for_each(|with| report.compared_with(with));
            }
            Done::Group {
                segments,
                bytes,
                inspected,
            } => {
                state.segments += segments;
                state.bytes += bytes;
                state.rows += inspected.results + inspected.rejects;
                report.rows(inspected);
                progress(state);
            }
        }
    }
    report.findings.extend(mixed_types(&types));
    Ok(report.close(&Commands::of(&options.invocation)))
}

/// A finding for each column that has more than one type.
fn mixed_types(types: &ColumnTypes) -> impl Iterator<Item = Finding> {
    types.mixed().into_iter().map(|mixed| {
        let detail = format!(
            "the column {mixed}: DuckDB reads wrong numbers over both in silence, other readers fail"
        );
        let (partition, range) = (mixed.partition, mixed.range);
        let remedy = instructions::mixed_types();
        Finding::new(FindingKind::MixedTypes, partition, range, detail, remedy)
    })
}

/// The folders of the partitions that were asked for, and what lies beside them.
async fn chosen(
    context: &Verification,
    options: &Options,
) -> Result<(Vec<(Partition, Folder)>, Vec<UnknownFile>), AuditError> {
    let Folders {
        partitions: mut there,
        unknown,
    } = folders(&context.store, &context.layout).await?;
    if let Some(wanted) = &options.partitions {
        if let Some(partition) = wanted
            .iter()
            .find(|partition| !there.contains_key(*partition))
        {
            return Err(AuditError::Topic(TopicError::NoSuchPartition {
                topic: context.layout.topic().to_owned(),
                partition: *partition,
                there: there.into_keys().collect(),
            }));
        }
        there.retain(|partition, _| wanted.contains(partition));
    }
    Ok((there.into_iter().collect(), unknown))
}

enum Work {
    Partition(Own),
    Group { newest: Arc<Manifest>, group: Group },
}

enum Done {
    Partition(Own),
    Group {
        segments: u64,
        bytes: u64,
        inspected: Inspected,
    },
}

/// What a partition is beside its segments.
#[derive(Default)]
struct Own {
    newest: Option<Arc<Manifest>>,
    compared_with: Vec<ComparedWith>,
    findings: Vec<Finding>,
}

/// Walks every chain and inspects every group of segments, `parallelism` at a time, in any order.
fn work(
    context: Verification,
    chosen: Vec<(Partition, Folder)>,
    parallelism: usize,
) -> impl Stream<Item = Result<Done, AuditError>> {
    let walker = context.clone();
    let walks = stream::iter(chosen).map(move |(partition, folder)| {
        let context = walker.clone();
        async move { tokio::spawn(walk(context, partition, folder)).await? }
    });
    let work = walks.buffered(parallelism).flat_map(|walked| {
        stream::iter(match walked {
            Ok(work) => work.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    });
    let tasks = work.map(move |work| {
        let context = context.clone();
        async move {
            Ok(match work? {
                Work::Partition(own) => Done::Partition(own),
                Work::Group { newest, group } => {
                    let segments = group.segments.len() as u64;
                    let bytes = group.segments.iter().map(|segment| segment.bytes).sum();
                    let evaluators = context.evaluators(&newest.calculations, &group);
                    let examined = examine(context, newest.partition, group, evaluators);
                    let inspected = tokio::spawn(examined).await??;
                    Done::Group {
                        segments,
                        bytes,
                        inspected: inspected.unwrap_or_default(),
                    }
                }
            })
        }
    });
    tasks.buffer_unordered(parallelism)
}

/// The work that a partition is: its own findings, and its groups of segments.
async fn walk(
    context: Verification,
    partition: Partition,
    folder: Folder,
) -> Result<Vec<Work>, AuditError> {
    let Verification { store, layout, .. } = &context;
    let places = folder.closed.iter().chain(&folder.unreadable);
    let mut unread: Vec<Finding> = places.map(|place| unreadable(partition, place)).collect();
    let strange = folder.taken_for_ours.iter();
    unread.extend(strange.map(|path| taken_for_ours(store, partition, path)));
    if folder.closed.is_some() {
        return Ok(vec![Work::Partition(Own {
            findings: unread,
            ..Own::default()
        })]);
    }
    let walked = chain::walk(store, layout, partition, &folder.manifests).await?;
    let Some(newest) = walked.newest.clone() else {
        let files = &folder.files;
        let mut findings = partition::without_manifest(store, layout, walked, files);
        findings.append(&mut unread);
        return Ok(vec![Work::Partition(Own {
            findings,
            ..Own::default()
        })]);
    };
    let listed = read_listed(store, layout, Manifest::clone(&newest)).await?;
    let groups = group(listed.files(), true);
    let orphans = orphans(store, layout, &listed, &folder.files).await?;
    unread.extend(pages::unread(store, layout, &listed).await?);
    let examined = Examined {
        walked: &walked,
        newest: &listed,
        groups: &groups,
    };
    let mut findings = examined.findings(&context);
    let compared_with = examined.compared_with(&context);
    findings.extend(walked.findings);
    findings.extend(orphans);
    findings.append(&mut unread);
    let mut work = vec![Work::Partition(Own {
        newest: Some(Arc::clone(&newest)),
        compared_with,
        findings,
    })];
    work.extend(groups.into_iter().map(|group| Work::Group {
        newest: Arc::clone(&newest),
        group,
    }));
    Ok(work)
}
