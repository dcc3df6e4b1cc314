//! Which segments may become one, whatever their sizes.

use std::collections::BTreeSet;

use crate::{
    calculation::Fingerprint,
    format::{Manifest, Segment, SilentRange},
    model::{Offset, OffsetRange},
};

/// A merge makes at least three halves of its largest input.
pub(super) const GROWTH_AT_REST: (u64, u64) = (3, 2);

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

    /// Memory for the batches under way, in bytes.
    pub(super) const UNDER_WAY: u64 = 8 << 20;

    /// For merges that may hold so many bytes: what they make, and of the inputs one at a time, which is at most two thirds of all.
    #[must_use]
    pub fn within(memory: u64) -> MergeLimits {
        let bytes = memory.saturating_sub(MergeLimits::UNDER_WAY) / 5 * 3;
        MergeLimits {
            bytes: bytes.clamp(1 << 20, MergeLimits::LARGEST.bytes),
            ..MergeLimits::LARGEST
        }
    }

    /// Whether neighbours may ever be merged with each other, whatever else is: together they are no more than one may be, and
    /// neither is so large that nothing makes it grow enough.
    fn allow(self, one: &Range<'_>, next: &Range<'_>) -> bool {
        one.bytes + next.bytes <= self.bytes
            && one.rows + next.rows <= self.rows
            && !self.are_used_up_by(one)
            && !self.are_used_up_by(next)
    }

    /// Whether a range is so large that nothing makes it grow enough.
    pub(super) const fn are_used_up_by(&self, range: &Range<'_>) -> bool {
        let (parts, of) = GROWTH_AT_REST;
        range.bytes * parts > self.bytes * of || range.rows >= self.rows
    }
}

/// What was found out about segments that no manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obstacles {
    /// Where ranges start that are damaged.
    pub damaged: BTreeSet<Offset>,
    /// Where ranges start that cannot be joined with what lies before: their files have other columns or fields.
    pub apart: BTreeSet<Offset>,
    /// Ranges that could not be sealed as they are.
    pub unsealed: BTreeSet<OffsetRange>,
    /// Only ranges of this calculation are merged: the others are about to be calculated anew.
    pub only: Option<Fingerprint>,
}

/// The results and rejects of one range.
pub(super) struct Range<'m> {
    pub(super) range: OffsetRange,
    pub(super) segments: Vec<&'m Segment>,
    pub(super) bytes: u64,
    pub(super) rows: u64,
}

/// Neighbours that may become one: of one fingerprint, without a page, a gap, a damaged range, other columns, rows that do not
/// know everything of their events, or what another condition filtered between them, and none of two neighbours too large for the other. What comes later may join only the
/// last of these runs.
pub(super) fn runs<'m>(
    manifest: &'m Manifest,
    limits: MergeLimits,
    obstacles: &Obstacles,
) -> Vec<Vec<Range<'m>>> {
    let mut runs: Vec<Vec<Range<'m>>> = Vec::new();
    let gaps = manifest.gaps.iter().map(|gap| gap.range);
    let pages = manifest.pages.iter().map(|page| page.range);
    let mut gaps: Vec<_> = gaps.chain(pages).collect();
    gaps.sort_unstable();
    let mut gaps = gaps.into_iter().peekable();
    let filtered = |silent: &'m SilentRange| Some((silent.range, silent.fingerprint.as_ref()?));
    let mut silent = manifest.open.silent.iter().filter_map(filtered).peekable();
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
        let is_left = (obstacles.only.as_ref()).is_some_and(|only| only != fingerprint);
        if is_left || obstacles.damaged.contains(&start) || own.any(|one| apart(one)) {
            joins = false;
            continue;
        }
        // What some rows do not know would be said of others.
        let alone = range.segments.iter().any(|one| one.not_known.is_some());
        joins &= !alone && !obstacles.apart.contains(&start);
        match runs.last_mut().filter(|_| joins) {
            Some(run)
                if run[0].segments[0].fingerprint == *fingerprint
                    && run.last().is_some_and(|last| limits.allow(last, &range)) =>
            {
                run.push(range);
            }
            _ => runs.push(vec![range]),
        }
        joins = !alone;
    }
    runs
}

/// The live segments of results and rejects, by range.
pub(super) fn ranges(manifest: &Manifest) -> Vec<Range<'_>> {
    let mut segments: Vec<&Segment> = manifest.open.segments.iter().collect();
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
