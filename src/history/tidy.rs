//! Tidying one partition's folders after a crash, so that the plain glob is exact again.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{
    Chain, ChainError, adopt,
    attic::{self, Restored},
    folders::{StoredSegment, find_in_attic, find_segments},
};
use crate::{
    failpoint::{self, Point},
    format::{Manifest, Segment, read_segment},
    model::{Digest, OffsetRange, Sequence},
    store::{Path, StoreError},
};

/// An unlisted segment after the chain's end that is younger may be on its way into a manifest.
const YOUNG: TimeDelta = TimeDelta::hours(1);

/// What tidying found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Ranges that unlisted segments gave back to a chain that had been longer.
    pub adopted: Vec<OffsetRange>,
    /// Listed segments that were in the attic, and are at their own path again.
    pub put_back: Vec<Path>,
    /// Listed segments that are nowhere: damage, for verify and repair.
    pub missing: Vec<Segment>,
    /// StoredSegment segments that went to the attic.
    pub retired: Vec<Path>,
    /// Unlisted segments that were left alone: young, and after the chain's end.
    pub left_alone: Vec<Path>,
    /// Files that are no segments of this partition; nothing was done to them.
    pub unknown: Vec<Path>,
}

/// Tidies the folders of the chain's partition (PROTOCOL "Tidying"): puts back listed segments, adopts what
/// continues a chain that is known to have been longer, and moves to the attic what no manifest will list.
///
/// `known_head` is the `head` of the commit metadata. For the partition's owner, before it writes: an
/// unlisted segment by the chain's own writer is taken for what a crash left.
///
/// # Errors
/// When the store cannot be read or written; what was done until then is well, and can be continued.
pub async fn tidy(
    chain: &mut Chain,
    known_head: Option<(Sequence, Digest)>,
) -> Result<Tidied, ChainError> {
    let mut tidied = Tidied::default();
    // First the files, then the chain: what a manifest lists meanwhile is then seen as listed.
    let (files, unknown) = find_segments(chain).await?;
    tidied.unknown = unknown;
    chain.reload().await?;
    chain.left_alone.clear();
    let Some(newest) = chain.newest() else {
        tidied.left_alone = files.into_iter().map(|file| file.path).collect();
        return Ok(tidied);
    };
    restore_listed(chain, newest, &files, &mut tidied).await?;
    let mut unlisted = unlisted(newest, files);
    let known = known_head
        .map(|(sequence, _)| sequence)
        .max(chain.tail().highest);
    if known > Some(newest.sequence) {
        // What a repair or a lost race moved away may be all that is left of an append.
        let mut candidates = unlisted.clone();
        candidates.extend(find_in_attic(chain).await?);
        tidied.adopted = adopt::adopt(chain, &candidates).await?;
        if let Some(newest) = chain.newest() {
            unlisted.retain(|file| !newest.lists(&file.path));
        }
    }
    for file in unlisted {
        if is_dead(chain, &file).await? {
            attic::retire(chain.store(), chain.layout(), &file.path).await?;
            failpoint::at(Point::TidyMoved);
            tidied.retired.push(file.path);
        } else {
            tidied.left_alone.push(file.path);
        }
    }
    chain.left_alone.clone_from(&tidied.left_alone);
    // A repair may have been appended while its segments were taken for dead: its writer looked after them before they were
    // moved, or does so from now on.
    if !tidied.retired.is_empty() && chain.reload().await? {
        put_back_listed(chain, &mut tidied).await?;
    }
    Ok(tidied)
}

/// Appends again what newer manifests that cannot be read had added, as far as whole segments that were made for an append
/// continue the chain; returns the ranges. Who does that need not be the owner: what such segments hold was committed (I1).
/// Nothing else is changed, unless something was appended.
///
/// # Errors
/// When the store cannot be read or written; what was done until then is well, and can be continued.
pub async fn readopt(chain: &mut Chain) -> Result<Vec<OffsetRange>, ChainError> {
    let (files, _) = find_segments(chain).await?;
    chain.reload().await?;
    let Some(newest) = chain.newest() else {
        return Ok(Vec::new());
    };
    if chain.tail().highest <= Some(newest.sequence) {
        return Ok(Vec::new());
    }
    let mut candidates = unlisted(newest, files.clone());
    candidates.extend(find_in_attic(chain).await?);
    let adopted = adopt::adopt(chain, &candidates).await?;
    if let (false, Some(newest)) = (adopted.is_empty(), chain.newest()) {
        // What a lost edit had replaced is live again.
        restore_listed(chain, newest, &files, &mut Tidied::default()).await?;
    }
    Ok(adopted)
}

async fn restore_listed(
    chain: &Chain,
    newest: &Manifest,
    files: &[StoredSegment],
    tidied: &mut Tidied,
) -> Result<(), StoreError> {
    let present: BTreeSet<&Path> = files.iter().map(|file| &file.path).collect();
    for segment in newest.files() {
        if present.contains(&segment.path) {
            continue;
        }
        match attic::restore_segment(chain.store(), chain.layout(), &segment.path).await? {
            Restored::InPlace => {}
            Restored::PutBack => {
                failpoint::at(Point::SegmentPutBack);
                tidied.put_back.push(segment.path.clone());
            }
            Restored::Missing => tidied.missing.push(segment.clone()),
        }
    }
    Ok(())
}

/// Puts back what was moved and is listed by now.
async fn put_back_listed(chain: &Chain, tidied: &mut Tidied) -> Result<(), StoreError> {
    let Some(newest) = chain.newest() else {
        return Ok(());
    };
    let (live, retired) = std::mem::take(&mut tidied.retired)
        .into_iter()
        .partition(|path| newest.lists(path));
    tidied.retired = retired;
    for path in live {
        attic::restore_segment(chain.store(), chain.layout(), &path).await?;
        tidied.put_back.push(path);
    }
    Ok(())
}

fn unlisted(newest: &Manifest, mut files: Vec<StoredSegment>) -> Vec<StoredSegment> {
    let listed: BTreeSet<&Path> = newest.files().map(|segment| &segment.path).collect();
    files.retain(|file| !listed.contains(&file.path));
    files
}

/// Whether no manifest will ever list this file, or its writer can be sure that it does not.
async fn is_dead(chain: &Chain, file: &StoredSegment) -> Result<bool, ChainError> {
    let Some(newest) = chain.newest() else {
        return Ok(false);
    };
    // Nothing that starts before the end can be appended any more (I2); whoever swaps files inside the
    // range makes sure after its append that they are in place.
    if file.name.range.start() < newest.end && file.name.range.end() > newest.origin {
        return Ok(true);
    }
    let now = chain.clock().now();
    if now - file.modified >= YOUNG {
        return Ok(true);
    }
    match chain.store().get(&file.path, file.size).await {
        // Not readable as a segment: nobody's, as far as can be told, so age decides.
        Ok(bytes) => Ok(writer(bytes)
            .await
            .is_some_and(|w| w == chain.identity().writer)),
        Err(error) if error.is_not_found() => Ok(false),
        Err(StoreError::TooLarge { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Who wrote a file; on a thread of its own, because the decoder may panic on a damaged one.
async fn writer(bytes: bytes::Bytes) -> Option<String> {
    let read = || {
        read_segment(bytes)
            .ok()
            .map(|reader| reader.facts().writer.clone())
    };
    tokio::task::spawn_blocking(read).await.ok().flatten()
}

impl Chain {
    /// Moves to the attic what tidying had left alone and the chain has covered since.
    pub(super) async fn sweep_covered(&mut self) {
        let Some(newest) = self.newest() else { return };
        let mut kept = Vec::new();
        for path in &self.left_alone {
            let name = self.layout().parse_segment(path);
            let covered = name.is_some_and(|name| name.range.start() < newest.end);
            if !covered {
                kept.push(path.clone());
            } else if !newest.lists(path)
                && let Err(error) = attic::retire(self.store(), self.layout(), path).await
            {
                tracing::warn!(%path, %error, "cannot move a covered segment to the attic");
                kept.push(path.clone());
            }
        }
        self.left_alone = kept;
    }
}

#[cfg(test)]
mod tests;
