//! What must hold within one manifest or page, whoever wrote it: I4, and paths that are the partition's own.

mod giving_up;

use std::collections::BTreeSet;

use super::{
    EditSummary, Forward, Gap, Inconsistency, Layout, Link, Manifest, Page, Rowless, Segment,
    SegmentKind, SilentRange,
};
use crate::{
    calculation::{Declaration, Fingerprint},
    model::{Counts, Offset, OffsetRange, Partition, Sequence},
};

/// No segment is larger; the sizes of all that a manifest can list add up without overflow.
const MAX_SEGMENT_BYTES: u64 = 1 << 40;

/// What a manifest and a page have in common: an account of a range.
#[derive(Clone, Copy)]
struct Account<'a> {
    layout: &'a Layout,
    partition: Partition,
    whole: OffsetRange,
    counts: Counts,
    gaps: &'a [Gap],
    silent: &'a [SilentRange],
    segments: &'a [Segment],
    corrections: &'a [Segment],
    calculations: &'a [Declaration],
}

/// Checks everything of a manifest that can be checked without another file.
pub(super) fn check(manifest: &Manifest) -> Result<(), Inconsistency> {
    check_number(manifest.sequence, manifest.base.as_ref())?;
    check_oldest(manifest)?;
    let (origin, end) = (manifest.origin, manifest.end);
    let whole = OffsetRange::new(origin, end)
        .map_err(|_| Inconsistency::EndsBeforeOrigin { origin, end })?;
    let layout = Layout::new(&manifest.pipeline.events_topic)?;
    let account = Account {
        layout: &layout,
        partition: manifest.partition,
        whole,
        counts: manifest.counts,
        gaps: &manifest.gaps,
        silent: &manifest.silent,
        segments: &manifest.segments,
        corrections: &manifest.corrections,
        calculations: &manifest.calculations,
    };
    account.check()?;
    let offsets = whole.len();
    let fits = |forward: Forward| forward.fits(whole, manifest.sequence);
    if !manifest.forward.is_none_or(fits) {
        return Err(Inconsistency::Forward { offsets });
    }
    if let Some(newest) = manifest.corrections.last()
        && newest.revision > Some(manifest.sequence)
    {
        return Err(wrong_revision(newest));
    }
    giving_up::check(&layout, manifest)?;
    check_repair(&layout, manifest)?;
    check_compaction(&layout, manifest)
}

/// Checks everything of a page that can be checked without another file.
pub(super) fn check_page(page: &Page) -> Result<(), Inconsistency> {
    let files = page.files().count();
    if page.segments.is_empty() || files > Page::MOST_FILES {
        let most = Page::MOST_FILES;
        return Err(Inconsistency::Files { files, most });
    }
    of_page(&Layout::new(&page.topic)?, page).check()
}

/// What the parts of a page add up to, whatever it states.
pub(super) fn sum_of_page(page: &Page) -> Result<Counts, Inconsistency> {
    of_page(&Layout::new(&page.topic)?, page).sum()
}

fn of_page<'a>(layout: &'a Layout, page: &'a Page) -> Account<'a> {
    Account {
        layout,
        partition: page.partition,
        whole: page.range,
        counts: page.counts,
        gaps: &page.gaps,
        silent: &page.silent,
        segments: &page.segments,
        corrections: &page.corrections,
        calculations: &page.calculations,
    }
}

/// What one range is made of, and what its offsets are.
type Part = (OffsetRange, Counts);

impl<'a> Account<'a> {
    fn check(self) -> Result<(), Inconsistency> {
        check_sum(self.counts, self.whole)?;
        for segment in self.files() {
            check_segment(self.layout, self.partition, segment)?;
        }
        for corrections in self.corrections {
            // Corrections may speak of any time; what they correct lies inside all the same.
            check_inside(corrections.range, self.whole)?;
        }
        self.check_calculations()?;
        self.check_unique()?;
        self.check_revisions()?;
        self.check_counts()
    }

    fn files(self) -> impl Iterator<Item = &'a Segment> + Clone {
        self.segments.iter().chain(self.corrections)
    }

    /// Segments, silent ranges and gaps have each offset once: what they add up to.
    fn sum(self) -> Result<Counts, Inconsistency> {
        let mut parts = outcome_parts(self.segments)?;
        for silent in self.silent {
            let (range, counts) = (silent.range, silent.counts());
            let has_fingerprint = silent.fingerprint.is_some() == (counts.filtered > 0);
            if !has_fingerprint || !silent.record.is_of(range, Rowless::of(counts)) {
                return Err(Inconsistency::SilentRecord { range });
            }
            parts.push((range, counts));
        }
        let lost = |range: OffsetRange| Counts {
            lost: range.len(),
            ..Counts::default()
        };
        parts.extend(self.gaps.iter().map(|gap| (gap.range, lost(gap.range))));
        check_order(self.silent.iter().map(|silent| silent.range))?;
        check_order(self.gaps.iter().map(|gap| gap.range))?;
        parts.sort_by_key(|(range, _)| range.start());
        let mut next = self.whole.start();
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
        if next != self.whole.end() {
            let range = OffsetRange::empty(self.whole.end());
            return Err(Inconsistency::Order { next, range });
        }
        Ok(sum)
    }

    /// I4, from this account alone.
    fn check_counts(self) -> Result<(), Inconsistency> {
        let (stated, sum) = (self.counts, self.sum()?);
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

    /// Declared is what segments and silent ranges have, nothing more, and nothing that is too long to be read.
    fn check_calculations(self) -> Result<(), Inconsistency> {
        let silent = self.silent.iter();
        let silent = silent.filter_map(|silent| silent.fingerprint.as_ref());
        let files = self.files().map(|segment| &segment.fingerprint);
        let of: BTreeSet<&Fingerprint> = files.chain(silent).collect();
        let declared = self.calculations;
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

    fn check_unique(self) -> Result<(), Inconsistency> {
        let mut paths: Vec<&str> = self.files().map(|s| s.path.as_str()).collect();
        paths.sort_unstable();
        match paths.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Inconsistency::Twice {
                path: pair[0].to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Outcomes have none; corrections have theirs alone, in this order.
    fn check_revisions(self) -> Result<(), Inconsistency> {
        let mut before = Some(Sequence::FIRST);
        for segment in self.corrections {
            if segment.kind != SegmentKind::Corrections || segment.revision <= before {
                return Err(wrong_revision(segment));
            }
            before = segment.revision;
        }
        match self.segments.iter().find(|one| one.revision.is_some()) {
            Some(outcomes) => Err(wrong_revision(outcomes)),
            None => Ok(()),
        }
    }
}

fn wrong_revision(segment: &Segment) -> Inconsistency {
    Inconsistency::Revision {
        path: segment.path.to_string(),
        revision: segment.revision,
    }
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
                let Rowless { absent, filtered } = segment.rowless;
                let counts = Counts {
                    absent,
                    filtered,
                    ..rows
                };
                parts.push((segment.range, counts));
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
    let sum = counts.parts().into_iter().try_fold(0_u64, u64::checked_add);
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
    partition: Partition,
    segment: &Segment,
) -> Result<(), Inconsistency> {
    let path = || segment.path.as_str().to_owned();
    let fits = layout.parse_segment(&segment.path).is_some_and(|name| {
        name.kind == segment.kind && name.partition == partition && name.range == segment.range
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
    if replaced.iter().any(|segment| manifest.lists(&segment.path)) {
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
fn check_compaction(layout: &Layout, manifest: &Manifest) -> Result<(), Inconsistency> {
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
    if replaced.iter().any(|segment| manifest.lists(&segment.path)) {
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
