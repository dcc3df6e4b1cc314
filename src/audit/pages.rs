//! Pages that cannot be read: what is said about them, and how one is made again.
//!
//! A page is a digest of what it lists, so that whatever is put together again is exactly that page or none: from manifests
//! that listed its segments themselves, as long as gc keeps them, or from what the segments say about themselves.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{AuditError, Finding, FindingKind, RepairError, instructions};
use crate::{
    format::{
        EditSummary, Layout, Listed, Manifest, Page, PageLink, RowlessRecord, Segment, SegmentKind,
        SilentRange, UnreadPage,
    },
    history::{Found, describe_segment, list_manifests, load_manifest, load_page, load_tail},
    model::{Offset, OffsetRange, Partition},
    store::{Path, Store, StoreError},
};

/// Segments that are read at a time.
const AT_A_TIME: usize = 2;

/// A finding for each page that cannot be read, unless the newest manifest does not list it any more.
pub(super) async fn unread(
    store: &Store,
    layout: &Layout,
    listed: &Listed,
) -> Result<Vec<Finding>, AuditError> {
    if listed.unread().is_empty() {
        return Ok(Vec::new());
    }
    let newest = load_tail(store, layout, listed.partition).await?.newest;
    let is_live = |page: &&UnreadPage| {
        let mut newest = newest.iter();
        newest.all(|newest| newest.pages.contains(&page.link))
    };
    let unread = listed.unread().iter().filter(is_live);
    Ok(unread
        .map(|page| finding(store, listed.partition, page))
        .collect())
}

/// A finding for each page of a partition that cannot be read.
#[must_use]
pub fn unread_pages<'u>(
    store: &Store,
    partition: Partition,
    unread: impl IntoIterator<Item = &'u UnreadPage>,
) -> Vec<Finding> {
    let unread = unread.into_iter();
    unread.map(|page| finding(store, partition, page)).collect()
}

fn finding(store: &Store, partition: Partition, page: &UnreadPage) -> Finding {
    let UnreadPage { link, damage } = page;
    let location = store.locate(&link.path);
    let lists = match link.files {
        0 => format!("which says why {} offsets have no row", link.range.len()),
        files => format!("which lists {files} live segments"),
    };
    let (kind, detail) = match damage {
        None => (
            FindingKind::PageMissing,
            format!("there is no file {location}, {lists}"),
        ),
        Some(why) => (
            FindingKind::PageDamaged,
            format!("{location}, {lists}, cannot be used: {why}"),
        ),
    };
    let remedy = instructions::page(link, &location);
    Finding::new(kind, partition, link.range, detail, remedy).of(&link.path)
}

/// What became of a page that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageMended {
    /// It is there again, as it was to the byte.
    Done(PageLink),
    /// It is as it was, and this is why.
    Left(String),
}

/// Makes a page again that could not be read, if it can be had exactly, and puts it where it was. The chain does not change.
///
/// Memory: one manifest and its base, or two segments.
///
/// # Errors
/// When the store does not answer.
pub async fn mend_page(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    path: &str,
) -> Result<PageMended, RepairError> {
    let newest = load_tail(store, layout, partition).await?.newest;
    let listed = newest.as_ref().and_then(|newest| {
        let mut pages = newest.pages.iter();
        pages.find(|link| link.path.as_str() == path)
    });
    let (Some(newest), Some(link)) = (&newest, listed) else {
        let text = "the newest manifest does not list it any more";
        return Ok(PageMended::Left(text.to_owned()));
    };
    if load_page(store, layout, link).await?.is_ok() {
        return Ok(PageMended::Done(link.clone()));
    }
    let made = match of_manifests(store, layout, newest, link).await? {
        Some(made) => Some(made),
        None => of_segments(store, layout, newest, link).await?,
    };
    let Some(stored) = made else {
        return Ok(PageMended::Left(format!(
            "it cannot be put together again exactly: no manifest that listed its segments itself is left, and the files in \
             its range are not those that it listed, or have corrections among them; restore {} from a backup ({})",
            store.locate(&link.path),
            link.digest
        )));
    };
    store.put(&link.path, stored).await?;
    Ok(match load_page(store, layout, link).await? {
        Ok(_) => PageMended::Done(link.clone()),
        Err(unread) => PageMended::Left(format!(
            "what was put is not right either: {}",
            unread.why()
        )),
    })
}

/// The stored form of the page that a link is to, if what `manifest` lists itself gives exactly that.
fn exactly(
    link: &PageLink,
    manifest: &Manifest,
    takes: impl Fn(&Segment) -> bool,
) -> Option<Bytes> {
    let (page, stored) = Page::with(manifest, link.range, takes).ok()?;
    link.is_to(&page).then_some(stored)
}

/// From the manifest that the page was sealed from, if gc has left it and the one that sealed it.
async fn of_manifests(
    store: &Store,
    layout: &Layout,
    newest: &Manifest,
    link: &PageLink,
) -> Result<Option<Bytes>, RepairError> {
    let load = |number| load_manifest(store, layout, newest.partition, number);
    let numbers = list_manifests(store, layout, newest.partition).await?;
    for number in numbers.into_iter().rev() {
        let Found::Good(manifest) = load(number).await? else {
            continue;
        };
        if !manifest.pages.contains(link) {
            break;
        }
        let seals = matches!(&manifest.edit, EditSummary::Seal { page } if page == link);
        if !seals {
            continue;
        }
        let Some(base) = &manifest.base else { break };
        let Found::Good(base) = load(base.sequence).await? else {
            break;
        };
        let sealed = |one: &Segment| !manifest.open.corrections.contains(one);
        return Ok(exactly(link, &base, sealed));
    }
    Ok(None)
}

/// From the files of results and rejects in its range, each of which says what it is. Corrections do not say their revision.
async fn of_segments(
    store: &Store,
    layout: &Layout,
    newest: &Manifest,
    link: &PageLink,
) -> Result<Option<Bytes>, RepairError> {
    let mut files: Vec<(Path, u64)> = Vec::new();
    for kind in [SegmentKind::Results, SegmentKind::Rejects] {
        let folder = layout.segments(kind, newest.partition);
        for entry in store.list(&folder).await? {
            let name = layout.parse_segment(&entry.path);
            if name.is_some_and(|name| link.range.includes(name.range)) {
                files.push((entry.path, entry.size));
            }
        }
    }
    let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    if files.len() as u64 != link.files || bytes != link.segment_bytes {
        return Ok(None);
    }
    let read: Vec<Option<Segment>> = stream::iter(files)
        .map(async |(path, bytes)| {
            let described = describe_segment(store, &path, path.clone(), bytes).await?;
            Ok::<_, StoreError>(described.map(|(segment, _)| segment))
        })
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    let Some(mut segments) = read.into_iter().collect::<Option<Vec<Segment>>>() else {
        return Ok(None);
    };
    segments.sort_by_key(|segment| (segment.range.start(), segment.kind));
    let mut manifest = newest.clone();
    manifest.open.corrections = Vec::new();
    manifest.open.silent = silent(newest, link.range, &segments);
    manifest.open.segments = segments;
    Ok(exactly(link, &manifest, |_| false))
}

/// What lies between segments and gaps: ranges of nothing but absent offsets, as far as can be told.
fn silent(newest: &Manifest, range: OffsetRange, segments: &[Segment]) -> Vec<SilentRange> {
    let gaps = newest.gaps.iter().map(|gap| gap.range);
    let inside = gaps.filter(|gap| gap.overlaps(range));
    let covered = segments.iter().map(|segment| segment.range);
    let covered: BTreeSet<OffsetRange> = covered.chain(inside).collect();
    let end = OffsetRange::empty(range.end());
    let (mut silent, mut next): (Vec<SilentRange>, Offset) = (Vec::new(), range.start());
    for covered in covered.into_iter().chain([end]) {
        if let Ok(range) = OffsetRange::new(next, covered.start())
            && !range.is_empty()
        {
            let record = RowlessRecord::all_absent(range);
            silent.push(SilentRange {
                range,
                record,
                fingerprint: None,
            });
        }
        next = next.max(covered.end());
    }
    silent
}
