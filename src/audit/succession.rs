//! Whether a manifest is its base with its edit: a pure comparison, without building it anew.

mod backfill;
mod giving_up;

use crate::{
    calculation::Declaration,
    format::{
        EditSummary, Gap, Manifest, Page, PageLink, Segment, SegmentKind, SilentRange,
        same_silence_outside,
    },
    model::{Counts, OffsetRange},
};

/// In what `next` differs from `base` with `next`'s edit; `None` when it follows.
///
/// Each of the two satisfies I4 by itself, since both were decoded.
pub(super) fn difference(base: &Manifest, next: &Manifest) -> Option<String> {
    if next.pipeline != base.pipeline {
        return Some("it names another pipeline".to_owned());
    }
    let fills = matches!(next.edit, EditSummary::Backfill { .. });
    if (next.origin, next.published_from) != (base.origin, base.published_from) && !fills {
        return Some(format!(
            "its origin is {}, not {}",
            next.origin, base.origin
        ));
    }
    if let Some(difference) = bounds(base, next) {
        return Some(difference);
    }
    let known = |declared: &&Declaration| {
        let before = base.declaration(&declared.fingerprint);
        before.is_some_and(|before| before != *declared)
    };
    if let Some(declared) = next.calculations.iter().find(known) {
        return Some(format!(
            "it declares the calculation {} otherwise",
            declared.fingerprint
        ));
    }
    if next.edit.keeps_pages() && next.pages != base.pages {
        return Some("it lists other pages than its base".to_owned());
    }
    if let EditSummary::Repair {
        range,
        counts,
        replaced,
    } = &next.edit
    {
        return repaired(base, next, (*range, *counts), replaced);
    }
    if let EditSummary::Backfill { range, counts } = next.edit {
        return backfill::difference(base, next, (range, counts));
    }
    if let EditSummary::GiveUp {
        range,
        reason,
        replaced,
    } = &next.edit
    {
        return giving_up::difference(base, next, (*range, *reason), replaced);
    }
    if let EditSummary::Compact { range, replaced } = &next.edit {
        return compacted(base, next, *range, replaced);
    }
    if let EditSummary::Retire { .. } = next.edit {
        return retired(base, next);
    }
    if let EditSummary::Seal { page } = &next.edit {
        return sealed(base, next, page);
    }
    if let EditSummary::Reopen { page } = &next.edit {
        return reopened(base, next, page);
    }
    let Some((range, counts)) = share(&next.edit) else {
        return Some("it binds a partition that is bound".to_owned());
    };
    if range.start() != base.end || range.end() != next.end {
        return Some(format!(
            "it adds {range} and ends at {}, but its base ends at {}",
            next.end, base.end
        ));
    }
    if !adds_up(base.counts, counts, next.counts) {
        return Some(format!(
            "its counts are {:?}; {:?} and {counts:?} do not give that",
            next.counts, base.counts
        ));
    }
    segments(base, next, range)
        .or_else(|| silent(base, next, range))
        .or_else(|| gaps(base, next, range))
}

/// The oldest number changes by an edit only, the known commit goes forward, and what the forward path recorded grows by what
/// it adds.
fn bounds(base: &Manifest, next: &Manifest) -> Option<String> {
    let expected = match next.edit {
        EditSummary::Retire { oldest } if oldest > base.oldest => oldest,
        _ => base.oldest,
    };
    if next.oldest != expected {
        return Some(format!(
            "it begins the history with manifest {}, not {expected}",
            next.oldest
        ));
    }
    let follows = match (base.committed, next.committed) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(before), Some(now)) => before.later(now) == now,
    };
    if !follows {
        return Some("it knows an older commit than its base".to_owned());
    }
    let added = share(&next.edit).map(|(_, counts)| counts);
    let mut expected = base.forward().with(added.unwrap_or_default());
    if let EditSummary::GiveUp { .. } | EditSummary::Backfill { .. } = next.edit {
        expected.edited = Some(next.sequence);
    }
    (next.forward() != expected).then(|| {
        format!(
            "it states {:?} for what was recorded, its base and its edit give {expected:?}",
            next.forward()
        )
    })
}

/// In what `next` differs from `base` with nothing but a later beginning.
fn retired(base: &Manifest, next: &Manifest) -> Option<String> {
    let same = next.end == base.end
        && next.counts == base.counts
        && next.gaps == base.gaps
        && next.open == base.open;
    (!same).then(|| "it retires manifests, and changes what is live".to_owned())
}

/// In what `next` differs from `base` with the outcomes of a range in other files.
fn compacted(
    base: &Manifest,
    next: &Manifest,
    range: OffsetRange,
    replaced: &[Segment],
) -> Option<String> {
    let within = |segment: &&Segment| segment.range.overlaps(range);
    if !base.open.segments.iter().filter(within).eq(replaced) {
        return Some(format!(
            "it compacts {range}, whose live segments in its base are others than those that it replaced"
        ));
    }
    let outside = |manifest: &Manifest| {
        let outside = |segment: &&Segment| !segment.range.overlaps(range);
        let segments = manifest.open.segments.iter().filter(outside);
        segments
            .chain(&manifest.open.corrections)
            .cloned()
            .collect::<Vec<_>>()
    };
    let same = next.end == base.end
        && next.counts == base.counts
        && next.gaps == base.gaps
        && same_silence_outside(&base.open.silent, &next.open.silent, range)
        && outside(base) == outside(next);
    (!same).then(|| format!("it compacts {range}, and changes more than its files"))
}

/// In what `next` differs from `base` with a page instead of a range of its open list. The page is made of that list once more:
/// the digest says whether it is this one.
fn sealed(base: &Manifest, next: &Manifest, page: &PageLink) -> Option<String> {
    let gone = |one: &Segment| !next.open.corrections.contains(one);
    let same = is_page_of(base, page, gone)
        && are_without(&base.pages, &next.pages, page)
        && of_both(next, base);
    (!same).then(|| format!("it seals {}, and changes what is live", page.range))
}

/// In what `next` differs from `base` with a range in its open list instead of a page.
fn reopened(base: &Manifest, next: &Manifest, page: &PageLink) -> Option<String> {
    let new = |one: &Segment| !base.open.corrections.contains(one);
    let same = is_page_of(next, page, new)
        && are_without(&next.pages, &base.pages, page)
        && of_both(base, next);
    (!same).then(|| format!("it reopens {}, and changes what is live", page.range))
}

/// Whether a page is what `open` has in its open list of the page's range.
fn is_page_of(open: &Manifest, link: &PageLink, takes: impl Fn(&Segment) -> bool) -> bool {
    let made = Page::with(open, link.range, takes);
    made.is_ok_and(|(page, _)| link.is_to(&page))
}

/// Whether `fewer` are the pages `more` without this one.
fn are_without(fewer: &[PageLink], more: &[PageLink], page: &PageLink) -> bool {
    let others = more.iter().filter(|other| *other != page);
    fewer.len() + 1 == more.len() && fewer.iter().eq(others)
}

/// Whether what is outside of the page is the same in both.
fn of_both(sealed: &Manifest, open: &Manifest) -> bool {
    let pages = || {
        sealed
            .pages
            .iter()
            .filter(|page| !open.pages.contains(page))
    };
    let in_page = |range: OffsetRange| pages().any(|page| page.range.overlaps(range));
    let kept = |one: &&Segment| !in_page(one.range);
    let silent = |one: &&SilentRange| !in_page(one.range);
    let corrections = |one: &&Segment| sealed.open.corrections.contains(one);
    sealed.end == open.end
        && sealed.counts == open.counts
        && sealed.gaps == open.gaps
        && open
            .open
            .segments
            .iter()
            .filter(kept)
            .eq(&sealed.open.segments)
        && open
            .open
            .silent
            .iter()
            .filter(silent)
            .eq(&sealed.open.silent)
        && open
            .open
            .corrections
            .iter()
            .filter(corrections)
            .eq(&sealed.open.corrections)
}

/// Outside of the edit's range, nothing has become silent or speaks; what lies in it, the counts say.
fn silent(base: &Manifest, next: &Manifest, range: OffsetRange) -> Option<String> {
    let same = same_silence_outside(&base.open.silent, &next.open.silent, range);
    (!same).then(|| "its silent ranges are not those of its base with its edit".to_owned())
}

/// In what `next` differs from `base` with other outcomes for the range of a repair.
fn repaired(
    base: &Manifest,
    next: &Manifest,
    (range, counts): (OffsetRange, Counts),
    replaced: &[Segment],
) -> Option<String> {
    if next.end != base.end {
        return Some(format!(
            "it repairs {range} and ends at {}, but its base ends at {}",
            next.end, base.end
        ));
    }
    let of_range = |segment: &&Segment| segment.range.overlaps(range);
    let live = base.open.segments.iter().filter(of_range);
    if !live.eq(replaced) {
        return Some(format!(
            "what it says it replaced is not what its base lists for {range}"
        ));
    }
    let rows = |kind| {
        let of_kind = replaced.iter().filter(|segment| segment.kind == kind);
        of_kind.map(|segment| segment.rows).sum()
    };
    let (results, rejects): (u64, u64) = (rows(SegmentKind::Results), rows(SegmentKind::Rejects));
    let gone = Counts {
        results,
        rejects,
        // What had no row then, and is not absent now.
        filtered: counts.outcomes().saturating_sub(results + rejects),
        absent: counts.absent,
        lost: 0,
    };
    // What was there and what is there now belong to the two sides of one sum.
    let sum = |one: Counts, other: Counts| {
        let parts = |of: Counts| of.parts().map(u128::from);
        let both = parts(one).into_iter().zip(parts(other));
        both.map(|(one, other)| one + other).collect::<Vec<_>>()
    };
    if sum(base.counts, counts) != sum(next.counts, gone) {
        return Some(format!(
            "its counts are {:?}; {:?} with {counts:?} instead of {gone:?} do not give that",
            next.counts, base.counts
        ));
    }
    let added: Vec<&Segment> = next.added().collect();
    let kept = base.open.files().filter(|s| !replaced.contains(s));
    let now = next.open.files().filter(|s| !added.contains(s));
    let mut pairs = kept.clone().zip(now.clone());
    if let Some((before, now)) = pairs.find(|(before, now)| before != now) {
        return Some(changed(before, now));
    }
    if kept.count() != now.count() {
        return Some(
            "it lists other segments than its base, outside of what it repaired".to_owned(),
        );
    }
    silent(base, next, range).or_else(|| gaps(base, next, range))
}

/// The offsets that an edit adds, and what it says they are; `None` when it adds none.
fn share(edit: &EditSummary) -> Option<(OffsetRange, Counts)> {
    match *edit {
        EditSummary::Bind
        | EditSummary::GiveUp { .. }
        | EditSummary::Backfill { .. }
        | EditSummary::Repair { .. }
        | EditSummary::Compact { .. }
        | EditSummary::Retire { .. }
        | EditSummary::Seal { .. }
        | EditSummary::Reopen { .. } => None,
        EditSummary::Append { range, counts } => Some((range, counts)),
        EditSummary::AcceptLoss { range, .. } => {
            let lost = Counts {
                lost: range.len(),
                ..Counts::default()
            };
            Some((range, lost))
        }
    }
}

fn adds_up(base: Counts, added: Counts, sum: Counts) -> bool {
    let sums = base.parts().into_iter().zip(added.parts());
    sums.map(|(base, added)| base.checked_add(added))
        .eq(sum.parts().map(Some))
}

fn segments(base: &Manifest, next: &Manifest, range: OffsetRange) -> Option<String> {
    let (before, now) = (&base.open, &next.open);
    longer(&before.segments, &now.segments, next, range)
        .or_else(|| longer(&before.corrections, &now.corrections, next, range))
}

/// In what the list `next` is not the list `base` and what the edit of `of` added.
fn longer(base: &[Segment], next: &[Segment], of: &Manifest, range: OffsetRange) -> Option<String> {
    let kept = next.iter().take(base.len());
    for (before, now) in base.iter().zip(kept) {
        if before != now {
            return Some(changed(before, now));
        }
    }
    if let Some(gone) = base.get(next.len()) {
        return Some(format!("it no longer lists {}", gone.path));
    }
    let appends = matches!(of.edit, EditSummary::Append { .. });
    let added = next.iter().skip(base.len());
    let strange = added
        .into_iter()
        .find(|segment| !appends || segment.range != range);
    strange.map(|segment| format!("it lists {}, which its edit did not add", segment.path))
}

fn changed(before: &Segment, now: &Segment) -> String {
    if before.path != now.path {
        return format!("it lists {} instead of {}", now.path, before.path);
    }
    format!(
        "it lists {} as {} rows, {} bytes, {}, calculation {}; before, these were {} rows, {} bytes, {}, \
         calculation {}",
        now.path,
        now.rows,
        now.bytes,
        now.digest,
        now.fingerprint,
        before.rows,
        before.bytes,
        before.digest,
        before.fingerprint,
    )
}

fn gaps(base: &Manifest, next: &Manifest, range: OffsetRange) -> Option<String> {
    let added = match next.edit {
        EditSummary::AcceptLoss { reason, .. } => Some(Gap {
            range,
            reason,
            accepted_at: next.created_at,
        }),
        EditSummary::Append { .. }
        | EditSummary::Bind
        | EditSummary::GiveUp { .. }
        | EditSummary::Backfill { .. }
        | EditSummary::Repair { .. }
        | EditSummary::Compact { .. }
        | EditSummary::Retire { .. }
        | EditSummary::Seal { .. }
        | EditSummary::Reopen { .. } => None,
    };
    let follows = base.gaps.iter().chain(&added).eq(&next.gaps);
    (!follows).then(|| "its gaps are not those of its base with its edit".to_owned())
}
