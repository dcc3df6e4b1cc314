//! Why events cannot be read, although the log holds them.

use rdkafka::error::RDKafkaErrorCode as Code;

use super::codes::{is_denied, is_passing};
use crate::model::Offset;

/// A message that says what went wrong.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) code: Code,
    pub(super) text: String,
    pub(super) offset: i64,
    /// Up to where its batch may reach, when the messages themselves show it.
    pub(super) until: Option<i64>,
}

/// What is wrong with events that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Their bytes are not those that were written: a checksum of theirs does not match, or their offsets are out of order.
    Damaged,
    /// Their batch is larger, unpacked or as it is, than the client takes (`receive.message.max.bytes`).
    TooLarge,
    /// Their bytes are those that were written, and cannot be unpacked.
    Malformed,
    /// Their format or their compression is none that this client knows.
    Unsupported,
    /// The broker itself cannot read them.
    Broker,
    /// Nothing is wrong with them: the broker refuses who we are, or that we read.
    Denied,
    /// Nothing is wrong with them: the broker is away or busy.
    Passing,
}

/// Why events cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// What the client says.
    pub text: String,
    /// The first offset of the batch that cannot be read, as far as the client says.
    pub batch: Option<Offset>,
    /// Up to where it may reach, when that is known.
    pub until: Option<Offset>,
}

impl Fault {
    pub(super) fn of(trouble: &Trouble) -> Fault {
        Fault {
            kind: kind(trouble.code, &trouble.text),
            batch: Offset::new(trouble.offset),
            until: trouble.until.and_then(Offset::new),
            text: trouble.text.clone(),
        }
    }

    pub(super) fn passing(text: String) -> Fault {
        Fault {
            kind: FaultKind::Passing,
            text,
            batch: None,
            until: None,
        }
    }
}

fn kind(code: Code, text: &str) -> FaultKind {
    match code {
        Code::InvalidRecord => FaultKind::Damaged,
        Code::BadMessage if text.contains("CRC32") => FaultKind::Damaged,
        Code::MessageSizeTooLarge => FaultKind::TooLarge,
        // Only zstd has a limit, and the client says no more about why it fails.
        Code::BadCompression if text.contains("codec 0x4") => FaultKind::TooLarge,
        Code::BadMessage | Code::BadCompression => FaultKind::Malformed,
        Code::NotImplemented => FaultKind::Unsupported,
        code if is_denied(code) => FaultKind::Denied,
        code if is_passing(code) => FaultKind::Passing,
        _ => FaultKind::Broker,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_events_follows_from_the_clients_code() {
        for (code, text, expected) in [
            (
                Code::BadMessage,
                "MessageSet at offset 7 failed CRC32C check",
                FaultKind::Damaged,
            ),
            (
                Code::BadCompression,
                "Decompression (codec 0x4) of message at 7",
                FaultKind::TooLarge,
            ),
            (
                Code::BadCompression,
                "Decompression (codec 0x3) of message at 7",
                FaultKind::Malformed,
            ),
            (
                Code::MessageSizeTooLarge,
                "Message at offset 7 might be too large",
                FaultKind::TooLarge,
            ),
            (
                Code::NotImplemented,
                "Unsupported Message(Set) MagicByte 9",
                FaultKind::Unsupported,
            ),
            (
                Code::InvalidRecord,
                "offset 4 came after offset 7",
                FaultKind::Damaged,
            ),
            (Code::InvalidMessage, "Fetch failed", FaultKind::Broker),
            (Code::Unknown, "Fetch failed", FaultKind::Broker),
            (
                Code::TopicAuthorizationFailed,
                "Fetch failed",
                FaultKind::Denied,
            ),
            (
                Code::BrokerTransportFailure,
                "Fetch failed",
                FaultKind::Passing,
            ),
        ] {
            assert_eq!(kind(code, text), expected, "{code:?}");
        }
    }
}
