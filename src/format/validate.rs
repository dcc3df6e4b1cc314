//! What must hold within one manifest, whoever wrote it: I4, and paths that are the partition's own.

use std::collections::BTreeSet;

use super::{EditSummary, Layout, Link, Manifest, Segment, SegmentKind, layout::LayoutError};
use crate::{
    calculation::{Declaration, Fingerprint},
    model::{Counts, InvertedRange, Offset, OffsetRange, Sequence},
};

/// Members of a manifest that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistency {
    /// A range ends before it starts.
    #[error(transparent)]
    Range(#[from] InvertedRange),
    /// The events topic cannot be a folder.
    #[error(transparent)]
    Topic(#[from] LayoutError),
    /// A segment's path leaves the root, or names another topic, partition, kind or range.
    #[error("the path {path:?} is not that of such a segment of this partition")]
    Path {
        /// The path.
        path: String,
    },
    /// A path is listed twice.
    #[error("the segment {path} is listed twice")]
    Twice {
        /// The path.
        path: String,
    },
    /// The manifest's end lies before its origin.
    #[error("the manifest ends at {end}, before its origin {origin}")]
    EndsBeforeOrigin {
        /// The stated origin.
        origin: Offset,
        /// The stated end.
        end: Offset,
    },
    /// A segment or a gap lies outside `[origin, end)`.
    #[error("the range {range} lies outside of the manifest's {whole}")]
    Outside {
        /// The segment's or the gap's range.
        range: OffsetRange,
        /// The manifest's.
        whole: OffsetRange,
    },
    /// Two segments of one kind, or two gaps, overlap or are not ascending.
    #[error("{what} {second} does not follow {first}")]
    Order {
        /// What overlaps: `results`, `rejects`, `gap`.
        what: &'static str,
        /// The range listed first.
        first: OffsetRange,
        /// The range listed next.
        second: OffsetRange,
    },
    /// Corrections without a revision, with one that is not before this manifest or not theirs alone; or others with one.
    #[error("{path} cannot have the revision {revision:?}")]
    Revision {
        /// The segment.
        path: String,
        /// Its revision.
        revision: Option<Sequence>,
    },
    /// A segment states more rows than its range has offsets.
    #[error("{path} states {rows} rows for the {range} offsets")]
    TooManyRows {
        /// The segment.
        path: String,
        /// Its rows.
        rows: u64,
        /// Its range.
        range: OffsetRange,
    },
    /// A segment states a size that no file has.
    #[error("{path} states {bytes} bytes, which no file has")]
    TooManyBytes {
        /// The segment.
        path: String,
        /// Its size.
        bytes: u64,
    },
    /// The counts do not add up to the range (I4).
    #[error("{counts:?} do not add up to the {offsets} offsets of the range")]
    Sum {
        /// The stated counts.
        counts: Counts,
        /// The offsets of the range.
        offsets: u64,
    },
    /// The rows of the segments, or the offsets of the gaps, are not what the counts say (I4).
    #[error("{stated} {what} are stated, {listed} are listed")]
    Recount {
        /// `results`, `rejects` or `lost`.
        what: &'static str,
        /// What the counts say.
        stated: u64,
        /// What the segments or gaps add up to.
        listed: u64,
    },
    /// What a repair says that it replaced is live, or is not what it can replace, or its counts are not those of its range.
    #[error("the repair of {range} does not fit: {detail}")]
    Repair {
        /// The repair's range.
        range: OffsetRange,
        /// What does not fit.
        detail: &'static str,
    },
    /// The calculations are not those of the segments, each once and ascending, or one is longer than any.
    #[error("the calculations that are declared are not those of the segments")]
    Calculations,
    /// The number does not follow from the base and the numbers skipped (I2).
    #[error("number {sequence} does not follow from its base")]
    Number {
        /// The manifest's number.
        sequence: Sequence,
    },
}

/// No segment is larger; the sizes of all that a manifest can list add up without overflow.
const MAX_SEGMENT_BYTES: u64 = 1 << 40;

/// Checks everything that can be checked without another file.
pub(super) fn check(manifest: &Manifest) -> Result<(), Inconsistency> {
    check_number(manifest.sequence, manifest.base.as_ref())?;
    let (origin, end) = (manifest.origin, manifest.end);
    let whole = OffsetRange::new(origin, end)
        .map_err(|_| Inconsistency::EndsBeforeOrigin { origin, end })?;
    check_sum(manifest.counts, whole)?;
    let layout = Layout::new(&manifest.pipeline.events_topic)?;
    for segment in &manifest.segments {
        check_segment(&layout, manifest, segment)?;
        // Corrections may speak of any time; what they correct lies inside all the same.
        check_inside(segment.range, whole)?;
    }
    check_calculations(manifest)?;
    check_unique(&manifest.segments)?;
    check_revisions(manifest)?;
    check_repair(&layout, manifest)?;
    for (kind, stated) in [
        (SegmentKind::Results, manifest.counts.results),
        (SegmentKind::Rejects, manifest.counts.rejects),
    ] {
        let of_kind = || manifest.segments.iter().filter(move |s| s.kind == kind);
        check_order(kind.name(), of_kind().map(|segment| segment.range))?;
        recount(kind.name(), stated, of_kind().map(|segment| segment.rows))?;
    }
    let gaps = || manifest.gaps.iter().map(|gap| gap.range);
    gaps().try_for_each(|range| check_inside(range, whole))?;
    check_order("gap", gaps())?;
    recount("lost", manifest.counts.lost, gaps().map(OffsetRange::len))
}

fn check_number(sequence: Sequence, base: Option<&Link>) -> Result<(), Inconsistency> {
    let wrong = Inconsistency::Number { sequence };
    let Some(base) = base else {
        return if sequence == Sequence::FIRST {
            Ok(())
        } else {
            Err(wrong)
        };
    };
    let mut last = base.sequence.0;
    for number in base
        .skipped
        .iter()
        .map(|damaged| damaged.sequence)
        .chain([sequence])
    {
        if last == 0 || last.checked_add(1) != Some(number.0) {
            return Err(wrong);
        }
        last = number.0;
    }
    Ok(())
}

pub(super) fn check_sum(counts: Counts, range: OffsetRange) -> Result<(), Inconsistency> {
    let sum = [counts.results, counts.rejects, counts.absent, counts.lost]
        .into_iter()
        .try_fold(0_u64, u64::checked_add);
    if sum == Some(range.len()) {
        return Ok(());
    }
    Err(Inconsistency::Sum {
        counts,
        offsets: range.len(),
    })
}

fn check_segment(
    layout: &Layout,
    manifest: &Manifest,
    segment: &Segment,
) -> Result<(), Inconsistency> {
    let path = || segment.path.as_str().to_owned();
    let fits = layout.parse_segment(&segment.path).is_some_and(|name| {
        name.kind == segment.kind
            && name.partition == manifest.partition
            && name.range == segment.range
    });
    if !fits {
        return Err(Inconsistency::Path { path: path() });
    }
    if segment.rows > segment.range.len() {
        return Err(Inconsistency::TooManyRows {
            path: path(),
            rows: segment.rows,
            range: segment.range,
        });
    }
    if segment.bytes > MAX_SEGMENT_BYTES {
        return Err(Inconsistency::TooManyBytes {
            path: path(),
            bytes: segment.bytes,
        });
    }
    Ok(())
}

/// Declared is what segments have, nothing more, and nothing that is too long to be read.
fn check_calculations(manifest: &Manifest) -> Result<(), Inconsistency> {
    let segments = manifest.segments.iter();
    let of: BTreeSet<&Fingerprint> = segments.map(|segment| &segment.fingerprint).collect();
    let declared = &manifest.calculations;
    let fits = |declaration: &Declaration| declaration.bytes() <= Declaration::MAX_BYTES;
    if of
        .into_iter()
        .eq(declared.iter().map(|declaration| &declaration.fingerprint))
        && declared.iter().all(fits)
    {
        return Ok(());
    }
    Err(Inconsistency::Calculations)
}

fn check_unique(segments: &[Segment]) -> Result<(), Inconsistency> {
    let mut paths: Vec<&str> = segments.iter().map(|s| s.path.as_str()).collect();
    paths.sort_unstable();
    match paths.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Inconsistency::Twice {
            path: pair[0].to_owned(),
        }),
        None => Ok(()),
    }
}

fn check_revisions(manifest: &Manifest) -> Result<(), Inconsistency> {
    let mut before = Sequence::FIRST;
    for segment in &manifest.segments {
        let corrections = segment.kind == SegmentKind::Corrections;
        let fits = match segment.revision {
            Some(revision) => corrections && before < revision && revision <= manifest.sequence,
            None => !corrections,
        };
        if !fits {
            return Err(Inconsistency::Revision {
                path: segment.path.to_string(),
                revision: segment.revision,
            });
        }
        before = segment.revision.unwrap_or(before);
    }
    Ok(())
}

/// What a repair took out was of its range and is live no more, and what it brought adds up to the same outcomes.
fn check_repair(layout: &Layout, manifest: &Manifest) -> Result<(), Inconsistency> {
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
        check_segment(layout, manifest, segment)?;
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
    if range.is_empty() || replaced.is_empty() || counts.lost != 0 {
        return wrong("it covers or replaces nothing, or loses something");
    }
    if replaced.iter().any(stray) || !kinds.is_sorted_by(|a, b| a < b) {
        return wrong("what it replaced is not one append's results and rejects");
    }
    if replaced.iter().any(|segment| manifest.lists(&segment.path)) {
        return wrong("what it replaced is still listed");
    }
    let stated = (counts.results, counts.rejects);
    if stated != (now(SegmentKind::Results), now(SegmentKind::Rejects)) {
        return wrong("its counts are not those of the segments that it brought");
    }
    if before(SegmentKind::Results) + before(SegmentKind::Rejects) != counts.outcomes() {
        return wrong("it has another number of outcomes than what it replaced");
    }
    Ok(())
}

fn check_inside(range: OffsetRange, whole: OffsetRange) -> Result<(), Inconsistency> {
    if whole.start() <= range.start() && range.end() <= whole.end() {
        return Ok(());
    }
    Err(Inconsistency::Outside { range, whole })
}

fn check_order(
    what: &'static str,
    ranges: impl Iterator<Item = OffsetRange>,
) -> Result<(), Inconsistency> {
    let mut before: Option<OffsetRange> = None;
    for second in ranges {
        if let Some(first) = before.filter(|first| second.start() < first.end()) {
            return Err(Inconsistency::Order {
                what,
                first,
                second,
            });
        }
        before = Some(second);
    }
    Ok(())
}

fn recount(
    what: &'static str,
    stated: u64,
    mut parts: impl Iterator<Item = u64>,
) -> Result<(), Inconsistency> {
    // No part exceeds its range, and the ranges do not overlap: the sum fits.
    let listed = parts.try_fold(0_u64, u64::checked_add).unwrap_or(u64::MAX);
    if stated == listed {
        return Ok(());
    }
    Err(Inconsistency::Recount {
        what,
        stated,
        listed,
    })
}
