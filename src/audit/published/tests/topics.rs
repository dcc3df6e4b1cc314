//! Topics as lists of messages, beside a partition of a store.

use crate::{
    audit::{
        published::{
            cursor::Files,
            message::{Body, Key, Letter, Message},
            source::{Compared, Source, Topic},
        },
        tests::fixture::{at, layout, newest},
    },
    format::SegmentKind,
    model::{Partition, Sequence},
    store::Store,
};

/// The key of the fixture's events that have one.
const KEY: &[u8] = b"key";

/// Whether an event of the fixture has a key.
pub(super) fn has_key(offset: i64) -> bool {
    offset % 3 == 0
}

/// A message that outlives its batch.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub revision: Option<u64>,
    pub offset: i64,
    /// The value; of a letter its payload.
    pub bytes: Option<String>,
    pub reason: Option<String>,
    pub way: Way,
}

/// What is known of a message by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It has its source as its key.
    Plain,
    /// It has the key of its event.
    Carried,
    /// It has the key of its event, which is of another partition.
    CarriedByAnother,
    /// It has the key of its event, which is this one's source.
    Named,
    /// It is none of snapback's, and has a key.
    OfOthers,
    /// It cannot be read.
    Unread,
}

pub(super) fn value(offset: i64, text: impl Into<String>) -> Sent {
    Sent {
        revision: None,
        offset,
        bytes: Some(text.into()),
        reason: None,
        way: Way::Plain,
    }
}

pub(super) fn square(offset: i64) -> Sent {
    value(
        offset,
        format!(r#"{{"number":{offset},"result":{}}}"#, offset * offset),
    )
}

pub(super) fn letter(offset: i64) -> Sent {
    Sent {
        reason: Some("wrong-type: found text".to_owned()),
        ..value(offset, format!(r#"{{"number": "{offset}"}}"#))
    }
}

impl Sent {
    pub fn by(self, way: Way) -> Sent {
        Sent { way, ..self }
    }

    pub fn revised(self, revision: u64) -> Sent {
        Sent {
            revision: Some(revision),
            ..self
        }
    }

    pub fn taken_back(offset: i64, revision: u64) -> Sent {
        let revised = value(offset, "").revised(revision);
        Sent {
            bytes: None,
            ..revised
        }
    }
}

pub(super) fn topic(kind: SegmentKind) -> Topic {
    Topic {
        name: "a-topic".to_owned(),
        kind,
        whole: true,
        compacted: false,
        copies: false,
    }
}

/// Partition `partition` of the store beside a topic.
pub(super) async fn compare(
    store: &Store,
    partition: i32,
    topic: Topic,
    sent: &[Sent],
) -> Compared {
    let files = Files {
        runtime: tokio::runtime::Handle::current(),
        store: store.clone(),
        layout: layout(),
        partition: Partition(partition),
    };
    let (manifest, sent) = (newest(store, partition).await, sent.to_vec());
    let work = move || {
        let mut source = Source::new(
            &files,
            &crate::format::Listed::open_list_of(&manifest),
            topic,
        );
        for message in &sent {
            let bytes = message.bytes.as_deref().map(str::as_bytes);
            let body = match (&message.reason, message.way) {
                (_, Way::CarriedByAnother) => {
                    source.pass_carried_by_another();
                    continue;
                }
                (_, Way::Named) => {
                    source.pass_named(at(message.offset));
                    continue;
                }
                (_, Way::OfOthers) => {
                    source.pass_of_others();
                    continue;
                }
                (_, Way::Unread) => {
                    source.pass_unread();
                    continue;
                }
                (None, Way::Carried) => Body::Carried(KEY, bytes),
                (None, Way::Plain) => Body::Value(bytes),
                (Some(reason), _) => Body::Letter(Letter {
                    key: has_key(message.offset).then_some(KEY),
                    payload: bytes,
                    reason,
                    whole: None,
                    key_bytes: None,
                }),
            };
            let key = Key {
                revision: message.revision.map(Sequence),
                offset: at(message.offset),
            };
            let message = Message {
                partition: files.partition,
                key,
                body,
            };
            source.publish(&message).unwrap();
        }
        source.finish().unwrap()
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}
