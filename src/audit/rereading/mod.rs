//! Whether Kafka's events say what is on record of the offsets without a row, and the group what the snapshots say:
//! `verify --kafka`.
//!
//! In flow a store, a topic's layout, the calculations that this program has, and where Kafka is; out flow [`Reread`] counts
//! with findings of the kinds `wrong-filtered`, `wrong-absent` and `uncommitted`. The newest manifests are loaded first: what
//! they account for was committed by then (I1). Kafka is read from outside of every group. Nothing is changed.
//!
//! A range none of whose offsets lacks a row is not read. Of the others every event is, beside the stored rows: one without
//! a row must be one that the condition leaves out, under the calculation that is on record for its range, and none may lie
//! at an offset that the log is said never to deliver. What Kafka does not hold any more is *not checkable*: counted, and no
//! finding; what it holds and nobody can read is named ([`Unread`]), and the report is not clean.
//!
//! Memory: for each reader the files of one range, of a large one a row group, a batch of their rows and one of events.

mod range;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use futures::{StreamExt as _, stream};

use super::{
    AuditError, Finding, FindingKind, Options, Report, Reread, Unread,
    groups::group,
    instructions::{self, Commands},
    published::newest_manifests,
    readable::readable_of,
    recalculate::silent_parts,
};
use crate::{
    calculation::Calculations,
    format::{Layout, Listed},
    history::{FetchError, open_segment},
    kafka::{Admin, Connection, GroupWatch, Reader},
    model::{Offset, OffsetRange, Partition},
    store::Store,
};
use range::{Found, Recorded, Task};

/// How long a question to a broker may take.
const ASK: Duration = Duration::from_secs(15);
/// Readers at a time: the client of each holds some 30 MB of small messages.
const READERS: usize = 2;
/// How often progress is told.
const TICK: Duration = Duration::from_millis(200);
/// A commit becomes visible a moment after it is made: it is looked for so often.
const LOOKS: u32 = 6;
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// So many findings of a partition are told one by one; after them, one for each range.
const DETAILED: usize = 100;

/// What Kafka has of a partition.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// What a reader of committed messages can read.
    readable: OffsetRange,
    /// What the group has committed, if anything.
    committed: Option<Offset>,
}

/// Reads the events again that have no row, and adds what it finds to `report`. `progress` is called now and then with the
/// offsets that were read, and with all that will be.
///
/// # Errors
/// When the store was made from other topics, or store or Kafka do not answer.
pub async fn verify_events(
    (store, layout): (&Store, &Layout),
    connection: &Connection,
    calculations: &Calculations,
    options: &Options,
    report: Report,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Report, AuditError> {
    let manifests = newest_manifests(store, layout, options).await?;
    let (asked, from) = (manifests.clone(), connection.clone());
    let places = tokio::task::spawn_blocking(move || places(&from, &asked)).await??;
    let partitions: Vec<Work> = manifests
        .into_iter()
        .filter_map(|(partition, newest)| Some(Work::of(newest, *places.get(&partition)?)))
        .collect();
    let total = partitions.iter().map(Work::len).sum();
    let read = Arc::new(AtomicU64::new(0));
    let work = partitions.into_iter().map(|work| {
        let context = Context {
            store: store.clone(),
            layout: layout.clone(),
            calculations: calculations.clone(),
            connection: connection.clone(),
            read: Arc::clone(&read),
        };
        // Without events to read there is no need of a client.
        let reader = (work.len() > 0).then(|| Reader::open(connection, layout.topic()));
        async move {
            let reader = reader.transpose()?.map(Arc::new);
            tokio::spawn(work.run(context, reader)).await?
        }
    });
    let parallelism = options.parallelism.get().min(READERS);
    let mut work = stream::iter(work).buffer_unordered(parallelism);
    let mut tick = tokio::time::interval(TICK);
    let (mut counts, mut findings) = (Reread::default(), Vec::new());
    let mut unread = Vec::new();
    loop {
        tokio::select! {
            done = work.next() => match done {
                Some(done) => {
                    let mut read = done?;
                    counts.add(read.counts);
                    findings.append(&mut read.findings);
                    unread.append(&mut read.unread);
                }
                None => break,
            },
            _ = tick.tick() => progress(read.load(Ordering::Relaxed), total),
        }
    }
    let commands = Commands::of(&options.invocation);
    Ok(report.with_reread(counts, (findings, unread), &commands))
}

/// What Kafka has of each partition.
fn places(
    connection: &Connection,
    manifests: &BTreeMap<Partition, Arc<Listed>>,
) -> Result<BTreeMap<Partition, Place>, AuditError> {
    let mut places = BTreeMap::new();
    if manifests.is_empty() {
        return Ok(places);
    }
    let admin = Admin::connect(connection, ASK)?;
    for (partition, manifest) in manifests {
        let place = Place {
            readable: readable_of(&admin, &manifest.pipeline, *partition)?,
            committed: None,
        };
        places.insert(*partition, place);
    }
    let groups: BTreeSet<(&str, &str)> = manifests
        .values()
        .map(|manifest| {
            let pipeline = &manifest.pipeline;
            (pipeline.group.as_str(), pipeline.events_topic.as_str())
        })
        .collect();
    for (group, topic) in groups {
        committed(connection, (group, topic), manifests, &mut places)?;
    }
    Ok(places)
}

/// What a group has committed; a commit that is on its way is waited for.
fn committed(
    connection: &Connection,
    (group, topic): (&str, &str),
    manifests: &BTreeMap<Partition, Arc<Listed>>,
    places: &mut BTreeMap<Partition, Place>,
) -> Result<(), AuditError> {
    let watch = GroupWatch::open(connection, group, topic)?;
    let last = manifests.keys().map(|partition| partition.0).max();
    let count = u32::try_from(last.unwrap_or_default()).unwrap_or_default() + 1;
    for look in 1..=LOOKS {
        let committed = watch.committed(count, ASK)?;
        let mut behind = false;
        for (partition, manifest) in manifests {
            if manifest.pipeline.group == group
                && let Some(place) = places.get_mut(partition)
            {
                place.committed = committed.get(partition).copied();
                behind |= place.committed.is_some_and(|at| at < manifest.end);
            }
        }
        if !behind {
            break;
        }
        if look < LOOKS {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// What every range needs.
struct Context {
    store: Store,
    layout: Layout,
    calculations: Calculations,
    connection: Connection,
    /// The offsets read so far.
    read: Arc<AtomicU64>,
}

/// What reading a partition again gave.
struct Done {
    counts: Reread,
    findings: Vec<Finding>,
    unread: Vec<Unread>,
}

/// A partition: the ranges that have offsets without a row.
struct Work {
    newest: Arc<Listed>,
    place: Place,
    ranges: Vec<Recorded>,
}

impl Work {
    fn of(newest: Arc<Listed>, place: Place) -> Work {
        let silent = newest.silent().iter().flat_map(silent_parts);
        let mut ranges: Vec<Recorded> = silent.map(Recorded::Silent).collect();
        let groups = group(newest.segments(), true).into_iter();
        let lacks = groups.filter(|group| {
            let rowless = group.segments.first().map(|file| file.rowless);
            rowless.is_some_and(|rowless| rowless.absent + rowless.filtered > 0)
        });
        ranges.extend(lacks.map(|group| Recorded::Files(group.range, group.segments)));
        ranges.sort_by_key(|range| range.range().start());
        Work {
            newest,
            place,
            ranges,
        }
    }

    /// The offsets that are to be read.
    fn len(&self) -> u64 {
        let parts = self.ranges.iter().map(|range| self.readable(range.range()));
        parts.map(OffsetRange::len).sum()
    }

    /// The part of a range that Kafka holds.
    fn readable(&self, range: OffsetRange) -> OffsetRange {
        let readable = self.place.readable;
        let start = range.start().max(readable.start());
        let end = range.end().min(readable.end());
        OffsetRange::new(start, end).unwrap_or(OffsetRange::empty(range.start()))
    }

    async fn run(self, context: Context, reader: Option<Arc<Reader>>) -> Result<Done, AuditError> {
        let mut counts = Reread::default();
        let mut findings: Vec<Finding> = self.uncommitted(&mut counts).into_iter().collect();
        let mut unread = Vec::new();
        for range in &self.ranges {
            let mut found = self.range(&context, reader.as_ref(), range).await?;
            counts.add(found.counts);
            unread.append(&mut found.unread);
            let detailed = findings.len() < DETAILED;
            findings.extend(found.findings(self.newest.partition, detailed));
        }
        Ok(Done {
            counts,
            findings,
            unread,
        })
    }

    /// Reads one range again.
    async fn range(
        &self,
        context: &Context,
        reader: Option<&Arc<Reader>>,
        recorded: &Recorded,
    ) -> Result<Found, AuditError> {
        let declared = recorded
            .fingerprint()
            .and_then(|fingerprint| self.newest.declaration(fingerprint));
        let readable = self.readable(recorded.range());
        let Some(reader) = reader.filter(|_| !readable.is_empty()) else {
            return Ok(recorded.not_checkable());
        };
        let mut files = Vec::new();
        for segment in recorded.segments() {
            match open_segment(&context.store, &context.layout, segment).await {
                Ok(file) => files.push((segment.kind, file)),
                Err(FetchError::Store(error)) if !error.concerns_the_object() => {
                    return Err(AuditError::Store(error));
                }
                // That is a finding of `verify`; without the rows, nothing can be said here.
                Err(_) => return Ok(recorded.not_checkable()),
            }
        }
        let task = Task {
            reader: Arc::clone(reader),
            connection: context.connection.clone(),
            topic: context.layout.topic().to_owned(),
            partition: self.newest.partition,
            readable,
            declared: declared.cloned(),
            evaluator: declared.and_then(|declared| context.calculations.evaluator(declared).ok()),
            read: Arc::clone(&context.read),
        };
        let recorded = recorded.clone();
        tokio::task::spawn_blocking(move || task.check(&recorded, files)).await?
    }

    /// The group must have committed what the snapshots hold.
    fn uncommitted(&self, counts: &mut Reread) -> Option<Finding> {
        let (committed, end) = (self.place.committed?, self.newest.end);
        if committed >= end {
            counts.unstored += OffsetRange::new(end, committed).map_or(0, OffsetRange::len);
            return None;
        }
        let group = &self.newest.pipeline.group;
        let detail = format!(
            "the snapshots hold what was committed up to offset {end}; the group {group} has committed {committed}"
        );
        let range = OffsetRange::new(committed, end).ok()?;
        let remedy = instructions::uncommitted(group, end);
        Some(Finding::new(
            FindingKind::Uncommitted,
            self.newest.partition,
            range,
            detail,
            remedy,
        ))
    }
}
