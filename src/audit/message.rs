//! What a message of an output topic says about itself: which outcome it publishes, and how. Pure.

use crate::{
    events::SOURCE_HEADER,
    model::{Digest, Offset, Partition, Sequence},
};

/// Of a correction: its revision, the number of the manifest that introduced it.
const REVISION: &str = "snapback-revision";
/// Of a dead letter: the event that it stands for.
const TOPIC: &str = "snapback-topic";
const PARTITION: &str = "snapback-partition";
const OFFSET: &str = "snapback-offset";
const TIMESTAMP: &str = "snapback-timestamp";
const REASON: &str = "snapback-reason";
/// Of a dead letter that was cut down: the size and the digest of the whole payload, and the size of the key left out.
const PAYLOAD_BYTES: &str = "snapback-payload-bytes";
const PAYLOAD_DIGEST: &str = "snapback-payload-digest";
const KEY_BYTES: &str = "snapback-key-bytes";
/// Of a dead letter on a compacted topic, which takes none without a key: what its key is made of.
const KEY_MADE_OF: &str = "snapback-key-made-of";

/// Which publication of an outcome it is. First publications have no revision and order before all corrections; the topics
/// hold the first publications of a partition by offset, and its corrections by revision, then offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub revision: Option<Sequence>,
    pub offset: Offset,
}

impl Key {
    /// The first publication of an offset.
    pub const fn first(offset: Offset) -> Key {
        Key {
            revision: None,
            offset,
        }
    }

    /// The key that follows directly.
    pub fn after(self) -> Key {
        Key {
            offset: self.offset.plus(1),
            ..self
        }
    }
}

/// What a message says about an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body<'m> {
    /// A result, or with a null value, a result that is taken back.
    Value(Option<&'m [u8]>),
    /// A result that has the key of its event.
    Carried(&'m [u8], Option<&'m [u8]>),
    /// A reject.
    Letter(Letter<'m>),
}

/// A dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Letter<'m> {
    pub key: Option<&'m [u8]>,
    pub payload: Option<&'m [u8]>,
    pub reason: &'m str,
    /// The size and the digest of the payload, when only its beginning is in the letter.
    pub whole: Option<(u64, Digest)>,
    /// The size of the event's key, when it was left out.
    pub key_bytes: Option<u64>,
}

/// A message that says which event it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'m> {
    pub partition: Partition,
    pub key: Key,
    pub body: Body<'m>,
}

/// A header as a client reads it.
pub(super) type Header = (String, Option<Vec<u8>>);

/// Reads a message of the results topic; `None` when it names no event of the topic `events`.
pub(super) fn result<'m>(
    events: &str,
    key: Option<&'m [u8]>,
    value: Option<&'m [u8]>,
    headers: &[Header],
) -> Option<Message<'m>> {
    // With the key of its event, whatever that looks like, it names its source in a header.
    let named = text(headers, SOURCE_HEADER);
    let (partition, offset) = source(events, named.map(str::as_bytes).or(key)?)?;
    Some(Message {
        partition,
        key: Key {
            revision: revision(headers)?,
            offset,
        },
        body: match (named, key) {
            (Some(_), Some(key)) => Body::Carried(key, value),
            (Some(_), None) => return None,
            (None, _) => Body::Value(value),
        },
    })
}

/// Reads a dead letter; `None` when it names no event of the topic `events`.
pub(super) fn letter<'m>(
    events: &str,
    key: Option<&'m [u8]>,
    payload: Option<&'m [u8]>,
    headers: &'m [Header],
) -> Option<Message<'m>> {
    if text(headers, TOPIC)? != events {
        return None;
    }
    let number = |name| text(headers, name)?.parse().ok();
    let digest = |name| text(headers, name)?.parse().ok();
    let partition = Partition(text(headers, PARTITION)?.parse().ok()?);
    let offset = Offset::new(text(headers, OFFSET)?.parse().ok()?)?;
    // An event may have a header of that name itself, and a key.
    let is_made = text(headers, KEY_MADE_OF).is_some()
        && key.is_some_and(|key| source(events, key) == Some((partition, offset)));
    let letter = Letter {
        key: key.filter(|_| !is_made),
        payload,
        reason: text(headers, REASON)?,
        whole: number(PAYLOAD_BYTES).zip(digest(PAYLOAD_DIGEST)),
        key_bytes: number(KEY_BYTES),
    };
    Some(Message {
        partition,
        key: Key {
            revision: revision(headers)?,
            offset,
        },
        body: Body::Letter(letter),
    })
}

/// The time of the event that a dead letter stands for, if the event has one.
pub(super) fn letter_time(headers: &[Header]) -> Option<i64> {
    text(headers, TIMESTAMP)?.parse().ok()
}

/// The event that a key names: `events/3/1042`.
pub(super) fn source(events: &str, key: &[u8]) -> Option<(Partition, Offset)> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(events)?;
    let (partition, offset) = rest.strip_prefix('/')?.split_once('/')?;
    let offset = Offset::new(offset.parse().ok()?)?;
    Some((Partition(partition.parse().ok()?), offset))
}

/// `Some(None)` without the header, `None` when it is no number.
fn revision(headers: &[Header]) -> Option<Option<Sequence>> {
    match text(headers, REVISION) {
        None => Some(None),
        Some(text) => text.parse().ok().map(|number| Some(Sequence(number))),
    }
}

/// The last header of this name: the event's own come before ours.
fn text<'m>(headers: &'m [Header], name: &str) -> Option<&'m str> {
    let (_, value) = headers.iter().rev().find(|(header, _)| header == name)?;
    std::str::from_utf8(value.as_deref()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Header {
        (name.to_owned(), Some(value.as_bytes().to_vec()))
    }

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    #[test]
    fn a_results_key_names_its_event() {
        let read = result("events", Some(b"events/3/1042"), Some(b"{}"), &[]).unwrap();
        assert_eq!(
            (read.partition, read.key),
            (Partition(3), Key::first(at(1042)))
        );
        for key in [
            "event/3/1",
            "events/3",
            "events/3/-1",
            "events/3/1/2",
            "eventss/3/1",
            "",
        ] {
            assert_eq!(
                result("events", Some(key.as_bytes()), None, &[]),
                None,
                "{key}"
            );
        }
        assert_eq!(result("events", None, Some(b"{}"), &[]), None);
    }

    #[test]
    fn a_result_with_the_key_of_its_event_names_its_source_in_a_header() {
        let named = [header("snapback-source", "events/3/1042")];
        // The key may look like the source of another one.
        for key in ["customer-7", "", "events/0/1"] {
            let read = result("events", Some(key.as_bytes()), Some(b"{}"), &named).unwrap();
            assert_eq!(
                (read.partition, read.key),
                (Partition(3), Key::first(at(1042)))
            );
            assert_eq!(read.body, Body::Carried(key.as_bytes(), Some(b"{}")));
        }
        assert_eq!(result("events", None, Some(b"{}"), &named), None);
        let other = [header("snapback-source", "others/3/1042")];
        assert_eq!(result("events", Some(b"events/3/1"), None, &other), None);
    }

    #[test]
    fn a_revision_makes_a_correction_and_corrections_follow_first_publications() {
        let read = |headers: &[Header]| result("events", Some(b"events/0/7"), None, headers);
        let corrected = read(&[header("snapback-revision", "12")]).unwrap();
        assert_eq!(corrected.key.revision, Some(Sequence(12)));
        assert_eq!(corrected.body, Body::Value(None));
        assert!(Key::first(at(1_000)) < corrected.key);
        assert_eq!(read(&[header("snapback-revision", "twelve")]), None);
    }

    #[test]
    fn a_key_that_was_made_for_a_compacted_topic_is_none() {
        let mut headers = vec![
            header("snapback-topic", "events"),
            header("snapback-partition", "2"),
            header("snapback-offset", "9"),
            header("snapback-reason", "empty: nothing"),
        ];
        let key = |key: &str, headers: &[Header]| {
            let read = letter("events", Some(key.as_bytes()), None, headers).unwrap();
            match read.body {
                Body::Letter(letter) => letter.key.map(<[u8]>::to_vec),
                other => panic!("{other:?}"),
            }
        };
        assert!(key("events/2/9", &headers).is_some());
        headers.push(header("snapback-key-made-of", "source"));
        assert_eq!(key("events/2/9", &headers), None);
        assert!(key("another", &headers).is_some());
    }

    #[test]
    fn a_letters_own_headers_count_and_not_those_of_its_event() {
        let mut headers = vec![
            header("snapback-offset", "1"),
            header("snapback-reason", "the event's own"),
            header("snapback-topic", "events"),
            header("snapback-partition", "2"),
            header("snapback-offset", "9"),
            header("snapback-reason", "empty: nothing"),
        ];
        let read = letter("events", Some(b"k"), Some(b""), &headers).unwrap();
        assert_eq!(
            (read.partition, read.key),
            (Partition(2), Key::first(at(9)))
        );
        let Body::Letter(letter_read) = read.body else {
            panic!("{read:?}")
        };
        assert_eq!(letter_read.reason, "empty: nothing");
        assert_eq!((letter_read.whole, letter_read.key_bytes), (None, None));
        assert_eq!(letter("others", None, None, &headers), None);
        headers.remove(3);
        assert_eq!(letter("events", None, None, &headers), None);
    }
}
