//! What is to be sealed: a pure choice among the segments of one manifest that nothing will join any more.

use super::{
    merges::{MANY_SEGMENTS, choose_merge},
    runs::{MergeLimits, Obstacles, Range, ranges, runs},
    silence::choose_silence,
    stretches::{FEWEST, SEGMENT_BYTES, stretches},
};
use crate::{
    format::{Manifest, Page, SilentRange},
    model::{Offset, OffsetRange},
};

/// The range that is sealed next; `None` when nothing is to be.
///
/// It has at least 64 segments, or all between two pages, none of which any merge will ever take in, and no page and no damaged segment inside. It
/// begins where the last page before it ends, so that what has no row before its first segment goes with it.
///
/// What somebody with more memory would merge is left open for them, unless the list is long: then it is judged by `limits`,
/// those of the writer, so that the list stays bounded. For the same reason, what lies among silent ranges that take much of the
/// list goes with them; pages inside of the range are reopened then.
#[must_use]
pub fn choose_seal(
    manifest: &Manifest,
    limits: MergeLimits,
    obstacles: &Obstacles,
) -> Option<OffsetRange> {
    if let Some(range) = choose_silence(manifest, obstacles) {
        return Some(range);
    }
    if manifest.open.segments.len() < FEWEST && manifest.pages.is_empty() {
        return None;
    }
    let of_all = choose(manifest, MergeLimits::LARGEST, obstacles);
    let is_long = manifest.open.segments.len() > MANY_SEGMENTS;
    of_all.or_else(|| {
        is_long
            .then(|| choose(manifest, limits, obstacles))
            .flatten()
    })
}

fn choose(manifest: &Manifest, limits: MergeLimits, obstacles: &Obstacles) -> Option<OffsetRange> {
    let all = ranges(manifest);
    let growing = growing(manifest, &all, (limits, obstacles));
    let is_closed = |range: &Range<'_>| growing.is_none_or(|from| range.range.start() < from);
    stretches(manifest, &all, obstacles)
        .into_iter()
        .filter_map(|stretch| {
            let (start, stretch) = (stretch.start, stretch.ranges);
            let last = stretch.iter().rposition(is_closed)?;
            let closed = unmerged(manifest, &stretch[..=last], limits, obstacles);
            // What lies between two pages becomes no more.
            let is_all = closed.len() == stretch.len();
            let pages = || manifest.pages.iter().map(|page| page.range);
            let is_followed =
                pages().any(|page| closed.iter().all(|one| one.range.end() <= page.start()));
            // The history may still begin earlier.
            let is_led =
                pages().any(|page| closed.iter().all(|one| page.end() <= one.range.start()));
            let is_between = is_led && is_followed;
            let fewest = if is_all && is_between { 1 } else { FEWEST };
            longest(manifest, start, closed, fewest)
        })
        .find(|range| !obstacles.unsealed.contains(range))
}

/// Where the run begins that new segments may join; `None` when the next one begins a run.
fn growing(
    manifest: &Manifest,
    all: &[Range<'_>],
    (limits, obstacles): (MergeLimits, &Obstacles),
) -> Option<Offset> {
    let last = runs(manifest, limits, obstacles).pop()?;
    let (first, end) = (last.first()?, last.last()?);
    let grows = end.range == all.last()?.range && !limits.are_used_up_by(end);
    grows.then(|| first.range.start())
}

/// As many of these ranges as a page takes; `None` when they are too few for one.
fn longest(
    manifest: &Manifest,
    start: Offset,
    closed: &[Range<'_>],
    fewest: usize,
) -> Option<OffsetRange> {
    let (mut chosen, mut files) = (None, 0);
    for range in closed {
        let whole = OffsetRange::new(start, range.range.end()).ok()?;
        let is_inside = |other: OffsetRange| other.overlaps(whole);
        files += range.segments.len();
        let corrections = manifest.open.corrections.iter();
        let corrections = corrections.filter(|one| is_inside(one.range)).count();
        let silent = manifest.open.silent.iter();
        let silent = silent.filter(|one| is_inside(one.range));
        let silent = silent.map(SilentRange::listed_bytes);
        let bytes = (files + corrections) as u64 * SEGMENT_BYTES + silent.sum::<u64>();
        if files + corrections > Page::MOST_FILES || bytes > Page::MAX_BYTES / 2 {
            break;
        }
        chosen = (files >= fewest).then_some(whole);
    }
    chosen
}

/// The first of these ranges, as far as nothing in them is still to be merged.
fn unmerged<'r, 'm>(
    manifest: &Manifest,
    mut closed: &'r [Range<'m>],
    limits: MergeLimits,
    obstacles: &Obstacles,
) -> &'r [Range<'m>] {
    let mut alone = manifest.clone();
    while !closed.is_empty() {
        let segments = closed.iter().flat_map(|range| &range.segments);
        alone.open.segments = segments.map(|segment| (*segment).clone()).collect();
        let Some(merge) = choose_merge(&alone, limits, obstacles, true) else {
            break;
        };
        let before = |range: &Range<'_>| range.range.end() <= merge.range.start();
        closed = &closed[..closed.partition_point(before)];
    }
    closed
}
