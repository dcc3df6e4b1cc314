//! Events, and what must become of them.

use std::collections::BTreeMap;

use super::Source;
use crate::support::Record;

/// Offsets without an outcome.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offsets {
    pub absent: u64,
    pub lost: u64,
}

/// What must have become of events: a number for each result, the whole event for each reject.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    pub results: BTreeMap<Source, i64>,
    pub rejects: BTreeMap<Source, Record>,
}

impl Outcomes {
    /// The outcomes of events under the default fields and calculation.
    pub fn of(events: impl IntoIterator<Item = Record>) -> Self {
        let mut outcomes = Self::default();
        for event in events {
            let source = (event.partition, event.offset);
            match number(event.payload.as_deref()) {
                Some(number) => drop(outcomes.results.insert(source, number)),
                None => drop(outcomes.rejects.insert(source, event)),
            }
        }
        outcomes
    }

    /// Only those of the events for which `keep` holds.
    pub fn only(mut self, keep: impl Fn(Source) -> bool) -> Self {
        self.results.retain(|source, _| keep(*source));
        self.rejects.retain(|source, _| keep(*source));
        self
    }
}

/// The payload of a good event.
pub fn event(number: i64) -> Vec<u8> {
    format!(r#"{{"number": {number}}}"#).into_bytes()
}

/// The number of a payload that [`event`] made: stricter than JSON, so nothing malformed passes for good.
fn number(payload: Option<&[u8]>) -> Option<i64> {
    let text = str::from_utf8(payload?).ok()?;
    let digits = text.strip_prefix(r#"{"number": "#)?.strip_suffix('}')?;
    digits.parse().ok()
}

/// Payloads that are rejects under the default fields, a dozen ways; `None` is a tombstone.
pub const MALFORMED: [Option<&[u8]>; 12] = [
    None,
    Some(b""),
    Some(b"not json"),
    Some(b"{\"number\": 7"),
    Some(b"{\"number\": 7} 8"),
    Some(b"[7]"),
    Some(b"{\"number\": 1.5}"),
    Some(b"{\"number\": 1e3}"),
    Some(b"{\"number\": \"7\"}"),
    Some(b"{\"number\": 9223372036854775808}"),
    Some(b"{\"numbre\": 7}"),
    Some(b"{\"number\": \xff}"),
];
