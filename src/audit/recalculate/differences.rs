//! The outcomes that another calculation makes different, one by one, with what they are and would be. Pure but for the file
//! that they are written to.

use std::{fs::File, path::Path, sync::Arc};

use arrow_array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, builder::StringBuilder,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::{arrow::ArrowWriter, errors::ParquetError};
use serde::Serialize;

use super::error::{DifferencesFileError, RecalculateError};
use crate::{
    events::{MessageBuffer, ResultEncoder, columns},
    format::{Encoded, SegmentKind, SegmentReader, read_segment},
    model::Partition,
};

/// An outcome that is another under another calculation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Different {
    /// The event.
    pub offset: i64,
    /// What is stored: the message of a result, `reject: ` and the reason, or `filtered`.
    pub was: String,
    /// What it would be.
    pub is: String,
}

/// Calls `each` for every outcome of a range that its new files change, ascending by offset; `stored` are the files that they
/// would replace.
///
/// # Errors
/// When a file cannot be read, or what `each` returns.
pub fn each_difference(
    (topic, partition): (&str, Partition),
    stored: Vec<(SegmentKind, Bytes)>,
    files: &Encoded,
    mut each: impl FnMut(Different) -> Result<(), RecalculateError>,
) -> Result<(), RecalculateError> {
    let Some(corrections) = &files.corrections else {
        return Ok(());
    };
    let lane = |kind, bytes| Lane::open(topic, partition, kind, bytes);
    let mut old = Vec::new();
    for (kind, bytes) in stored {
        old.push(lane(kind, bytes)?);
    }
    let mut new = Vec::new();
    for (kind, file) in [
        (SegmentKind::Results, &files.results),
        (SegmentKind::Rejects, &files.rejects),
    ] {
        if let Some(file) = file {
            new.push(lane(kind, file.bytes.clone())?);
        }
    }
    for batch in read_segment(corrections.bytes.clone())? {
        let batch = batch?;
        for offset in columns::offsets(&batch).unwrap_or_default() {
            let (was, is) = (find(&mut old, *offset)?, find(&mut new, *offset)?);
            each(Different {
                offset: *offset,
                was: was.unwrap_or_else(filtered),
                is: is.unwrap_or_else(filtered),
            })?;
        }
    }
    Ok(())
}

/// What is said of an event that has no row.
fn filtered() -> String {
    "filtered".to_owned()
}

fn find(lanes: &mut [Lane<'_>], offset: i64) -> Result<Option<String>, RecalculateError> {
    for lane in lanes {
        if let Some(found) = lane.find(offset)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The rows of one file, passed once.
struct Lane<'t> {
    topic: &'t str,
    partition: Partition,
    kind: SegmentKind,
    reader: SegmentReader,
    batch: Option<RecordBatch>,
}

impl<'t> Lane<'t> {
    fn open(
        topic: &'t str,
        partition: Partition,
        kind: SegmentKind,
        bytes: Bytes,
    ) -> Result<Lane<'t>, RecalculateError> {
        let mut reader = read_segment(bytes)?;
        Ok(Lane {
            topic,
            partition,
            kind,
            batch: reader.next().transpose()?,
            reader,
        })
    }

    /// What the outcome of an offset is; they are asked for ascending.
    fn find(&mut self, offset: i64) -> Result<Option<String>, RecalculateError> {
        while let Some(batch) = &self.batch {
            let offsets = columns::offsets(batch).unwrap_or_default();
            if offsets.last().is_some_and(|last| *last >= offset) {
                return match offsets.binary_search(&offset) {
                    Ok(row) => Ok(Some(self.text(&batch.slice(row, 1))?)),
                    Err(_) => Ok(None),
                };
            }
            self.batch = self.reader.next().transpose()?;
        }
        Ok(None)
    }

    fn text(&self, row: &RecordBatch) -> Result<String, RecalculateError> {
        if self.kind == SegmentKind::Rejects {
            let reasons = columns::reasons(row);
            let reason = reasons.map(|reasons| reasons.value(0)).unwrap_or_default();
            return Ok(format!("reject: {reason}"));
        }
        let mut messages = MessageBuffer::new();
        let encoder = ResultEncoder::new(self.topic, row.schema_ref())?;
        encoder.encode(self.partition, row, &mut messages)?;
        let value = messages.get(0).map(|(_, value)| value).unwrap_or_default();
        Ok(String::from_utf8_lossy(value).into_owned())
    }
}

/// A Parquet file of differences: `partition`, `kafka_offset`, `was`, `is`.
pub struct DifferencesFile {
    schema: SchemaRef,
    writer: ArrowWriter<File>,
    rows: Vec<(i32, Different)>,
}

/// Rows that are held before they are written.
const ROWS: usize = 8192;

impl DifferencesFile {
    /// A new file, in place of one that is there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> Result<DifferencesFile, DifferencesFileError> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("partition", DataType::Int32, false),
            Field::new(columns::OFFSET, DataType::Int64, false),
            Field::new("was", DataType::Utf8, false),
            Field::new("is", DataType::Utf8, false),
        ]));
        Ok(DifferencesFile {
            writer: ArrowWriter::try_new(File::create(path)?, Arc::clone(&schema), None)?,
            schema,
            rows: Vec::new(),
        })
    }

    /// Adds one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(
        &mut self,
        partition: Partition,
        different: Different,
    ) -> Result<(), DifferencesFileError> {
        self.rows.push((partition.0, different));
        match self.rows.len() >= ROWS {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn close(mut self) -> Result<(), DifferencesFileError> {
        self.flush()?;
        self.writer.close()?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DifferencesFileError> {
        let rows = std::mem::take(&mut self.rows);
        let text = |of: fn(&Different) -> &str| {
            let mut texts = StringBuilder::new();
            rows.iter().for_each(|(_, row)| texts.append_value(of(row)));
            let texts: StringArray = texts.finish();
            Arc::new(texts) as ArrayRef
        };
        let partitions = Int32Array::from_iter_values(rows.iter().map(|(partition, _)| *partition));
        let offsets = Int64Array::from_iter_values(rows.iter().map(|(_, row)| row.offset));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(partitions),
            Arc::new(offsets),
            text(|row| &row.was),
            text(|row| &row.is),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        self.writer.write(&batch.map_err(ParquetError::from)?)?;
        Ok(())
    }
}
