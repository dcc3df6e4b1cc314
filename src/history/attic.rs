//! Segments at their own path and in the attic.
//!
//! A segment is looked for at its own path, then in the attic, then once more at its own: somebody may have been moving it
//! back meanwhile.

use bytes::Bytes;

use crate::{
    format::{Layout, Segment},
    model::Digest,
    store::{Moved, Path, Store, StoreError},
};

/// Where a segment was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundAt {
    /// At its own path.
    OwnPath,
    /// In the attic, which is wrong for a live segment: [`restore_segment`] puts it back.
    Attic,
}

/// What [`restore_segment`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It was at its own path.
    InPlace,
    /// It was in the attic, and is at its own path now.
    PutBack,
    /// It is at neither.
    Missing,
}

/// A segment's file as its manifest describes it.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The file; its digest has been checked.
    pub bytes: Bytes,
    /// Where it was.
    pub found_at: FoundAt,
}

/// Why a listed segment cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is neither at its own path nor in the attic.
    #[error("the segment {path} is missing")]
    Missing {
        /// Its path.
        path: Path,
    },
    /// The file is not the one that the manifest lists.
    #[error("the segment {path} is damaged: its digest is {actual}, the manifest lists {expected}")]
    Damaged {
        /// Its path.
        path: Path,
        /// The digest that the manifest lists.
        expected: Digest,
        /// The digest of the file.
        actual: Digest,
    },
    /// The file is larger than the manifest says, so it was not read.
    #[error(
        "the segment {path} is damaged: it is larger than the {bytes} bytes that the manifest lists"
    )]
    TooLarge {
        /// Its path.
        path: Path,
        /// The size that the manifest lists.
        bytes: u64,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a listed segment and checks its digest. Moves nothing.
///
/// # Errors
/// When it is missing or damaged, or the store cannot be read.
pub async fn fetch_segment(
    store: &Store,
    layout: &Layout,
    segment: &Segment,
) -> Result<Fetched, FetchError> {
    read(store, layout, segment, Reading::Whole).await
}

/// The same without keeping more than a piece of it in memory; says where it is.
///
/// # Errors
/// Those of [`fetch_segment`].
pub async fn check_segment(
    store: &Store,
    layout: &Layout,
    segment: &Segment,
) -> Result<FoundAt, FetchError> {
    let read = read(store, layout, segment, Reading::InPieces).await?;
    Ok(read.found_at)
}

/// How a file is read.
#[derive(Clone, Copy)]
enum Reading {
    Whole,
    /// Its bytes are not kept.
    InPieces,
}

impl Reading {
    async fn read(
        self,
        store: &Store,
        path: &Path,
        max: u64,
    ) -> Result<(Digest, Bytes), StoreError> {
        match self {
            Reading::Whole => {
                let bytes = store.get(path, max).await?;
                Ok((Digest::of(&bytes), bytes))
            }
            Reading::InPieces => Ok((store.digest(path, max).await?, Bytes::new())),
        }
    }
}

async fn read(
    store: &Store,
    layout: &Layout,
    segment: &Segment,
    reading: Reading,
) -> Result<Fetched, FetchError> {
    let own = Some(segment.path.clone());
    let attic = layout.attic(&segment.path);
    for (path, found_at) in [
        (&own, FoundAt::OwnPath),
        (&attic, FoundAt::Attic),
        (&own, FoundAt::OwnPath),
    ] {
        let Some(path) = path else { continue };
        match reading.read(store, path, segment.bytes).await {
            Ok((actual, bytes)) if actual == segment.digest => {
                return Ok(Fetched { bytes, found_at });
            }
            Ok((actual, _)) => {
                return Err(FetchError::Damaged {
                    path: segment.path.clone(),
                    expected: segment.digest,
                    actual,
                });
            }
            Err(error) if error.is_not_found() => {}
            Err(StoreError::TooLarge { .. }) => {
                return Err(FetchError::TooLarge {
                    path: path.clone(),
                    bytes: segment.bytes,
                });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(FetchError::Missing {
        path: segment.path.clone(),
    })
}

/// Makes sure that a live segment is at its own path, moving it back from the attic when it is there (I3).
///
/// # Errors
/// When the store cannot be reached.
pub async fn restore_segment(
    store: &Store,
    layout: &Layout,
    own: &Path,
) -> Result<Restored, StoreError> {
    if store.head(own).await?.is_some() {
        return Ok(Restored::InPlace);
    }
    if let Some(attic) = layout.attic(own)
        && store.rename(&attic, own).await? == Moved::Moved
    {
        return Ok(Restored::PutBack);
    }
    Ok(match store.head(own).await? {
        Some(_) => Restored::InPlace,
        None => Restored::Missing,
    })
}

/// Moves a file that no manifest lists to the attic; whether it was still there.
pub(super) async fn retire(store: &Store, layout: &Layout, own: &Path) -> Result<bool, StoreError> {
    match layout.attic(own) {
        Some(attic) => Ok(store.rename(own, &attic).await? == Moved::Moved),
        None => Ok(false),
    }
}
