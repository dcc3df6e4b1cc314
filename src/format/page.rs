//! A page as a value: sealed segments of one partition for one range, listed apart from manifests. No I/O here.

use std::collections::BTreeMap;

use super::{Gap, Segment, SegmentKind, SilentRange};
use crate::{
    calculation::{Declaration, Fingerprint},
    model::{Counts, Digest, OffsetRange, Partition, Sequence},
    store::Path,
};

/// One immutable JSON file that lists segments of a contiguous range, with all that a manifest says of them, and accounts for
/// each offset of the range by itself (I4).
///
/// It is broken when its digest is not that of its body; when segments, silent ranges and gaps do not follow each other from
/// the range's start to its end, or do not add up to the counts; when it lists neither a segment nor a range of filtered events, or
/// more segments than [`Page::MOST_FILES`]; when a calculation of a segment is missing; or when it is larger than [`Page::MAX_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The events topic.
    pub topic: String,
    /// The partition of it.
    pub partition: Partition,
    /// The offsets that it accounts for.
    pub range: OffsetRange,
    /// What they are.
    pub counts: Counts,
    /// The accepted gaps among them, ascending; they stay in the manifests, too.
    pub gaps: Vec<Gap>,
    /// The ranges without any row, ascending.
    pub silent: Vec<SilentRange>,
    /// The segments of results and rejects, ascending by range.
    pub segments: Vec<Segment>,
    /// Corrections of offsets in the range that are published, ascending by revision.
    pub corrections: Vec<Segment>,
    /// What the fingerprints of the segments stand for, each once, ascending by it.
    pub calculations: Vec<Declaration>,
    pub(super) digest: Digest,
}

impl Page {
    /// No page is read, and none is written, beyond this size.
    pub const MAX_BYTES: u64 = 2 << 20;
    /// No page lists more segments, corrections among them.
    pub const MOST_FILES: usize = 256;

    /// The digest of the page's body: the value of its member `digest`.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Every file that it lists: results and rejects, then corrections.
    pub fn files(&self) -> impl Iterator<Item = &Segment> + Clone {
        self.segments.iter().chain(&self.corrections)
    }

    /// Whether the page lists the segment at `path`.
    #[must_use]
    pub fn lists(&self, path: &Path) -> bool {
        self.files().any(|segment| segment.path == *path)
    }
}

/// A page as a manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageLink {
    /// Its place in the store, relative to the root.
    pub path: Path,
    /// The offsets that it accounts for.
    pub range: OffsetRange,
    /// What they are.
    pub counts: Counts,
    /// How many segments it lists, corrections among them.
    pub files: u64,
    /// The bytes of these segments.
    pub segment_bytes: u64,
    /// The highest revision of its corrections: whoever asks for the newest need not read the page.
    pub revision: Option<Sequence>,
    /// How many segments of results it lists of each calculation that any of its segments or silent ranges has.
    pub results: BTreeMap<Fingerprint, u64>,
    /// The page's size.
    pub bytes: u64,
    /// The page's digest (the value of its member `digest`).
    pub digest: Digest,
}

impl PageLink {
    /// The link to a page of so many bytes at `path`.
    #[must_use]
    pub fn to(path: Path, page: &Page, bytes: u64) -> PageLink {
        let mut results: BTreeMap<Fingerprint, u64> = BTreeMap::new();
        for segment in page.files() {
            let of = results.entry(segment.fingerprint.clone()).or_default();
            *of += u64::from(segment.kind == SegmentKind::Results);
        }
        for filtered in page
            .silent
            .iter()
            .filter_map(|one| one.fingerprint.as_ref())
        {
            results.entry(filtered.clone()).or_default();
        }
        PageLink {
            path,
            range: page.range,
            counts: page.counts,
            files: page.files().count() as u64,
            segment_bytes: page.files().map(|segment| segment.bytes).sum(),
            revision: page.corrections.last().and_then(|last| last.revision),
            results,
            bytes,
            digest: page.digest,
        }
    }

    /// Whether this is the page that is listed. Its digest covers all but where it lies.
    #[must_use]
    pub fn is_to(&self, page: &Page) -> bool {
        self.digest == page.digest && *self == PageLink::to(self.path.clone(), page, self.bytes)
    }
}
