//! The pages of a scrub: of those of the newest manifest one at a time is in memory, however many there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    format::{Manifest, OpenPage, PageLink, UnreadPage},
    history::{Chain, ChainError, load_page},
    model::Digest,
};

/// When to read a page again that is damaged or missing.
const AGAIN: Duration = Duration::from_secs(15);

/// See the module.
#[derive(Default)]
pub struct ScrubPages {
    /// Those that this process has read once.
    known: BTreeSet<Digest>,
    /// Those that could not be read, and when to try it again.
    unread: BTreeMap<Digest, (UnreadPage, Instant)>,
    /// The one that was opened last.
    page: Option<OpenPage>,
}

impl ScrubPages {
    /// Knows no pages but those of the newest manifest.
    pub fn follow(&mut self, newest: &Manifest) {
        let listed: BTreeSet<Digest> = newest.pages.iter().map(|page| page.digest).collect();
        self.known.retain(|digest| listed.contains(digest));
        self.unread.retain(|digest, _| listed.contains(digest));
        self.page = (self.page.take()).filter(|page| newest.pages.contains(&page.link));
    }

    /// The next page that this process has not read yet, or that could not be read a while ago: one that is damaged is found at a
    /// start, not when its turn comes.
    pub fn unknown(&self, newest: &Manifest) -> Option<PageLink> {
        let now = Instant::now();
        let is_unknown = |page: &&PageLink| match self.unread.get(&page.digest) {
            Some((_, again)) => *again <= now,
            None => !self.known.contains(&page.digest),
        };
        newest.pages.iter().find(is_unknown).cloned()
    }

    /// Reads a page, and holds it in the place of the one before.
    ///
    /// # Errors
    /// When the store does not answer, or a newer snapback wrote the page.
    pub async fn open(&mut self, chain: &Chain, link: PageLink) -> Result<(), ChainError> {
        match load_page(chain.store(), chain.layout(), &link).await? {
            Ok(page) => {
                self.unread.remove(&link.digest);
                self.known.insert(link.digest);
                self.page = Some(OpenPage { link, page });
            }
            Err(unread) => {
                let again = Instant::now() + AGAIN;
                self.unread.insert(link.digest, (unread, again));
            }
        }
        Ok(())
    }

    /// The page that was opened last.
    pub fn page(&self) -> Option<&OpenPage> {
        self.page.as_ref()
    }

    /// Those that cannot be read.
    pub fn unread(&self) -> impl Iterator<Item = &UnreadPage> {
        self.unread.values().map(|(unread, _)| unread)
    }

    /// Their digests.
    pub fn unread_digests(&self) -> BTreeSet<Digest> {
        self.unread.keys().copied().collect()
    }

    /// When to read the first of them again; `None` when all can be read.
    pub fn again_at(&self) -> Option<Instant> {
        self.unread.values().map(|(_, again)| *again).min()
    }
}
