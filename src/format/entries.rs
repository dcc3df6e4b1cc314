//! What manifests and pages list: segments and gaps.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{NotKnown, Rowless, SegmentKind};
use crate::{
    calculation::Fingerprint,
    model::{Digest, OffsetRange, Sequence},
    store::Path,
};

/// One immutable Parquet file that a manifest or a page lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its place in the store, relative to the root.
    pub path: Path,
    /// What its rows are.
    pub kind: SegmentKind,
    /// The offsets that it covers, rows or none.
    pub range: OffsetRange,
    /// Its rows.
    pub rows: u64,
    /// Of results and rejects: how many offsets of the range have a row neither here nor in the twin of the other kind.
    /// Corrections account for no offset, so that of theirs is zero.
    pub rowless: Rowless,
    /// The file's size.
    pub bytes: u64,
    /// The digest of the whole file.
    pub digest: Digest,
    /// The calculation that made its rows.
    pub fingerprint: Fingerprint,
    /// What it does not know of the events of its rows; `None` when it knows everything.
    pub not_known: Option<NotKnown>,
    /// Of corrections: the manifest that introduced them, which is the revision under which they are published.
    pub revision: Option<Sequence>,
}

/// Offsets without an outcome, accepted by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The offsets.
    pub range: OffsetRange,
    /// Why they have no outcome.
    pub reason: GapReason,
    /// When the gap entered the chain, to the millisecond.
    pub accepted_at: DateTime<Utc>,
}

/// Why offsets have no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// Kafka's retention removed the events before they were read.
    Expired,
    /// The log ended before them: it was truncated, or its topic recreated.
    Truncated,
    /// Somebody else committed them, so their outcomes are not known here.
    Foreign,
    /// They had outcomes, but compaction removed the events before they were snapshotted.
    Compacted,
    /// They had outcomes whose segment was damaged, and nothing is left to rebuild it from.
    Damaged,
    /// Kafka holds the events, and they cannot be read.
    Unreadable,
    /// No output topic took what was to be published of them.
    Refused,
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            GapReason::Expired => "expired",
            GapReason::Truncated => "truncated",
            GapReason::Foreign => "foreign",
            GapReason::Compacted => "compacted",
            GapReason::Damaged => "damaged",
            GapReason::Unreadable => "unreadable",
            GapReason::Refused => "refused",
        })
    }
}
