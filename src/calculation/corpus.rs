//! Holds decoding, calculating and encoding to the corpus of messages in `tests/corpus`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::*;
use crate::{
    events::{Fields, MessageBuffer, ReasonCode, ResultEncoder, reason_code},
    model::{Event, Offset, Partition},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    name: String,
    #[serde(default = "default_fields")]
    fields: String,
    #[serde(default = "default_calculation")]
    calculation: String,
    payload: Option<String>,
    payload_hex: Option<String>,
    value: Option<String>,
    reject: Option<String>,
}

fn default_fields() -> String {
    Fields::default().to_string()
}

fn default_calculation() -> String {
    "square".to_owned()
}

fn messages() -> Vec<Message> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/messages.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

impl Message {
    fn bytes(&self) -> Option<Vec<u8>> {
        let hex = self
            .payload_hex
            .as_ref()
            .map(|hex| hex::decode(hex).unwrap());
        hex.or_else(|| self.payload.clone().map(String::into_bytes))
    }

    fn outcome(&self) -> Result<String, String> {
        let fields = Fields::parse(&self.fields).unwrap();
        let evaluator = Evaluator::new(fields, builtin(&self.calculation).unwrap()).unwrap();
        let payload = self.bytes();
        let event = Event {
            offset: Offset::ZERO,
            timestamp: None,
            key: None,
            payload: payload.as_deref(),
        };
        let evaluated = evaluator.evaluate([event].into_iter()).unwrap();
        assert_eq!(
            evaluated.results.num_rows() + evaluated.rejects.len(),
            1,
            "{}",
            self.name
        );
        if let Some(reject) = evaluated.rejects.into_iter().next() {
            assert_eq!(reject.payload, payload, "{}", self.name);
            return Err(reject.reason);
        }
        let mut messages = MessageBuffer::new();
        let encoder = ResultEncoder::new("events", &evaluator.results_schema()).unwrap();
        encoder
            .encode(Partition(0), &evaluated.results, &mut messages)
            .unwrap();
        let (_, value) = messages.get(0).unwrap();
        Ok(String::from_utf8(value.to_vec()).unwrap())
    }
}

#[test]
fn every_message_of_the_corpus_has_its_expected_outcome() {
    let messages = messages();
    let names: BTreeSet<_> = messages.iter().map(|m| &m.name).collect();
    assert!(messages.len() >= 100 && names.len() == messages.len());
    let mut wrong = Vec::new();
    for message in &messages {
        let outcome = message.outcome();
        let right = match (&outcome, &message.value, &message.reject) {
            (Ok(found), Some(value), None) => found == value,
            (Err(reason), None, Some(code)) => reason_code(reason) == code,
            _ => false,
        };
        if !right {
            wrong.push(format!("{}: {outcome:?}", message.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_reason_is_of_a_known_code_bounded_and_printable() {
    for message in messages() {
        let Err(reason) = message.outcome() else {
            continue;
        };
        assert!(
            ReasonCode::parse(reason_code(&reason)).is_some(),
            "{reason}"
        );
        assert!(reason.chars().count() < 300, "{reason}");
        assert!(!reason.contains(char::is_control), "{reason:?}");
    }
}

#[test]
fn the_reasons_for_the_default_field_read_like_this() {
    let reasons: Vec<String> = messages()
        .iter()
        .filter(|message| message.payload_hex.is_none())
        .filter_map(|message| message.outcome().err())
        .collect();
    insta::assert_snapshot!(reasons.join("\n"));
}
