//! The end of a segment's file, for who reads the rest of it part by part.

use bytes::Bytes;

use crate::{
    format::{Segment, SegmentEnd},
    store::{Store, StoreError},
};

/// What is read of the end at first, by who reads much of the file. Nearly always it has everything that says where the rows are.
pub const END: u64 = 128 << 10;
/// And at most.
const MOST_END: u64 = 4 << 20;

/// Reads the end of a segment's file at its own path, at first so many bytes, with the bytes of which it is; `None` when it is not
/// there, is not as its manifest says, or makes no sense: then the file is to be read as a whole, which says what is wrong.
///
/// # Errors
/// When the store is away.
pub async fn read_segment_end(
    store: &Store,
    segment: &Segment,
    first: u64,
) -> Result<Option<(SegmentEnd, Bytes)>, StoreError> {
    let mut most = first;
    // The footer, and the index of pages before it.
    for _ in 0..3 {
        let Some((end, size)) = of_the_object(store.get_end(&segment.path, most).await)? else {
            return Ok(None);
        };
        if size != segment.bytes {
            return Ok(None);
        }
        let bytes = end.clone();
        // Nothing was compared with a digest yet: a damaged footer may bring the decoder to panic.
        let read = tokio::task::spawn_blocking(move || {
            let read = SegmentEnd::read(&bytes, size).ok()?;
            match read {
                Ok(read) => read.row_group_parts().map(|_| Ok(read)),
                Err(needed) => Some(Err(needed)),
            }
        });
        match read.await.ok().flatten() {
            Some(Ok(read)) => return Ok(Some((read, end))),
            Some(Err(needed)) if (most + 1..=MOST_END).contains(&needed) => most = needed,
            Some(Err(_)) | None => return Ok(None),
        }
    }
    Ok(None)
}

/// What was read at a path; `None` when nobody can get the object from there: it is gone, or cannot be read.
///
/// # Errors
/// When the store is away.
pub fn of_the_object<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.is_not_found() || error.concerns_the_object() => Ok(None),
        Err(error) => Err(error),
    }
}
