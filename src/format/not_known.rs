//! What a segment does not know of the events that its rows come from: a NULL there says nothing.

use std::{fmt, str::FromStr};

use crate::{events::columns, model::Offset};

/// The rows of a segment whose events were gone when they were made again from what had been published of them.
///
/// At offsets before [`before`](NotKnown::before), a NULL `kafka_timestamp` (with a NULL `kafka_timestamp_raw`) does not say that
/// the event has no time; nor does a NULL `key` say that it has none, if [`key`](NotKnown::key). A value is always the event's.
///
/// Written `kafka_timestamp before 1200`, or `kafka_timestamp, key before 1200`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotKnown {
    /// The first offset whose row knows everything.
    pub before: Offset,
    /// Whether keys are not known either.
    pub key: bool,
}

/// Text that is no such record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not columns before an offset: {0:?}")]
pub struct NotNotKnown(String);

const BEFORE: &str = " before ";

impl NotKnown {
    /// What is not known where either says so.
    #[must_use]
    pub fn or(one: Option<NotKnown>, other: Option<NotKnown>) -> Option<NotKnown> {
        match (one, other) {
            (Some(one), Some(other)) => Some(NotKnown {
                before: one.before.max(other.before),
                key: one.key || other.key,
            }),
            (one, other) => one.or(other),
        }
    }
}

impl fmt::Display for NotKnown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(columns::TIMESTAMP)?;
        if self.key {
            write!(f, ", {}", columns::KEY)?;
        }
        write!(f, "{BEFORE}{}", self.before)
    }
}

impl FromStr for NotKnown {
    type Err = NotNotKnown;

    fn from_str(text: &str) -> Result<NotKnown, NotNotKnown> {
        let wrong = || NotNotKnown(text.chars().take(80).collect());
        let (names, before) = text.split_once(BEFORE).ok_or_else(wrong)?;
        let before = before.parse().ok().and_then(Offset::new);
        let found = NotKnown {
            before: before.ok_or_else(wrong)?,
            key: names != columns::TIMESTAMP,
        };
        // Only the one way in which it is written.
        (found.to_string() == text)
            .then_some(found)
            .ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(before: u64, key: bool) -> NotKnown {
        NotKnown {
            before: Offset::ZERO.plus(before),
            key,
        }
    }

    #[test]
    fn it_is_written_in_one_way_and_read_back() {
        for (one, text) in [
            (at(1200, false), "kafka_timestamp before 1200"),
            (at(7, true), "kafka_timestamp, key before 7"),
        ] {
            assert_eq!(one.to_string(), text);
            assert_eq!(text.parse(), Ok(one));
        }
        for text in [
            "",
            "key before 7",
            "kafka_timestamp",
            "kafka_timestamp before -1",
            "kafka_timestamp before 07",
            "kafka_timestamp,key before 7",
            "kafka_timestamp, key before 7 before 8",
        ] {
            assert!(text.parse::<NotKnown>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_either_does_not_know_is_not_known() {
        let (one, other) = (Some(at(5, true)), Some(at(9, false)));
        assert_eq!(NotKnown::or(one, other), Some(at(9, true)));
        assert_eq!(NotKnown::or(None, other), other);
        assert_eq!(NotKnown::or(one, None), one);
        assert_eq!(NotKnown::or(None, None), None);
    }
}
