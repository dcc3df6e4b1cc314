//! The outcomes that another calculation makes different, one by one, with what they are and would be. Pure but for the file
//! that they are written to.

use std::{fs::File, path::Path, sync::Arc};

use arrow_array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, builder::StringBuilder,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::{arrow::ArrowWriter, errors::ParquetError};
use serde::Serialize;

use super::error::{DifferencesFileError, RecalculateError};
use crate::{
    events::columns,
    format::{Encoded, OutcomeText, each_change, read_segment},
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

/// Calls `each` for every outcome of a range that its new files change, ascending by offset.
///
/// # Errors
/// When a file cannot be read, or what `each` returns.
pub fn each_difference(
    topic: &str,
    partition: Partition,
    files: &Encoded,
    mut each: impl FnMut(Different) -> Result<(), RecalculateError>,
) -> Result<(), RecalculateError> {
    let Some(corrections) = &files.corrections else {
        return Ok(());
    };
    for batch in read_segment(corrections.bytes.clone())? {
        each_change(topic, partition, &batch?, |change| {
            each(Different {
                offset: change.offset,
                was: change.before.map(text).unwrap_or_default(),
                is: text(change.now),
            })
        })?;
    }
    Ok(())
}

fn text(outcome: OutcomeText<'_>) -> String {
    match outcome {
        OutcomeText::Result { message } => message.to_owned(),
        OutcomeText::Reject { reason } => format!("reject: {reason}"),
        OutcomeText::Filtered => "filtered".to_owned(),
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
