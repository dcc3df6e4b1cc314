//! Reading segments: their own facts, their rows as record batches, and whether the two agree.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::{
    arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    file::metadata::{ParquetMetaData, RowGroupMetaData},
};

use super::{FactsError, SegmentError, SegmentFacts, own_digest, segment::check_offsets};
use crate::model::Digest;

/// Most rows in one batch of a reader.
const BATCH_ROWS: usize = 64 * 1024;
/// What the rows of one batch take in memory, about: the values of large rows, as far as the file states them.
const BATCH_BYTES: usize = 4 << 20;

/// The rows of a segment, batch by batch.
///
/// The bytes should have been compared with the manifest's digest before: Parquet has no checksums of its
/// own, and the decoder may even panic on damaged pages.
pub struct SegmentReader {
    facts: SegmentFacts,
    own_digest: Digest,
    schema: SchemaRef,
    rows: u64,
    batches: ParquetRecordBatchReader,
}

/// Opens a segment: reads its footer, no rows yet.
///
/// # Errors
/// When it is not a Parquet file, or not one of snapback's, or of a newer format.
pub fn read_segment(bytes: Bytes) -> Result<SegmentReader, SegmentError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let file = builder.metadata().file_metadata();
    let pairs = file.key_value_metadata().map_or(&[][..], Vec::as_slice);
    let (facts, own_digest) = SegmentFacts::from_metadata(pairs)?;
    let rows = u64::try_from(file.num_rows()).unwrap_or(0);
    let schema = builder.schema().clone();
    let batch_rows = batch_rows(builder.metadata());
    let batches = builder.with_batch_size(batch_rows).build()?;
    Ok(SegmentReader {
        facts,
        own_digest,
        schema,
        rows,
        batches,
    })
}

/// How many rows a batch has: a file may have rows of a megabyte, of which its own size says nothing.
fn batch_rows(file: &ParquetMetaData) -> usize {
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

impl SegmentReader {
    /// What the file says about itself.
    #[must_use]
    pub fn facts(&self) -> &SegmentFacts {
        &self.facts
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows that the footer states.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

impl Iterator for SegmentReader {
    type Item = Result<RecordBatch, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches
            .next()
            .map(|batch| batch.map_err(SegmentError::from))
    }
}

/// Reads every row, and checks that the file's bytes have the digest that it states of itself, that the offsets ascend within the range and that the rows are as many as
/// the footer and the append's counts say. Returns the facts and the rows.
///
/// # Errors
/// When anything disagrees or cannot be decoded.
pub fn check_segment(bytes: Bytes) -> Result<(SegmentFacts, u64), SegmentError> {
    let mut reader = read_segment(bytes.clone())?;
    let (stated, key) = (reader.own_digest, own_digest::KEY);
    let actual = own_digest::actual(&bytes, stated).ok_or(FactsError::Missing { key })?;
    if actual != stated {
        return Err(SegmentError::OwnDigest { stated, actual });
    }
    drop(bytes);
    let (kind, range) = (reader.facts.kind, reader.facts.range);
    let (mut next, mut rows) = (range.start(), 0);
    for batch in &mut reader {
        let batch = batch?;
        next = check_offsets(kind, range, next, &batch)?;
        rows += batch.num_rows() as u64;
    }
    if rows != reader.rows
        || reader
            .facts
            .expected_rows()
            .is_some_and(|expected| expected != rows)
    {
        return Err(SegmentError::Contents {
            kind,
            range,
            detail: "the rows are not as many as the file's metadata state",
        });
    }
    Ok((reader.facts, rows))
}
