//! How the open list of a manifest becomes a page, and a page the open list again: what is live stays the same.

use super::{
    ApplyError, EditSummary, Manifest, Page, PageLink, Segment, SilentRange, sealing::is_published,
};
use crate::{model::OffsetRange, store::Path};

/// `next` with the page instead of what its open list has of the page's range.
pub(super) fn seal(
    mut next: Manifest,
    page: &Page,
    path: Path,
    bytes: u64,
) -> Result<Manifest, ApplyError> {
    let range = page.range;
    let within = |other: OffsetRange| other.overlaps(range);
    let segments = |one: &&Segment| within(one.range);
    let silent = |one: &&SilentRange| within(one.range);
    let published = next.committed.and_then(|commit| commit.corrections);
    let may_go = |corrections: &Segment| {
        next.open.corrections.contains(corrections) && is_published(corrections, published)
    };
    let is_all = page.topic == next.pipeline.events_topic
        && page.partition == next.partition
        && next
            .open
            .segments
            .iter()
            .filter(segments)
            .eq(&page.segments)
        && next.open.silent.iter().filter(silent).eq(&page.silent)
        && next
            .gaps
            .iter()
            .filter(|gap| within(gap.range))
            .eq(&page.gaps)
        && page.corrections.iter().all(may_go);
    if !is_all {
        return Err(ApplyError::NotThePage { range });
    }
    next.open.segments.retain(|one| !within(one.range));
    next.open.silent.retain(|one| !within(one.range));
    let sealed = &page.corrections;
    next.open.corrections.retain(|one| !sealed.contains(one));
    let link = PageLink::to(path, page, bytes);
    let before = |other: &PageLink| other.range.start() < range.start();
    let place = next.pages.partition_point(before);
    next.pages.insert(place, link.clone());
    next.edit = EditSummary::Seal { page: link };
    Ok(next)
}

/// `next` with what a page lists in its open list, and without the page.
pub(super) fn reopen(mut next: Manifest, page: Page) -> Result<Manifest, ApplyError> {
    let range = page.range;
    let place = next.pages.iter().position(|link| link.is_to(&page));
    let Some(place) = place.filter(|_| page.partition == next.partition) else {
        return Err(ApplyError::NotThePage { range });
    };
    let link = next.pages.remove(place);
    next.open.segments.extend(page.segments);
    next.open.silent.extend(page.silent);
    next.open.corrections.extend(page.corrections);
    next.open.sort();
    next.edit = EditSummary::Reopen { page: link };
    Ok(next)
}

#[cfg(test)]
mod tests;
