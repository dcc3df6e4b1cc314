//! What of its event a result's message has as well: `--carry`.

use std::fmt;

/// What messages of results carry of their events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carry {
    key: bool,
    timestamp: bool,
}

/// A text that does not say what messages carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarryError {
    /// It says nothing.
    #[error(
        "it names nothing; a message can carry its event's key, its timestamp, or both: key,timestamp"
    )]
    Empty,
    /// Something that messages do not carry.
    #[error(
        "{0:?} is not carried; a message can carry its event's key, its timestamp, or both: key,timestamp"
    )]
    Unknown(String),
    /// One is there twice.
    #[error("it names {0} twice")]
    Twice(&'static str),
}

const KEY: &str = "key";
const TIMESTAMP: &str = "timestamp";

impl Carry {
    /// What a text says: `key`, `timestamp` or both, separated by a comma.
    ///
    /// # Errors
    /// When it is no such list.
    pub fn parse(text: &str) -> Result<Carry, CarryError> {
        let mut carry = Carry::default();
        for name in text.split(',').map(str::trim) {
            let (place, name) = match name.to_ascii_lowercase().as_str() {
                KEY => (&mut carry.key, KEY),
                TIMESTAMP => (&mut carry.timestamp, TIMESTAMP),
                "" if text.trim().is_empty() => return Err(CarryError::Empty),
                _ => return Err(CarryError::Unknown(name.to_owned())),
            };
            if std::mem::replace(place, true) {
                return Err(CarryError::Twice(name));
            }
        }
        Ok(carry)
    }

    /// Everything that can be chosen, nothing first.
    pub(super) const ALL: [Carry; 4] = [
        Carry {
            key: false,
            timestamp: false,
        },
        Carry {
            key: true,
            timestamp: false,
        },
        Carry {
            key: false,
            timestamp: true,
        },
        Carry {
            key: true,
            timestamp: true,
        },
    ];

    /// Whether a message has its event's key.
    #[must_use]
    pub const fn key(self) -> bool {
        self.key
    }

    /// Whether a message has its event's timestamp.
    #[must_use]
    pub const fn timestamp(self) -> bool {
        self.timestamp
    }

    /// Whether messages carry anything.
    #[must_use]
    pub const fn any(self) -> bool {
        self.key || self.timestamp
    }
}

/// As a store declares it; reading it gives the same.
impl fmt::Display for Carry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.key, self.timestamp) {
            (true, true) => "key, timestamp",
            (true, false) => KEY,
            (false, true) => TIMESTAMP,
            (false, false) => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        calculation::{Calculations, Evaluator, builtin},
        events::{Fields, MessageBuffer, ResultEncoder},
        model::{Event, Offset, Partition},
    };

    #[test]
    fn what_is_carried_is_read_in_any_order_and_written_in_one() {
        for (text, expected) in [
            ("key", "key"),
            ("Timestamp", "timestamp"),
            ("key,timestamp", "key, timestamp"),
            (" timestamp , KEY ", "key, timestamp"),
        ] {
            let carry = Carry::parse(text).unwrap();
            assert_eq!(carry.to_string(), expected);
            assert_eq!(Carry::parse(expected), Ok(carry), "again");
        }
        assert!(!Carry::default().any());
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, part) in [
            ("", "it names nothing"),
            ("key,", "\"\" is not carried"),
            ("key,key", "names key twice"),
            ("headers", "\"headers\" is not carried"),
            ("key timestamp", "\"key timestamp\" is not carried"),
        ] {
            let error = Carry::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    fn evaluator(carry: &str) -> Evaluator {
        let evaluator = Evaluator::new(Fields::default(), builtin("square").unwrap()).unwrap();
        evaluator.with_carry(Carry::parse(carry).unwrap_or_default())
    }

    #[test]
    fn what_is_carried_is_declared_and_part_of_the_fingerprint() {
        let mut fingerprints = BTreeSet::new();
        for carry in ["", "key", "timestamp", "key, timestamp"] {
            let evaluator = evaluator(carry);
            let declared = evaluator.declaration();
            assert_eq!(declared.carry.as_deref().unwrap_or_default(), carry);
            assert_eq!(declared.carries_keys(), carry.contains("key"));
            fingerprints.insert(declared.fingerprint.clone());
            let again = Calculations::new(builtin).evaluator(&declared).unwrap();
            assert_eq!(again.declaration(), declared);
            assert_eq!(again.results_schema(), evaluator.results_schema());
            assert_eq!(again.carry(), evaluator.carry());
            assert_eq!(again.carry_choices(), evaluator.carry_choices());
            let found = evaluator.carry_choices().find(&declared.fingerprint);
            assert_eq!(found, Some(evaluator.carry()));
        }
        assert_eq!(fingerprints.len(), 4);
        let choices = evaluator("key").carry_choices().clone();
        assert!(fingerprints.iter().all(|of| choices.find(of).is_some()));
        let fields = Fields::parse("number BIGINT").unwrap();
        let other = Evaluator::new(fields, builtin("square").unwrap()).unwrap();
        assert_eq!(choices.find(other.fingerprint()), None);
        let mut forged = evaluator("key").declaration();
        forged.carry = Some("timestamp".to_owned());
        assert!(Calculations::new(builtin).evaluator(&forged).is_err());
    }

    #[test]
    fn a_message_has_the_key_of_its_event_and_its_source_beside_it() {
        let keys = [Some(&b"customer"[..]), None, Some(b""), Some(b"events/0/1")];
        let events = keys.into_iter().enumerate().map(|(at, key)| Event {
            offset: Offset::ZERO.plus(at as u64),
            timestamp: None,
            key,
            payload: Some(br#"{"number":7}"#),
        });
        let events: Vec<Event<'_>> = events.collect();
        let messages = |carry: &str, own: bool| {
            let evaluator = evaluator(carry);
            let evaluated = evaluator.evaluate(events.iter().copied()).unwrap();
            let encoder = ResultEncoder::new("events", &evaluator.results_schema()).unwrap();
            let encoder = if own {
                encoder
            } else {
                encoder.with_sources_as_keys()
            };
            let mut messages = MessageBuffer::new();
            encoder
                .encode(Partition(3), &evaluated.results, &mut messages)
                .unwrap();
            messages
        };
        let carried = messages("key", true);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let found: Vec<_> = (0..4)
            .map(|at| {
                (
                    text(carried.get(at).unwrap().0),
                    carried.source(at).map(text),
                )
            })
            .collect();
        let source = |at| Some(format!("events/3/{at}"));
        assert_eq!(
            found,
            [
                ("customer".to_owned(), source(0)),
                // An event without a key: the source is the key.
                ("events/3/1".to_owned(), None),
                (String::new(), source(2)),
                ("events/0/1".to_owned(), source(3)),
            ]
        );
        // The header counts for the size that a topic takes.
        let plain = messages("timestamp", true);
        let sources = messages("key", false);
        assert_eq!((carried.len(), carried.source(9)), (4, None));
        let schema = |carry| evaluator(carry).results_schema();
        for (carry, any) in [("key", true), ("timestamp", false)] {
            let encoder = ResultEncoder::new("events", &schema(carry)).unwrap();
            assert_eq!(encoder.is_of_any_size(), any);
        }
        let total: usize = (0..4).map(|at| carried.size(at)).sum();
        assert_eq!(carried.bytes(), total);
        for at in 0..4 {
            assert_eq!(plain.source(at), None);
            assert_eq!(plain.get(at), sources.get(at));
            assert_eq!(
                plain.size(at),
                "events/3/0".len() + r#"{"number":7,"result":49}"#.len()
            );
            // So does a correction, which has its source as its key.
            assert!(carried.size(at) >= sources.size(at));
        }
        assert_eq!(
            carried.size(0) - plain.size(0),
            "customer".len() + "snapback-source".len() + 12
        );
    }
}
