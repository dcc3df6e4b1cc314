//! What every commit of ours carries in Kafka: versioned JSON of less than 1 KB.

use serde::{Deserialize, Serialize};

use super::counts::OutcomeCounts;
pub use crate::format::Head;
use crate::{
    calculation::Fingerprint, format::KnownCommit, history::CorrectionsProgress, model::Offset,
};

/// The version that this program writes and the newest that it reads.
const VERSION: u32 = 1;

/// Encoded metadata is always shorter than this (Kafka's own limit is 4096 by default, for all brokers we know).
pub const MAX_METADATA_BYTES: usize = 1024;

/// The longest `by` that is kept when space is short.
const SHORT_BY_CHARS: usize = 64;

/// What a commit says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitMetadata {
    /// The writer: `snapback 0.1.0 <instance>/<worker>`.
    pub by: String,
    /// The committed offset itself: a tool that moves the offset but keeps the text is found out.
    pub offset: Offset,
    /// The calculation's text, unless it was too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calculation: Option<String>,
    /// The condition's text, unless there is none or it was too long.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The fields' text, unless it was too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<String>,
    /// The calculation's fingerprint.
    pub fingerprint: Fingerprint,
    /// The newest manifest that the writer knew.
    pub head: Head,
    /// Outcomes from the chain's origin up to `offset`.
    pub outcomes: u64,
    /// How many of them are of each kind; `None` when corrections have changed that since the writer began to count.
    #[serde(flatten)]
    pub kinds: Option<OutcomeCounts>,
    /// What decided the outcomes since the frontier of `head`.
    pub limits: Limits,
    /// Offsets recorded as lost in the chain that the writer knew. When the chain has more, it recorded a gap later, and
    /// `outcomes` may count some that lie inside that gap.
    #[serde(default)]
    pub lost: u64,
    /// How far corrections have been published.
    #[serde(default)]
    pub corrections: Option<CorrectionsProgress>,
}

/// The largest messages, in bytes, that the two output topics were taken to accept. They decide outcomes: a result too large
/// is a reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Of the results topic.
    pub results: u64,
    /// Of the dead-letter topic.
    pub rejects: u64,
}

impl Limits {
    /// A broker's default for `max.message.bytes`, for topics that do not tell.
    pub const USUAL: u64 = 1_048_588;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            results: Limits::USUAL,
            rejects: Limits::USUAL,
        }
    }
}

/// Whose commit it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authored {
    /// Written by this program.
    Ours(Box<CommitMetadata>),
    /// Written by a newer snapback.
    Newer {
        /// Its metadata version.
        version: u32,
        /// Who it says it is.
        by: Option<String>,
    },
    /// Written by somebody else, or moved by somebody else.
    Stranger,
}

#[derive(Serialize)]
struct Versioned<'a> {
    v: u32,
    #[serde(flatten)]
    metadata: &'a CommitMetadata,
}

#[derive(Deserialize)]
struct Probe {
    v: u32,
    by: String,
    offset: Option<Offset>,
}

impl CommitMetadata {
    /// What manifests record of this commit.
    #[must_use]
    pub const fn known(&self) -> KnownCommit {
        KnownCommit::new(self.head, self.corrections)
    }

    /// The text to commit, always shorter than [`MAX_METADATA_BYTES`]: when too long, the fields' text goes first, then the
    /// condition's, then the calculation's, then the end of the writer's name.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut metadata = self.clone();
        let mut text = metadata.to_json();
        if text.len() >= MAX_METADATA_BYTES {
            metadata.fields = None;
            text = metadata.to_json();
        }
        if text.len() >= MAX_METADATA_BYTES {
            metadata.condition = None;
            text = metadata.to_json();
        }
        if text.len() >= MAX_METADATA_BYTES {
            metadata.calculation = None;
            text = metadata.to_json();
        }
        if text.len() >= MAX_METADATA_BYTES {
            metadata.by = metadata
                .by
                .chars()
                .filter(|c| !c.is_control())
                .take(SHORT_BY_CHARS)
                .collect();
            text = metadata.to_json();
        }
        text
    }

    #[expect(
        clippy::expect_used,
        reason = "plain values under keys that are strings always serialise"
    )]
    fn to_json(&self) -> String {
        serde_json::to_string(&Versioned {
            v: VERSION,
            metadata: self,
        })
        .expect("plain values under string keys always serialise")
    }

    /// Whose commit it is that carries `text` at `committed`.
    #[must_use]
    pub fn parse(text: Option<&str>, committed: Offset) -> Authored {
        let Some(text) = text else {
            return Authored::Stranger;
        };
        let Ok(probe) = serde_json::from_str::<Probe>(text) else {
            return Authored::Stranger;
        };
        if !probe.by.starts_with("snapback ")
            || probe.v == 0
            || probe.offset.is_some_and(|o| o != committed)
        {
            return Authored::Stranger;
        }
        if probe.v > VERSION {
            return Authored::Newer {
                version: probe.v,
                by: Some(probe.by),
            };
        }
        match serde_json::from_str::<CommitMetadata>(text) {
            Ok(metadata) if metadata.offset == committed => Authored::Ours(Box::new(metadata)),
            _ => Authored::Stranger,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Digest, Sequence};

    fn metadata() -> CommitMetadata {
        CommitMetadata {
            by: "snapback 0.1.0 host-0/1".into(),
            offset: Offset::ZERO.plus(1042),
            calculation: Some("square(number)".into()),
            condition: None,
            fields: Some("number BIGINT NOT NULL".into()),
            fingerprint: "0123456789abcdef".parse().unwrap(),
            head: Head {
                sequence: Sequence(12),
                digest: Digest::of(b"manifest"),
            },
            outcomes: 1000,
            kinds: Some(OutcomeCounts {
                results: 990,
                rejects: 10,
                filtered: 0,
            }),
            limits: Limits::default(),
            lost: 0,
            corrections: None,
        }
    }

    #[test]
    fn the_text_is_this_one() {
        insta::assert_snapshot!(metadata().encode());
    }

    #[test]
    fn what_was_encoded_is_ours() {
        let text = metadata().encode();
        assert_eq!(
            CommitMetadata::parse(Some(&text), metadata().offset),
            Authored::Ours(Box::new(metadata()))
        );
    }

    #[test]
    fn kinds_may_be_unknown_and_events_left_out() {
        for kinds in [
            None,
            Some(OutcomeCounts {
                results: 1,
                rejects: 2,
                filtered: 3,
            }),
        ] {
            let written = CommitMetadata {
                kinds,
                ..metadata()
            };
            assert_eq!(
                CommitMetadata::parse(Some(&written.encode()), written.offset),
                Authored::Ours(Box::new(written))
            );
        }
    }

    #[test]
    fn an_offset_moved_under_our_text_is_a_strangers() {
        let text = metadata().encode();
        assert_eq!(
            CommitMetadata::parse(Some(&text), Offset::ZERO),
            Authored::Stranger
        );
    }

    #[test]
    fn absent_empty_foreign_or_broken_text_is_a_strangers() {
        let ours = metadata().encode();
        let table = [
            None,
            Some(""),
            Some("hello"),
            Some("{}"),
            Some("[1]"),
            Some(r#"{"v":1,"by":"flink","offset":1042}"#),
            Some(r#"{"v":1,"by":"snapback 0.1.0 a/0","offset":1042}"#),
            Some(r#"{"v":0,"by":"snapback 0.1.0 a/0","offset":1042}"#),
            Some(&ours[..ours.len() - 1]),
        ];
        for text in table {
            assert_eq!(
                CommitMetadata::parse(text, metadata().offset),
                Authored::Stranger,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_newer_version_is_known_as_such() {
        let text = r#"{"v":2,"by":"snapback 9.0.0 a/0","offset":1042,"unheard":["of"]}"#;
        assert_eq!(
            CommitMetadata::parse(Some(text), metadata().offset),
            Authored::Newer {
                version: 2,
                by: Some("snapback 9.0.0 a/0".into())
            }
        );
        assert_eq!(
            CommitMetadata::parse(Some(text), Offset::ZERO),
            Authored::Stranger
        );
    }

    #[test]
    fn members_that_a_later_release_adds_to_this_version_are_ignored() {
        let text = metadata().encode().replacen('{', r#"{"later":true,"#, 1);
        assert!(matches!(
            CommitMetadata::parse(Some(&text), metadata().offset),
            Authored::Ours(_)
        ));
    }

    #[test]
    fn long_texts_are_dropped_fields_first() {
        let long = CommitMetadata {
            fields: Some("x".repeat(900)),
            ..metadata()
        };
        let Authored::Ours(read) = CommitMetadata::parse(Some(&long.encode()), long.offset) else {
            panic!()
        };
        assert_eq!(
            (read.fields, read.calculation),
            (None, metadata().calculation)
        );
    }

    proptest! {
        #[test]
        fn it_is_always_short_and_always_read_back(
            instance in ".{0,400}", calculation in proptest::option::of(".{0,600}"),
            fields in proptest::option::of(".{0,600}"), offset in 0..=i64::MAX, outcomes: u64, lost: u64,
            counts in proptest::array::uniform5(any::<u64>()), known: bool,
        ) {
            let [results, rejects, filtered, of_results, of_rejects] = counts;
            let kinds = known.then_some(OutcomeCounts { results, rejects, filtered });
            let limits = Limits { results: of_results, rejects: of_rejects };
            let written = CommitMetadata {
                by: format!("snapback 0.1.0 {instance}"), offset: Offset::new(offset).expect("not negative"),
                calculation, fields, outcomes, kinds, limits, lost, ..metadata()
            };
            let text = written.encode();
            prop_assert!(text.len() < MAX_METADATA_BYTES);
            let Authored::Ours(read) = CommitMetadata::parse(Some(&text), written.offset) else {
                return Err(TestCaseError::fail("not ours"));
            };
            prop_assert_eq!((read.outcomes, read.kinds, read.limits), (outcomes, kinds, limits));
            prop_assert_eq!(read.head, written.head);
        }

        #[test]
        fn any_text_is_judged(text in ".{0,200}", offset in 0..=i64::MAX) {
            let _ = CommitMetadata::parse(Some(&text), Offset::new(offset).expect("not negative"));
        }
    }
}
