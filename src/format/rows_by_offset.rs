//! One row of a segment, from parts of its file: for who does not want to read all of it.
//!
//! The file's digest is of all of its bytes, so that nothing here is known to be whole. Whoever cannot make sense of a part reads
//! the file instead.

use std::{ops::Range, sync::Arc};

use arrow_array::RecordBatch;
use bytes::{Buf, Bytes, buf::Reader};
use parquet::{
    arrow::arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
        RowSelector,
    },
    errors::ParquetError,
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData},
        page_index::{column_index::ColumnIndexMetaData, offset_index::PageLocation},
        reader::{ChunkReader, Length},
        statistics::Statistics,
    },
};

use super::{RowlessRecord, SegmentError, SegmentFacts, page_index, rows};
use crate::model::{Digest, Offset};

/// Parts that are no further apart are read as one.
const NEAR: u64 = 64 << 10;
/// A row is read in so many parts.
const FEW_PARTS: usize = 2;
/// More parts are read where that leaves out so many bytes for each further one.
const WORTH_A_PART: u64 = 1 << 20;
/// There are never more.
const MOST_PARTS: usize = 16;

/// What the end of a segment's file says about it: what it is, and where its rows are.
#[derive(Clone)]
pub struct SegmentEnd {
    pub(super) facts: SegmentFacts,
    pub(super) own_digest: Digest,
    pub(super) metadata: Arc<ParquetMetaData>,
    /// The size of the file.
    pub(super) bytes: u64,
}

/// Where the row of an offset is, if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPlace {
    row_group: usize,
    /// The rows of the group among which it is.
    rows: Range<usize>,
    /// The bytes of the file that they are read from.
    pub parts: Vec<Range<u64>>,
}

impl SegmentEnd {
    /// Reads the end of a file of `bytes` bytes; `Err` with how much of it is needed, when that is more.
    ///
    /// # Errors
    /// When it is not the end of a segment.
    pub fn read(end: &Bytes, bytes: u64) -> Result<Result<SegmentEnd, u64>, SegmentError> {
        let mut reader =
            ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        match reader.try_parse_sized(end, bytes) {
            Err(ParquetError::NeedMoreData(needed)) => return Ok(Err(needed as u64)),
            read => read?,
        }
        let metadata = reader.finish()?;
        let pairs = metadata.file_metadata().key_value_metadata();
        let (facts, own_digest) =
            SegmentFacts::from_metadata(pairs.map_or(&[][..], Vec::as_slice))?;
        if !page_index::is_whole(end, bytes, &metadata, own_digest) {
            return Err(SegmentError::PageIndex);
        }
        Ok(Ok(SegmentEnd {
            facts,
            own_digest,
            metadata: Arc::new(metadata),
            bytes,
        }))
    }

    /// Which offsets of its range have no row in any file.
    #[must_use]
    pub fn record(&self) -> RowlessRecord {
        self.facts.record()
    }

    /// Where the row of an offset must be; `None` when it has none.
    #[must_use]
    pub fn place(&self, offset: Offset) -> Option<RowPlace> {
        let offset = offset.get();
        let groups = self.metadata.row_groups();
        let row_group = groups.iter().position(|group| may_have(group, offset))?;
        let group = &groups[row_group];
        let rows = self.page(row_group, offset)?;
        let mut parts = Vec::new();
        for column in 0..group.num_columns() {
            parts.extend(self.parts_of(row_group, column, &rows));
        }
        Some(RowPlace {
            row_group,
            rows,
            parts: together(parts),
        })
    }

    /// The rows of the page of offsets that may have this one: all rows of the group, if it has no index of pages.
    fn page(&self, row_group: usize, offset: i64) -> Option<Range<usize>> {
        let all = usize::try_from(self.metadata.row_group(row_group).num_rows()).ok()?;
        let index = self.metadata.column_index();
        let index = index.and_then(|groups| groups.get(row_group)?.first());
        let (Some(ColumnIndexMetaData::INT64(index)), Some(pages)) =
            (index, self.pages(row_group, 0))
        else {
            return Some(0..all);
        };
        let has = |page: &usize| {
            let least = index.min_value(*page).is_none_or(|least| *least <= offset);
            least && index.max_value(*page).is_none_or(|most| offset <= *most)
        };
        let page = (0..pages.len()).find(has)?;
        let first = |page: usize| {
            let row = pages.get(page).map(|page| page.first_row_index);
            row.map_or(Some(all), |row| usize::try_from(row).ok())
        };
        Some(first(page)?..first(page + 1)?)
    }

    fn pages(&self, row_group: usize, column: usize) -> Option<&[PageLocation]> {
        let index = self.metadata.offset_index()?;
        let column = index.get(row_group)?.get(column)?;
        Some(column.page_locations())
    }

    /// The bytes in which these rows of a column are, and what is needed to read them.
    fn parts_of(&self, row_group: usize, column: usize, rows: &Range<usize>) -> Vec<Range<u64>> {
        let (start, length) = self
            .metadata
            .row_group(row_group)
            .column(column)
            .byte_range();
        let whole = start..start.saturating_add(length);
        let Some(pages) = self.pages(row_group, column) else {
            return Vec::from([whole]);
        };
        let at = |page: &PageLocation| u64::try_from(page.offset).unwrap_or(0);
        let end = |page: &PageLocation| {
            at(page).saturating_add(u64::try_from(page.compressed_page_size).unwrap_or(0))
        };
        let first_row = |page: &PageLocation| usize::try_from(page.first_row_index).unwrap_or(0);
        let after = pages.partition_point(|page| first_row(page) < rows.end);
        let first = pages.partition_point(|page| first_row(page) <= rows.start);
        let needed = &pages[first.saturating_sub(1).min(after)..after];
        let (Some(first), Some(last)) = (needed.first(), needed.last()) else {
            return Vec::from([whole]);
        };
        let data = at(first)..end(last);
        // The dictionary lies before the first page.
        let first_page = pages.first().map_or(whole.start, at);
        match first_page > whole.start {
            true => vec![whole.start..first_page, data],
            false => Vec::from([data]),
        }
    }

    /// The row of an offset, from the parts of the file that its place names; `None` when it has none.
    ///
    /// # Errors
    /// When they cannot be decoded.
    pub fn row(
        &self,
        offset: Offset,
        place: &RowPlace,
        parts: Vec<Bytes>,
    ) -> Result<Option<RecordBatch>, SegmentError> {
        let starts = place.parts.iter().map(|part| part.start);
        let file = Parts::new(self.bytes, starts.zip(parts));
        let options = ArrowReaderOptions::new();
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(&self.metadata), options)?;
        let selected = RowSelection::from(vec![
            RowSelector::skip(place.rows.start),
            RowSelector::select(place.rows.len()),
        ]);
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_row_groups(vec![place.row_group])
            .with_row_selection(selected)
            .build()?;
        for batch in batches {
            let batch = batch?;
            if rows::has_offsets(&batch)
                && let Ok(row) = rows::offsets(&batch).values().binary_search(&offset.get())
            {
                return Ok(Some(batch.slice(row, 1)));
            }
        }
        Ok(None)
    }
}

/// Whether a row group may have an offset.
fn may_have(group: &RowGroupMetaData, offset: i64) -> bool {
    let Some(Statistics::Int64(offsets)) = group.column(0).statistics() else {
        return true;
    };
    offsets.min_opt().is_none_or(|least| *least <= offset)
        && offsets.max_opt().is_none_or(|most| offset <= *most)
}

/// The same bytes in a few parts: what lies between those that are near each other is read, too.
fn together(mut parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    parts.sort_by_key(|part| part.start);
    let mut apart: Vec<Range<u64>> = Vec::new();
    for part in parts {
        match apart.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => apart.push(part),
        }
    }
    let gap = |apart: &[Range<u64>], index: usize| apart[index + 1].start - apart[index].end;
    while let Some(smallest) = (1..apart.len())
        .map(|index| index - 1)
        .min_by_key(|index| gap(&apart, *index))
    {
        let worth = match apart.len() {
            parts if parts <= FEW_PARTS => NEAR,
            parts if parts <= MOST_PARTS => WORTH_A_PART,
            _ => u64::MAX,
        };
        if gap(&apart, smallest) >= worth {
            break;
        }
        let next = apart.remove(smallest + 1);
        apart[smallest].end = next.end;
    }
    apart
}

/// Parts of a file, as the decoder reads one.
pub(super) struct Parts {
    bytes: u64,
    /// Each with where it starts, ascending.
    parts: Vec<(u64, Bytes)>,
}

impl Parts {
    /// Of a file of `bytes` bytes.
    pub(super) fn new(bytes: u64, parts: impl IntoIterator<Item = (u64, Bytes)>) -> Parts {
        Parts {
            bytes,
            parts: parts.into_iter().collect(),
        }
    }

    /// Everything from `start` on in the part that has it.
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let after = self.parts.partition_point(|(first, _)| *first <= start);
        let part = after.checked_sub(1).and_then(|index| {
            let (first, bytes) = self.parts.get(index)?;
            let skipped = usize::try_from(start - first).ok()?;
            (skipped <= bytes.len()).then(|| bytes.slice(skipped..))
        });
        part.ok_or_else(|| ParquetError::EOF(format!("byte {start} was not read")))
    }
}

impl Length for Parts {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Parts {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.from(start)?;
        match bytes.len() < length {
            true => Err(ParquetError::EOF(format!(
                "byte {start} and {length} more were not read"
            ))),
            false => Ok(bytes.slice(..length)),
        }
    }
}

#[cfg(test)]
mod tests;
