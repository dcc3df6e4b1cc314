//! What must hold of a manifest whose edit filled a gap, or began the history earlier.

use super::{check_inside, check_sum};
use crate::{
    format::{EditSummary, Inconsistency, Manifest, SegmentKind},
    model::OffsetRange,
};

/// What it brought is what it states, and it lies where it says.
pub(super) fn check(manifest: &Manifest, whole: OffsetRange) -> Result<(), Inconsistency> {
    if let Some(from) = manifest.published_from
        && (from <= manifest.origin || from > manifest.end)
    {
        return Err(Inconsistency::PublishedFrom { from });
    }
    let EditSummary::Backfill { range, counts } = manifest.edit else {
        return Ok(());
    };
    let wrong = |detail| Err(Inconsistency::Backfill { range, detail });
    check_sum(counts, range)?;
    check_inside(range, whole)?;
    let rows = |kind| {
        let of_kind = manifest.added().filter(|segment| segment.kind == kind);
        // No part exceeds its range.
        of_kind.fold(0_u64, |sum, segment| sum.saturating_add(segment.rows))
    };
    if range.is_empty() || counts.lost != 0 {
        return wrong("it covers nothing, or loses something");
    }
    let stated = (counts.results, counts.rejects);
    if stated != (rows(SegmentKind::Results), rows(SegmentKind::Rejects)) {
        return wrong("its counts are not those of the segments that it brought");
    }
    if manifest.forward().edited != Some(manifest.sequence) {
        return wrong("what was recorded before is not stated");
    }
    Ok(())
}
