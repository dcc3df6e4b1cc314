//! What must hold of a manifest whose edit gave outcomes up.

use super::parts::check_segment;
use crate::format::{EditSummary, Gap, Inconsistency, Layout, Manifest, Segment, SegmentKind};

/// What it gave up was one append's results and rejects, is live no more, and is a gap for the reason that it states.
pub(super) fn check(layout: &Layout, manifest: &Manifest) -> Result<(), Inconsistency> {
    let EditSummary::GiveUp {
        range,
        reason,
        ref replaced,
    } = manifest.edit
    else {
        return Ok(());
    };
    let wrong = |detail| Err(Inconsistency::GivenUp { range, detail });
    for segment in replaced {
        check_segment(layout, manifest.partition, segment)?;
    }
    let stray =
        |segment: &Segment| segment.kind == SegmentKind::Corrections || segment.range != range;
    let kinds: Vec<SegmentKind> = replaced.iter().map(|segment| segment.kind).collect();
    if replaced.is_empty() || replaced.iter().any(stray) || !kinds.is_sorted_by(|a, b| a < b) {
        return wrong("what it gave up is not one append's results and rejects");
    }
    if replaced
        .iter()
        .any(|segment| manifest.open.lists(&segment.path))
    {
        return wrong("what it gave up is still listed");
    }
    let is_it = |gap: &Gap| {
        gap.range == range && gap.reason == reason && gap.accepted_at == manifest.created_at
    };
    if !manifest.gaps.iter().any(is_it) {
        return wrong("it is no gap");
    }
    if manifest.forward().edited != Some(manifest.sequence) {
        return wrong("what was recorded before is not stated");
    }
    Ok(())
}
