//! The chain along its base links, from the newest manifest down.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    super::{Chain, ChainError, Found, load_manifest},
    choice::{Link, Links},
};
use crate::{
    format::{EditSummary, Layout, Manifest, PageLink, Segment},
    model::Sequence,
};

/// Manifests that are read at a time.
const AT_A_TIME: usize = 8;

/// What collections have read of a partition's chain. Who keeps it from one to the next reads each manifest once, and keeps about
/// 300 bytes of it. Nothing is kept of pages: there are more of them the longer the history is.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    pub(super) links: Links,
}

impl Walk {
    /// Reads what has not been read yet, down to the first manifest that cannot be. Then the links are those of the chain, no
    /// others. Dropping the future is safe: the next call goes on.
    pub(super) async fn extend(
        &mut self,
        chain: &Chain,
        present: &BTreeSet<Sequence>,
    ) -> Result<(), ChainError> {
        let mut reached = BTreeSet::new();
        let mut next = None;
        if let Some(newest) = chain.newest() {
            let link = Link::of(chain.layout(), newest);
            self.links.insert(newest.sequence, link);
            next = Some(newest.head());
        }
        while let Some((number, digest)) = next {
            let is_known = |link: &&Link| link.digest == digest;
            if let Some(link) = self.links.get(&number).filter(is_known) {
                next = link.base.filter(|(base, _)| *base < number);
                reached.insert(number);
                continue;
            }
            self.links.remove(&number);
            let unread = present.range(..=number).rev();
            let unread = unread.filter(|number| !self.links.contains_key(number));
            let unread: Vec<Sequence> = unread.take(AT_A_TIME).copied().collect();
            let found: Vec<(Sequence, Found)> = stream::iter(unread)
                .map(|number| async move {
                    let (store, layout) = (chain.store(), chain.layout());
                    let found = load_manifest(store, layout, chain.partition(), number).await?;
                    Ok::<_, ChainError>((number, found))
                })
                .buffered(AT_A_TIME)
                .try_collect()
                .await?;
            for (number, found) in found {
                if let Found::Good(manifest) = found {
                    self.links
                        .insert(number, Link::of(chain.layout(), &manifest));
                }
            }
            if self
                .links
                .get(&number)
                .is_none_or(|link| link.digest != digest)
            {
                break;
            }
        }
        self.links.retain(|number, _| reached.contains(number));
        Ok(())
    }
}

impl Link {
    /// What a manifest says.
    #[must_use]
    pub fn of(layout: &Layout, manifest: &Manifest) -> Link {
        let names = |segment: &Segment| layout.parse_file(&segment.path);
        // The segments of a page that is sealed or reopened are listed before as they are after.
        let (sealed, reopened) = match &manifest.edit {
            EditSummary::Seal { page } => (Some(page), None),
            EditSummary::Reopen { page } => (None, Some(page)),
            _ => (None, None),
        };
        let page = |page: &PageLink| layout.parse_file(&page.path);
        let added = manifest.added().filter_map(names);
        let replaced = manifest.replaced().iter().filter_map(names);
        Link {
            digest: manifest.digest(),
            base: manifest
                .base
                .as_ref()
                .map(|base| (base.sequence, base.digest)),
            oldest: manifest.oldest,
            retires: matches!(manifest.edit, EditSummary::Retire { .. }),
            added: added.chain(sealed.and_then(page)).collect(),
            replaced: replaced.chain(reopened.and_then(page)).collect(),
        }
    }
}
