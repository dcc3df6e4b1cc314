//! A listed segment's file that was compared with its digest, to be read as often as somebody likes: a small one from memory, a large
//! one from the store again, a row group in memory at a time.

use std::{ops::Range, sync::Arc};

use arrow_array::RecordBatch;
use bytes::Bytes;
use tokio::runtime::Handle;

use super::{END, FetchError, fetch_segment, of_the_object, read_segment_end};
use crate::{
    format::{
        Layout, RowsPlace, Segment, SegmentEnd, SegmentError, SegmentReader, read_segment,
        read_segment_in_parts,
    },
    model::{Digest, Digester},
    store::{Path, Store, StoreError},
};

/// Files of more bytes are large, for who reads them from their first row to their last.
pub const LARGE: u64 = 16 << 20;
/// What has no rows is read in pieces of so many bytes.
const PIECE: u64 = 4 << 20;

/// See the module. Clones share it.
#[derive(Clone)]
pub enum SegmentFile {
    /// All of it.
    Whole(Bytes),
    /// What is known of a large one.
    InParts(Arc<ComparedSegment>),
}

/// Compares a listed segment with its digest. Of a [`LARGE`] file only a row group is in memory, now and whenever it is read; such a
/// file is read twice.
///
/// # Errors
/// When it is missing or damaged, or the store cannot be read.
pub async fn open_segment(
    store: &Store,
    layout: &Layout,
    segment: &Segment,
) -> Result<SegmentFile, FetchError> {
    open(store, layout, segment, LARGE).await
}

async fn open(
    store: &Store,
    layout: &Layout,
    segment: &Segment,
    large: u64,
) -> Result<SegmentFile, FetchError> {
    if segment.bytes > large
        && let Some(compared) = ComparedSegment::compare(store, layout, segment).await?
    {
        return Ok(SegmentFile::InParts(Arc::new(compared)));
    }
    let fetched = fetch_segment(store, layout, segment).await?;
    Ok(SegmentFile::Whole(fetched.bytes))
}

impl SegmentFile {
    /// Its rows from the first one on. To read them blocks: it is no work for a thread of a runtime. They end with
    /// [`SegmentError::Store`] when the store is away, which says nothing of the file.
    ///
    /// # Errors
    /// When it is no segment.
    pub fn read(&self) -> Result<SegmentReader, SegmentError> {
        match self {
            SegmentFile::Whole(bytes) => read_segment(bytes.clone()),
            SegmentFile::InParts(compared) => compared.read(),
        }
    }
}

/// A large file that was compared with its digest. What is read of it later is compared with what was there then.
pub struct ComparedSegment {
    store: Store,
    path: Path,
    /// Where it is put when something else takes its place meanwhile.
    attic: Option<Path>,
    end: SegmentEnd,
    /// The parts that have the row groups, each with its digest.
    parts: Vec<(Range<u64>, Digest)>,
    runtime: Handle,
}

impl ComparedSegment {
    /// Compares a file with its digest, a row group in memory at a time; `None` when it is not at its own path, is another, or makes
    /// no sense: then it is to be read as a whole, which says what is wrong.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn compare(
        store: &Store,
        layout: &Layout,
        segment: &Segment,
    ) -> Result<Option<ComparedSegment>, StoreError> {
        Ok(of_the_object(compare(store, layout, segment).await)?.flatten())
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the rows from this one on are, up to the end of their row group; `None` after the last one.
    #[must_use]
    pub fn rows_from(&self, row: u64) -> Option<RowsPlace> {
        self.end.rows_from(row)
    }

    /// The part of the file that has these rows; `None` when it is not what it was, or cannot be had any more.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn part(&self, place: &RowsPlace) -> Result<Option<Bytes>, StoreError> {
        self.bytes(place.part.clone()).await
    }

    /// These rows, from the part that has them.
    ///
    /// # Errors
    /// When they cannot be decoded.
    pub fn rows(
        &self,
        place: &RowsPlace,
        part: Bytes,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, SegmentError>> + use<>, SegmentError> {
        self.end.rows(place, part)
    }

    async fn bytes(&self, part: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        let known = self.parts.iter().find(|(known, _)| *known == part);
        let is_right =
            |bytes: &Bytes| known.is_some_and(|(_, digest)| *digest == Digest::of(bytes));
        for path in [Some(&self.path), self.attic.as_ref()]
            .into_iter()
            .flatten()
        {
            let read = self.store.get_range(path, part.clone()).await;
            if let Some(bytes) = of_the_object(read)?.filter(is_right) {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn read(self: &Arc<Self>) -> Result<SegmentReader, SegmentError> {
        let file = Arc::clone(self);
        let part = move |part| {
            let bytes = file.runtime.block_on(file.bytes(part));
            bytes
                .map_err(SegmentError::Store)?
                .ok_or(SegmentError::Changed)
        };
        read_segment_in_parts(self.end.clone(), Box::new(part))
    }
}

async fn compare(
    store: &Store,
    layout: &Layout,
    segment: &Segment,
) -> Result<Option<ComparedSegment>, StoreError> {
    let Some((end, _)) = read_segment_end(store, segment, END).await? else {
        return Ok(None);
    };
    let Some(row_groups) = end.row_group_parts() else {
        return Ok(None);
    };
    let (mut whole, mut parts, mut at) = (Digester::default(), Vec::new(), 0);
    for part in row_groups {
        at = part.end;
        let bytes = store.get_range(&segment.path, part.clone()).await?;
        whole.update(&bytes);
        parts.push((part, Digest::of(&bytes)));
    }
    while at < segment.bytes {
        let piece = at..segment.bytes.min(at + PIECE);
        at = piece.end;
        whole.update(&store.get_range(&segment.path, piece).await?);
    }
    let compared = ComparedSegment {
        store: store.clone(),
        path: segment.path.clone(),
        attic: layout.attic(&segment.path),
        end,
        parts,
        runtime: Handle::current(),
    };
    Ok((whole.finish() == segment.digest).then_some(compared))
}

#[cfg(test)]
mod tests;
