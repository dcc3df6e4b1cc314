//! From a range of the open list to a page that the chain lists, whoever else appends meanwhile.

use super::{
    Appended, Chain, ChainError, MergeLimits, Obstacles, SnapshotError, choose_seal,
    compaction::is_overfull,
    listed::load_page,
    race::{LISTED_WITHIN, is_never_listed},
    write::RACES,
};
use crate::{
    failpoint::{self, Point},
    format::{Edit, Page, PageError, PageLink},
    model::{OffsetRange, Sequence},
    store::Created,
};

/// What became of a range that was to be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// The chain lists this page.
    Done(PageLink),
    /// It is not sealed: others have changed it, or it does not fit into a page.
    Left(PageError),
}

/// Seals a range: puts its page under a new name, reads it back, and appends the edit that lists it (I3). Pages inside of the range
/// are reopened before, and become part of the new one.
///
/// A page that no manifest comes to list, because the process died or others were faster, lies in no folder that readers of
/// results look into; gc notes and deletes it. Nothing that is live is moved or written.
///
/// # Errors
/// When the store is away. Dropping the future is safe for the store.
pub async fn write_seal(chain: &mut Chain, range: OffsetRange) -> Result<Sealed, SnapshotError> {
    if chain.is_unsure() {
        chain.reload().await?;
    }
    // With the highest number when it was put.
    let mut put: Option<(PageLink, Option<Sequence>)> = None;
    for _ in 0..RACES {
        let Some(newest) = chain.newest() else { break };
        if let Some(link) = newest.pages.iter().find(|page| page.range == range) {
            // An attempt that seemed to fail had won, or another did the same.
            return Ok(Sealed::Done(link.clone()));
        }
        // All of them can be read, or none is opened: else what is open would be sealed again, for ever.
        let mut first = None;
        for link in newest
            .pages
            .iter()
            .filter(|page| range.includes(page.range))
        {
            let page = load_page(chain.store(), chain.layout(), link).await?;
            let page = page.map_err(|unread| ChainError::from(&unread))?;
            first.get_or_insert(Box::new(page));
        }
        if let Some(page) = first {
            _ = chain.append(Edit::Reopen { page }, None).await?;
            failpoint::at(Point::PageReopened);
            continue;
        }
        let published = newest.committed.and_then(|commit| commit.corrections);
        let (page, stored) = match Page::of(newest, range, published) {
            Ok(made) => made,
            Err(error) => return Ok(Sealed::Left(error)),
        };
        let highest = chain.tail().highest;
        let may_stay = |(link, head): &(PageLink, Option<Sequence>)| {
            let mut numbers = head.zip(highest).into_iter();
            let is_stale = numbers.any(|(head, now)| is_never_listed(head, now, LISTED_WITHIN));
            link.is_to(&page) && !is_stale
        };
        let (link, head) = match put.take().filter(may_stay) {
            Some(put) => put,
            None => {
                let id = chain.clock().segment_id();
                let path = chain.layout().page(chain.partition(), range, id);
                let link = PageLink::to(path, &page, stored.len() as u64);
                failpoint::at(Point::SealBegun);
                if chain
                    .store()
                    .create(&link.path, stored)
                    .await
                    .map_err(ChainError::from)?
                    == Created::Exists
                {
                    // Another drew the same name.
                    continue;
                }
                let read = load_page(chain.store(), chain.layout(), &link).await?;
                read.map_err(|unread| ChainError::from(&unread))?;
                failpoint::at(Point::PagePut);
                (link, highest)
            }
        };
        let edit = Edit::Seal {
            page: Box::new(page),
            path: link.path.clone(),
            bytes: link.bytes,
        };
        // That the page is still there is what LISTED_WITHIN says: gc takes an orphan only when no manifest can list it any more.
        match chain.append(edit, None).await? {
            Appended::Won { .. } => {
                failpoint::at(Point::PageSealed);
                return Ok(Sealed::Done(link));
            }
            Appended::Lost => put = Some((link, head)),
        }
    }
    Err(SnapshotError::Chain(ChainError::Outrun {
        partition: chain.partition(),
        races: RACES,
    }))
}

/// Seals what nothing joins any more for as long as the open list is longer than two pages, or its silent ranges are: for who changes ranges of one page after
/// the other, each of which is reopened for that.
///
/// # Errors
/// As [`write_seal`].
pub async fn seal_when_long(chain: &mut Chain) -> Result<(), SnapshotError> {
    let next = |chain: &Chain| {
        let newest = chain.newest()?;
        let is_long = newest.open.segments.len() > 2 * Page::MOST_FILES || is_overfull(newest);
        is_long.then(|| choose_seal(newest, MergeLimits::LARGEST, &Obstacles::default()))?
    };
    while let Some(range) = next(chain) {
        if let Sealed::Left(error) = write_seal(chain, range).await? {
            tracing::debug!("partition {}: {error}", chain.partition());
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
