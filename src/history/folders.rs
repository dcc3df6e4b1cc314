//! What lies in the folders of one partition, whatever the manifests say.

use chrono::{DateTime, Utc};

use super::Chain;
use crate::{
    format::{SegmentKind, SegmentName},
    store::{Entry, Path, StoreError},
};

/// A file in the partition's folders that has the name of a segment.
#[derive(Clone, Debug)]
pub(super) struct StoredSegment {
    /// Its own path, which it has or had.
    pub(super) path: Path,
    /// Where it lies: there, or in the attic.
    pub(super) place: Path,
    pub(super) name: SegmentName,
    pub(super) size: u64,
    pub(super) modified: DateTime<Utc>,
}

/// The segments in the folders of the chain's partition, listed or not, and what is no segment there.
pub(super) async fn find_segments(
    chain: &Chain,
) -> Result<(Vec<StoredSegment>, Vec<Path>), StoreError> {
    let (mut segments, mut unknown) = (Vec::new(), Vec::new());
    for kind in SegmentKind::ALL {
        let folder = chain.layout().segments(kind, chain.partition());
        for Entry {
            path,
            size,
            modified,
        } in chain.store().list(&folder).await?
        {
            match chain.layout().parse_segment(&path) {
                Some(name) => segments.push(StoredSegment {
                    place: path.clone(),
                    path,
                    name,
                    size,
                    modified: modified.into(),
                }),
                None => unknown.push(path),
            }
        }
    }
    Ok((segments, unknown))
}

/// The segments of the chain's partition that lie in the attic.
pub(super) async fn find_in_attic(chain: &Chain) -> Result<Vec<StoredSegment>, StoreError> {
    let mut segments = Vec::new();
    for kind in SegmentKind::ALL {
        let folder = chain.layout().segments(kind, chain.partition());
        let Some(folder) = chain.layout().attic(&folder) else {
            continue;
        };
        for entry in chain.store().list(&folder).await? {
            let own = chain.layout().out_of_attic(&entry.path);
            let name = own.and_then(|own| Some((chain.layout().parse_segment(&own)?, own)));
            segments.extend(name.map(|(name, path)| StoredSegment {
                path,
                place: entry.path,
                name,
                size: entry.size,
                modified: entry.modified.into(),
            }));
        }
    }
    Ok(segments)
}
