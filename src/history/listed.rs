//! Reading what is live: the one place where the pages of a manifest are read.
//!
//! A page is read by what its manifest states: no more bytes than that, and only one with the digest stated is believed. What
//! cannot be read is an answer, not an error, so that damage in one range does not hide the others.

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Chain, ChainError, tail::shortened};
use crate::{
    format::{Layout, Listed, Manifest, Page, PageLink, UnreadPage},
    model::OffsetRange,
    store::{Path, Store, StoreError},
};

/// Pages that are read at a time.
const AT_A_TIME: usize = 4;

/// Reads a page.
///
/// # Errors
/// When the store does not answer, or a newer snapback wrote the page.
pub async fn load_page(
    store: &Store,
    layout: &Layout,
    link: &PageLink,
) -> Result<Result<Page, UnreadPage>, ChainError> {
    let unread = |damage| {
        let link = link.clone();
        Ok(Err(UnreadPage { link, damage }))
    };
    let bytes = match store.get(&link.path, link.bytes).await {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return unread(None),
        Err(error @ StoreError::TooLarge { .. }) => return unread(Some(error.to_string())),
        Err(error) if error.concerns_the_object() => return unread(Some(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    match Page::decode(&bytes) {
        Ok(page) if page.topic == layout.topic() && link.is_to(&page) => Ok(Ok(page)),
        Ok(page) => unread(Some(format!(
            "it is another page than its manifest lists: of {} with the digest {}, not {}",
            page.range,
            page.digest(),
            link.digest
        ))),
        Err(error) if error.is_newer() => Err(ChainError::NewerPage {
            path: link.path.clone(),
            source: Box::new(error),
        }),
        Err(error) => unread(Some(shortened(error.to_string()))),
    }
}

/// Everything that a manifest lists.
///
/// # Errors
/// As [`load_page`].
pub async fn read_listed(
    store: &Store,
    layout: &Layout,
    manifest: Manifest,
) -> Result<Listed, ChainError> {
    read(store, layout, manifest, None).await
}

/// What a manifest lists of a range, and its whole open list: only pages that overlap the range are read.
///
/// # Errors
/// As [`load_page`].
pub async fn read_listed_of(
    store: &Store,
    layout: &Layout,
    manifest: Manifest,
    range: OffsetRange,
) -> Result<Listed, ChainError> {
    read(store, layout, manifest, Some(range)).await
}

/// Everything that a manifest lists, for who cannot do with less.
///
/// # Errors
/// [`ChainError::UnreadPage`] when one of its pages cannot be read; as [`load_page`] otherwise.
pub async fn read_all_listed(
    store: &Store,
    layout: &Layout,
    manifest: Manifest,
) -> Result<Listed, ChainError> {
    whole(read_listed(store, layout, manifest).await?)
}

/// What is listed, if all of it could be read.
pub(super) fn whole(listed: Listed) -> Result<Listed, ChainError> {
    match listed.unread().first() {
        Some(unread) => Err(unread.into()),
        None => Ok(listed),
    }
}

impl From<&UnreadPage> for ChainError {
    fn from(unread: &UnreadPage) -> ChainError {
        ChainError::UnreadPage {
            path: unread.link.path.clone(),
            range: unread.link.range,
            why: unread.why(),
        }
    }
}

/// Whether a manifest lists a segment; its page is read where it lies in the range of one.
///
/// # Errors
/// [`ChainError::UnreadPage`] when that cannot be known; as [`load_page`] otherwise.
pub async fn lists(
    store: &Store,
    layout: &Layout,
    manifest: &Manifest,
    path: &Path,
) -> Result<bool, ChainError> {
    if manifest.open.lists(path) {
        return Ok(true);
    }
    let Some(name) = layout.parse_segment(path) else {
        return Ok(false);
    };
    let found = find_in(store, layout, (manifest, name.range), |page| {
        page.lists(path)
    })
    .await?;
    Ok(found.is_some())
}

/// The first page over a range of the newest manifest of which something holds; `None` when it holds of none.
///
/// # Errors
/// As [`lists`].
pub(super) async fn find_page(
    chain: &Chain,
    range: OffsetRange,
    holds: impl Fn(&Page) -> bool,
) -> Result<Option<Box<Page>>, ChainError> {
    let Some(newest) = chain.newest() else {
        return Ok(None);
    };
    find_in(chain.store(), chain.layout(), (newest, range), holds).await
}

async fn find_in(
    store: &Store,
    layout: &Layout,
    (manifest, range): (&Manifest, OffsetRange),
    holds: impl Fn(&Page) -> bool,
) -> Result<Option<Box<Page>>, ChainError> {
    for link in manifest.pages_over(range) {
        let page = load_page(store, layout, link).await?;
        let page = page.map_err(|unread| ChainError::from(&unread))?;
        if holds(&page) {
            return Ok(Some(Box::new(page)));
        }
    }
    Ok(None)
}

/// A manifest with those of its pages that overlap a range, or all of them.
async fn read(
    store: &Store,
    layout: &Layout,
    manifest: Manifest,
    range: Option<OffsetRange>,
) -> Result<Listed, ChainError> {
    let wanted = |link: &&PageLink| range.is_none_or(|range| link.range.overlaps(range));
    let wanted: Vec<PageLink> = manifest.pages.iter().filter(wanted).cloned().collect();
    let read: Vec<Result<Page, UnreadPage>> = stream::iter(wanted)
        .map(|link| async move { load_page(store, layout, &link).await })
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    let (mut pages, mut unread) = (Vec::new(), Vec::new());
    for page in read {
        match page {
            Ok(page) => pages.push(page),
            Err(page) => unread.push(page),
        }
    }
    Ok(Listed::of(manifest, &pages, unread))
}

impl Chain {
    /// Whether the newest manifest lists a segment; `false` without a manifest.
    ///
    /// # Errors
    /// As [`lists`].
    pub(super) async fn lists(&self, path: &Path) -> Result<bool, ChainError> {
        match self.newest() {
            Some(newest) => lists(self.store(), self.layout(), newest, path).await,
            None => Ok(false),
        }
    }
}
