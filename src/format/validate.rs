//! What must hold within one manifest, whoever wrote it: I4, and paths that are the partition's own.

use std::collections::BTreeSet;

use super::{EditSummary, Inconsistency, Layout, Link, Manifest, Rowless, Segment, SegmentKind};
use crate::{
    calculation::{Declaration, Fingerprint},
    model::{Counts, Offset, OffsetRange, Sequence},
};

/// No segment is larger; the sizes of all that a manifest can list add up without overflow.
const MAX_SEGMENT_BYTES: u64 = 1 << 40;

/// Checks everything that can be checked without another file.
pub(super) fn check(manifest: &Manifest) -> Result<(), Inconsistency> {
    check_number(manifest.sequence, manifest.base.as_ref())?;
    check_oldest(manifest)?;
    let (origin, end) = (manifest.origin, manifest.end);
    let whole = OffsetRange::new(origin, end)
        .map_err(|_| Inconsistency::EndsBeforeOrigin { origin, end })?;
    check_sum(manifest.counts, whole)?;
    let layout = Layout::new(&manifest.pipeline.events_topic)?;
    for segment in manifest.files() {
        check_segment(&layout, manifest, segment)?;
    }
    for corrections in &manifest.corrections {
        // Corrections may speak of any time; what they correct lies inside all the same.
        check_inside(corrections.range, whole)?;
    }
    check_calculations(manifest)?;
    check_unique(manifest)?;
    check_revisions(manifest)?;
    check_repair(&layout, manifest)?;
    check_parts(manifest)
}

/// What one range is made of, and what its offsets are.
type Part = (OffsetRange, Counts);

/// Segments, silent ranges and gaps have each offset once, and add up to the counts: I4, from this manifest alone.
fn check_parts(manifest: &Manifest) -> Result<(), Inconsistency> {
    let mut parts = outcome_parts(&manifest.segments)?;
    for silent in &manifest.silent {
        let (range, counts) = (silent.range, silent.counts());
        if !silent.record.is_of(range, Rowless::of(counts)) {
            return Err(Inconsistency::SilentRecord { range });
        }
        parts.push((range, counts));
    }
    let lost = |range: OffsetRange| Counts {
        lost: range.len(),
        ..Counts::default()
    };
    parts.extend(manifest.gaps.iter().map(|gap| (gap.range, lost(gap.range))));
    check_order(manifest.silent.iter().map(|silent| silent.range))?;
    check_order(manifest.gaps.iter().map(|gap| gap.range))?;
    parts.sort_by_key(|(range, _)| range.start());
    let end = OffsetRange::empty(manifest.end);
    let mut next = manifest.origin;
    let mut sum = Counts::default();
    for (range, counts) in parts {
        if range.start() != next || range.is_empty() {
            return Err(Inconsistency::Order { next, range });
        }
        check_sum(counts, range)?;
        next = range.end();
        // They follow each other, so that the sum is not larger than the largest offset.
        sum = sum + counts;
    }
    if next != manifest.end {
        return Err(Inconsistency::Order { next, range: end });
    }
    let stated = manifest.counts;
    for (what, stated, listed) in [
        ("results", stated.results, sum.results),
        ("rejects", stated.rejects, sum.rejects),
        ("absent", stated.absent, sum.absent),
        ("lost", stated.lost, sum.lost),
    ] {
        if stated != listed {
            return Err(Inconsistency::Recount {
                what,
                stated,
                listed,
            });
        }
    }
    Ok(())
}

/// The ranges of results and rejects; those of one range are one part.
fn outcome_parts(segments: &[Segment]) -> Result<Vec<Part>, Inconsistency> {
    let mut parts: Vec<Part> = Vec::new();
    let mut before: Option<&Segment> = None;
    for segment in segments {
        let path = || segment.path.to_string();
        let rows = match segment.kind {
            SegmentKind::Results => Counts {
                results: segment.rows,
                ..Counts::default()
            },
            SegmentKind::Rejects => Counts {
                rejects: segment.rows,
                ..Counts::default()
            },
            SegmentKind::Corrections => return Err(Inconsistency::Place { path: path() }),
        };
        match (parts.last_mut(), before) {
            (Some((range, counts)), Some(twin)) if *range == segment.range => {
                if twin.kind >= segment.kind {
                    return Err(Inconsistency::Place { path: path() });
                }
                if twin.rowless != segment.rowless {
                    return Err(Inconsistency::Rowless { path: path() });
                }
                *counts = *counts + rows;
            }
            (Some((range, _)), _) if segment.range.start() < range.end() => {
                return Err(Inconsistency::Place { path: path() });
            }
            _ => {
                let absent = segment.rowless.absent;
                parts.push((segment.range, Counts { absent, ..rows }));
            }
        }
        before = Some(segment);
    }
    Ok(parts)
}

fn check_oldest(manifest: &Manifest) -> Result<(), Inconsistency> {
    let oldest = manifest.oldest;
    let fits = match manifest.committed {
        Some(commit) => {
            Sequence::FIRST <= oldest
                && oldest <= commit.sequence
                && commit.sequence < manifest.sequence
        }
        None => oldest == Sequence::FIRST,
    };
    let retired = match manifest.edit {
        EditSummary::Retire { oldest: stated } => stated == oldest && Sequence::FIRST < oldest,
        _ => true,
    };
    if fits && retired {
        return Ok(());
    }
    Err(Inconsistency::Oldest { oldest })
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
    let files = manifest.files();
    let of: BTreeSet<&Fingerprint> = files.map(|segment| &segment.fingerprint).collect();
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

fn check_unique(manifest: &Manifest) -> Result<(), Inconsistency> {
    let mut paths: Vec<&str> = manifest.files().map(|s| s.path.as_str()).collect();
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
    for segment in manifest.files() {
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
    match manifest
        .corrections
        .iter()
        .find(|one| one.revision.is_none())
    {
        Some(outcomes) => Err(Inconsistency::Place {
            path: outcomes.path.to_string(),
        }),
        None => Ok(()),
    }
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

/// Ascending, one by one.
fn check_order(ranges: impl Iterator<Item = OffsetRange>) -> Result<(), Inconsistency> {
    let mut next = Offset::ZERO;
    for range in ranges {
        if range.start() < next {
            return Err(Inconsistency::Order { next, range });
        }
        next = range.end();
    }
    Ok(())
}
