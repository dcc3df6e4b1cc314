//! What stops a collection.

use super::super::{Chain, ChainError};
use crate::{
    format::{FileName, Layout, PageName},
    model::{Partition, Sequence},
    store::Path,
};

/// What cannot be read, so that it is not known what is needed, and nothing is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockedBy {
    /// A manifest that stays.
    Manifest(Sequence),
    /// A page that one of them lists.
    Page(PageName),
}

impl BlockedBy {
    pub(super) fn of(chain: &Chain, error: ChainError) -> Result<BlockedBy, ChainError> {
        let page = match &error {
            ChainError::UnreadPage { path, .. } => chain.layout().parse_page(path),
            _ => None,
        };
        page.map(BlockedBy::Page).ok_or(error)
    }

    /// Where it is.
    #[must_use]
    pub fn path(self, layout: &Layout, partition: Partition) -> Path {
        match self {
            BlockedBy::Manifest(number) => layout.manifest(partition, number),
            BlockedBy::Page(name) => layout.named(&FileName::Page(name)),
        }
    }
}
