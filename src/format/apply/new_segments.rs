//! The segments that an edit brings.

use crate::{
    format::{ApplyError, Rowless, RowlessRecord, Segment, SegmentKind, validate},
    model::{Counts, OffsetRange, Sequence},
};

/// They are all that there is of a range that gets outcomes for the first time.
pub(super) fn check_append(
    range: OffsetRange,
    segments: &[Segment],
    counts: Counts,
    record: &RowlessRecord,
) -> Result<(), ApplyError> {
    if counts.lost > 0 {
        return Err(ApplyError::LostInAppend {
            range,
            lost: counts.lost,
        });
    }
    validate::check_sum(counts, range)?;
    if !record.is_of(range, Rowless::of(counts)) {
        return Err(ApplyError::OtherRecord { range });
    }
    check_segments(range, segments, counts.outcomes())
}

/// Each is of the range, and of the outcomes in it; no two are of one kind.
pub(super) fn check_segments(
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

/// Results and rejects, and corrections, which get their revision.
pub(super) fn in_order(
    mut segments: Vec<Segment>,
    sequence: Sequence,
) -> (Vec<Segment>, Vec<Segment>) {
    segments.sort_by_key(|segment| segment.kind);
    for segment in &mut segments {
        segment.revision = (segment.kind == SegmentKind::Corrections).then_some(sequence);
    }
    segments
        .into_iter()
        .partition(|segment| segment.revision.is_none())
}
