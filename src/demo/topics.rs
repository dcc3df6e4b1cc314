//! The demo's topics, read as any consumer would.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    time::{Duration, SystemTime},
};

use super::{
    DemoError, Pipeline,
    task::{Comparison, Expected, Rule},
};
use crate::{
    events::{reason_code, source_key},
    kafka::{Admin, Batch, Connection, KafkaError, Reader},
    load::Content,
    model::{Event, OffsetRange, Partition},
};

/// How long a topic may stay silent before reading it is given up.
const IDLE: Duration = Duration::from_secs(15);

/// What the events topic holds, told from the payloads alone, without the code that processes them.
#[derive(Clone, Debug, Default)]
pub struct EventsRead {
    /// The log of each partition, and how many events it delivers.
    pub partitions: BTreeMap<Partition, (OffsetRange, u64)>,
    /// Events that are numbers.
    pub numbers: u64,
    /// Events that are malformed on purpose, by the code of the reason.
    pub malformed: BTreeMap<String, u64>,
    /// Numbers that the calculation rejects, by the code of the reason.
    pub rejected: BTreeMap<String, u64>,
    /// Numbers that the condition leaves out.
    pub filtered: u64,
    /// Events that no demo produced.
    pub unknown: Vec<String>,
    /// What each event means, by the key of its result.
    pub(super) contents: HashMap<String, Content>,
}

/// How fast the restarted processor worked off what had piled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatchUp {
    /// Results that it published.
    pub results: u64,
    /// From the first to the last, by the timestamps in the results topic.
    pub took: Duration,
}

impl CatchUp {
    /// Results a second; `None` when it took no measurable time.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let seconds = self.took.as_secs_f64();
        (seconds > 0.0).then(|| self.results as f64 / seconds)
    }
}

/// What the output topics say of these events.
#[derive(Clone, Debug, Default)]
pub struct OutputsRead {
    /// Results that are not those of their events.
    pub wrong_results: Vec<String>,
    /// Dead letters of events that are not malformed, or for other reasons.
    pub wrong_letters: Vec<String>,
    /// How fast the restarted processor published.
    pub catch_up: Option<CatchUp>,
}

impl EventsRead {
    /// All events.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.partitions.values().map(|(_, events)| events).sum()
    }
}

/// Reads the events topic from its beginning to its end; `rule` says what must become of them.
pub(super) fn events(
    connection: &Connection,
    admin: &Admin,
    topic: &str,
    rule: &Rule,
) -> Result<EventsRead, DemoError> {
    let mut read = EventsRead::default();
    let mut counts: BTreeMap<Partition, u64> = BTreeMap::new();
    let (mut rejected, mut filtered) = (BTreeMap::new(), 0);
    let mut numbers = Comparison::new(rule, |(), _, expected| match expected {
        Some(Expected::Reject(code)) => *rejected.entry(code).or_default() += 1,
        Some(Expected::Filtered) => filtered += 1,
        Some(Expected::Result(_)) | None => {}
    });
    let logs = read_topic(connection, admin, topic, |partition, event, _| {
        *counts.entry(partition).or_default() += 1;
        let key = source_key(topic, partition, event.offset);
        let Some(content) = Content::of(event.payload) else {
            read.unknown.push(format!("{key} is no event of this demo"));
            return;
        };
        match content {
            Content::Number(_) => {
                read.numbers += 1;
                numbers.add((), Some(content));
            }
            Content::Malformed(way) => {
                let reason = way.reason().as_str().to_owned();
                *read.malformed.entry(reason).or_default() += 1;
            }
        }
        read.contents.insert(key, content);
    })?;
    let logs = logs.into_iter();
    let logs = logs.map(|(at, log)| (at, (log, counts.get(&at).copied().unwrap_or_default())));
    read.partitions = logs.collect();
    numbers.finish()?;
    (read.rejected, read.filtered) = (rejected, filtered);
    Ok(read)
}

/// Reads the results and the dead letters beside their `events`, of which `rule` says what must become; the speed is that of the
/// results since `restart`.
pub(super) fn outputs(
    connection: &Connection,
    admin: &Admin,
    pipeline: &Pipeline,
    events: &EventsRead,
    rule: &Rule,
    restart: SystemTime,
) -> Result<OutputsRead, DemoError> {
    let restart = restart.duration_since(SystemTime::UNIX_EPOCH);
    let restart = restart.map_or(0, |since| since.as_millis());
    let (mut results, mut first, mut last) = (0, u64::MAX, 0);
    let mut wrong_results = Vec::new();
    let mut compared = Comparison::new(rule, |(key, value): (String, String), event, expected| {
        if !matches!(&expected, Some(Expected::Result(right)) if *right == value) {
            wrong_results.push(format!(
                "{key} has the result {value}, the event is {event:?}"
            ));
        }
    });
    read_topic(connection, admin, &pipeline.results, |_, event, _| {
        let key = String::from_utf8_lossy(event.key.unwrap_or_default()).into_owned();
        let value = String::from_utf8_lossy(event.payload.unwrap_or_default()).into_owned();
        let content = events.contents.get(&key).copied();
        compared.add((key, value), content);
        let time = event.timestamp.and_then(|time| u64::try_from(time).ok());
        if let Some(time) = time.filter(|time| u128::from(*time) >= restart) {
            results += 1;
            (first, last) = (first.min(time), last.max(time));
        }
    })?;
    compared.finish()?;
    let took = last.checked_sub(first).map(Duration::from_millis);
    let mut wrong_letters = Vec::new();
    let mut compared = Comparison::new(
        rule,
        |(letter, said): (String, Option<String>), _, expected| {
            let right = match &expected {
                Some(Expected::Reject(code)) => Some(code.as_str()),
                _ => None,
            };
            if right.is_none() || said.as_deref().map(reason_code) != right {
                wrong_letters.push(format!(
                    "{letter} is rejected for {said:?}; meant was {right:?}"
                ));
            }
        },
    );
    read_topic(
        connection,
        admin,
        &pipeline.rejects,
        |place, event, headers| {
            let said = headers.iter().find(|(name, _)| name == "snapback-reason");
            let said = said.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
            let letter = format!("{} {place}/{}", pipeline.rejects, event.offset);
            let said = said.map(str::to_owned);
            compared.add((letter, said), Content::of(event.payload));
        },
    )?;
    compared.finish()?;
    Ok(OutputsRead {
        wrong_results,
        wrong_letters,
        catch_up: took.map(|took| CatchUp { results, took }),
    })
}

/// The messages of one key, in the order of their partition.
pub(super) fn published(
    connection: &Connection,
    admin: &Admin,
    topic: &str,
    key: &str,
) -> Result<Vec<String>, DemoError> {
    let mut found = Vec::new();
    read_topic(connection, admin, topic, |_, event, _| {
        if event.key == Some(key.as_bytes()) {
            found.push(String::from_utf8_lossy(event.payload.unwrap_or_default()).into_owned());
        }
    })?;
    Ok(found)
}

/// Names and values of a message's headers.
type Headers = [(String, Option<Vec<u8>>)];

/// Reads all partitions of `topic` to their ends; returns their logs.
fn read_topic(
    connection: &Connection,
    admin: &Admin,
    topic: &str,
    mut each: impl FnMut(Partition, Event<'_>, &Headers),
) -> Result<BTreeMap<Partition, OffsetRange>, DemoError> {
    let found = admin
        .topic(topic)?
        .ok_or_else(|| KafkaError::MissingTopic {
            topic: topic.to_owned(),
        })?;
    let reader = Reader::open(connection, topic)?;
    let mut logs = BTreeMap::new();
    for partition in (0..).map(Partition).take(found.partitions as usize) {
        let marks = admin.watermarks(topic, partition)?;
        let log = OffsetRange::new(marks.start, marks.stable_end)
            .unwrap_or_else(|_| OffsetRange::empty(marks.start));
        reader.read(partition, log, IDLE, |batch: Batch| {
            for (index, event) in batch.iter().enumerate() {
                each(partition, event, &batch.headers(index).unwrap_or_default());
            }
            ControlFlow::Continue(())
        })?;
        logs.insert(partition, log);
    }
    Ok(logs)
}
