//! The files of a compaction: the rows of neighbours in one file of each kind.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Fields, Schema};
use bytes::Bytes;

use super::{
    Encoded, Identity, MadeFor, RowlessRecord, SegmentError, SegmentKind, SilentRange,
    absent::Gaps,
    open_files::{Changed, Marks, OpenFiles},
    outcomes::rejects_batch,
    read::read_segment,
    rows,
};
use crate::{calculation::Declaration, events, model::OffsetRange};

/// Writes the rows of neighbours into one file of each kind, range by range; memory grows with the files. What has no row becomes
/// part of the record: whatever is neither filtered nor stored is absent.
pub struct Merger {
    range: OffsetRange,
    identity: Identity,
    files: OpenFiles,
    gaps: Gaps,
    filtered: u64,
    /// What all of them have in common; of rejects, when there are any.
    declaration: Option<Declaration>,
    payload_fields: Option<Option<events::Fields>>,
    result_columns: Option<Fields>,
}

/// Whether a range could be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Added {
    /// Its rows are written.
    Whole,
    /// Its files have other columns, fields or another calculation than those before, or do not know everything of their events;
    /// the merger is of no use any more.
    Different,
}

impl Merger {
    /// For ranges that make up `range`.
    #[must_use]
    pub fn new(range: OffsetRange, identity: Identity) -> Merger {
        Merger {
            range,
            identity,
            files: OpenFiles::new(range.start(), None),
            gaps: Gaps::new(range.start()),
            filtered: 0,
            declaration: None,
            payload_fields: None,
            result_columns: None,
        }
    }

    /// Writes the rows of the next range's files.
    ///
    /// # Errors
    /// When they cannot be read, or do not lie after those before.
    pub fn add(&mut self, files: Vec<Bytes>) -> Result<Added, SegmentError> {
        let no_rejects = rejects_batch(&[]);
        let (mut results, mut rejects, mut about) = (None, Vec::new(), None);
        for bytes in files {
            let reader = read_segment(bytes)?;
            let facts = reader.facts();
            if *self
                .declaration
                .get_or_insert_with(|| facts.declaration.clone())
                != facts.declaration
            {
                return Ok(Added::Different);
            }
            // A merged file would say it of rows that know everything.
            if facts.not_known.is_some() {
                return Ok(Added::Different);
            }
            about.get_or_insert_with(|| (facts.range, facts.record()));
            match facts.kind {
                SegmentKind::Results => {
                    let columns = self
                        .result_columns
                        .get_or_insert_with(|| reader.schema().fields().clone());
                    if columns != reader.schema().fields() {
                        return Ok(Added::Different);
                    }
                    results = Some(reader);
                }
                SegmentKind::Rejects => {
                    let fields = &facts.payload_fields;
                    if self.payload_fields.get_or_insert_with(|| fields.clone()) != fields {
                        return Ok(Added::Different);
                    }
                    for batch in reader {
                        let batch = without_metadata(&batch?)?;
                        rejects.extend_from_slice(rows::offsets(&batch).values());
                        self.files
                            .write(&batch.slice(0, 0), &batch, &[], Changed::All)?;
                    }
                }
                SegmentKind::Corrections => return Ok(Added::Different),
            }
        }
        let Some((range, record)) = about else {
            return Ok(Added::Whole);
        };
        self.gaps.pass_to(range.start());
        // Where nothing is filtered, the rows themselves say what is absent, however many runs that are.
        let by_rows = record.filtered == 0;
        let mut rejects = rejects.into_iter().peekable();
        for batch in results.into_iter().flatten() {
            let batch = without_metadata(&batch?)?;
            if by_rows {
                let results = rows::offsets(&batch).values().iter().copied();
                self.gaps.pass_results(results, &mut rejects);
            }
            self.files.write(&batch, &no_rejects, &[], Changed::All)?;
        }
        match by_rows {
            true => {
                rejects.for_each(|reject| self.gaps.pass(reject));
                self.gaps.pass_to(range.end());
            }
            false => self.record(range, &record),
        }
        Ok(Added::Whole)
    }

    /// Takes in the next range, in which nothing has a row.
    pub fn add_silent(&mut self, silent: &SilentRange) {
        self.gaps.pass_to(silent.range.start());
        self.record(silent.range, &silent.record);
    }

    fn record(&mut self, range: OffsetRange, record: &RowlessRecord) {
        self.gaps.absent.push_record(&record.absent);
        self.filtered += record.filtered;
        self.gaps.next = range.end();
    }

    /// Ends the files.
    ///
    /// # Errors
    /// When rows lie outside of the range, or Parquet refuses.
    pub fn finish(mut self) -> Result<Encoded, SegmentError> {
        self.gaps.pass_to(self.range.end());
        let record = RowlessRecord {
            absent: self.gaps.absent.finish(),
            filtered: self.filtered,
        };
        let identity = Identity {
            declaration: self.declaration.unwrap_or(self.identity.declaration),
            ..self.identity
        };
        let payload_fields = self.payload_fields.flatten();
        let purpose = (MadeFor::Compact, record);
        let marks = Marks {
            payload_fields: payload_fields.as_ref(),
            ..Marks::default()
        };
        self.files.finish(self.range, purpose, marks, &identity)
    }
}

/// The rows alone: the reader gives them what the file says about itself, which is not true of another file.
fn without_metadata(batch: &RecordBatch) -> Result<RecordBatch, SegmentError> {
    let schema = Arc::new(Schema::new(batch.schema_ref().fields().clone()));
    Ok(RecordBatch::try_new(schema, batch.columns().to_vec())?)
}

#[cfg(test)]
mod tests;
