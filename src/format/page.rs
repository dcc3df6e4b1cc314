//! A page as a value: sealed segments of one partition for one range, listed apart from manifests. No I/O here.

use super::{Gap, Segment, SilentRange};
use crate::{
    calculation::Declaration,
    model::{Counts, Digest, OffsetRange, Partition},
    store::Path,
};

/// One immutable JSON file that lists segments of a contiguous range, with all that a manifest says of them, and accounts for
/// each offset of the range by itself (I4).
///
/// It is broken when its digest is not that of its body; when segments, silent ranges and gaps do not follow each other from
/// the range's start to its end, or do not add up to the counts; when it lists no segment or more than
/// [`Page::MOST_FILES`]; when a calculation of a segment is missing; or when it is larger than [`Page::MAX_BYTES`].
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
