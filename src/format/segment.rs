//! Segments as Parquet files: writing them from memory, chunk by chunk.

use std::collections::VecDeque;

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
    Absent, AbsentBuilder, Segment, SegmentFacts, SegmentId, SegmentKind, Taken,
    buffer::counts,
    corrections::{CorrectionsWriter, Replacement},
    facts::{FactsError, Identity},
    layout::Layout,
    read,
    rows::{self, OFFSET_COLUMN},
};
use crate::{
    calculation::Fingerprint,
    events::columns,
    model::{Counts, Digest, Offset, OffsetRange},
};

/// The most rows in one row group: what a reader must hold at a time.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Why a segment cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// Not a Parquet file, or a damaged one.
    #[error("the Parquet file cannot be read or written: {0}")]
    Parquet(#[from] ParquetError),
    /// A row group cannot be decoded.
    #[error("the rows cannot be decoded: {0}")]
    Rows(#[from] ArrowError),
    /// The file is not one of snapback's, or of a newer format.
    #[error(transparent)]
    Facts(#[from] FactsError),
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
            bytes: self.bytes.len() as u64,
            digest: self.digest,
            fingerprint: facts.fingerprint.clone(),
            revision: None,
        }
    }
}

/// The files of one edit; none when every offset is absent.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The offsets that the edit accounts for.
    pub range: OffsetRange,
    /// What they are.
    pub counts: Counts,
    /// The results, unless there are none.
    pub results: Option<EncodedSegment>,
    /// The rejects, unless there are none.
    pub rejects: Option<EncodedSegment>,
    /// Outcomes again, as corrections, that replace others which were published: all of an append, of a repair those that
    /// are others now.
    pub corrections: Option<EncodedSegment>,
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
        self.segments().map(|segment| segment.bytes.len()).sum()
    }

    /// The same outcomes without those before `at`, in new files.
    ///
    /// # Errors
    /// When `at` lies outside of the range, or (which would be a defect) the files cannot be read back.
    pub fn trim_before(&self, at: Offset, identity: &Identity) -> Result<Encoded, SegmentError> {
        let range = OffsetRange::new(at, self.range.end())
            .ok()
            .filter(|range| range.start() >= self.range.start())
            .ok_or(SegmentError::Trim {
                range: self.range,
                at,
            })?;
        let rows = |segment: &Option<EncodedSegment>| {
            let reader = segment
                .as_ref()
                .map(|s| read::read_segment(s.bytes.clone()))
                .transpose()?;
            Ok::<_, SegmentError>(
                reader
                    .into_iter()
                    .flatten()
                    .filter_map(move |batch| batch.map(|batch| behind(&batch, at)).transpose()),
            )
        };
        let kept = |offset: &i64| *offset >= at.get();
        let results = read_offsets(self.results.as_ref())?;
        let rejects = read_offsets(self.rejects.as_ref())?;
        let absent = absent(
            range,
            results.into_iter().filter(kept),
            rejects.into_iter().filter(kept),
        );
        let corrections = self.corrections.as_ref();
        encode_rows(
            range,
            rows(&self.results)?,
            rows(&self.rejects)?,
            absent,
            corrections.and_then(|corrections| corrections.facts.replaces.clone()),
            identity,
        )
    }
}

fn behind(batch: &RecordBatch, at: Offset) -> Option<RecordBatch> {
    let cut = rows::offsets(batch)
        .values()
        .partition_point(|offset| *offset < at.get());
    (cut < batch.num_rows()).then(|| batch.slice(cut, batch.num_rows() - cut))
}

/// Encodes what was taken from a buffer. Each chunk is freed as soon as it is written, so that memory goes
/// down from the rows' size to the files'.
///
/// # Errors
/// When the rows do not have one schema, or do not lie in the range: a defect of the caller.
pub fn encode(taken: Taken, identity: &Identity) -> Result<Encoded, SegmentError> {
    let range = taken.range();
    let absent = match taken.counts().absent {
        0 => Absent::none(),
        _ => absent(range, taken.results.offsets(), taken.rejects.offsets()),
    };
    let (mut results, mut rejects) = (taken.results, taken.rejects);
    encode_rows(
        range,
        std::iter::from_fn(move || results.pop_front().map(Ok)),
        std::iter::from_fn(move || rejects.pop_front().map(Ok)),
        absent,
        taken.replaces,
        identity,
    )
}

fn encode_rows(
    range: OffsetRange,
    results: impl Iterator<Item = Result<RecordBatch, SegmentError>>,
    rejects: impl Iterator<Item = Result<RecordBatch, SegmentError>>,
    absent: Absent,
    replaces: Option<Fingerprint>,
    identity: &Identity,
) -> Result<Encoded, SegmentError> {
    let rejects = rejects.collect::<Result<VecDeque<_>, _>>()?;
    let mut corrections = replaces.clone().map(|before| {
        let now = identity.fingerprint.clone();
        CorrectionsWriter::new(range, Replacement { before, now }, rejects.clone())
    });
    let results = results.map(|batch| {
        let batch = batch?;
        if let Some(corrections) = &mut corrections {
            corrections.results(&batch)?;
        }
        Ok(batch)
    });
    let results = write_all(SegmentKind::Results, range, results)?;
    let rejects = write_all(SegmentKind::Rejects, range, rejects.into_iter().map(Ok))?;
    let corrections = corrections.map(CorrectionsWriter::finish).transpose()?;
    let rows = |writer: &Option<SegmentWriter>| writer.as_ref().map_or(0, SegmentWriter::rows);
    let counts = counts(range, rows(&results), rows(&rejects));
    let finish = |writer: Option<SegmentWriter>| {
        writer
            .map(|writer| writer.finish(counts, absent.clone(), replaces.clone(), identity))
            .transpose()
    };
    Ok(Encoded {
        range,
        counts,
        results: finish(results)?,
        rejects: finish(rejects)?,
        corrections: finish(corrections.flatten())?,
    })
}

/// The offsets of `range` that are in neither of the two, both ascending.
fn absent(
    range: OffsetRange,
    results: impl Iterator<Item = i64>,
    rejects: impl Iterator<Item = i64>,
) -> Absent {
    let (mut results, mut rejects) = (results.peekable(), rejects.peekable());
    let mut absent = AbsentBuilder::default();
    let mut next = range.start();
    loop {
        let offset = match (results.peek(), rejects.peek()) {
            (Some(result), Some(reject)) if reject < result => rejects.next(),
            (Some(_), _) => results.next(),
            (None, _) => rejects.next(),
        };
        let Some(offset) = offset.and_then(Offset::new) else {
            break;
        };
        next = absent.skip(next, offset);
    }
    absent.skip(next, range.end());
    absent.finish()
}

fn read_offsets(segment: Option<&EncodedSegment>) -> Result<Vec<i64>, SegmentError> {
    let reader = segment
        .map(|segment| read::read_segment(segment.bytes.clone()))
        .transpose()?;
    let mut offsets = Vec::new();
    for batch in reader.into_iter().flatten() {
        offsets.extend_from_slice(rows::offsets(&batch?).values());
    }
    Ok(offsets)
}

fn write_all(
    kind: SegmentKind,
    range: OffsetRange,
    batches: impl Iterator<Item = Result<RecordBatch, SegmentError>>,
) -> Result<Option<SegmentWriter>, SegmentError> {
    let mut writer: Option<SegmentWriter> = None;
    for batch in batches {
        let batch = batch?;
        let open = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(SegmentWriter::new(kind, range, batch.schema())?),
        };
        open.write(&batch)?;
    }
    Ok(writer)
}

/// Writes one segment, batch by batch, into memory.
pub struct SegmentWriter {
    kind: SegmentKind,
    range: OffsetRange,
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
    next: Offset,
}

impl SegmentWriter {
    /// A writer of rows of `schema`, whose first column is the offset.
    ///
    /// # Errors
    /// When Parquet has no type for a column.
    pub fn new(
        kind: SegmentKind,
        range: OffsetRange,
        schema: SchemaRef,
    ) -> Result<SegmentWriter, SegmentError> {
        let properties = properties(&schema);
        Ok(SegmentWriter {
            kind,
            range,
            writer: ArrowWriter::try_new(Vec::new(), schema, Some(properties))?,
            rows: 0,
            next: range.start(),
        })
    }

    /// The rows written so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the rows of a batch, which must lie behind those written before.
    ///
    /// # Errors
    /// When the rows are unsorted or outside of the range, or of another schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        self.next = check_offsets(self.kind, self.range, self.next, batch)?;
        self.writer.write(batch)?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Ends the file. `counts` are those of the append that the segment belongs to, `absent` says which of its offsets are
    /// absent, and `replaces` under which calculation the same offsets had been published.
    ///
    /// # Errors
    /// When Parquet refuses.
    pub fn finish(
        self,
        counts: Counts,
        absent: Absent,
        replaces: Option<Fingerprint>,
        identity: &Identity,
    ) -> Result<EncodedSegment, SegmentError> {
        let facts = SegmentFacts::new(self.kind, self.range, counts, absent, replaces, identity);
        self.close(facts)
    }

    /// Ends the file with the facts that it states about itself.
    pub(super) fn close(mut self, facts: SegmentFacts) -> Result<EncodedSegment, SegmentError> {
        for pair in facts.to_metadata() {
            self.writer.append_key_value_metadata(pair);
        }
        let mut bytes = self.writer.into_inner()?;
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
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(vec![SortingColumn {
            column_idx: 0,
            descending: false,
            nulls_first: false,
        }]));
    for field in schema.fields() {
        let column = ColumnPath::from(field.name().as_str());
        // Values that repeat (reasons, codes, most keys) gain from a dictionary; numbers and payloads do not.
        let repeats = match field.data_type() {
            DataType::Utf8 => true,
            DataType::Binary => field.name() == columns::KEY,
            _ => false,
        };
        builder = builder.set_column_dictionary_enabled(column.clone(), repeats);
        if field.name() == OFFSET_COLUMN || matches!(field.data_type(), DataType::Timestamp(..)) {
            builder = builder.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests;
