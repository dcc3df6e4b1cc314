//! The files that a partition has, and those that are listed.

use std::collections::BTreeSet;

use super::{
    super::{Chain, ChainError, load_page},
    choice::Files,
};
use crate::{
    format::{FileName, Manifest, SegmentKind},
    model::Digest,
    store::{Path, StoreError},
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

/// The names of what manifests list, files and pages. Of the pages one is in memory at a time, however many there are.
#[derive(Default)]
pub(super) struct ListedNames {
    pub(super) names: BTreeSet<FileName>,
    /// The pages whose files are among them.
    pages: BTreeSet<Digest>,
}

impl ListedNames {
    /// Without any name, for what another manifest lists beside these pages.
    pub(super) fn without_names(&self) -> ListedNames {
        ListedNames {
            names: BTreeSet::new(),
            pages: self.pages.clone(),
        }
    }

    /// Adds everything that a manifest lists. While a page of it cannot be read, that is not known, and nothing is deleted.
    pub(super) async fn add(
        &mut self,
        chain: &Chain,
        manifest: &Manifest,
    ) -> Result<(), ChainError> {
        let layout = chain.layout();
        let name = |path: &Path| layout.parse_file(path);
        let open = manifest.open.files().map(|segment| &segment.path);
        let pages = manifest.pages.iter().map(|page| &page.path);
        self.names.extend(open.chain(pages).filter_map(name));
        for link in &manifest.pages {
            if self.pages.contains(&link.digest) {
                continue;
            }
            let page = load_page(chain.store(), layout, link).await?;
            let page = page.map_err(|unread| ChainError::from(&unread))?;
            self.names
                .extend(page.files().filter_map(|segment| name(&segment.path)));
            self.pages.insert(link.digest);
        }
        Ok(())
    }
}
