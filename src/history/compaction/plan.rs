//! What would be done, one after the other.

use std::collections::BTreeMap;

use super::{
    merges::{Merge, choose_merge},
    runs::{MergeLimits, Obstacles},
    seals::choose_seal,
};
use crate::{
    format::{Manifest, PageLink, Segment, SilentRange},
    model::{Counts, Digest, OffsetRange},
    store::Path,
};

/// What brings a partition at rest in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionPlan {
    /// How many merges.
    pub merges: usize,
    /// How many pages are made.
    pub pages: usize,
    /// How many segments the open list has then.
    pub open_segments: usize,
    /// How many live segments become fewer by the merges.
    pub merged_segments: usize,
}

/// Plans merges, and pages of what is left.
#[must_use]
pub fn plan_merges(manifest: &Manifest, limits: MergeLimits) -> CompactionPlan {
    let before = manifest.open.segments.len();
    let (mut manifest, mut merges, mut pages) = (manifest.clone(), 0, 0);
    while let Some(merge) = choose_merge(&manifest, limits, &Obstacles::default(), true) {
        manifest.open.segments = merged(&manifest, &merge);
        merges += 1;
    }
    let merged_segments = before - manifest.open.segments.len();
    while let Some(range) = choose_seal(&manifest, limits, &Obstacles::default()) {
        manifest = sealed(manifest, range);
        pages += 1;
    }
    CompactionPlan {
        merges,
        pages,
        open_segments: manifest.open.segments.len(),
        merged_segments,
    }
}

/// The live segments after a merge, as large as its inputs together.
pub(super) fn merged(manifest: &Manifest, merge: &Merge) -> Vec<Segment> {
    let (mut kept, mut new): (Vec<Segment>, Vec<Segment>) = (Vec::new(), Vec::new());
    for segment in &manifest.open.segments {
        if !segment.range.overlaps(merge.range) {
            kept.push(segment.clone());
        } else if let Some(one) = new.iter_mut().find(|one| one.kind == segment.kind) {
            one.bytes += segment.bytes;
            one.rows += segment.rows;
        } else {
            let range = merge.range;
            new.push(Segment {
                range,
                ..segment.clone()
            });
        }
    }
    kept.append(&mut new);
    kept.sort_by_key(|segment| (segment.range.start(), segment.kind));
    kept
}

/// The manifest after a range was sealed, as far as a plan needs it.
pub(super) fn sealed(mut manifest: Manifest, range: OffsetRange) -> Manifest {
    let is_inside = |other: OffsetRange| other.overlaps(range);
    let (inside, pages): (Vec<PageLink>, _) =
        (manifest.pages.drain(..)).partition(|page| is_inside(page.range));
    manifest.pages = pages;
    let open = &mut manifest.open;
    let segments = open
        .segments
        .iter()
        .filter(|one| is_inside(one.range))
        .count() as u64;
    let silent = open.silent.iter().filter(|one| is_inside(one.range));
    let silent: u64 = silent.map(SilentRange::listed_bytes).sum();
    let link = PageLink {
        // It has no name yet.
        path: Path::root(),
        range,
        counts: Counts::default(),
        files: segments + inside.iter().map(|page| page.files).sum::<u64>(),
        segment_bytes: 0,
        revision: None,
        results: BTreeMap::new(),
        bytes: silent + inside.iter().map(|page| page.bytes).sum::<u64>(),
        digest: Digest::of(&[]),
    };
    open.segments.retain(|one| !is_inside(one.range));
    open.silent.retain(|one| !is_inside(one.range));
    let before = |page: &PageLink| page.range.start() < range.start();
    let place = manifest.pages.partition_point(before);
    manifest.pages.insert(place, link);
    manifest
}
