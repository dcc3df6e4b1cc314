//! The demo's topics, read as any consumer would.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    time::{Duration, SystemTime},
};

use super::{DemoError, Pipeline};
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
    /// Results that are not the squares of their events' numbers.
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

/// Reads the events topic from its beginning to its end.
pub(super) fn events(
    connection: &Connection,
    admin: &Admin,
    topic: &str,
) -> Result<EventsRead, DemoError> {
    let mut read = EventsRead::default();
    let mut counts: BTreeMap<Partition, u64> = BTreeMap::new();
    let logs = read_topic(connection, admin, topic, |partition, event, _| {
        *counts.entry(partition).or_default() += 1;
        let key = source_key(topic, partition, event.offset);
        let Some(content) = Content::of(event.payload) else {
            read.unknown.push(format!("{key} is no event of this demo"));
            return;
        };
        match content {
            Content::Number(_) => read.numbers += 1,
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
    Ok(read)
}

/// Reads the results and the dead letters beside their `events`; the speed is that of the results since `restart`.
pub(super) fn outputs(
    connection: &Connection,
    admin: &Admin,
    pipeline: &Pipeline,
    events: &EventsRead,
    restart: SystemTime,
) -> Result<OutputsRead, DemoError> {
    let mut read = OutputsRead::default();
    let restart = restart.duration_since(SystemTime::UNIX_EPOCH);
    let restart = restart.map_or(0, |since| since.as_millis());
    let (mut results, mut first, mut last) = (0, u64::MAX, 0);
    read_topic(connection, admin, &pipeline.results, |_, event, _| {
        let key = String::from_utf8_lossy(event.key.unwrap_or_default());
        let value = String::from_utf8_lossy(event.payload.unwrap_or_default());
        let content = events.contents.get(key.as_ref());
        if content.and_then(|content| result(*content)).as_deref() != Some(value.as_ref()) {
            read.wrong_results.push(format!(
                "{key} has the result {value}, the event is {content:?}"
            ));
        }
        let time = event.timestamp.and_then(|time| u64::try_from(time).ok());
        if let Some(time) = time.filter(|time| u128::from(*time) >= restart) {
            results += 1;
            (first, last) = (first.min(time), last.max(time));
        }
    })?;
    let took = last.checked_sub(first).map(Duration::from_millis);
    read.catch_up = took.map(|took| CatchUp { results, took });
    read_topic(
        connection,
        admin,
        &pipeline.rejects,
        |place, event, headers| {
            let said = headers.iter().find(|(name, _)| name == "snapback-reason");
            let said = said.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
            let expected = match Content::of(event.payload) {
                Some(Content::Malformed(way)) => Some(way.reason().as_str()),
                Some(Content::Number(_)) | None => None,
            };
            if expected.is_none() || said.map(reason_code) != expected {
                read.wrong_letters.push(format!(
                    "{} {place}/{} is rejected for {said:?}; meant was {expected:?}",
                    pipeline.rejects, event.offset
                ));
            }
        },
    )?;
    Ok(read)
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

/// The result message of a number.
fn result(event: Content) -> Option<String> {
    match event {
        Content::Number(number) => {
            let square = i128::from(number) * i128::from(number);
            Some(format!("{{\"number\":{number},\"result\":{square}}}"))
        }
        Content::Malformed(_) => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_of_any_number_is_written_with_all_its_digits() {
        let expected =
            r#"{"number":-9223372036854775808,"result":85070591730234615865843651857942052864}"#;
        assert_eq!(result(Content::Number(i64::MIN)).as_deref(), Some(expected));
        assert_eq!(
            result(Content::Malformed(crate::load::Malformed::Empty)),
            None
        );
    }
}
