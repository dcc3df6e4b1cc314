//! The messages that publish outcomes.

use std::collections::BTreeMap;

use super::{Outcomes, Pipeline, Source};
use crate::support::{Record, read_all};

/// A published outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The value of the result message.
    Result(String),
    /// The code of the reject's reason.
    Reject(String),
}

impl Pipeline {
    pub(super) fn result_messages(&self, expected: &Outcomes) -> impl Iterator<Item = Message> {
        expected
            .results
            .iter()
            .map(|(source, number)| self.result_message(*source, *number))
    }

    pub(super) fn dead_letters(&self, expected: &Outcomes) -> impl Iterator<Item = Message> {
        expected
            .rejects
            .values()
            .map(|event| self.dead_letter(event))
    }

    /// The message that publishes the result of an event.
    fn result_message(&self, (partition, offset): Source, number: i64) -> Message {
        let square = i128::from(number) * i128::from(number);
        Message {
            partition: Some(partition),
            key: Some(format!("{}/{partition}/{offset}", self.events)),
            payload: Some(format!(r#"{{"number":{number},"result":{square}}}"#)),
            headers: Vec::new(),
        }
    }

    /// What was published for each event, in the order of its topic, results first.
    #[track_caller]
    pub fn published(&self) -> BTreeMap<Source, Vec<Outcome>> {
        let mut published: BTreeMap<Source, Vec<Outcome>> = BTreeMap::new();
        for result in read_all(&self.brokers, &self.results) {
            let key = readable(result.key.expect("a result has a key"));
            let source = key.strip_prefix(&self.events).and_then(|rest| {
                let (partition, offset) = rest.strip_prefix('/')?.split_once('/')?;
                Some((partition.parse().ok()?, offset.parse().ok()?))
            });
            let source =
                source.unwrap_or_else(|| panic!("a result's key names its event, not {key}"));
            let value = readable(result.payload.expect("a result has a value"));
            published
                .entry(source)
                .or_default()
                .push(Outcome::Result(value));
        }
        for letter in read_all(&self.brokers, &self.rejects) {
            let number = |name| header(&letter, name).parse::<i64>().expect("a number");
            let partition = i32::try_from(number("snapback-partition")).expect("a partition");
            let reason = header(&letter, "snapback-reason");
            let code = reason
                .split(": ")
                .next()
                .expect("the first part")
                .to_owned();
            let source = (partition, number("snapback-offset"));
            published
                .entry(source)
                .or_default()
                .push(Outcome::Reject(code));
        }
        published
    }

    /// The message that publishes the reject of an event, but for its reason.
    fn dead_letter(&self, event: &Record) -> Message {
        let mut letter = Message::from(event.clone());
        letter.partition = None;
        let timestamp = event.timestamp.map(|timestamp| timestamp.to_string());
        for (name, value) in [
            ("topic", Some(self.events.clone())),
            ("partition", Some(event.partition.to_string())),
            ("offset", Some(event.offset.to_string())),
            ("timestamp", timestamp),
        ] {
            letter.headers.push((format!("snapback-{name}"), value));
        }
        letter
    }
}

/// A message without what differs from run to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Message {
    partition: Option<i32>,
    key: Option<String>,
    payload: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

impl From<Record> for Message {
    fn from(record: Record) -> Self {
        Self {
            partition: Some(record.partition),
            key: record.key.map(readable),
            payload: record.payload.map(readable),
            headers: record
                .headers
                .into_iter()
                .map(|(name, value)| (name, value.map(readable)))
                .collect(),
        }
    }
}

/// A dead letter without its reason, which it must have, and without its partition, which is not promised.
#[track_caller]
pub(super) fn without_reason(record: Record) -> Message {
    let mut letter = Message::from(record);
    letter.partition = None;
    let reasons = letter
        .headers
        .extract_if(.., |(name, _)| name == "snapback-reason");
    let reasons: Vec<_> = reasons.collect();
    let says_why =
        |reason: &Option<String>| reason.as_ref().is_some_and(|text| text.contains(": "));
    assert!(
        matches!(reasons.as_slice(), [(_, reason)] if says_why(reason)),
        "a dead letter has one reason, not {reasons:?}: {letter:?}"
    );
    letter
}

/// Bytes as text that differs whenever they do.
fn readable(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| format!("{:?}", error.as_bytes()))
}

/// The text of a message's header.
#[track_caller]
fn header(record: &Record, name: &str) -> String {
    let found = record.headers.iter().find(|(header, _)| header == name);
    let value = found.and_then(|(_, value)| value.clone());
    readable(value.unwrap_or_else(|| panic!("no header {name}: {record:?}")))
}
