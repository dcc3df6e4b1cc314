//! Reading segments: their own facts, their rows as record batches, and whether the two agree.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};

use super::{
    FactsError, SegmentEnd, SegmentError, SegmentFacts, own_digest,
    row_groups::{ReadPart, RowGroups, batch_rows},
    segment::check_offsets,
};
use crate::model::Digest;

/// The rows of a segment, batch by batch.
///
/// The bytes should have been compared with the manifest's digest before: Parquet has no checksums of its
/// own, and the decoder may even panic on damaged pages.
pub struct SegmentReader {
    facts: SegmentFacts,
    own_digest: Digest,
    schema: SchemaRef,
    rows: u64,
    batches: Batches,
}

/// Where the rows come from.
enum Batches {
    /// A file in memory.
    File(ParquetRecordBatchReader),
    /// A file of which a row group at a time is.
    Parts(Box<RowGroups>),
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
        batches: Batches::File(batches),
    })
}

/// Opens a segment of which a row group at a time is in memory: `read` gives the parts of its file.
///
/// # Errors
/// When Arrow has no types for its columns.
pub fn read_segment_in_parts(
    end: SegmentEnd,
    read: ReadPart,
) -> Result<SegmentReader, SegmentError> {
    let SegmentEnd {
        facts,
        own_digest,
        metadata,
        bytes,
    } = end;
    let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
    let batch_rows = batch_rows(&metadata);
    let metadata = ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new())?;
    let schema = metadata.schema().clone();
    let groups = RowGroups::new(metadata, bytes, batch_rows, read);
    Ok(SegmentReader {
        facts,
        own_digest,
        schema,
        rows,
        batches: Batches::Parts(Box::new(groups)),
    })
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
        match &mut self.batches {
            Batches::File(batches) => batches
                .next()
                .map(|batch| batch.map_err(SegmentError::from)),
            Batches::Parts(groups) => groups.next(),
        }
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
