//! What a manifest lists itself, outside of its pages.

use super::{Segment, SilentRange};
use crate::store::Path;

/// The part of a manifest's lists that is in no page. It is not all that is live where the manifest has pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenList {
    /// The ranges without any row, ascending.
    pub silent: Vec<SilentRange>,
    /// The live segments of results and rejects, ascending by range.
    pub segments: Vec<Segment>,
    /// The live segments of corrections, ascending by revision.
    pub corrections: Vec<Segment>,
}

impl OpenList {
    /// Every file of it: results and rejects, then corrections.
    pub fn files(&self) -> impl Iterator<Item = &Segment> + Clone {
        self.segments.iter().chain(&self.corrections)
    }

    /// Whether the segment at `path` is in it.
    #[must_use]
    pub fn lists(&self, path: &Path) -> bool {
        self.files().any(|segment| segment.path == *path)
    }
}
