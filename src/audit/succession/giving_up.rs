//! Whether a manifest is its base with a range given up.

use crate::{
    format::{Gap, GapReason, Manifest, Segment, SegmentKind},
    model::{Counts, OffsetRange},
};

/// In what `next` differs from `base` with a gap in the place of the outcomes of a range.
pub(super) fn difference(
    base: &Manifest,
    next: &Manifest,
    (range, reason): (OffsetRange, GapReason),
    replaced: &[Segment],
) -> Option<String> {
    let within = |segment: &&Segment| segment.range.overlaps(range);
    if !base.open.segments.iter().filter(within).eq(replaced) {
        return Some(format!(
            "it gives up {range}, whose live segments in its base are others than those that it replaced"
        ));
    }
    let rows = |kind| {
        let of_kind = replaced.iter().filter(|segment| segment.kind == kind);
        of_kind.map(|segment| segment.rows).sum()
    };
    let rowless = replaced.first().map(|segment| segment.rowless);
    let rowless = rowless.unwrap_or_default();
    let gone = Counts {
        results: rows(SegmentKind::Results),
        rejects: rows(SegmentKind::Rejects),
        filtered: rowless.filtered,
        absent: rowless.absent,
        lost: 0,
    };
    let lost = Counts {
        lost: range.len(),
        ..Counts::default()
    };
    if base.counts + lost != next.counts + gone {
        return Some(format!(
            "its counts are {:?}; {:?} without {gone:?} do not give that",
            next.counts, base.counts
        ));
    }
    let gap = Gap {
        range,
        reason,
        accepted_at: next.created_at,
    };
    let mut gaps = base.gaps.clone();
    let before = |gap: &Gap| gap.range.start() < range.start();
    gaps.insert(base.gaps.partition_point(before), gap);
    let kept = base.open.segments.iter().filter(|segment| !within(segment));
    let same = next.end == base.end
        && next.gaps == gaps
        && next.open.silent == base.open.silent
        && next.open.corrections == base.open.corrections
        && kept.eq(&next.open.segments);
    (!same).then(|| format!("it gives up {range}, and changes more than that"))
}
