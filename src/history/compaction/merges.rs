//! What is merged next: a choice by size.

use super::{
    runs::{GROWTH_AT_REST, MergeLimits, Obstacles, Range, runs},
    silence,
};
use crate::{
    format::{Manifest, Segment, SilentRange},
    model::OffsetRange,
};

/// Neighbours that are to become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// From the first one's start to the last one's end.
    pub range: OffsetRange,
    /// Two or more ranges, ascending; of each its results and rejects, in this order.
    pub inputs: Vec<Vec<Segment>>,
    /// The ranges between them in which nothing has a row.
    pub silent: Vec<SilentRange>,
}

impl Merge {
    /// All of its segments, as the manifest lists them.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.inputs.iter().flatten()
    }

    /// Memory that it may take, in bytes: its largest input, the new files, and the batches under way.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let bytes = |input: &Vec<Segment>| input.iter().map(|segment| segment.bytes).sum::<u64>();
        let largest = self.inputs.iter().map(bytes).max().unwrap_or(0);
        largest + self.bytes() + MergeLimits::UNDER_WAY
    }

    /// The bytes of its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments().map(|segment| segment.bytes).sum()
    }
}

/// More live segments than this are merged before other background work, and as soon as it shrinks the list.
pub const MANY_SEGMENTS: usize = 256;
/// So many neighbours are merged at least, unless nothing more is to be expected.
const FEW: usize = 8;
/// And at most so many.
const MOST: usize = 32;
/// A merge makes at least four times of its largest input, or [`GROWTH_AT_REST`] times where two suffice.
const GROWTH: (u64, u64) = (4, 1);

/// The neighbours that are merged next; `None` when nothing is to be merged. A partition is `at_rest` when nothing has been
/// added for a while.
#[must_use]
pub fn choose_merge(
    manifest: &Manifest,
    limits: MergeLimits,
    obstacles: &Obstacles,
    at_rest: bool,
) -> Option<Merge> {
    let runs = runs(manifest, limits, obstacles);
    let last = runs.len().saturating_sub(1);
    // What lies between merged neighbours without a row goes into their record.
    let is_crowded = manifest.open.segments.len() > MANY_SEGMENTS || silence::is_crowded(manifest);
    let windows = runs.iter().enumerate().filter_map(|(index, run)| {
        // Nothing ever joins a run that another follows.
        best(run, limits, at_rest || index < last || is_crowded)
    });
    let chosen = windows.min_by_key(|window| largest(window))?;
    let (first, end) = (chosen.first()?, chosen.last()?.range.end());
    let inputs = chosen.iter().map(|range| {
        let segments = range.segments.iter().copied();
        segments.cloned().collect()
    });
    let range = OffsetRange::new(first.range.start(), end).ok()?;
    let silent = manifest.open.silent.iter();
    let silent = silent.filter(|silent| silent.range.overlaps(range));
    Some(Merge {
        range,
        inputs: inputs.collect(),
        silent: silent.cloned().collect(),
    })
}

/// The window whose largest input is the smallest; of several the longest, then the first.
fn best<'r, 'm>(
    run: &'r [Range<'m>],
    limits: MergeLimits,
    two_suffice: bool,
) -> Option<&'r [Range<'m>]> {
    let windows = (0..run.len()).filter_map(|start| window(&run[start..], limits, two_suffice));
    windows.min_by_key(|window| (largest(window), MOST - window.len()))
}

/// The longest part from the beginning on that may be merged.
fn window<'r, 'm>(
    ranges: &'r [Range<'m>],
    limits: MergeLimits,
    two_suffice: bool,
) -> Option<&'r [Range<'m>]> {
    let (mut bytes, mut rows, mut largest, mut length) = (0, 0, 0, 0);
    for (index, range) in ranges.iter().take(MOST).enumerate() {
        bytes += range.bytes;
        rows += range.rows;
        largest = range.bytes.max(largest);
        if bytes > limits.bytes || rows > limits.rows {
            break;
        }
        let is_full = bytes >= limits.bytes / 2 || rows >= limits.rows / 2;
        let makes = |(of, parts): (u64, u64)| bytes * parts >= of * largest;
        let grows = index + 1 >= FEW && makes(GROWTH);
        let closes = index > 0 && makes(GROWTH_AT_REST) && (two_suffice || is_full);
        if grows || closes {
            length = index + 1;
        }
    }
    (length > 1).then_some(&ranges[..length])
}

fn largest(window: &[Range<'_>]) -> u64 {
    window.iter().map(|range| range.bytes).max().unwrap_or(0)
}
