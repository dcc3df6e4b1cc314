//! When stored history was last verified: an object beside the chain, never a part of it. Pure.
//!
//! It has an entry for each segment of the open list; one for each page, which holds for all that the page lists; and those of the
//! segments of one page, which is being verified. So it is as small as the manifest, however long the history is.
//!
//! It is advice for the scrub's next turn and for people. Nobody believes it where it matters: whoever loses, damages or
//! forges it has stored history verified again, or later. Only the owner of a partition writes it, and the last one wins.

mod entries;

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Layout, Manifest, Page, PageLink, Segment};
use crate::{model::OffsetRange, store::Path};
pub use entries::LastVerified;
use entries::{PageEntry, UnderWay};

/// The version of its form; of any other, nothing is known.
const FORMAT: u32 = 1;
/// So many segments in pages are known at most in which something was found, and so many that came from the open list.
const MOST_FOUND: usize = 1_000;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    format: u32,
    /// Those of the open list, by their path.
    segments: BTreeMap<String, LastVerified>,
    /// Pages, by their path.
    pages: BTreeMap<String, PageEntry>,
    /// The page that is being verified.
    under_way: Option<UnderWay>,
    /// Segments in pages in which something was found, by their path.
    found: BTreeMap<String, LastVerified>,
    /// Segments that were in the open list, by their path: pages that nobody has read yet may list them.
    moved: BTreeMap<String, LastVerified>,
}

/// A page with the link to it.
#[derive(Clone, Debug)]
pub struct OpenPage {
    /// As the manifest lists it.
    pub link: PageLink,
    /// The page.
    pub page: Page,
}

impl Verified {
    /// The most bytes that are read of one.
    pub const MOST_BYTES: u64 = 4 << 20;

    /// What was stored; nothing when it is not what this program writes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Verified {
        let stored: Option<Verified> = serde_json::from_slice(bytes).ok();
        stored
            .filter(|stored| stored.format == FORMAT)
            .unwrap_or_default()
    }

    /// As it is stored.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "texts and numbers under keys that are strings always serialise"
    )]
    pub fn encode(&self) -> Bytes {
        let stored = Verified {
            format: FORMAT,
            ..self.clone()
        };
        let text = serde_json::to_vec(&stored).expect("texts and numbers are JSON");
        text.into()
    }

    /// Knows what this manifest lists, and nothing else. What moves from the open list to a page stays as verified as it was; what
    /// comes back is verified once more.
    pub fn follow(&mut self, newest: &Manifest, now: DateTime<Utc>) {
        let mut known = std::mem::take(&mut self.segments);
        let mut pages = std::mem::take(&mut self.pages);
        let mut now_known: BTreeMap<String, PageEntry> = BTreeMap::new();
        let mut new = Vec::new();
        for link in &newest.pages {
            match pages.remove(link.path.as_str()) {
                Some(entry) => _ = now_known.insert(link.path.to_string(), entry),
                None => new.push(link),
            }
        }
        let segments = newest.open.files().map(|segment| {
            let path = segment.path.to_string();
            let found = self.found.remove(&path);
            let entry = known.remove(&path).or(found);
            // Also what comes out of a page: it may have other files than that had.
            let entry = entry.unwrap_or(LastVerified::new(now, None));
            (path, entry)
        });
        self.segments = segments.collect();
        for link in new {
            let entry = PageEntry {
                start: link.range.start(),
                end: link.range.end(),
                seen: now,
                verified: None,
            };
            now_known.insert(link.path.to_string(), entry);
        }
        self.pages = now_known;
        for (path, entry) in known {
            if self.moved.len() < MOST_FOUND {
                self.moved.insert(path.clone(), entry);
            }
            if entry.findings > 0 {
                self.keep_found(path, entry);
            }
        }
        let pages = &self.pages;
        self.under_way = (self.under_way.take()).filter(|it| pages.contains_key(&it.page));
        let layout = layout(newest);
        let page_of = |path: &str| {
            let range = range_of(layout.as_ref()?, path)?;
            pages.values().find(|page| page.range().includes(range))
        };
        self.found.retain(|path, _| page_of(path).is_some());
        let is_awaited = |page: &PageEntry| page.verified.is_none();
        self.moved
            .retain(|path, _| page_of(path).is_some_and(is_awaited));
    }

    /// A page was read. It is as verified as what it lists was in the open list, if all of it was: which segments a page lists,
    /// the manifest does not say, and a new one may have taken the place of one that was verified.
    pub fn read(&mut self, page: &OpenPage) {
        let moved = &self.moved;
        let at = |segment: &Segment| moved.get(segment.path.as_str())?.verified;
        if let Some(entry) = self.pages.get_mut(page.link.path.as_str())
            && entry.verified.is_none()
        {
            entry.verified = of_all(&page.page, at);
        }
    }

    /// These were verified, with so many findings; `page` is the one that lists them, if one does.
    pub fn mark(
        &mut self,
        segments: &[Segment],
        page: Option<&OpenPage>,
        at: DateTime<Utc>,
        findings: u64,
    ) {
        for segment in segments {
            let path = segment.path.as_str();
            if let Some(entry) = self.segments.get_mut(path) {
                entry.verified = Some(at);
                entry.findings = findings;
                continue;
            }
            self.found.remove(path);
            let Some(page) = page else { continue };
            let of_page = |it: &&mut UnderWay| it.page == page.link.path.as_str();
            if let Some(under_way) = self.under_way.as_mut().filter(of_page) {
                under_way.verified.insert(path.to_owned(), at);
            }
            if findings > 0 {
                let verified = Some(at);
                let entry = LastVerified {
                    findings,
                    ..LastVerified::new(at, verified)
                };
                self.keep_found(path.to_owned(), entry);
            }
        }
        if let Some(page) = page {
            self.complete(page);
        }
    }

    /// Knows a page as verified when it is the one that is being verified, and all of its segments are.
    fn complete(&mut self, page: &OpenPage) {
        let of_page = |it: &&UnderWay| it.page == page.link.path.as_str();
        let Some(under_way) = self.under_way.as_ref().filter(of_page) else {
            return;
        };
        let at = |segment: &Segment| under_way.verified.get(segment.path.as_str()).copied();
        if let Some(since) = of_all(&page.page, at)
            && let Some(entry) = self.pages.get_mut(&under_way.page)
        {
            entry.verified = Some(since);
            self.under_way = None;
        }
    }

    /// Nothing of a page is due: what is known of segments in its range that it does not list is of no use.
    pub fn nothing_of(&mut self, page: &OpenPage) {
        let Some(layout) = Layout::new(&page.page.topic).ok() else {
            return;
        };
        let is_of = |path: &str| page.page.files().any(|one| one.path.as_str() == path);
        self.found.retain(|path, _| {
            let range = range_of(&layout, path);
            is_of(path) || range.is_none_or(|range| !page.link.range.includes(range))
        });
        self.complete(page);
    }

    fn keep_found(&mut self, path: String, entry: LastVerified) {
        if self.found.len() < MOST_FOUND {
            self.found.insert(path, entry);
        }
    }

    /// These are as good as never verified.
    pub fn forget(&mut self, segments: &[Segment], now: DateTime<Utc>) {
        for segment in segments {
            let path = segment.path.as_str();
            if let Some(entry) = self.segments.get_mut(path) {
                entry.verified = None;
            } else {
                self.keep_found(path.to_owned(), LastVerified::new(now, None));
            }
        }
    }

    /// Begins with a page; what was verified of another is forgotten. What was verified of it in the open list is done.
    pub fn begin(&mut self, page: &PageLink) {
        if self
            .under_way
            .as_ref()
            .is_none_or(|it| it.page != page.path.as_str())
        {
            let moved = self.moved.iter();
            let verified = moved.filter_map(|(path, entry)| Some((path.clone(), entry.verified?)));
            self.under_way = Some(UnderWay {
                page: page.path.to_string(),
                verified: verified.collect(),
            });
        }
    }

    /// Whether a segment of the page that is being verified is.
    #[must_use]
    pub fn is_done(&self, segment: &Segment) -> bool {
        let under_way = self.under_way.as_ref();
        under_way.is_some_and(|it| it.verified.contains_key(segment.path.as_str()))
    }

    /// What is known of a segment of the open list, or of one in a page in which something was found.
    #[must_use]
    pub fn get(&self, segment: &Segment) -> Option<&LastVerified> {
        let path = segment.path.as_str();
        self.segments.get(path).or_else(|| self.found.get(path))
    }

    /// When a live segment was last verified, and how many findings that gave.
    #[must_use]
    pub fn last(&self, segment: &Segment) -> Option<(DateTime<Utc>, u64)> {
        let findings = self.get(segment).map_or(0, |entry| entry.findings);
        Some((self.at(segment)?, findings))
    }

    /// When a page was first seen, and since when it is verified.
    #[must_use]
    pub fn of_page(&self, page: &PageLink) -> Option<(DateTime<Utc>, Option<DateTime<Utc>>)> {
        let entry = self.pages.get(page.path.as_str())?;
        Some((entry.seen, entry.verified))
    }

    /// What is known of segments of a page in which something was found.
    pub fn found_in(
        &self,
        layout: &Layout,
        page: OffsetRange,
    ) -> impl Iterator<Item = &LastVerified> {
        let is_in = move |path: &str| {
            let range = range_of(layout, path);
            range.is_some_and(|range| page.includes(range))
        };
        let found = self.found.iter();
        found.filter_map(move |(path, entry)| is_in(path).then_some(entry))
    }

    /// When a live segment was last verified. Of those in a page that were right, the time when the first of them was.
    #[must_use]
    pub fn at(&self, segment: &Segment) -> Option<DateTime<Utc>> {
        if let Some(entry) = self.get(segment) {
            return entry.verified;
        }
        let under_way = self.under_way.as_ref();
        let path = segment.path.as_str();
        let now = under_way.and_then(|it| it.verified.get(path));
        let mut pages = self.pages.values();
        let page = pages.find(|page| page.range().includes(segment.range));
        let moved = || self.moved.get(path)?.verified;
        now.copied().or_else(|| page?.verified).or_else(moved)
    }

    /// Everything that a manifest lists was verified then or later; `None` while something never was, or when there is nothing.
    #[must_use]
    pub fn since(&self, newest: &Manifest) -> Option<DateTime<Utc>> {
        let open = newest.open.files().map(|segment| self.at(segment));
        let pages = newest.pages.iter().filter(|page| page.files > 0);
        let pages = pages.map(|page| self.of_page(page).and_then(|(_, verified)| verified));
        open.chain(pages).min().flatten()
    }

    /// How many segments and pages it has an entry for.
    #[must_use]
    pub fn entries(&self) -> usize {
        let under_way = self.under_way.as_ref().map_or(0, |it| it.verified.len());
        let others = self.found.len() + self.moved.len() + under_way;
        self.segments.len() + self.pages.len() + others
    }
}

/// Since when all segments of a page are verified, where each of them is.
fn of_all(page: &Page, at: impl Fn(&Segment) -> Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    let mut times = page.files().map(at);
    let first = times.next()??;
    times.try_fold(first, |since, at| Some(since.min(at?)))
}

fn layout(newest: &Manifest) -> Option<Layout> {
    Layout::new(&newest.pipeline.events_topic).ok()
}

fn range_of(layout: &Layout, path: &str) -> Option<OffsetRange> {
    let path = Path::parse(path).ok()?;
    Some(layout.parse_segment(&path)?.range)
}
