//! The rows of a segment from the parts of its file, one row group at a time, for who does not want all of a large file in memory.

use std::{ops::Range, sync::Arc};

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::{
    arrow::arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
        ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
    },
    errors::ParquetError,
    file::metadata::{ParquetMetaData, RowGroupMetaData},
};

use super::{SegmentEnd, SegmentError, rows_by_offset::Parts};

/// Most rows in one batch of a reader.
const BATCH_ROWS: usize = 64 * 1024;
/// What the rows of one batch take in memory, about: the values of large rows, as far as the file states them.
const BATCH_BYTES: usize = 4 << 20;

/// Gives a part of a file. The parts are asked for in order, each from where the last one ended.
pub type ReadPart = Box<dyn FnMut(Range<u64>) -> Result<Bytes, SegmentError> + Send>;

/// Row groups that are read one after the other.
pub(super) struct RowGroups {
    pub metadata: ArrowReaderMetadata,
    /// The size of the file.
    pub bytes: u64,
    pub batch_rows: usize,
    pub read: ReadPart,
    next: usize,
    read_to: u64,
    batches: Option<ParquetRecordBatchReader>,
}

impl RowGroups {
    pub fn new(
        metadata: ArrowReaderMetadata,
        bytes: u64,
        batch_rows: usize,
        read: ReadPart,
    ) -> RowGroups {
        RowGroups {
            metadata,
            bytes,
            batch_rows,
            read,
            next: 0,
            read_to: 0,
            batches: None,
        }
    }

    pub fn next(&mut self) -> Option<Result<RecordBatch, SegmentError>> {
        loop {
            if let Some(batch) = self.batches.as_mut().and_then(Iterator::next) {
                return Some(batch.map_err(SegmentError::from));
            }
            // What is decoded makes room for what comes next.
            self.batches = None;
            if self.next >= self.metadata.metadata().num_row_groups() {
                return None;
            }
            match self.open() {
                Ok(batches) => self.batches = Some(batches),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The next row group.
    fn open(&mut self) -> Result<ParquetRecordBatchReader, SegmentError> {
        let metadata = Arc::clone(self.metadata.metadata());
        let end = end_of(metadata.row_group(self.next));
        let part = self.read_to..end;
        if end < part.start || end > self.bytes {
            let text = format!("row group {} ends at byte {end}", self.next);
            return Err(ParquetError::General(text).into());
        }
        let bytes = (self.read)(part.clone())?;
        let file = Parts::new(self.bytes, [(part.start, bytes)]);
        let metadata = self.metadata.clone();
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_row_groups(vec![self.next])
            .with_batch_size(self.batch_rows)
            .build()?;
        self.read_to = end;
        self.next += 1;
        Ok(batches)
    }
}

/// Rows of a segment that are in one part of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsPlace {
    /// The number of the row group.
    pub row_group: usize,
    /// So many rows of the group come before them.
    skip: usize,
    /// The bytes that they are read from.
    pub part: Range<u64>,
}

impl SegmentEnd {
    /// The parts in which the file is read row group by row group; they follow each other from its first byte on. `None` when the row
    /// groups do not.
    #[must_use]
    pub fn row_group_parts(&self) -> Option<Vec<Range<u64>>> {
        let mut start = 0;
        let parts = self.metadata.row_groups().iter().map(|group| {
            let part = start..end_of(group);
            start = part.end;
            (part.start <= part.end && part.end <= self.bytes).then_some(part)
        });
        parts.collect()
    }

    /// The bytes of the largest of these parts.
    #[must_use]
    pub fn largest_part(&self) -> u64 {
        let parts = self.row_group_parts().unwrap_or_default();
        let bytes = parts.iter().map(|part| part.end - part.start);
        bytes.max().unwrap_or(self.bytes)
    }

    /// Where the rows from this one on are, up to the end of their row group; `None` after the last one.
    #[must_use]
    pub fn rows_from(&self, row: u64) -> Option<RowsPlace> {
        let (mut before, mut start) = (0, 0);
        for (row_group, group) in self.metadata.row_groups().iter().enumerate() {
            let rows = u64::try_from(group.num_rows()).ok()?;
            let end = end_of(group);
            if row < before + rows {
                return Some(RowsPlace {
                    row_group,
                    skip: usize::try_from(row - before).ok()?,
                    part: start..end.max(start),
                });
            }
            (before, start) = (before + rows, end);
        }
        None
    }

    /// These rows, from the part of the file that has them.
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub fn rows(
        &self,
        place: &RowsPlace,
        part: Bytes,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, SegmentError>> + use<>, SegmentError> {
        let metadata = Arc::clone(&self.metadata);
        let rows = metadata.row_group(place.row_group).num_rows();
        let rows = usize::try_from(rows).unwrap_or(0);
        let selected = RowSelection::from(vec![
            RowSelector::skip(place.skip),
            RowSelector::select(rows.saturating_sub(place.skip)),
        ]);
        let batch_rows = batch_rows(&metadata);
        let metadata = ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new())?;
        let file = Parts::new(self.bytes, [(place.part.start, part)]);
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_row_groups(vec![place.row_group])
            .with_row_selection(selected)
            .with_batch_size(batch_rows)
            .build()?;
        Ok(batches.map(|batch| batch.map_err(SegmentError::from)))
    }
}

fn end_of(group: &RowGroupMetaData) -> u64 {
    let ends = group.columns().iter().map(|column| {
        let (start, length) = column.byte_range();
        start.saturating_add(length)
    });
    ends.max().unwrap_or(0)
}

/// How many rows a batch has: a file may have rows of a megabyte, of which its own size says nothing.
pub(super) fn batch_rows(file: &ParquetMetaData) -> usize {
    let chunks = file.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let bytes = chunks.map(|chunk| {
        let values = chunk.unencoded_byte_array_data_bytes();
        values.unwrap_or(0).max(chunk.uncompressed_size())
    });
    let bytes = usize::try_from(bytes.sum::<i64>()).unwrap_or(usize::MAX);
    let rows = usize::try_from(file.file_metadata().num_rows()).unwrap_or(1);
    let of_a_row = bytes / rows.max(1) + 1;
    (BATCH_BYTES / of_a_row).clamp(1, BATCH_ROWS)
}
