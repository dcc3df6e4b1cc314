//! What of a topic could not be read, so that nothing is said about it: named in the report, and never counted as clean.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::{AuditError, instructions};
use crate::{
    kafka::Fault,
    model::{Offset, OffsetRange, Partition},
};

/// Offsets of a topic that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unread {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: Partition,
    /// The first offset.
    pub start: Offset,
    /// The offset after the last one.
    pub end: Offset,
    /// Why it could not be read.
    pub detail: String,
    /// What can be done about it.
    pub remedy: String,
}

/// One line for people: place, detail and remedy.
impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "topic {}, partition {}, offsets {}-{}: {}; {}",
            self.topic, self.partition, self.start, self.end, self.detail, self.remedy
        )
    }
}

impl Unread {
    fn of(topic: &str, partition: Partition, range: OffsetRange) -> Unread {
        Unread {
            topic: topic.to_owned(),
            partition,
            start: range.start(),
            end: range.end(),
            detail: String::new(),
            remedy: String::new(),
        }
    }

    /// Messages that the log holds, and that no client can read.
    pub(super) fn messages(
        topic: &str,
        partition: Partition,
        range: OffsetRange,
        fault: &Fault,
    ) -> Unread {
        Unread {
            detail: format!("they cannot be read: {}", fault.text),
            remedy: instructions::unreadable_messages(fault.kind),
            ..Unread::of(topic, partition, range)
        }
    }

    /// Messages in place of which nothing comes at all.
    pub(super) fn silence(
        topic: &str,
        partition: Partition,
        range: OffsetRange,
        waited: Duration,
    ) -> Unread {
        Unread {
            detail: format!("the broker answered for {waited:?}, and none of them came"),
            remedy: instructions::silent_log(),
            ..Unread::of(topic, partition, range)
        }
    }

    /// Outcomes that are stored and cannot be read.
    pub(super) fn stored(
        topic: &str,
        partition: Partition,
        range: OffsetRange,
        error: &AuditError,
    ) -> Unread {
        Unread {
            detail: format!("what is stored of them was not compared: {error}"),
            remedy: instructions::unreadable_store(),
            ..Unread::of(topic, partition, range)
        }
    }

    /// Messages that an open transaction hides.
    pub(super) fn hidden(
        topic: &str,
        partition: Partition,
        range: OffsetRange,
        waited: Duration,
    ) -> Unread {
        Unread {
            detail: format!(
                "a transaction has been open for {waited:?} and more: what was published after it began cannot be read yet"
            ),
            remedy: instructions::open_transaction(topic, partition),
            ..Unread::of(topic, partition, range)
        }
    }
}
