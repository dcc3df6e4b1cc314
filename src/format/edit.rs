//! An edit, what is recorded beside it, and why it may not fit.

use chrono::{DateTime, Utc};

use super::{
    Damaged, GapReason, Inconsistency, KnownCommit, LayoutError, MAX_MANIFEST_BYTES, Page,
    Pipeline, RowlessRecord, Segment,
};
use crate::{
    calculation::{Declaration, Fingerprint},
    model::{Counts, Offset, OffsetRange, Partition, Sequence},
    store::Path,
};

/// A change of one partition's stored history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Manifest 1: empty, at the origin. Binds the partition of a store to a pipeline.
    Bind {
        /// The pipeline.
        pipeline: Pipeline,
        /// The partition.
        partition: Partition,
        /// The first offset that the chain will account for.
        origin: Offset,
    },
    /// New outcomes, from the chain's end on.
    Append {
        /// The offsets that they account for.
        range: OffsetRange,
        /// At most one segment of results, one of rejects and one of corrections, all of exactly this range.
        segments: Vec<Segment>,
        /// What the offsets were; `lost` is none of this edit's business.
        counts: Counts,
        /// Which of them have no row.
        record: RowlessRecord,
    },
    /// Offsets from the chain's end on that have no outcome, accepted by an operator.
    AcceptLoss {
        /// The offsets.
        range: OffsetRange,
        /// Why they have no outcome.
        reason: GapReason,
    },
    /// Offsets that the chain holds, whose outcomes can be had from nowhere any more, become a gap: accepted by an operator. All
    /// corrections stay, published or not (I6).
    GiveUp {
        /// The offsets.
        range: OffsetRange,
        /// Why they have no outcome.
        reason: GapReason,
        /// The results and rejects that are live in this range, which nobody can read.
        replaced: Vec<Segment>,
    },
    /// Outcomes of offsets that the chain does not have: those of a gap or a part of one, or of what ends at its origin.
    Backfill {
        /// The offsets.
        range: OffsetRange,
        /// At most one segment of results, one of rejects and one of corrections, all of exactly this range. The corrections
        /// are the outcomes that are to be published.
        segments: Vec<Segment>,
        /// What the offsets are.
        counts: Counts,
        /// Which of them have no row.
        record: RowlessRecord,
    },
    /// Other outcomes for offsets that the chain holds. Which offsets have an outcome stays as it is; so do all corrections,
    /// published or not (I6).
    Repair {
        /// The offsets.
        range: OffsetRange,
        /// The results and rejects that are live in this range, as they were when their successors were made of them. There
        /// are none where all of the range is silent, and events of it are filtered.
        replaced: Vec<Segment>,
        /// At most one segment of results, one of rejects and one of corrections, all of exactly this range. The
        /// corrections are the outcomes that are others now.
        segments: Vec<Segment>,
        /// Which offsets of the range have no row now.
        record: RowlessRecord,
    },
    /// The outcomes of neighbours in fewer files. What became of each offset, and all corrections, stay as they are; silent
    /// ranges between the neighbours become part of the new segments' record.
    Compact {
        /// The offsets: from the first neighbour's start to the last one's end.
        range: OffsetRange,
        /// The results and rejects that are live in this range; all of one fingerprint.
        replaced: Vec<Segment>,
        /// At most one segment of results and one of rejects, of exactly this range.
        segments: Vec<Segment>,
    },
    /// Lower numbers are no part of the history any more.
    Retire {
        /// The oldest manifest that is: above the one that is now, and not above the head of the last commit that an owner
        /// knew.
        oldest: Sequence,
    },
    /// A range of the open list becomes a page, which is put already. Nothing that is live changes.
    Seal {
        /// What the open list has of the range; of corrections in it, only some that the known commit says to be published.
        page: Box<Page>,
        /// Where the page is.
        path: Path,
        /// The page's size.
        bytes: u64,
    },
    /// What a page lists goes back to the open list, where other edits can change it. Nothing that is live changes.
    Reopen {
        /// A page that is listed.
        page: Box<Page>,
    },
}

impl Edit {
    /// The segments that it brings.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        match self {
            Edit::Append { segments, .. }
            | Edit::Backfill { segments, .. }
            | Edit::Repair { segments, .. }
            | Edit::Compact { segments, .. } => segments,
            Edit::Bind { .. }
            | Edit::AcceptLoss { .. }
            | Edit::GiveUp { .. }
            | Edit::Retire { .. }
            | Edit::Seal { .. }
            | Edit::Reopen { .. } => &[],
        }
    }
}

/// What a manifest records beside the edit: who wrote it, when, and what could not be read then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Who writes.
    pub writer: String,
    /// When; kept to the millisecond.
    pub created_at: DateTime<Utc>,
    /// The writer's calculation.
    pub calculation: Declaration,
    /// Others that segments of the edit have.
    pub known: Vec<Declaration>,
    /// The last commit of the group, if the writer is an owner that knows of one. An older one than the base's is not taken
    /// over, nor one that names a number which is yet to come: that number was lost.
    pub committed: Option<KnownCommit>,
    /// The numbers above the base, ascending and without a hole, none of which can be read.
    pub skipped: Vec<Damaged>,
}

/// Why an edit does not fit its base.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The partition already has a manifest.
    #[error("partition {partition} is bound already, by manifest {sequence}")]
    AlreadyBound {
        /// The partition.
        partition: Partition,
        /// The newest manifest.
        sequence: Sequence,
    },
    /// The first edit of a partition must bind it.
    #[error("the partition has no manifest yet: it must be bound before anything is added")]
    NotBound,
    /// The events topic cannot be a folder.
    #[error(transparent)]
    Topic(#[from] LayoutError),
    /// The edit does not start where the chain ends (I2).
    #[error("the edit starts at {start}, the chain ends at {end}")]
    NotAtTheEnd {
        /// Where the edit starts.
        start: Offset,
        /// Where the chain ends.
        end: Offset,
    },
    /// The edit covers no offset.
    #[error("the edit covers no offset (at {at})")]
    Empty {
        /// Where.
        at: Offset,
    },
    /// An append cannot record lost offsets.
    #[error("an append of {range} cannot have {lost} lost offsets: accept the loss by itself")]
    LostInAppend {
        /// The append's range.
        range: OffsetRange,
        /// What it called lost.
        lost: u64,
    },
    /// The record of the offsets without a row is of others, or of another number of them.
    #[error("the record of the offsets of {range} without a row is not as its counts say")]
    OtherRecord {
        /// The append's range.
        range: OffsetRange,
    },
    /// A segment of an edit is of another range, empty, of more rows than there are outcomes, or the second of its kind.
    #[error("{path} cannot be part of an edit of {range}")]
    ForeignSegment {
        /// The segment.
        path: String,
        /// The edit's range.
        range: OffsetRange,
    },
    /// What a repair or a compaction was made of, or what is given up, is not what is live in its range (any more).
    #[error("the edit of {range} was made of other segments than those that are live there")]
    NotLive {
        /// The edit's range.
        range: OffsetRange,
    },
    /// What a page lists is not what is in the open list, or a page that is to be reopened is not listed (any more).
    #[error("the page of {range} is not what is listed of it")]
    NotThePage {
        /// The page's range.
        range: OffsetRange,
    },
    /// A backfill brings what the chain has.
    #[error("the chain has offsets of {range}, or it neither lies in a gap nor ends at the origin")]
    NotLacking {
        /// The edit's range.
        range: OffsetRange,
    },
    /// A repair has another number of outcomes than what it replaces.
    #[error("the repair of {range} has {repaired} outcomes, what it replaces has {live}")]
    OtherOutcomes {
        /// The repair's range.
        range: OffsetRange,
        /// The rows of its results and rejects.
        repaired: u64,
        /// The rows of those that it replaces.
        live: u64,
    },
    /// A segment or a silent range of the edit has a fingerprint that nobody declares.
    #[error("{what} is of the calculation {fingerprint}, which is not declared")]
    Undeclared {
        /// The segment, or the silent range.
        what: String,
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
    /// Manifests that the history needs cannot be retired.
    #[error(
        "the history cannot begin with manifest {oldest}: it begins with {now}, and the last commit that is known names {committed}"
    )]
    Retired {
        /// The number that was asked for.
        oldest: Sequence,
        /// The oldest number now.
        now: Sequence,
        /// The head of the last commit that is known.
        committed: Sequence,
    },
    /// The manifest would be larger than any that is read.
    #[error(
        "the manifest would have {bytes} bytes, more than the {MAX_MANIFEST_BYTES} that are read"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// The manifest that the edit would make contradicts itself (I4).
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
}
