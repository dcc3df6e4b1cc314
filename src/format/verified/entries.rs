//! What is known of one segment, or of one page.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{Offset, OffsetRange};

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

impl LastVerified {
    pub(super) fn new(seen: DateTime<Utc>, verified: Option<DateTime<Utc>>) -> LastVerified {
        LastVerified {
            seen,
            verified,
            findings: 0,
        }
    }
}

/// What is known of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PageEntry {
    pub start: Offset,
    pub end: Offset,
    /// When a scrub first saw it.
    pub seen: DateTime<Utc>,
    /// Since when all segments that it lists are verified.
    pub verified: Option<DateTime<Utc>>,
}

impl PageEntry {
    pub(super) fn range(self) -> OffsetRange {
        OffsetRange::new(self.start, self.end).unwrap_or(OffsetRange::empty(self.start))
    }
}

/// A page some of whose segments are verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnderWay {
    pub page: String,
    /// By the path of the segment.
    pub verified: BTreeMap<String, DateTime<Utc>>,
}
