//! What lies between pages and damaged segments: only neighbours become a page.

use super::runs::{Obstacles, Range};
use crate::{
    format::Manifest,
    model::{Offset, OffsetRange},
};

/// So many segments become a page at least, unless it is made for something else: each edit costs a manifest.
pub(super) const FEWEST: usize = 64;
/// What a segment takes in a page, roughly; so much for its path, digest and numbers.
pub(super) const SEGMENT_BYTES: u64 = 512;

/// Neighbours without a page or a damaged segment between them.
pub(super) struct Stretch<'r, 'm> {
    /// Where what belongs to them begins.
    pub(super) start: Offset,
    /// Where the next page or damaged segment begins, or the history ends.
    pub(super) end: Offset,
    pub(super) ranges: &'r [Range<'m>],
}

/// All of them, ascending; `all` are the ranges of the open list.
pub(super) fn stretches<'r, 'm>(
    manifest: &Manifest,
    all: &'r [Range<'m>],
    obstacles: &Obstacles,
) -> Vec<Stretch<'r, 'm>> {
    let damaged = all.iter().map(|range| range.range);
    let damaged = damaged.filter(|range| obstacles.damaged.contains(&range.start()));
    let pages = manifest.pages.iter().map(|page| page.range);
    let mut barriers: Vec<OffsetRange> = pages.chain(damaged).collect();
    barriers.sort_unstable();
    let (mut found, mut start, mut rest) = (Vec::new(), manifest.origin, all);
    for barrier in barriers {
        let before = rest.partition_point(|range| range.range.end() <= barrier.start());
        found.push(Stretch {
            start,
            end: barrier.start(),
            ranges: &rest[..before],
        });
        rest = &rest[before..];
        let passed = rest.partition_point(|range| range.range.end() <= barrier.end());
        rest = &rest[passed..];
        start = barrier.end();
    }
    found.push(Stretch {
        start,
        end: manifest.end,
        ranges: rest,
    });
    found
}
