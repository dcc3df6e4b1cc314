//! Tidying one partition's folders after a crash, so that the plain glob is exact again.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{
    Chain, ChainError, adopt,
    attic::{self, Restored},
    folders::{StoredSegment, find_in_attic, find_segments},
    listed::load_page,
};
use crate::{
    failpoint::{self, Point},
    format::{Manifest, Page, PageLink, Segment, UnreadPage, read_segment},
    model::{Digest, OffsetRange, Sequence},
    store::{Path, StoreError},
};

/// An unlisted segment after the chain's end that is younger may be on its way into a manifest.
const YOUNG: TimeDelta = TimeDelta::hours(1);

/// What tidying found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Ranges that unlisted segments gave back to a chain that had been longer.
    pub adopted: Vec<OffsetRange>,
    /// Listed segments that were in the attic, and are at their own path again.
    pub put_back: Vec<Path>,
    /// Listed segments that are nowhere: damage, for verify and repair.
    pub missing: Vec<Segment>,
    /// StoredSegment segments that went to the attic.
    pub retired: Vec<Path>,
    /// Unlisted segments that were left alone: young, and after the chain's end.
    pub left_alone: Vec<Path>,
    /// Files that are no segments of this partition; nothing was done to them.
    pub unknown: Vec<Path>,
}

/// Tidies the folders of the chain's partition (PROTOCOL "Tidying"): puts back listed segments, adopts what
/// continues a chain that is known to have been longer, and moves to the attic what no manifest will list.
///
/// `known_head` is the `head` of the commit metadata. For the partition's owner, before it writes: an
/// unlisted segment by the chain's own writer is taken for what a crash left.
///
/// # Errors
/// When the store cannot be read or written; what was done until then is well, and can be continued.
pub async fn tidy(
    chain: &mut Chain,
    known_head: Option<(Sequence, Digest)>,
) -> Result<Tidied, ChainError> {
    let mut tidied = Tidied::default();
    // First the files, then the chain: what a manifest lists meanwhile is then seen as listed.
    let (files, unknown) = find_segments(chain).await?;
    tidied.unknown = unknown;
    chain.reload().await?;
    chain.left_alone.clear();
    let Some(newest) = chain.newest() else {
        tidied.left_alone = files.into_iter().map(|file| file.path).collect();
        return Ok(tidied);
    };
    let pages = doubtful_pages(chain, newest, &files).await?;
    restore_listed(chain, newest, (&files, &pages), &mut tidied).await?;
    let mut unlisted = unlisted(newest, &pages, files);
    let known = known_head
        .map(|(sequence, _)| sequence)
        .max(chain.tail().highest);
    if known > Some(newest.sequence) {
        // What a repair or a lost race moved away may be all that is left of an append.
        let mut candidates = unlisted.clone();
        candidates.extend(find_in_attic(chain).await?);
        tidied.adopted = adopt::adopt(chain, &candidates).await?;
        if let Some(newest) = chain.newest() {
            // What was adopted is in the open list.
            unlisted.retain(|file| !newest.open.lists(&file.path));
        }
    }
    for file in unlisted {
        if is_dead(chain, &file).await? {
            attic::retire(chain.store(), chain.layout(), &file.path).await?;
            failpoint::at(Point::TidyMoved);
            tidied.retired.push(file.path);
        } else {
            tidied.left_alone.push(file.path);
        }
    }
    chain.left_alone.clone_from(&tidied.left_alone);
    // A repair may have been appended while its segments were taken for dead: its writer looked after them before they were
    // moved, or does so from now on.
    if !tidied.retired.is_empty() && chain.reload().await? {
        put_back_listed(chain, &mut tidied).await?;
    }
    Ok(tidied)
}

/// Appends again what newer manifests that cannot be read had added, as far as whole segments that were made for an append
/// continue the chain; returns the ranges. Who does that need not be the owner: what such segments hold was committed (I1).
/// Nothing else is changed, unless something was appended.
///
/// # Errors
/// When the store cannot be read or written; what was done until then is well, and can be continued.
pub async fn readopt(chain: &mut Chain) -> Result<Vec<OffsetRange>, ChainError> {
    let (files, _) = find_segments(chain).await?;
    chain.reload().await?;
    let Some(newest) = chain.newest() else {
        return Ok(Vec::new());
    };
    if chain.tail().highest <= Some(newest.sequence) {
        return Ok(Vec::new());
    }
    let pages = doubtful_pages(chain, newest, &files).await?;
    let mut candidates = unlisted(newest, &pages, files.clone());
    candidates.extend(find_in_attic(chain).await?);
    let adopted = adopt::adopt(chain, &candidates).await?;
    if let (false, Some(newest)) = (adopted.is_empty(), chain.newest()) {
        // What a lost edit had replaced is live again.
        restore_listed(chain, newest, (&files, &pages), &mut Tidied::default()).await?;
    }
    Ok(adopted)
}

/// The pages of the newest manifest that are not known to be complete by the files in their ranges: so a start reads only
/// those, unless it goes on from an older manifest, after which files may have been replaced.
async fn doubtful_pages(
    chain: &Chain,
    newest: &Manifest,
    files: &[StoredSegment],
) -> Result<Vec<Result<Page, UnreadPage>>, ChainError> {
    let mut pages = Vec::new();
    for link in &newest.pages {
        if !chain.tail().damaged.is_empty() || !is_complete(newest, link, files) {
            pages.push(load_page(chain.store(), chain.layout(), link).await?);
        }
    }
    Ok(pages)
}

async fn restore_listed(
    chain: &Chain,
    newest: &Manifest,
    (files, pages): (&[StoredSegment], &[Result<Page, UnreadPage>]),
    tidied: &mut Tidied,
) -> Result<(), StoreError> {
    let present: BTreeSet<&Path> = files.iter().map(|file| &file.path).collect();
    restore(chain, newest.open.files(), &present, tidied).await?;
    for page in pages.iter().flatten() {
        restore(chain, page.files(), &present, tidied).await?;
    }
    Ok(())
}

async fn restore(
    chain: &Chain,
    listed: impl Iterator<Item = &Segment>,
    present: &BTreeSet<&Path>,
    tidied: &mut Tidied,
) -> Result<(), StoreError> {
    for segment in listed {
        if present.contains(&segment.path) {
            continue;
        }
        match attic::restore_segment(chain.store(), chain.layout(), &segment.path).await? {
            Restored::InPlace => {}
            Restored::PutBack => {
                failpoint::at(Point::SegmentPutBack);
                tidied.put_back.push(segment.path.clone());
            }
            Restored::Missing => tidied.missing.push(segment.clone()),
        }
    }
    Ok(())
}

/// Whether as many files, of as many bytes, lie in a page's range as the page lists, and none across its borders: then it need not
/// be read at every start.
fn is_complete(newest: &Manifest, link: &PageLink, files: &[StoredSegment]) -> bool {
    let is_across = |file: &StoredSegment| {
        let (own, range) = (file.name.range, link.range);
        own.overlaps(range) && !range.includes(own) && !newest.open.lists(&file.path)
    };
    if files.iter().any(is_across) {
        return false;
    }
    let inside = in_page(newest, link, files);
    let (mut count, mut bytes) = (0, 0);
    for file in inside {
        count += 1;
        bytes += file.size;
    }
    (count, bytes) == (link.files, link.segment_bytes)
}

/// The files in a page's range that are not in the open list: corrections that wait may be.
fn in_page<'f>(
    newest: &Manifest,
    link: &PageLink,
    files: &'f [StoredSegment],
) -> impl Iterator<Item = &'f StoredSegment> {
    let open: BTreeSet<&Path> = newest
        .open
        .corrections
        .iter()
        .filter(|segment| segment.range.overlaps(link.range))
        .map(|segment| &segment.path)
        .collect();
    let range = link.range;
    files
        .iter()
        .filter(move |file| range.includes(file.name.range) && !open.contains(&file.path))
}

/// Puts back what was moved and is listed by now.
async fn put_back_listed(chain: &Chain, tidied: &mut Tidied) -> Result<(), ChainError> {
    let mut retired = Vec::new();
    for path in std::mem::take(&mut tidied.retired) {
        if chain.lists(&path).await? {
            attic::restore_segment(chain.store(), chain.layout(), &path).await?;
            tidied.put_back.push(path);
        } else {
            retired.push(path);
        }
    }
    tidied.retired = retired;
    Ok(())
}

/// The files that the newest manifest does not list. Those in the range of a page that cannot be read are not among them: what
/// it lists is not known. That is a finding of `verify`, which nothing here makes worse.
fn unlisted(
    newest: &Manifest,
    pages: &[Result<Page, UnreadPage>],
    mut files: Vec<StoredSegment>,
) -> Vec<StoredSegment> {
    let read = pages.iter().flatten();
    let listed: BTreeSet<&Path> = newest
        .open
        .files()
        .chain(read.clone().flat_map(Page::files))
        .map(|segment| &segment.path)
        .collect();
    let is_read = |link: &PageLink| read.clone().any(|page| link.is_to(page));
    files.retain(|file| {
        let mut over = newest.pages_over(file.name.range);
        !listed.contains(&file.path) && over.all(is_read)
    });
    files
}

/// Whether no manifest will ever list this file, or its writer can be sure that it does not.
async fn is_dead(chain: &Chain, file: &StoredSegment) -> Result<bool, ChainError> {
    let Some(newest) = chain.newest() else {
        return Ok(false);
    };
    // Nothing that starts before the end can be appended any more (I2); whoever swaps files inside the
    // range makes sure after its append that they are in place.
    if file.name.range.start() < newest.end && file.name.range.end() > newest.origin {
        return Ok(true);
    }
    let now = chain.clock().now();
    if now - file.modified >= YOUNG {
        return Ok(true);
    }
    match chain.store().get(&file.path, file.size).await {
        // Not readable as a segment: nobody's, as far as can be told, so age decides.
        Ok(bytes) => Ok(writer(bytes)
            .await
            .is_some_and(|w| w == chain.identity().writer)),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) if error.concerns_the_object() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Who wrote a file; on a thread of its own, because the decoder may panic on a damaged one.
async fn writer(bytes: bytes::Bytes) -> Option<String> {
    let read = || {
        read_segment(bytes)
            .ok()
            .map(|reader| reader.facts().writer.clone())
    };
    tokio::task::spawn_blocking(read).await.ok().flatten()
}

impl Chain {
    /// Moves to the attic what tidying had left alone and the chain has covered since.
    pub(super) async fn sweep_covered(&mut self) {
        let Some(newest) = self.newest() else { return };
        let mut kept = Vec::new();
        for path in &self.left_alone {
            let name = self.layout().parse_segment(path);
            // What ends before the origin may be a backfill's, and in the chain a moment later.
            let covered = name.is_some_and(|name| {
                name.range.start() < newest.end && name.range.end() > newest.origin
            });
            if !covered {
                kept.push(path.clone());
            } else if let Err(error) = self.retire_unlisted(path).await {
                tracing::warn!(%path, %error, "cannot move a covered segment to the attic");
                kept.push(path.clone());
            }
        }
        self.left_alone = kept;
    }

    async fn retire_unlisted(&self, path: &Path) -> Result<(), ChainError> {
        if !self.lists(path).await? {
            attic::retire(self.store(), self.layout(), path).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
