//! Whether the output topics hold what the snapshots hold: every stored outcome once, as it is stored, and every correction.
//!
//! In flow a store, a topic's layout, and where the output topics are ([`OutputTopics`]); out flow [`Published`] counts with
//! findings of the kinds `unpublished`, `published-twice`, `published-wrong` and `stale-revision`. The topics are read from
//! outside of every group, committed messages only, up to their ends of the moment; the newest manifests are loaded before,
//! so that whatever is stored was visible by then (I1, I5). Nothing is changed.
//!
//! It is a merge, not a set of keys: the publications of a partition ascend, and so do stored rows ([`lane`]). Memory holds,
//! for each partition at hand, a file of each kind and a batch of its rows.
//!
//! Only what the topics can still hold is claimed:
//! - Retention: outcomes below the smallest source offset that a topic still has of a partition are *not checkable*. A topic
//!   whose log begins at 0 has lost nothing.
//! - Compaction (`cleanup.policy`): what was published again under the same key need not be there. Messages that have the keys
//!   of their events (dead letters, and results with `--carry key`) may be replaced by those of other events: what is missing
//!   of dead letters, and of results as far as they may have carried keys ([`equal_keys`]), is *not checkable*.
//! - Messages that cannot be read, or that an open transaction hides ([`Unread`](super::Unread)): what may be among them is
//!   *not checkable* either, and the report is not clean.
//! - Outcomes of segments that cannot be read, and those in accepted gaps, are not compared; nor is what the topics have of
//!   offsets after the newest manifests.
//! - At-least-once delivery may publish an outcome twice: such a finding is a notice.

mod cursor;
mod equal_keys;
mod expected;
mod lane;
mod output_topics;
mod rows;
mod runs;
mod source;
mod topic;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream};
use tokio::runtime::Handle;

use super::{
    AuditError, Finding, Options, Published, Report, folders::folders, instructions::Commands,
    message,
};
use crate::{
    format::{Layout, Listed, SegmentKind},
    history::{load_tail, read_listed},
    kafka::Admin,
    model::Partition,
    store::Store,
};
pub use output_topics::OutputTopics;

use cursor::Files;
use source::Compared;
use topic::{Read, Reading};

/// How long a question to a broker may take.
const ASK: Duration = Duration::from_secs(15);
/// Partitions of the events that are compared in one reading of a topic's partition: what bounds memory.
const SOURCES: usize = 4;
/// Readers at a time: the client of each holds some 30 MB of small messages.
const READERS: usize = 2;
/// How often progress is told.
const TICK: Duration = Duration::from_millis(200);

/// Compares the stored outcomes of a topic with the output topics, and adds what it finds to `report`. `progress` is called
/// now and then with the offsets that were read, and with all that will be.
///
/// # Errors
/// When there is nothing of the topic in the store, the store belongs to other topics, or store or Kafka do not answer.
pub async fn verify_published(
    store: &Store,
    layout: &Layout,
    topics: &OutputTopics,
    options: &Options,
    report: Report,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Report, AuditError> {
    let manifests = newest_manifests(store, layout, options).await?;
    let files = Files {
        runtime: Handle::current(),
        store: store.clone(),
        layout: layout.clone(),
        partition: Partition(0),
    };
    let (topics, all) = (topics.clone(), options.partitions.is_none());
    let planned = tokio::task::spawn_blocking(move || plan(&topics, manifests, &files, all));
    let readings = planned.await??;
    let total = readings.iter().map(Reading::len).sum();
    let read = Arc::new(AtomicU64::new(0));
    let readings = readings.into_iter().map(|reading| {
        let read = Arc::clone(&read);
        async move { tokio::task::spawn_blocking(move || reading.run(&read)).await? }
    });
    let parallelism = options.parallelism.get().min(READERS);
    let mut work = stream::iter(readings).buffer_unordered(parallelism);
    let mut tick = tokio::time::interval(TICK);
    let (mut published, mut findings) = (Published::default(), Vec::new());
    let mut unread = Vec::new();
    loop {
        tokio::select! {
            done = work.next() => match done {
                Some(done) => {
                    let mut read = done?;
                    unread.append(&mut read.unread);
                    published.add(read, &mut findings);
                }
                None => break,
            },
            _ = tick.tick() => progress(read.load(Ordering::Relaxed), total),
        }
    }
    let commands = Commands::of(&options.invocation);
    Ok(report.with_published(published, (findings, unread), &commands))
}

impl Published {
    fn add(&mut self, read: Read, findings: &mut Vec<Finding>) {
        self.unknown += read.unknown;
        for compared in read.compared {
            let Compared {
                messages,
                copies,
                not_checkable,
                findings: found,
            } = compared;
            self.messages += messages;
            self.copies += copies;
            self.not_checkable += not_checkable;
            findings.extend(found);
        }
    }
}

/// The newest manifests of the partitions that were asked for. That there is none of a partition, `verify` has told.
pub(super) async fn newest_manifests(
    store: &Store,
    layout: &Layout,
    options: &Options,
) -> Result<BTreeMap<Partition, Arc<Listed>>, AuditError> {
    let mut found = BTreeMap::new();
    let wanted = |partition: &Partition| {
        let chosen = options.partitions.as_ref();
        chosen.is_none_or(|chosen| chosen.contains(partition))
    };
    for partition in folders(store, layout)
        .await?
        .partitions
        .into_keys()
        .filter(wanted)
    {
        let tail = match load_tail(store, layout, partition).await {
            // The findings of `verify` say so; the others are compared.
            Err(error) if error.keeps_no_other() => continue,
            tail => tail?,
        };
        if let Some(newest) = tail.newest {
            let listed = read_listed(store, layout, newest).await?;
            // What is live is not known; the findings of `verify` say so, and the others are compared.
            if listed.unread().is_empty() {
                found.insert(partition, Arc::new(listed));
            }
        }
    }
    Ok(found)
}

/// What is to be read: each partition of the results topic, and all dead letters, for a few partitions of the events at a
/// time. The place of a result follows from its partition; a dead-letter topic may have been given partitions since.
fn plan(
    topics: &OutputTopics,
    manifests: BTreeMap<Partition, Arc<Listed>>,
    files: &Files,
    all: bool,
) -> Result<Vec<Reading>, AuditError> {
    let admin = Arc::new(Admin::connect(&topics.connection, ASK)?);
    let cluster = admin.cluster_id();
    for manifest in manifests.values() {
        let pipeline = &manifest.pipeline;
        let differs = |stored: &Option<String>, ours: &Option<String>| {
            let both = stored.as_ref().zip(ours.as_ref());
            both.is_some_and(|(stored, ours)| stored != ours)
        };
        if pipeline.results_topic != topics.results || differs(&pipeline.cluster_id, &cluster) {
            return Err(AuditError::OtherTopics {
                stored: topic_of(&pipeline.results_topic, &pipeline.cluster_id),
                given: topic_of(&topics.results, &cluster),
            });
        }
    }
    let mut places: BTreeMap<i32, Vec<Arc<Listed>>> = BTreeMap::new();
    for (partition, manifest) in &manifests {
        let count = i32::try_from(manifest.pipeline.results_partitions).unwrap_or(i32::MAX);
        let place = partition.0.checked_rem(count).unwrap_or_default();
        places.entry(place).or_default().push(Arc::clone(manifest));
    }
    let mut results = topic::Description::of(&admin, topics, SegmentKind::Results)?;
    let mut rejects = topic::Description::of(&admin, topics, SegmentKind::Rejects)?;
    let mut readings = Vec::new();
    for (place, manifests) in places {
        for chunk in manifests.chunks(SOURCES) {
            let places = vec![Partition(place)];
            readings.push(results.reading(files, chunk.to_vec(), places));
        }
    }
    if all {
        // No result belongs there, but somebody may have written one.
        for place in results.unread() {
            readings.push(results.reading(files, Vec::new(), vec![place]));
        }
    }
    let manifests: Vec<Arc<Listed>> = manifests.into_values().collect();
    for chunk in manifests.chunks(SOURCES) {
        let places = rejects.partitions();
        readings.push(rejects.reading(files, chunk.to_vec(), places));
    }
    Ok(readings)
}

fn topic_of(topic: &str, cluster: &Option<String>) -> String {
    match cluster {
        Some(cluster) => format!("{topic:?} of the cluster {cluster}"),
        None => format!("{topic:?}"),
    }
}
