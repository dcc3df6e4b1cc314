//! What a segment's file says about itself, for who has no manifest that lists it.

use bytes::Bytes;

use super::of_the_object;
use crate::{
    format::{Segment, SegmentFacts, check_segment},
    model::Digest,
    store::{Path, Store, StoreError},
};

/// Reads a whole file at `place`: the segment as a manifest would list it under `path`, and what else it says of itself. `None` when it
/// is gone, cannot be read, has more than `size` bytes, or is not to the row what it says.
///
/// # Errors
/// When the store cannot be read.
pub async fn describe_segment(
    store: &Store,
    place: &Path,
    path: Path,
    size: u64,
) -> Result<Option<(Segment, SegmentFacts)>, StoreError> {
    let Some(file) = of_the_object(store.get(place, size).await)? else {
        return Ok(None);
    };
    // On a thread of its own: it takes a while, and the decoder may panic on a damaged file.
    let described = tokio::task::spawn_blocking(move || describe(path, file)).await;
    Ok(described.ok().flatten())
}

fn describe(path: Path, file: Bytes) -> Option<(Segment, SegmentFacts)> {
    let (digest, bytes) = (Digest::of(&file), file.len() as u64);
    let (facts, rows) = check_segment(file).ok()?;
    let segment = Segment {
        path,
        kind: facts.kind,
        range: facts.range,
        rows,
        rowless: facts.rowless(),
        bytes,
        digest,
        fingerprint: facts.declaration.fingerprint.clone(),
        not_known: facts.not_known,
        revision: None,
    };
    Some((segment, facts))
}
