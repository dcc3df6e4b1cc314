//! Reading the topics: as any consumer would, without the processor's code.

use std::{ops::ControlFlow, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    DemoError, Pipeline,
    readings::{Calculated, Letter, PartitionReadings, Published},
};
use crate::{
    events::reason_code,
    kafka::{Admin, Batch, Connection, Reader},
    load::Content,
    model::{Event, Offset, OffsetRange, Partition},
};

/// How long a topic may stay silent before reading it is given up.
const IDLE: Duration = Duration::from_secs(15);

/// What the topics hold.
pub(super) struct Topics {
    pub(super) partitions: Vec<PartitionReadings>,
    pub(super) strangers: Vec<String>,
}

/// Reads the events, results and dead-letter topics of `pipeline` from their beginning to their end.
pub(super) fn read(
    connection: &Connection,
    admin: &Admin,
    pipeline: &Pipeline,
) -> Result<Topics, DemoError> {
    let mut partitions = Vec::new();
    read_topic(
        connection,
        admin,
        &pipeline.events,
        |partition, log, batches| {
            let mut read = PartitionReadings::new(partition, log);
            batches(&mut |batch| {
                for event in batch.iter() {
                    read.events.insert(event.offset, Content::of(event.payload));
                }
            })?;
            partitions.push(read);
            Ok(())
        },
    )?;
    let asked: Vec<Partition> = partitions.iter().map(|read| read.partition).collect();
    let committed = admin.committed(&pipeline.group, &pipeline.events, &asked)?;
    for read in &mut partitions {
        read.committed = committed
            .get(&read.partition)
            .and_then(|committed| committed.as_ref())
            .map(|committed| committed.offset);
    }
    let mut topics = Topics {
        partitions,
        strangers: Vec::new(),
    };
    read_topic(connection, admin, &pipeline.results, |place, _, batches| {
        batches(&mut |batch| {
            for event in batch.iter() {
                topics.result(pipeline, place, event);
            }
        })
    })?;
    read_topic(connection, admin, &pipeline.rejects, |place, _, batches| {
        batches(&mut |batch| {
            for (index, event) in batch.iter().enumerate() {
                let headers = batch.headers(index).unwrap_or_default();
                topics.letter(pipeline, place, event, &headers);
            }
        })
    })?;
    Ok(topics)
}

type Batches<'a> = dyn FnMut(&mut dyn FnMut(Batch)) -> Result<(), DemoError> + 'a;

/// Calls `each` for every partition of `topic` with a function that delivers its messages.
fn read_topic(
    connection: &Connection,
    admin: &Admin,
    topic: &str,
    mut each: impl FnMut(Partition, OffsetRange, &mut Batches<'_>) -> Result<(), DemoError>,
) -> Result<(), DemoError> {
    let found = admin.topic(topic)?.ok_or_else(|| DemoError::NoTopic {
        topic: topic.to_owned(),
    })?;
    let reader = Reader::open(connection, topic)?;
    for number in 0..i32::try_from(found.partitions).unwrap_or(i32::MAX) {
        let partition = Partition(number);
        let marks = admin.watermarks(topic, partition)?;
        let log = OffsetRange::new(marks.start, marks.stable_end)
            .unwrap_or_else(|_| OffsetRange::empty(marks.start));
        each(partition, log, &mut |take| {
            reader.read(partition, log, IDLE, |batch| {
                take(batch);
                ControlFlow::Continue(())
            })?;
            Ok(())
        })?;
    }
    Ok(())
}

impl Topics {
    fn result(&mut self, pipeline: &Pipeline, place: Partition, event: Event<'_>) {
        let source = event.key.and_then(|key| parse_key(&pipeline.events, key));
        let value = event.payload.and_then(parse_result);
        let read = source.and_then(|(partition, _)| self.partition(partition));
        if let (Some(read), Some((_, source)), Some(value)) = (read, source, value) {
            read.published.push(Published {
                source,
                timestamp: event.timestamp,
                value,
            });
        } else {
            let at = event.offset;
            self.strangers.push(format!(
                "{} {place}/{at}: key {}, value {}",
                pipeline.results,
                shown(event.key),
                shown(event.payload)
            ));
        }
    }

    fn letter(
        &mut self,
        pipeline: &Pipeline,
        place: Partition,
        event: Event<'_>,
        headers: &[(String, Option<Vec<u8>>)],
    ) {
        let header = |name: &str| {
            let (_, value) = headers.iter().find(|(key, _)| key == name)?;
            std::str::from_utf8(value.as_deref()?).ok()
        };
        let source = header("snapback-topic")
            .filter(|topic| *topic == pipeline.events)
            .and_then(|_| {
                let partition = header("snapback-partition")?.parse().ok()?;
                let offset = header("snapback-offset")?.parse().ok()?;
                Some((Partition(partition), Offset::new(offset)?))
            });
        let reason = header("snapback-reason").map(|reason| reason_code(reason).to_owned());
        let content = Content::of(event.payload);
        let read = source.and_then(|(partition, _)| self.partition(partition));
        if let (Some(read), Some((_, source)), Some(reason)) = (read, source, reason) {
            read.letters.push(Letter {
                source,
                reason,
                content,
            });
        } else {
            let at = event.offset;
            self.strangers.push(format!(
                "{} {place}/{at}: payload {}, without the headers that name its event",
                pipeline.rejects,
                shown(event.payload)
            ));
        }
    }

    fn partition(&mut self, partition: Partition) -> Option<&mut PartitionReadings> {
        self.partitions
            .iter_mut()
            .find(|read| read.partition == partition)
    }
}

/// `events/3/1042`.
fn parse_key(events: &str, key: &[u8]) -> Option<(Partition, Offset)> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(events)?;
    let (partition, offset) = rest.strip_prefix('/')?.split_once('/')?;
    let offset = Offset::new(offset.parse().ok()?)?;
    Some((Partition(partition.parse().ok()?), offset))
}

/// `{"number":7,"result":49}`, where the result may have more digits than 64 bits hold.
fn parse_result(value: &[u8]) -> Option<Calculated> {
    #[derive(Deserialize)]
    struct Value<'a> {
        number: i64,
        #[serde(borrow)]
        result: &'a RawValue,
    }
    let value: Value<'_> = serde_json::from_slice(value).ok()?;
    Some(Calculated {
        number: value.number,
        result: value.result.get().parse().ok()?,
    })
}

fn shown(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "null".to_owned(),
        Some(bytes) => {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
            format!("{text:?}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_event() {
        let parsed = parse_key("events", b"events/3/1042");
        assert_eq!(parsed, Some((Partition(3), Offset::new(1042).unwrap())));
        for key in [
            "event/3/1",
            "events/3",
            "events/3/-1",
            "events/3/1/2",
            "eventss/3/1",
            "",
        ] {
            assert_eq!(parse_key("events", key.as_bytes()), None, "{key}");
        }
    }

    #[test]
    fn a_result_of_38_digits_is_read_exactly() {
        let value =
            br#"{"number":-9223372036854775808,"result":85070591730234615865843651857942052864}"#;
        let read = parse_result(value).unwrap();
        assert_eq!(read.result, i128::from(i64::MIN) * i128::from(i64::MIN));
        for value in [
            "{\"number\":7}",
            "{\"number\":7,\"result\":49.0}",
            "{\"number\":7,\"result\":\"49\"}",
            "",
        ] {
            assert_eq!(parse_result(value.as_bytes()), None, "{value}");
        }
    }
}
