//! What must hold of the edit that a manifest says made it.

use super::parts::{check_inside, check_link, check_segment, check_sum};
use crate::format::{EditSummary, Inconsistency, Layout, Manifest, Segment, SegmentKind};

/// A page that was just sealed is listed, and one that was reopened is not.
pub(super) fn check_paging(layout: &Layout, manifest: &Manifest) -> Result<(), Inconsistency> {
    let (page, is_sealed) = match &manifest.edit {
        EditSummary::Seal { page } => (page, true),
        EditSummary::Reopen { page } => (page, false),
        _ => return Ok(()),
    };
    let range = page.range;
    check_link(layout, manifest.partition, page)?;
    check_inside(range, manifest.range())?;
    if manifest.pages.contains(page) != is_sealed {
        let detail = "it is not listed as the edit says";
        return Err(Inconsistency::Page { range, detail });
    }
    Ok(())
}

/// What a repair took out was of its range and is live no more, and what it brought adds up to the same outcomes.
pub(super) fn check_repair(layout: &Layout, manifest: &Manifest) -> Result<(), Inconsistency> {
    let EditSummary::Repair {
        range,
        counts,
        ref replaced,
    } = manifest.edit
    else {
        return Ok(());
    };
    let wrong = |detail| Err(Inconsistency::Repair { range, detail });
    check_sum(counts, range)?;
    for segment in replaced {
        check_segment(layout, manifest.partition, segment)?;
    }
    let rows = |segments: &mut dyn Iterator<Item = &Segment>, kind| {
        let of_kind = segments.filter(|segment| segment.kind == kind);
        // No part exceeds its range.
        of_kind.fold(0_u64, |sum, segment| sum.saturating_add(segment.rows))
    };
    let now = |kind| rows(&mut manifest.added(), kind);
    let before = |kind| rows(&mut replaced.iter(), kind);
    let stray =
        |segment: &Segment| segment.kind == SegmentKind::Corrections || segment.range != range;
    let kinds: Vec<SegmentKind> = replaced.iter().map(|segment| segment.kind).collect();
    if range.is_empty() || counts.outcomes() == 0 || counts.lost != 0 {
        return wrong("it covers or replaces nothing, or loses something");
    }
    if replaced.iter().any(stray) || !kinds.is_sorted_by(|a, b| a < b) {
        return wrong("what it replaced is not one append's results and rejects");
    }
    if replaced
        .iter()
        .any(|segment| manifest.open.lists(&segment.path))
    {
        return wrong("what it replaced is still listed");
    }
    let stated = (counts.results, counts.rejects);
    if stated != (now(SegmentKind::Results), now(SegmentKind::Rejects)) {
        return wrong("its counts are not those of the segments that it brought");
    }
    if before(SegmentKind::Results) + before(SegmentKind::Rejects) > counts.outcomes() {
        return wrong("it has fewer outcomes than what it replaced");
    }
    Ok(())
}

/// What a compaction took out lay in its range, is live no more, and had as many rows of each kind as what it brought.
pub(super) fn check_compaction(layout: &Layout, manifest: &Manifest) -> Result<(), Inconsistency> {
    let EditSummary::Compact {
        range,
        ref replaced,
    } = manifest.edit
    else {
        return Ok(());
    };
    let wrong = |detail| Err(Inconsistency::Compaction { range, detail });
    for segment in replaced {
        check_segment(layout, manifest.partition, segment)?;
        check_inside(segment.range, range)?;
    }
    let added = || manifest.added();
    let Some(first) = added().next() else {
        return wrong("it brought nothing");
    };
    let mut all = replaced.iter().chain(added());
    if all.any(|segment| segment.fingerprint != first.fingerprint) {
        return wrong("its segments are of several calculations");
    }
    if replaced
        .iter()
        .any(|segment| manifest.open.lists(&segment.path))
    {
        return wrong("what it replaced is still listed");
    }
    for kind in [SegmentKind::Results, SegmentKind::Rejects] {
        let rows = |sum: u64, segment: &Segment| match segment.kind == kind {
            true => sum.saturating_add(segment.rows),
            false => sum,
        };
        if replaced.iter().fold(0, rows) != added().fold(0, rows) {
            return wrong("it has other numbers of outcomes than what it replaced");
        }
    }
    let is_correction = |segment: &Segment| segment.kind == SegmentKind::Corrections;
    if replaced.iter().any(is_correction) {
        return wrong("it replaced corrections");
    }
    Ok(())
}
