//! Outcomes that can be had from nowhere any more give way to a gap.

use super::following::{check_live, follow, outcomes};
use crate::{
    format::{ApplyError, EditSummary, Forward, Gap, GapReason, Manifest, Rowless, Segment, Stamp},
    model::OffsetRange,
};

/// The outcomes of the segments of one range become a gap. What the forward path recorded stays on record: commits go on
/// counting from there.
pub(super) fn give_up(
    base: &Manifest,
    (range, reason): (OffsetRange, GapReason),
    replaced: Vec<Segment>,
    stamp: Stamp,
) -> Result<Manifest, ApplyError> {
    let Some(first) = replaced.first() else {
        return Err(ApplyError::NotLive { range });
    };
    check_live(base, range, &replaced)?;
    let (rows, Rowless { absent, filtered }) = (outcomes(&replaced), first.rowless);
    let mut next = follow(base, stamp);
    // Whoever says so calculates nothing.
    next.calculation.clone_from(&base.calculation);
    next.fields.clone_from(&base.fields);
    next.forward = Some(Forward {
        edited: Some(next.sequence),
        ..base.forward()
    });
    let segments = &mut next.open.segments;
    segments.retain(|segment| !segment.range.overlaps(range));
    next.counts.results -= rows.results;
    next.counts.rejects -= rows.rejects;
    next.counts.filtered -= filtered;
    next.counts.absent -= absent;
    next.counts.lost += range.len();
    let before = |gap: &Gap| gap.range.start() < range.start();
    let gap = Gap {
        range,
        reason,
        accepted_at: next.created_at,
    };
    next.gaps.insert(base.gaps.partition_point(before), gap);
    next.edit = EditSummary::GiveUp {
        range,
        reason,
        replaced,
    };
    Ok(next)
}
