//! The row of an offset in a segment: of a small one from the whole file, of a large one from its parts.

use std::ops::Range;

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::future::try_join_all;

use super::{super::QueryError, Place};
use crate::{
    events::columns,
    format::{READ_WHOLE, RowlessRecord, Segment, read_segment},
    history::{FetchError, fetch_segment, of_the_object, read_segment_end},
    model::Offset,
};

/// So much of the end of a large segment is read at first, or this share of it: it has the footer and the page index nearly always.
const END: u64 = 64 << 10;
const SHARE: u64 = 256;

/// What a segment has of an offset: which offsets have no row in any file of its range, and the row, if it has one.
type Row = (RowlessRecord, Option<RecordBatch>);

impl Place<'_> {
    pub(super) async fn row(&self, segment: &Segment) -> Result<Row, QueryError> {
        if segment.bytes > READ_WHOLE
            && let Some(row) = self.row_of_parts(segment).await?
        {
            return Ok(row);
        }
        let file = fetch_segment(self.store, self.layout, segment).await;
        let file = file.map_err(|error| match error {
            FetchError::Store(error) if !error.concerns_the_object() => QueryError::Store(error),
            error => self.damaged(segment, &error),
        })?;
        let file = read_segment(file.bytes).map_err(|error| self.damaged(segment, &error))?;
        let record = file.facts().record();
        for batch in file {
            let batch = batch.map_err(|error| self.damaged(segment, &error))?;
            if let Some(row) = row_of(&batch, self.offset) {
                return Ok((record, Some(row)));
            }
        }
        Ok((record, None))
    }

    /// `None` when the file is not at its own path, has another size, or cannot be made sense of: then all of it is read, which
    /// says what is wrong.
    async fn row_of_parts(&self, segment: &Segment) -> Result<Option<Row>, QueryError> {
        let most = END.max(segment.bytes / SHARE);
        let Some((end, _)) = read_segment_end(self.store, segment, most).await? else {
            return Ok(None);
        };
        let record = end.record();
        let offset = self.offset;
        let placed = guarded(move || {
            let place = end.place(offset);
            (end, place)
        });
        let Some((end, place)) = placed.await else {
            return Ok(None);
        };
        let Some(place) = place else {
            return Ok(Some((record, None)));
        };
        let is_of_the_file = |part: &Range<u64>| part.start < part.end && part.end <= segment.bytes;
        if !place.parts.iter().all(is_of_the_file) {
            return Ok(None);
        }
        let parts = place.parts.iter().map(|part| async {
            let read = self.store.get_range(&segment.path, part.clone()).await;
            of_the_object(read)
        });
        let parts = try_join_all(parts).await?;
        let Some(parts) = parts.into_iter().collect::<Option<Vec<Bytes>>>() else {
            return Ok(None);
        };
        let row = guarded(move || end.row(offset, &place, parts)).await;
        Ok(row.and_then(Result::ok).map(|row| (record, row)))
    }
}

/// Decodes on a thread of its own; `None` when the decoder panics, as it may over damaged bytes.
async fn guarded<T: Send + 'static>(decode: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(decode).await.ok()
}

fn row_of(batch: &RecordBatch, offset: Offset) -> Option<RecordBatch> {
    let offsets = columns::offsets(batch)?;
    let row = offsets.binary_search(&offset.get()).ok()?;
    Some(batch.slice(row, 1))
}
