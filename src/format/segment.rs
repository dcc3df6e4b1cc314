//! Segments as Parquet files: writing them from memory, chunk by chunk.

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, DataType, SchemaRef};
use bytes::Bytes;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::SortingColumn,
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};

use super::{
    OutcomesError, RowlessRecord, Segment, SegmentFacts, SegmentId, SegmentKind,
    absent_runs::AbsentRuns,
    facts::FactsError,
    layout::Layout,
    own_digest, page_index,
    rows::{self, OFFSET_COLUMN},
};
use crate::{
    events::columns,
    model::{Counts, Digest, Offset, OffsetRange},
    store::StoreError,
};

/// The most rows in one row group, and about its most bytes as they are encoded: what a reader must hold at a time.
pub(crate) const ROW_GROUP_ROWS: usize = 1 << 20;
const ROW_GROUP_BYTES: usize = 16 << 20;
/// The rows that are encoded at a time take about so many bytes. Whether a page is full is looked at after them: rows of a
/// megabyte each must not make a page of a gigabyte.
const PIECE: usize = 4 << 20;

/// Why a segment cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// Not a Parquet file, or a damaged one.
    #[error("the Parquet file cannot be read or written: {0}")]
    Parquet(#[from] ParquetError),
    /// A row group cannot be decoded.
    #[error("the rows cannot be decoded: {0}")]
    Rows(#[from] ArrowError),
    /// The file's digest of itself is not that of its bytes.
    #[error("the file states the digest {stated} of itself, its bytes have {actual}")]
    OwnDigest {
        /// What it states.
        stated: Digest,
        /// What its bytes have.
        actual: Digest,
    },
    /// The file's digest of its page index and footer is not that of their bytes.
    #[error("the page index or the footer is damaged")]
    PageIndex,
    /// The file is not one of snapback's, or of a newer format.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// The store of a file that is read in parts is away: that says nothing of the file.
    #[error(transparent)]
    Store(StoreError),
    /// A part of the file is not what it was when it was opened.
    #[error("a part of the file is not what it was a moment ago")]
    Changed,
    /// The rows are not what the file's metadata says.
    #[error("{kind} of {range}: {detail}")]
    Contents {
        /// What the rows should be.
        kind: SegmentKind,
        /// The range that they should lie in.
        range: OffsetRange,
        /// What is wrong.
        detail: &'static str,
    },
    /// The outcomes do not start where those before them end.
    #[error("outcomes of {range} cannot follow what ends at {end}")]
    NotContiguous {
        /// The range of the outcomes.
        range: OffsetRange,
        /// Where those before end.
        end: Offset,
    },
    /// Outcomes that do not fit their range.
    #[error(transparent)]
    Outcomes(#[from] OutcomesError),
    /// The rows before an offset cannot be dropped: the offset lies outside.
    #[error("{range} cannot be trimmed at {at}")]
    Trim {
        /// The range.
        range: OffsetRange,
        /// The offset.
        at: Offset,
    },
}

/// A segment as a file in memory, without a name yet.
#[derive(Clone, Debug)]
pub struct EncodedSegment {
    /// What its rows are, where they belong, who made them.
    pub facts: SegmentFacts,
    /// The file.
    pub bytes: Bytes,
    /// The rows in it.
    pub rows: u64,
    /// The digest of the file.
    pub digest: Digest,
}

impl EncodedSegment {
    /// The segment as a manifest lists it, under the name that `id` gives it.
    #[must_use]
    pub fn named(&self, layout: &Layout, id: SegmentId) -> Segment {
        let facts = &self.facts;
        Segment {
            path: layout.segment(facts.kind, facts.partition, facts.range, id),
            kind: facts.kind,
            range: facts.range,
            rows: self.rows,
            rowless: facts.rowless(),
            bytes: self.bytes.len() as u64,
            digest: self.digest,
            fingerprint: facts.declaration.fingerprint.clone(),
            not_known: facts.not_known,
            revision: None,
        }
    }
}

/// The files of one edit; none when every offset is filtered or absent.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The offsets that the edit accounts for.
    pub range: OffsetRange,
    /// What they are.
    pub counts: Counts,
    /// Which of them have no row.
    pub record: RowlessRecord,
    /// The results, unless there are none.
    pub results: Option<EncodedSegment>,
    /// The rejects, unless there are none.
    pub rejects: Option<EncodedSegment>,
    /// Outcomes again, as corrections, that replace others which were published: all of an append, of a repair those that
    /// are others now.
    pub corrections: Option<EncodedSegment>,
    /// What tells filtered from absent offsets; `None` when nothing is filtered.
    pub(crate) absent: Option<AbsentRuns>,
}

impl Encoded {
    /// The files that there are, results first.
    pub fn segments(&self) -> impl Iterator<Item = &EncodedSegment> {
        let outcomes = self.results.iter().chain(&self.rejects);
        outcomes.chain(&self.corrections)
    }

    /// The memory of the files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let files: usize = self.segments().map(|segment| segment.bytes.len()).sum();
        files + self.absent.as_ref().map_or(0, AbsentRuns::bytes)
    }
}

/// Writes one segment, batch by batch, into memory.
pub struct SegmentWriter {
    kind: SegmentKind,
    start: Offset,
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
    next: Offset,
    /// The bytes of rows since the row group was last looked at.
    unmeasured: usize,
}

impl SegmentWriter {
    /// A writer of rows of `schema`, whose first column is the offset; none lies before `start`.
    ///
    /// # Errors
    /// When Parquet has no type for a column.
    pub fn new(
        kind: SegmentKind,
        start: Offset,
        schema: SchemaRef,
    ) -> Result<SegmentWriter, SegmentError> {
        let properties = properties(&schema);
        Ok(SegmentWriter {
            kind,
            start,
            writer: ArrowWriter::try_new(Vec::new(), schema, Some(properties))?,
            rows: 0,
            next: start,
            unmeasured: 0,
        })
    }

    /// The rows written so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The memory in use, in bytes: what is encoded, and what its columns have not yet made a page of.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.writer.bytes_written() + self.writer.memory_size()
    }

    /// Writes the rows of a batch, which must lie after those written before.
    ///
    /// # Errors
    /// When the rows are unsorted, or of another schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        let range = OffsetRange::everything_from(self.start);
        self.next = check_offsets(self.kind, range, self.next, batch)?;
        let (rows, size) = (batch.num_rows(), rows::rows_size(batch));
        let step = rows.div_ceil(size / PIECE + 1).max(1);
        for start in (0..rows).step_by(step) {
            self.writer
                .write(&batch.slice(start, step.min(rows - start)))?;
            self.unmeasured += size.min(PIECE);
            if self.unmeasured >= PIECE {
                self.unmeasured = 0;
                if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
                    self.writer.flush()?;
                }
            }
        }
        self.rows += rows as u64;
        Ok(())
    }

    /// Ends the file with the facts that it states about itself.
    ///
    /// # Errors
    /// When rows lie after the facts' range, or Parquet refuses.
    pub fn close(mut self, facts: SegmentFacts) -> Result<EncodedSegment, SegmentError> {
        if self.next > facts.range.end() {
            return Err(SegmentError::Contents {
                kind: self.kind,
                range: facts.range,
                detail: "the offsets go beyond the range",
            });
        }
        for pair in facts.to_metadata() {
            self.writer.append_key_value_metadata(pair);
        }
        let mut bytes = page_index::finish(self.writer)?;
        let key = own_digest::KEY;
        own_digest::write(&mut bytes).ok_or(FactsError::Missing { key })?;
        bytes.shrink_to_fit();
        Ok(EncodedSegment {
            facts,
            digest: Digest::of(&bytes),
            bytes: Bytes::from(bytes),
            rows: self.rows,
        })
    }
}

/// Checks that a batch's offsets ascend from `next` on inside the range; returns where the next may start.
pub(super) fn check_offsets(
    kind: SegmentKind,
    range: OffsetRange,
    next: Offset,
    batch: &RecordBatch,
) -> Result<Offset, SegmentError> {
    let wrong = |detail| SegmentError::Contents {
        kind,
        range,
        detail,
    };
    if !rows::has_offsets(batch) {
        return Err(wrong(
            "the first column is not kafka_offset BIGINT NOT NULL",
        ));
    }
    let offsets = rows::offsets(batch).values();
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
        return Ok(next);
    };
    if *first < next.get() || !offsets.is_sorted_by(|a, b| a < b) {
        return Err(wrong("the offsets are not ascending within the range"));
    }
    Offset::new(*last)
        .filter(|last| range.contains(*last))
        .map(|last| last.plus(1))
        .ok_or_else(|| wrong("the offsets go beyond the range"))
}

/// How columns are stored, measured by benches/snapshot.rs. Never BYTE_STREAM_SPLIT: DuckDB cannot read it for
/// decimals.
fn properties(schema: &SchemaRef) -> WriterProperties {
    let zstd = ZstdLevel::try_new(1).unwrap_or_default();
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("snapback {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(zstd))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(vec![SortingColumn {
            column_idx: 0,
            descending: false,
            nulls_first: false,
        }]));
    for field in schema.fields() {
        let column = ColumnPath::from(field.name().as_str());
        // Values that repeat (reasons, codes, most keys) gain from a dictionary; numbers, payloads and messages do not.
        let repeats = match field.data_type() {
            DataType::Utf8 => field.name() != columns::OLD_MESSAGE,
            DataType::Binary => field.name() == columns::KEY,
            _ => false,
        };
        builder = builder.set_column_dictionary_enabled(column.clone(), repeats);
        // Which page has an offset: the page index says it of this column alone.
        if field.name() == OFFSET_COLUMN {
            builder =
                builder.set_column_statistics_enabled(column.clone(), EnabledStatistics::Page);
        }
        if field.name() == OFFSET_COLUMN || matches!(field.data_type(), DataType::Timestamp(..)) {
            builder = builder.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests;
