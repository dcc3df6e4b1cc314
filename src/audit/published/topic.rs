//! Reading an output topic: as any consumer would, each partition from its beginning to its end of the moment.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    cursor::Files,
    message::{self, Body, Message},
    output_topics::OutputTopics,
    source::{Compared, Source, Topic},
};
use crate::{
    audit::{
        AuditError, Unread,
        around::{Log, Piece},
    },
    format::{Listed, SegmentKind},
    kafka::{Admin, Batch, Connection, KafkaError, Reader},
    model::{OffsetRange, Partition},
};

/// How long a topic may stay silent before reading it is given up.
const IDLE: Duration = Duration::from_secs(30);
/// How long an open transaction may hide what was committed after it began: those of a dead process end after their time-out.
const OPEN_TRANSACTION: Duration = Duration::from_secs(60);

/// An output topic as its brokers describe it.
pub(super) struct Description {
    admin: Arc<Admin>,
    connection: Connection,
    topic: Topic,
    /// What the log of each partition holds.
    logs: BTreeMap<Partition, Held>,
    /// The partitions of which a reading has been made.
    read: Vec<Partition>,
}

/// What a partition's log holds of committed messages.
#[derive(Clone, Debug)]
struct Held {
    range: OffsetRange,
    /// What a transaction hides that has not ended.
    hidden: Option<Unread>,
}

/// Partitions of a topic, to be read for a few partitions of the events.
pub(super) struct Reading {
    admin: Arc<Admin>,
    connection: Connection,
    topic: Topic,
    sources: Vec<(Files, Arc<Listed>)>,
    logs: Vec<(Partition, Held)>,
    /// Another reading of the same partitions counts the unknown messages.
    is_first: bool,
    /// Where results belong, by the number of partitions that the store is bound to.
    results_partitions: Option<i32>,
    events: String,
}

/// What a reading gave.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub compared: Vec<Compared>,
    pub unknown: u64,
    pub unread: Vec<Unread>,
}

impl Description {
    /// Asks the brokers, and waits for transactions that hide what is committed, for all partitions together.
    pub fn of(
        admin: &Arc<Admin>,
        topics: &OutputTopics,
        kind: SegmentKind,
    ) -> Result<Description, AuditError> {
        let name = match kind {
            SegmentKind::Rejects => &topics.rejects,
            SegmentKind::Results | SegmentKind::Corrections => &topics.results,
        };
        let found = admin.topic(name)?;
        let found = found.ok_or_else(|| KafkaError::MissingTopic {
            topic: name.clone(),
        })?;
        let policy = admin.topic_config(name, "cleanup.policy")?;
        let mut logs = BTreeMap::new();
        let deadline = Instant::now() + OPEN_TRANSACTION;
        for partition in (0..).map(Partition).take(found.partitions as usize) {
            logs.insert(partition, held(admin, name, partition, deadline)?);
        }
        Ok(Description {
            admin: Arc::clone(admin),
            connection: topics.connection.clone(),
            topic: Topic {
                name: name.clone(),
                kind,
                whole: true,
                compacted: policy.is_some_and(|policy| policy.contains("compact")),
                copies: topics.at_least_once,
            },
            logs,
            read: Vec::new(),
        })
    }

    /// All partitions.
    pub fn partitions(&self) -> Vec<Partition> {
        self.logs.keys().copied().collect()
    }

    /// The partitions of which no reading was made.
    pub fn unread(&self) -> Vec<Partition> {
        let mut partitions = self.partitions();
        partitions.retain(|partition| !self.read.contains(partition));
        partitions
    }

    /// A reading of `places` for the partitions of these manifests. A partition that does not exist holds nothing.
    pub fn reading(
        &mut self,
        files: &Files,
        manifests: Vec<Arc<Listed>>,
        places: Vec<Partition>,
    ) -> Reading {
        let is_first = places.iter().any(|place| !self.read.contains(place));
        let logs: Vec<(Partition, Held)> = places
            .iter()
            .filter_map(|place| Some((*place, self.logs.get(place)?.clone())))
            .collect();
        self.read.extend(places);
        let whole = logs.iter().all(|(_, log)| log.range.start().get() == 0);
        let bound = manifests.first();
        let bound = bound.map(|manifest| manifest.pipeline.results_partitions);
        let sources = manifests.into_iter().map(|manifest| {
            let files = Files {
                partition: manifest.partition,
                ..files.clone()
            };
            (files, manifest)
        });
        Reading {
            admin: Arc::clone(&self.admin),
            connection: self.connection.clone(),
            topic: Topic {
                whole,
                ..self.topic.clone()
            },
            sources: sources.collect(),
            logs,
            is_first,
            results_partitions: bound
                .filter(|_| self.topic.kind == SegmentKind::Results)
                .and_then(|count| i32::try_from(count).ok()),
            events: files.layout.topic().to_owned(),
        }
    }
}

/// What a partition's log holds. A transaction that hides what was published after it began is waited for.
fn held(
    admin: &Admin,
    topic: &str,
    partition: Partition,
    deadline: Instant,
) -> Result<Held, AuditError> {
    let ask = || admin.watermarks(topic, partition);
    let marks = ask()?.settled(ask, deadline)?;
    let (start, stable, target) = (marks.start, marks.stable_end, marks.end);
    let range = |start, end| OffsetRange::new(start, end).unwrap_or(OffsetRange::empty(start));
    let hidden = range(stable.max(start), target);
    let hides = !hidden.is_empty();
    Ok(Held {
        range: range(start, stable),
        hidden: hides.then(|| Unread::hidden(topic, partition, hidden, OPEN_TRANSACTION)),
    })
}

impl Reading {
    /// The offsets to read.
    pub fn len(&self) -> u64 {
        self.logs.iter().map(|(_, log)| log.range.len()).sum()
    }

    /// Reads and compares. Blocks; `progress` counts the offsets.
    pub fn run(self, progress: &AtomicU64) -> Result<Read, AuditError> {
        let mut merge = Merge::new(&self);
        let mut reader = None;
        for (place, log) in &self.logs {
            if !log.range.is_empty() {
                let reader = match &reader {
                    Some(reader) => reader,
                    None => reader.insert(Reader::open(&self.connection, &self.topic.name)?),
                };
                self.read(*place, log.range, reader, &mut merge, progress)?;
            }
            if let Some(hidden) = &log.hidden {
                merge.pass_unread();
                merge.unread.push(hidden.clone());
            }
        }
        merge.finish()
    }

    /// Reads one partition of the topic.
    fn read(
        &self,
        place: Partition,
        log: OffsetRange,
        reader: &Reader,
        merge: &mut Merge<'_>,
        progress: &AtomicU64,
    ) -> Result<(), AuditError> {
        let range = self.remaining(place, log)?;
        let mut done = range.start();
        let mut failure = None;
        let at = Log {
            connection: &self.connection,
            topic: &self.topic.name,
            partition: place,
        };
        let unread = at.read_around(reader, range, IDLE, |piece| {
            let batch = match piece {
                Piece::Batch(batch) => batch,
                Piece::Unread => {
                    merge.pass_unread();
                    return ControlFlow::Continue(());
                }
            };
            let taken = merge.take(place, &batch);
            let end = batch.last_offset().plus(1);
            progress.fetch_add(end.get().abs_diff(done.get()), Ordering::Relaxed);
            done = end;
            match taken {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        merge.unread.extend(unread);
        progress.fetch_add(range.end().get().abs_diff(done.get()), Ordering::Relaxed);
        Ok(())
    }

    /// The log without what retention has removed since it was described.
    fn remaining(&self, place: Partition, log: OffsetRange) -> Result<OffsetRange, AuditError> {
        let start = self.admin.watermarks(&self.topic.name, place)?.start;
        let range = OffsetRange::new(log.start().max(start), log.end());
        Ok(range.unwrap_or(OffsetRange::empty(log.end())))
    }
}

/// The messages of a reading, given to those that they belong to.
struct Merge<'r> {
    reading: &'r Reading,
    sources: BTreeMap<Partition, Source>,
    unknown: u64,
    unread: Vec<Unread>,
}

impl<'r> Merge<'r> {
    fn new(reading: &'r Reading) -> Merge<'r> {
        let sources = reading.sources.iter().map(|(files, manifest)| {
            let source = Source::new(files, manifest, reading.topic.clone());
            (manifest.partition, source)
        });
        Merge {
            reading,
            sources: sources.collect(),
            unknown: 0,
            unread: Vec::new(),
        }
    }

    fn take(&mut self, place: Partition, batch: &Batch) -> Result<(), AuditError> {
        let reading = self.reading;
        for (index, event) in batch.iter().enumerate() {
            // Headers that no client reads are none of ours.
            let headers = batch.headers(index).unwrap_or_default();
            let read = match reading.topic.kind {
                SegmentKind::Rejects => {
                    message::letter(&reading.events, event.key, event.payload, &headers)
                }
                SegmentKind::Results | SegmentKind::Corrections => {
                    message::result(&reading.events, event.key, event.payload, &headers)
                }
            };
            match read.filter(|message| belongs(reading, message, place)) {
                None => {
                    self.unknown += 1;
                    if event.key.is_some() {
                        self.sources.values_mut().for_each(Source::pass_of_others);
                    }
                }
                Some(message) => {
                    if let Body::Carried(key, _) = message.body {
                        self.pass_carried(message.partition, key);
                    }
                    if let Some(source) = self.sources.get_mut(&message.partition) {
                        source.publish(&message)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A result of `partition` has the key of its event, as others may have.
    fn pass_carried(&mut self, partition: Partition, key: &[u8]) {
        for (other, source) in &mut self.sources {
            if *other != partition {
                source.pass_carried_by_another();
            }
        }
        if let Some((named, offset)) = message::source(&self.reading.events, key)
            && let Some(source) = self.sources.get_mut(&named)
        {
            source.pass_named(offset);
        }
    }

    /// Messages could not be read here, whosesoever they are.
    fn pass_unread(&mut self) {
        self.sources.values_mut().for_each(Source::pass_unread);
    }

    fn finish(self) -> Result<Read, AuditError> {
        let sources = self.sources.into_values();
        Ok(Read {
            compared: sources.map(Source::finish).collect::<Result<_, _>>()?,
            unknown: if self.reading.is_first {
                self.unknown
            } else {
                0
            },
            unread: self.unread,
        })
    }
}

/// Whether a message stands where results of its partition belong.
fn belongs(reading: &Reading, message: &Message<'_>, place: Partition) -> bool {
    let proper = |count| message.partition.0.checked_rem(count) == Some(place.0);
    reading.results_partitions.is_none_or(proper)
}
