//! The files that a partition has, and those that are listed.

use std::collections::BTreeSet;

use super::{
    super::{Chain, ChainError, listed::whole},
    choice::Files,
    walk::Walk,
};
use crate::{
    format::{FileName, Listed, Manifest, SegmentKind},
    store::StoreError,
};

/// The segments in the folders of the chain's partition and in the attic, and its pages.
pub(super) async fn files(chain: &Chain) -> Result<Files, StoreError> {
    let layout = chain.layout();
    let mut files = Files::new();
    for entry in chain.store().list(&layout.pages(chain.partition())).await? {
        if let Some(name) = layout.parse_file(&entry.path) {
            files.entry(name).or_default().own = Some(entry.size);
        }
    }
    for kind in SegmentKind::ALL {
        let folder = layout.segments(kind, chain.partition());
        for entry in chain.store().list(&folder).await? {
            if let Some(name) = layout.parse_file(&entry.path) {
                files.entry(name).or_default().own = Some(entry.size);
            }
        }
        let Some(attic) = layout.attic(&folder) else {
            continue;
        };
        for entry in chain.store().list(&attic).await? {
            let own = layout.out_of_attic(&entry.path);
            if let Some(name) = own.and_then(|own| layout.parse_file(&own)) {
                files.entry(name).or_default().attic = Some(entry.size);
            }
        }
    }
    Ok(files)
}

/// Everything that a manifest lists. While a page of it cannot be read, that is not known, and nothing is deleted.
pub(super) async fn listed(
    chain: &Chain,
    walk: &mut Walk,
    manifest: Manifest,
) -> Result<Listed, ChainError> {
    let pages = &mut walk.pages;
    whole(
        pages
            .also_listed(chain.store(), chain.layout(), manifest)
            .await?,
    )
}

/// Files and pages.
pub(super) fn names(chain: &Chain, listed: &Listed) -> BTreeSet<FileName> {
    let files = listed.files().map(|segment| &segment.path);
    let pages = listed.pages.iter().map(|page| &page.path);
    let name = |path| chain.layout().parse_file(path);
    files.chain(pages).filter_map(name).collect()
}
