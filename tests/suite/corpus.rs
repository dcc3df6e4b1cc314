//! The corpus of malformed and surprising messages, through the whole pipeline.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::outside::{Outcome, Pipeline, Place};
use crate::support::produce;

/// See `tests/corpus/README.md`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    fields: Option<String>,
    calculation: Option<String>,
    payload: Option<String>,
    payload_hex: Option<String>,
    value: Option<String>,
    reject: Option<String>,
}

impl Case {
    fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.payload, &self.payload_hex) {
            (Some(text), None) => Some(text.clone().into_bytes()),
            (None, Some(digits)) => Some(hex::decode(digits).expect("hexadecimal digits")),
            (None, None) => None,
            (Some(_), Some(_)) => panic!("{}: has two payloads", self.name),
        }
    }

    fn expected(&self) -> Outcome {
        match (&self.value, &self.reject) {
            (Some(value), None) => Outcome::Result(value.clone()),
            (None, Some(code)) => Outcome::Reject(code.clone()),
            _ => panic!("{}: is to have one outcome", self.name),
        }
    }
}

#[test]
fn every_message_of_the_corpus_becomes_what_the_corpus_says() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../corpus/messages.json"))
        .expect("a corpus of the documented form");
    assert!(cases.len() >= 60, "a corpus of {} messages", cases.len());
    let mut by_configuration: BTreeMap<_, Vec<&Case>> = BTreeMap::new();
    for case in &cases {
        let configuration = (case.fields.as_deref(), case.calculation.as_deref());
        by_configuration
            .entry(configuration)
            .or_default()
            .push(case);
    }
    for ((fields, calculation), cases) in by_configuration {
        let flags = [("--fields", fields), ("--calculation", calculation)];
        let flags: Vec<&str> = flags
            .into_iter()
            .filter_map(|(flag, value)| Some([flag, value?]))
            .flatten()
            .collect();
        check(&cases, &flags);
    }
}

/// Runs the cases of one configuration.
fn check(cases: &[&Case], flags: &[&str]) {
    let pipeline = Pipeline::new(1, Place::folder());
    let records = cases.iter().map(|case| (Some(0), None, case.bytes()));
    produce(&pipeline.brokers, &pipeline.events, records);
    pipeline.run_to_end().args(flags).run().expect_code(0);

    let mut published = pipeline.published();
    for (offset, case) in (0..).zip(cases) {
        let outcomes = published.remove(&(0, offset)).unwrap_or_default();
        assert_eq!(outcomes, [case.expected()], "{} ({flags:?})", case.name);
    }
    assert!(published.is_empty(), "outcomes of nothing: {published:?}");
    let report = pipeline.verify_with(flags, 0);
    assert_eq!(
        (&report["clean"], &report["offsets"]),
        (&json!(true), &json!(cases.len())),
        "{report:#}"
    );
}
