//! What must hold within one manifest or page, whoever wrote it: I4, and paths that are the partition's own.

mod backfill;
mod edits;
mod giving_up;
mod parts;

use std::collections::BTreeSet;

use edits::{check_compaction, check_paging, check_repair};
pub(super) use parts::check_sum;
use parts::{check_inside, check_link, check_order, check_segment, wrong_revision};

use super::{
    EditSummary, Forward, Gap, Inconsistency, Layout, Link, Manifest, Page, PageLink, Rowless,
    Segment, SegmentKind, SilentRange,
};
use crate::{
    calculation::{Declaration, Fingerprint},
    model::{Counts, OffsetRange, Partition, Sequence},
};

/// What a manifest and a page have in common: an account of a range.
#[derive(Clone, Copy)]
struct Account<'a> {
    layout: &'a Layout,
    partition: Partition,
    whole: OffsetRange,
    counts: Counts,
    /// Those that lie in pages among them.
    gaps: &'a [Gap],
    pages: &'a [PageLink],
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
        pages: &manifest.pages,
        silent: &manifest.open.silent,
        segments: &manifest.open.segments,
        corrections: &manifest.open.corrections,
        calculations: &manifest.calculations,
    };
    account.check()?;
    let offsets = whole.len();
    let fits = |forward: Forward| forward.fits(whole, manifest.sequence);
    if !manifest.forward.is_none_or(fits) {
        return Err(Inconsistency::Forward { offsets });
    }
    if let Some(newest) = manifest.open.corrections.last()
        && newest.revision > Some(manifest.sequence)
    {
        return Err(wrong_revision(newest));
    }
    let mut pages = manifest.pages.iter();
    if let Some(page) = pages.find(|page| page.revision > Some(manifest.sequence)) {
        let (range, detail) = (page.range, "its corrections are to come");
        return Err(Inconsistency::Page { range, detail });
    }
    giving_up::check(&layout, manifest)?;
    backfill::check(manifest, whole)?;
    check_repair(&layout, manifest)?;
    check_compaction(&layout, manifest)?;
    check_paging(&layout, manifest)
}

/// Checks everything of a page that can be checked without another file.
pub(super) fn check_page(page: &Page) -> Result<(), Inconsistency> {
    let files = page.files().count();
    let filtered = page.silent.iter().any(|one| one.fingerprint.is_some());
    if page.segments.is_empty() && !filtered || files > Page::MOST_FILES {
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
        pages: &[],
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
        for page in self.pages {
            check_link(self.layout, self.partition, page)?;
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
        check_order(self.silent.iter().map(|silent| silent.range))?;
        check_order(self.gaps.iter().map(|gap| gap.range))?;
        check_order(self.pages.iter().map(|page| page.range))?;
        let mut in_pages = vec![0_u64; self.pages.len()];
        for gap in self.gaps {
            let before = |page: &PageLink| page.range.end() <= gap.range.start();
            let next = self.pages.partition_point(before);
            match self.pages.get(next) {
                Some(page) if page.range.start() <= gap.range.start() => {
                    in_pages[next] = in_pages[next].saturating_add(gap.range.len());
                }
                _ => parts.push((gap.range, lost(gap.range))),
            }
        }
        for (page, listed) in self.pages.iter().zip(in_pages) {
            let stated = page.counts.lost;
            if stated != listed {
                let what = "lost";
                return Err(Inconsistency::Recount {
                    what,
                    stated,
                    listed,
                });
            }
            parts.push((page.range, page.counts));
        }
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
        let of_pages = self.pages.iter().flat_map(|page| page.results.keys());
        let silent = self.silent.iter();
        let silent = silent.filter_map(|silent| silent.fingerprint.as_ref());
        let files = self.files().map(|segment| &segment.fingerprint);
        let of: BTreeSet<&Fingerprint> = files.chain(silent).chain(of_pages).collect();
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
        let pages = self.pages.iter().map(|page| page.path.as_str());
        let files = self.files().map(|segment| segment.path.as_str());
        let mut paths: Vec<&str> = files.chain(pages).collect();
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
