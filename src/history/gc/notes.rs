//! The file in which a collection notes what no manifest lists, for a later one.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::choice::{Noted, Notes};
use crate::{
    format::Layout,
    model::{Partition, Sequence},
    store::{Path, Store, StoreError},
};

/// More are not noted at a time; the others are when these are gone.
const MOST: usize = 50_000;
/// A larger file is none of ours.
const MAX_BYTES: u64 = 16 << 20;

/// What is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    /// By path.
    unlisted: BTreeMap<String, Unlisted>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unlisted {
    since: DateTime<Utc>,
    /// The highest number of a manifest then.
    head: u64,
}

const FORMAT: u32 = 1;

/// Reads the notes of a partition. Where they cannot be read there are none: the time begins anew, and nothing goes early.
pub(super) async fn read(
    store: &Store,
    layout: &Layout,
    partition: Partition,
) -> Result<Notes, StoreError> {
    let path = layout.gc_notes(partition);
    let bytes = match store.get(&path, MAX_BYTES).await {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(Notes::new()),
        Err(error @ StoreError::TooLarge { .. }) => {
            tracing::warn!("{error}; what no manifest lists is noted anew");
            return Ok(Notes::new());
        }
        Err(error) => return Err(error),
    };
    let document = serde_json::from_slice(&bytes);
    let Some(Document { unlisted, .. }) = document
        .ok()
        .filter(|read: &Document| read.format == FORMAT)
    else {
        let location = store.locate(&path);
        tracing::warn!("{location} cannot be read; what no manifest lists is noted anew");
        return Ok(Notes::new());
    };
    let notes = unlisted.into_iter().filter_map(|(path, unlisted)| {
        let path = Path::parse(&path).ok()?;
        let noted = Noted {
            at: unlisted.since,
            head: Sequence(unlisted.head),
        };
        Some((layout.parse_file(&path)?, noted))
    });
    Ok(notes.collect())
}

/// Writes them, or takes the file away when there are none.
pub(super) async fn write(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    notes: &Notes,
) -> Result<(), StoreError> {
    let path = layout.gc_notes(partition);
    if notes.is_empty() {
        return store.delete(&path).await;
    }
    let own = |(file, noted): (&_, &Noted)| {
        let unlisted = Unlisted {
            since: noted.at,
            head: noted.head.0,
        };
        (layout.named(file).to_string(), unlisted)
    };
    let document = Document {
        format: FORMAT,
        unlisted: notes.iter().take(MOST).map(own).collect(),
    };
    let bytes = serde_json::to_vec(&document).unwrap_or_default();
    store.put(&path, Bytes::from(bytes)).await
}
