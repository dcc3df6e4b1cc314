//! The one way in which a chain grows: `apply(base, edit) -> manifest`, a pure function.

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};

use super::{
    Damaged, EditSummary, Gap, GapReason, Layout, LayoutError, Link, Manifest, Pipeline, Segment,
    SegmentKind, codec,
    validate::{self, Inconsistency},
};
use crate::model::{Counts, Digest, Offset, OffsetRange, Partition, Sequence};

/// A change of one partition's stored history. Compaction and backfill will be further kinds.
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
    },
    /// Offsets from the chain's end on that have no outcome, accepted by an operator.
    AcceptLoss {
        /// The offsets.
        range: OffsetRange,
        /// Why they have no outcome.
        reason: GapReason,
    },
    /// Other results and rejects for offsets that the chain holds. Which offsets have an outcome stays as it is; so do all
    /// corrections, published or not (I6).
    Repair {
        /// The offsets.
        range: OffsetRange,
        /// The results and rejects that are live in this range, as they were when their successors were made of them.
        replaced: Vec<Segment>,
        /// At most one segment of results, one of rejects and one of corrections, all of exactly this range. The
        /// corrections are the outcomes that are others now.
        segments: Vec<Segment>,
    },
}

impl Edit {
    /// The segments that it brings.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        match self {
            Edit::Append { segments, .. } | Edit::Repair { segments, .. } => segments,
            Edit::Bind { .. } | Edit::AcceptLoss { .. } => &[],
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
    /// The writer's calculation, as in `--calculation`.
    pub calculation: String,
    /// The writer's fields, as in `--fields`.
    pub fields: String,
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
    /// A segment of an edit is of another range, empty, of more rows than there are outcomes, or the second of its kind.
    #[error("{path} cannot be part of an edit of {range}")]
    ForeignSegment {
        /// The segment.
        path: String,
        /// The edit's range.
        range: OffsetRange,
    },
    /// What a repair was made of is not what is live in its range (any more).
    #[error("the repair of {range} was made of other segments than those that are live there")]
    NotLive {
        /// The repair's range.
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
    /// The manifest that the edit would make contradicts itself (I4).
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
}

/// The manifest that follows `base` by `edit`.
///
/// # Errors
/// When the edit does not continue the base exactly (I2) or its counts and segments do not add up (I4).
pub fn apply(base: Option<&Manifest>, edit: Edit, stamp: Stamp) -> Result<Manifest, ApplyError> {
    Ok(apply_and_encode(base, edit, stamp)?.0)
}

/// The same with its stored form, which its digest is made of: encoding it again would be the same work twice.
///
/// # Errors
/// As [`apply`].
pub fn apply_and_encode(
    base: Option<&Manifest>,
    edit: Edit,
    stamp: Stamp,
) -> Result<(Manifest, Bytes), ApplyError> {
    let manifest = match (base, edit) {
        (
            None,
            Edit::Bind {
                pipeline,
                partition,
                origin,
            },
        ) => {
            Layout::new(&pipeline.events_topic)?;
            first(pipeline, partition, origin, stamp)
        }
        (Some(base), Edit::Bind { partition, .. }) => {
            return Err(ApplyError::AlreadyBound {
                partition,
                sequence: base.sequence,
            });
        }
        (None, _) => return Err(ApplyError::NotBound),
        (
            Some(base),
            Edit::Append {
                range,
                segments,
                counts,
            },
        ) => {
            check_start(base, range)?;
            check_append(range, &segments, counts)?;
            let mut next = follow(base, stamp);
            next.end = range.end();
            next.counts = next.counts + counts;
            next.segments.extend(in_order(segments, next.sequence));
            next.edit = EditSummary::Append { range, counts };
            next
        }
        (Some(base), Edit::AcceptLoss { range, reason }) => {
            check_start(base, range)?;
            let mut next = follow(base, stamp);
            next.end = range.end();
            next.counts.lost += range.len();
            next.gaps.push(Gap {
                range,
                reason,
                accepted_at: next.created_at,
            });
            next.edit = EditSummary::AcceptLoss { range, reason };
            next
        }
        (
            Some(base),
            Edit::Repair {
                range,
                replaced,
                segments,
            },
        ) => repair(base, range, replaced, segments, stamp)?,
    };
    validate::check(&manifest)?;
    Ok(codec::seal(manifest))
}

/// The outcomes of one range give way to others, in the same place of the list; corrections go to its end, where their
/// revision belongs.
fn repair(
    base: &Manifest,
    range: OffsetRange,
    replaced: Vec<Segment>,
    segments: Vec<Segment>,
    stamp: Stamp,
) -> Result<Manifest, ApplyError> {
    let is_replaced = |segment: &Segment| {
        segment.kind != SegmentKind::Corrections && segment.range.overlaps(range)
    };
    let live = base.segments.iter().filter(|segment| is_replaced(segment));
    if replaced.is_empty() || !live.eq(&replaced) || replaced.iter().any(|s| s.range != range) {
        return Err(ApplyError::NotLive { range });
    }
    let (before, now) = (outcomes(&replaced), outcomes(&segments));
    if before.outcomes() != now.outcomes() {
        return Err(ApplyError::OtherOutcomes {
            range,
            repaired: now.outcomes(),
            live: before.outcomes(),
        });
    }
    check_segments(range, &segments, now.outcomes())?;
    let mut next = follow(base, stamp);
    let place = base.segments.iter().position(is_replaced);
    next.segments.retain(|segment| !is_replaced(segment));
    let (corrections, mut rows): (Vec<Segment>, Vec<Segment>) = in_order(segments, next.sequence)
        .into_iter()
        .partition(|segment| segment.kind == SegmentKind::Corrections);
    let after = next.segments.split_off(place.unwrap_or_default());
    next.segments.append(&mut rows);
    next.segments.extend(after);
    next.segments.extend(corrections);
    next.counts.results = next.counts.results - before.results + now.results;
    next.counts.rejects = next.counts.rejects - before.rejects + now.rejects;
    next.edit = EditSummary::Repair {
        range,
        counts: Counts {
            absent: range.len().saturating_sub(now.outcomes()),
            ..now
        },
        replaced,
    };
    Ok(next)
}

/// The rows of results and rejects.
fn outcomes(segments: &[Segment]) -> Counts {
    let rows = |kind| {
        let of_kind = segments.iter().filter(move |segment| segment.kind == kind);
        of_kind.fold(0_u64, |sum, segment| sum.saturating_add(segment.rows))
    };
    Counts {
        results: rows(SegmentKind::Results),
        rejects: rows(SegmentKind::Rejects),
        ..Counts::default()
    }
}

fn first(pipeline: Pipeline, partition: Partition, origin: Offset, stamp: Stamp) -> Manifest {
    Manifest {
        pipeline,
        partition,
        sequence: Sequence::FIRST,
        base: None,
        origin,
        end: origin,
        segments: Vec::new(),
        counts: Counts::default(),
        gaps: Vec::new(),
        calculation: stamp.calculation,
        fields: stamp.fields,
        edit: EditSummary::Bind,
        writer: stamp.writer,
        created_at: stamp.created_at.trunc_subsecs(3),
        digest: Digest::of(&[]),
    }
}

/// The base under the next free number, not yet edited.
fn follow(base: &Manifest, stamp: Stamp) -> Manifest {
    let last = stamp
        .skipped
        .last()
        .map_or(base.sequence, |damaged| damaged.sequence);
    Manifest {
        sequence: last.next(),
        base: Some(Link {
            sequence: base.sequence,
            digest: base.digest,
            skipped: stamp.skipped,
        }),
        calculation: stamp.calculation,
        fields: stamp.fields,
        writer: stamp.writer,
        created_at: stamp.created_at.trunc_subsecs(3),
        ..base.clone()
    }
}

fn check_start(base: &Manifest, range: OffsetRange) -> Result<(), ApplyError> {
    if range.start() != base.end {
        return Err(ApplyError::NotAtTheEnd {
            start: range.start(),
            end: base.end,
        });
    }
    if range.is_empty() {
        return Err(ApplyError::Empty { at: range.start() });
    }
    Ok(())
}

fn check_append(
    range: OffsetRange,
    segments: &[Segment],
    counts: Counts,
) -> Result<(), ApplyError> {
    if counts.lost > 0 {
        return Err(ApplyError::LostInAppend {
            range,
            lost: counts.lost,
        });
    }
    validate::check_sum(counts, range)?;
    check_segments(range, segments, counts.outcomes())
}

/// Each is of the range, and of the outcomes in it; no two are of one kind.
fn check_segments(
    range: OffsetRange,
    segments: &[Segment],
    outcomes: u64,
) -> Result<(), ApplyError> {
    for (index, segment) in segments.iter().enumerate() {
        let twice = segments[..index]
            .iter()
            .any(|other| other.kind == segment.kind);
        let too_many = segment.rows > outcomes;
        if twice || too_many || segment.range != range || segment.rows == 0 {
            return Err(ApplyError::ForeignSegment {
                path: segment.path.to_string(),
                range,
            });
        }
    }
    Ok(())
}

/// By kind; corrections get their revision.
fn in_order(mut segments: Vec<Segment>, sequence: Sequence) -> Vec<Segment> {
    segments.sort_by_key(|segment| segment.kind);
    for segment in &mut segments {
        segment.revision = (segment.kind == SegmentKind::Corrections).then_some(sequence);
    }
    segments
}

#[cfg(test)]
mod tests;
