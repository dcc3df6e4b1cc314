//! What is to be compacted: a pure choice among the segments of one manifest.
//!
//! Neighbours become one by size: 8 to 32 of about the same size at a time, so that each row is written a few times, however
//! long the history is. What nothing can join any more, and a partition at rest, are merged in twos. A segment that is
//! nearly as large as one may be stays as it is.

use std::collections::BTreeSet;

use crate::{
    format::{Manifest, Segment, SilentRange},
    model::{Offset, OffsetRange},
};

/// What one merge may take in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeLimits {
    /// Encoded bytes of all inputs.
    pub bytes: u64,
    /// Rows of all inputs.
    pub rows: u64,
}

impl MergeLimits {
    /// What a merge may take in when memory is no question. Segments are read whole by those that verify and repair them, and
    /// this bounds what they hold (I8).
    pub const LARGEST: MergeLimits = MergeLimits {
        bytes: 32 << 20,
        rows: 32 << 20,
    };

    /// For merges that may hold so many bytes: their inputs, one at a time, and twice what they make.
    #[must_use]
    pub fn within(memory: u64) -> MergeLimits {
        let bytes = memory.saturating_sub(Merge::UNDER_WAY) / 3;
        MergeLimits {
            bytes: bytes.clamp(1 << 20, MergeLimits::LARGEST.bytes),
            ..MergeLimits::LARGEST
        }
    }
}

/// What was found out about segments that no manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obstacles {
    /// Where ranges start that are damaged.
    pub damaged: BTreeSet<Offset>,
    /// Where ranges start that cannot be joined with what lies before: their files have other columns or fields.
    pub apart: BTreeSet<Offset>,
}

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

    /// Memory for the batches under way, in bytes.
    const UNDER_WAY: u64 = 8 << 20;

    /// Memory that it may take, in bytes: its largest input, the new files, the same read back, and the batches under way.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let bytes = |input: &Vec<Segment>| input.iter().map(|segment| segment.bytes).sum::<u64>();
        let largest = self.inputs.iter().map(bytes).max().unwrap_or(0);
        largest + 2 * self.bytes() + Merge::UNDER_WAY
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
/// A merge makes at least four times of its largest input, or three halves of it where two suffice.
const GROWTH: (u64, u64) = (4, 1);
const GROWTH_AT_REST: (u64, u64) = (3, 2);

/// The results and rejects of one range.
struct Range<'m> {
    range: OffsetRange,
    segments: Vec<&'m Segment>,
    bytes: u64,
    rows: u64,
}

/// The neighbours that are merged next; `None` when nothing is to be merged. A partition is `at_rest` when nothing has been
/// added for a while.
#[must_use]
pub fn choose_merge(
    manifest: &Manifest,
    limits: MergeLimits,
    obstacles: &Obstacles,
    at_rest: bool,
) -> Option<Merge> {
    let runs = runs(manifest, obstacles);
    let last = runs.len().saturating_sub(1);
    let is_crowded = manifest.segments.len() > MANY_SEGMENTS;
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
    let silent = manifest.silent.iter();
    let silent = silent.filter(|silent| silent.range.overlaps(range));
    Some(Merge {
        range,
        inputs: inputs.collect(),
        silent: silent.cloned().collect(),
    })
}

/// How many merges bring a partition at rest in order, and how many live segments of results and rejects it has then.
#[must_use]
pub fn plan_merges(manifest: &Manifest, limits: MergeLimits) -> (usize, usize) {
    let (mut manifest, mut merges) = (manifest.clone(), 0);
    while let Some(merge) = choose_merge(&manifest, limits, &Obstacles::default(), true) {
        manifest.segments = merged(&manifest, &merge);
        merges += 1;
    }
    (merges, manifest.segments.len())
}

/// The live segments after a merge, as large as its inputs together.
fn merged(manifest: &Manifest, merge: &Merge) -> Vec<Segment> {
    let (mut kept, mut new): (Vec<Segment>, Vec<Segment>) = (Vec::new(), Vec::new());
    for segment in &manifest.segments {
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

/// Neighbours of one fingerprint without a gap, a damaged range, other columns or what another condition filtered between them.
fn runs<'m>(manifest: &'m Manifest, obstacles: &Obstacles) -> Vec<Vec<Range<'m>>> {
    let mut runs: Vec<Vec<Range<'m>>> = Vec::new();
    let mut gaps = manifest.gaps.iter().map(|gap| gap.range).peekable();
    let filtered = |silent: &'m SilentRange| Some((silent.range, silent.fingerprint.as_ref()?));
    let mut silent = manifest.silent.iter().filter_map(filtered).peekable();
    let mut joins = false;
    for range in ranges(manifest) {
        let start = range.range.start();
        while gaps.next_if(|gap| gap.start() < start).is_some() {
            joins = false;
        }
        let fingerprint = &range.segments[0].fingerprint;
        while let Some((_, by)) = silent.next_if(|(one, _)| one.start() < start) {
            joins &= manifest.filter_alike(by, fingerprint);
        }
        let mut own = range.segments.iter();
        let apart = |one: &Segment| one.fingerprint != *fingerprint;
        if obstacles.damaged.contains(&start) || own.any(|one| apart(one)) {
            joins = false;
            continue;
        }
        joins &= !obstacles.apart.contains(&start);
        match runs.last_mut().filter(|_| joins) {
            Some(run) if run[0].segments[0].fingerprint == *fingerprint => run.push(range),
            _ => runs.push(vec![range]),
        }
        joins = true;
    }
    runs
}

/// The live segments of results and rejects, by range.
fn ranges(manifest: &Manifest) -> Vec<Range<'_>> {
    let mut segments: Vec<&Segment> = manifest.segments.iter().collect();
    segments.sort_by_key(|segment| (segment.range.start(), segment.kind));
    let mut ranges: Vec<Range<'_>> = Vec::new();
    for segment in segments {
        match ranges.last_mut() {
            Some(last) if last.range == segment.range => {
                last.segments.push(segment);
                last.bytes += segment.bytes;
                last.rows += segment.rows;
            }
            _ => ranges.push(Range {
                range: segment.range,
                segments: vec![segment],
                bytes: segment.bytes,
                rows: segment.rows,
            }),
        }
    }
    ranges
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

#[cfg(test)]
mod tests;
