//! Outcomes of offsets that the chain does not have: those of a gap, and those before its origin.

use super::{
    following::follow,
    new_segments::{check_append, in_order},
};
use crate::{
    format::{
        ApplyError, EditSummary, Forward, Manifest, RowlessRecord, Segment, SegmentKind,
        SilentRange, Stamp, silence::shorten, silent::replace_silent,
    },
    model::{Counts, OffsetRange},
};

/// A gap, or a part of one, gives way to outcomes; or the chain begins earlier, with them. What the forward path recorded stays
/// on record: commits go on counting from there.
pub(super) fn backfill(
    base: &Manifest,
    range: OffsetRange,
    segments: Vec<Segment>,
    (counts, record): (Counts, RowlessRecord),
    stamp: Stamp,
) -> Result<Manifest, ApplyError> {
    // Only the open list is changed: a page over the gap is reopened first.
    if !base.lacks(range) || base.pages_over(range).next().is_some() {
        return Err(ApplyError::NotLacking { range });
    }
    check_append(range, &segments, counts, &record)?;
    let ours = stamp.calculation.fingerprint.clone();
    let mut next = follow(base, stamp);
    let is_before = range.end() == base.origin;
    next.forward = Some(Forward {
        edited: Some(next.sequence),
        ..base.forward()
    });
    next.counts = base.counts + counts;
    if is_before {
        next.origin = range.start();
        next.published_from = base.published_from.or(Some(base.origin));
    } else {
        next.counts.lost -= range.len();
        next.gaps = base.gaps_without(range);
    }
    let has_rows = |segment: &Segment| segment.kind != SegmentKind::Corrections;
    let is_silent = !segments.iter().any(has_rows);
    let silent = is_silent.then(|| SilentRange::new(range, record, &ours));
    let silent = replace_silent(&base.open.silent, range, silent);
    next.open.silent = silent.ok_or(ApplyError::NotLacking { range })?;
    shorten(&mut next.open.silent, Some(range));
    let (rows, corrections) = in_order(segments, next.sequence);
    let earlier = |segment: &Segment| segment.range.start() < range.start();
    let place = base.open.segments.partition_point(earlier);
    next.open.segments.splice(place..place, rows);
    next.open.corrections.extend(corrections);
    next.edit = EditSummary::Backfill { range, counts };
    Ok(next)
}
