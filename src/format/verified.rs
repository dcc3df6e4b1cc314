//! When each live segment was last verified: an object beside the chain, never a part of it. Pure.
//!
//! It is advice for the scrub's next turn and for people. Nobody believes it where it matters: whoever loses, damages or
//! forges it has stored history verified again, or later. Only the owner of a partition writes it, and the last one wins.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Listed, Segment};
use crate::store::Path;

/// The version of its form; of any other, nothing is known.
const FORMAT: u32 = 1;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    format: u32,
    /// By the path of the segment.
    segments: BTreeMap<String, LastVerified>,
}

/// What is known of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastVerified {
    /// When a scrub first saw it.
    pub seen: DateTime<Utc>,
    /// When it was last verified.
    pub verified: Option<DateTime<Utc>>,
    /// What was found then.
    pub findings: u64,
}

impl Verified {
    /// The most bytes that are read of one.
    pub const MOST_BYTES: u64 = 16 << 20;

    /// What was stored; nothing when it is not what this program writes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Verified {
        let stored: Option<Verified> = serde_json::from_slice(bytes).ok();
        stored
            .filter(|stored| stored.format == FORMAT)
            .unwrap_or_default()
    }

    /// As it is stored.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "texts and numbers under keys that are strings always serialise"
    )]
    pub fn encode(&self) -> Bytes {
        let stored = Verified {
            format: FORMAT,
            segments: self.segments.clone(),
        };
        let text = serde_json::to_vec(&stored).expect("texts and numbers are JSON");
        text.into()
    }

    /// Knows the live segments of this manifest, and no others.
    pub fn follow(&mut self, newest: &Listed, now: DateTime<Utc>) {
        let mut before = std::mem::take(&mut self.segments);
        let segments = newest.files().map(|segment| {
            let path = segment.path.to_string();
            let entry = before.remove(&path).unwrap_or(LastVerified {
                seen: now,
                verified: None,
                findings: 0,
            });
            (path, entry)
        });
        self.segments = segments.collect();
    }

    /// These were verified, with so many findings.
    pub fn mark(&mut self, segments: &[Segment], at: DateTime<Utc>, findings: u64) {
        for segment in segments {
            if let Some(entry) = self.segments.get_mut(segment.path.as_str()) {
                entry.verified = Some(at);
                entry.findings = findings;
            }
        }
    }

    /// These are as good as never verified.
    pub fn forget(&mut self, segments: &[Segment]) {
        for segment in segments {
            if let Some(entry) = self.segments.get_mut(segment.path.as_str()) {
                entry.verified = None;
            }
        }
    }

    /// What is known of a segment.
    #[must_use]
    pub fn get(&self, segment: &Segment) -> Option<&LastVerified> {
        self.segments.get(segment.path.as_str())
    }

    /// When a segment was last verified, and how many findings that gave.
    #[must_use]
    pub fn last(&self, path: &Path) -> Option<(DateTime<Utc>, u64)> {
        let entry = self.segments.get(path.as_str())?;
        Some((entry.verified?, entry.findings))
    }

    /// When a segment was last verified.
    #[must_use]
    pub fn at(&self, path: &Path) -> Option<DateTime<Utc>> {
        self.segments.get(path.as_str())?.verified
    }

    /// Every live segment of a manifest was verified then or later; `None` while one never was, or when there is none.
    #[must_use]
    pub fn since(&self, newest: &Listed) -> Option<DateTime<Utc>> {
        if !newest.unread().is_empty() {
            // Nobody knows which segments these are.
            return None;
        }
        let times = newest.files().map(|segment| self.at(&segment.path));
        times.min().flatten()
    }
}
