//! The end of a segment's file, for who reads the rest of it part by part.

use bytes::Bytes;

use crate::{
    format::{Segment, SegmentEnd},
    store::{Store, StoreError},
};

/// What is read of the end at first. Nearly always it has everything that says where the rows are.
const END: u64 = 128 << 10;

/// Reads the end of a segment's file at its own path, with the bytes of which it is; `None` when it is not as its manifest says: then
/// the file is to be read as a whole, which says what is wrong.
///
/// # Errors
/// When it cannot be read.
pub async fn read_segment_end(
    store: &Store,
    segment: &Segment,
) -> Result<Option<(SegmentEnd, Bytes)>, StoreError> {
    let mut most = END;
    // The second time it is known how much is needed.
    for _ in 0..2 {
        let (end, size) = store.get_end(&segment.path, most).await?;
        if size != segment.bytes {
            return Ok(None);
        }
        match SegmentEnd::read(&end, size) {
            Ok(Ok(read)) => return Ok(Some((read, end))),
            Ok(Err(needed)) => most = needed.min(size),
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}
