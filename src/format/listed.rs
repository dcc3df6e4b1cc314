//! Everything that is live by a manifest: its own open list, and what its pages list. No I/O here.

use std::ops::Deref;

use super::{Manifest, OpenList, Page, PageLink, Segment, SilentRange};
use crate::{model::OffsetRange, store::Path};

/// A manifest with the pages of a range, or of all of it.
///
/// It has about 400 bytes for each segment. What pages list that cannot be read is missing here: who needs all of it looks
/// at [`unread`](Listed::unread) first.
#[derive(Clone, Debug)]
pub struct Listed {
    manifest: Manifest,
    all: OpenList,
    unread: Vec<UnreadPage>,
}

/// A page that a manifest lists and that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadPage {
    /// The page.
    pub link: PageLink,
    /// What is wrong with it, for people; `None`: there is no such file.
    pub damage: Option<String>,
}

impl UnreadPage {
    /// What is wrong with it, for people.
    #[must_use]
    pub fn why(&self) -> String {
        let missing = || "there is no such file".to_owned();
        self.damage.clone().unwrap_or_else(missing)
    }
}

impl Listed {
    /// A manifest with those of its pages that were read, and those that could not be.
    #[must_use]
    pub fn of<'p>(
        manifest: Manifest,
        pages: impl IntoIterator<Item = &'p Page>,
        unread: Vec<UnreadPage>,
    ) -> Listed {
        let mut all = manifest.open.clone();
        for page in pages {
            all.silent.extend_from_slice(&page.silent);
            all.segments.extend_from_slice(&page.segments);
            all.corrections.extend_from_slice(&page.corrections);
        }
        all.sort();
        Listed {
            manifest,
            all,
            unread,
        }
    }

    /// The open list of a manifest alone, whatever pages it has.
    #[must_use]
    pub fn open_list_of(manifest: &Manifest) -> Listed {
        Listed::of(manifest.clone(), [], Vec::new())
    }

    /// The manifest by itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The segments of results and rejects, ascending by range.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.all.segments
    }

    /// The segments of corrections, ascending by revision.
    #[must_use]
    pub fn corrections(&self) -> &[Segment] {
        &self.all.corrections
    }

    /// The ranges without any row, ascending.
    #[must_use]
    pub fn silent(&self) -> &[SilentRange] {
        &self.all.silent
    }

    /// Every file: results and rejects, then corrections.
    pub fn files(&self) -> impl Iterator<Item = &Segment> + Clone {
        self.all.files()
    }

    /// Whether the segment at `path` is live, as far as the pages can be read.
    #[must_use]
    pub fn lists(&self, path: &Path) -> bool {
        self.all.lists(path)
    }

    /// The pages that cannot be read.
    #[must_use]
    pub fn unread(&self) -> &[UnreadPage] {
        &self.unread
    }

    /// Whether a page that cannot be read accounts for some of these offsets: what is live there is not known.
    #[must_use]
    pub fn is_unread(&self, range: OffsetRange) -> bool {
        let mut unread = self.unread.iter();
        unread.any(|page| page.link.range.overlaps(range))
    }
}

impl Deref for Listed {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.manifest
    }
}

impl OpenList {
    /// Puts the lists in their order, after others were added.
    pub(super) fn sort(&mut self) {
        self.silent.sort_by_key(|silent| silent.range.start());
        self.segments
            .sort_by_key(|segment| (segment.range.start(), segment.kind));
        self.corrections.sort_by_key(|segment| segment.revision);
    }
}
