//! The open files of one edit: results, rejects and, where something published is replaced, corrections. Each is begun with
//! its first row, and memory grows with the files, not with the rows.

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use arrow_select::take::take_record_batch;

use super::{
    Encoded, Identity, MadeFor, NotKnown, RowlessRecord, SegmentError, SegmentFacts, SegmentKind,
    SegmentWriter,
    changes::{Changes, OutcomeKind},
    corrections::{Replacement, correct, corrections_schema, filtered_rows, in_order},
    outcomes::counts,
};
use crate::{
    events::Fields,
    model::{Offset, OffsetRange},
};

/// Which rows replace something that was published.
#[derive(Clone, Copy, Debug)]
pub(super) enum Changed<'c> {
    /// All of them; what they replace is not known.
    All,
    /// These.
    Rows(&'c Changes),
}

/// What files say of the events of their rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks<'m> {
    /// The fields of which payloads of rejects were made that are not the events' own.
    pub payload_fields: Option<&'m Fields>,
    /// What the rows of results do not know.
    pub results: Option<NotKnown>,
    /// What the rows of rejects do not know.
    pub rejects: Option<NotKnown>,
}

/// See the module.
pub(super) struct OpenFiles {
    start: Offset,
    results: Option<SegmentWriter>,
    rejects: Option<SegmentWriter>,
    corrections: Option<OpenCorrections>,
}

struct OpenCorrections {
    replacement: Replacement,
    /// Known with the first results.
    schema: Option<SchemaRef>,
    writer: Option<SegmentWriter>,
}

impl OpenFiles {
    /// Files that begin at `start`; with corrections when they replace something.
    pub(super) fn new(start: Offset, replacement: Option<Replacement>) -> OpenFiles {
        OpenFiles {
            start,
            results: None,
            rejects: None,
            corrections: replacement.map(|replacement| OpenCorrections {
                replacement,
                schema: None,
                writer: None,
            }),
        }
    }

    /// The same with corrections of results that have the columns `results`.
    pub(super) fn correcting(
        start: Offset,
        replacement: Replacement,
        results: &Schema,
    ) -> OpenFiles {
        let mut files = OpenFiles::new(start, Some(replacement));
        if let Some(corrections) = &mut files.corrections {
            corrections.schema = Some(corrections_schema(Some(results)));
        }
        files
    }

    /// Rows of results and of rejects.
    pub(super) fn rows(&self) -> (u64, u64) {
        let rows = |writer: &Option<SegmentWriter>| writer.as_ref().map_or(0, SegmentWriter::rows);
        (rows(&self.results), rows(&self.rejects))
    }

    /// The memory in use, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let corrections = self.corrections.as_ref();
        let corrections = corrections.and_then(|open| open.writer.as_ref());
        let writers = self.results.iter().chain(&self.rejects).chain(corrections);
        writers.map(SegmentWriter::bytes).sum()
    }

    /// Writes the next rows, and those of them that `changed` as corrections.
    pub(super) fn write(
        &mut self,
        results: &RecordBatch,
        rejects: &RecordBatch,
        filtered: &[Offset],
        changed: Changed<'_>,
    ) -> Result<(), SegmentError> {
        let start = self.start;
        for (kind, writer, batch) in [
            (SegmentKind::Results, &mut self.results, results),
            (SegmentKind::Rejects, &mut self.rejects, rejects),
        ] {
            if batch.num_rows() > 0 {
                open(writer, kind, start, &batch.schema())?.write(batch)?;
            }
        }
        match &mut self.corrections {
            Some(corrections) => corrections.write(start, results, rejects, filtered, changed),
            None => Ok(()),
        }
    }

    /// Ends the files.
    pub(super) fn finish(
        self,
        range: OffsetRange,
        (made_for, record): (MadeFor, RowlessRecord),
        marks: Marks<'_>,
        identity: &Identity,
    ) -> Result<Encoded, SegmentError> {
        let (results, rejects) = self.rows();
        let filtered = record.filtered;
        if results + rejects + filtered > range.len() {
            return Err(SegmentError::Contents {
                kind: SegmentKind::Rejects,
                range,
                detail: "an offset has two outcomes",
            });
        }
        let counts = counts(range, results, rejects, filtered);
        let (before, corrections) = match self.corrections {
            Some(open) => (Some(open.replacement.before), open.writer),
            None => (None, None),
        };
        let corrected = corrections.as_ref().map_or(0, SegmentWriter::rows);
        let replaces = before.filter(|_| corrected > 0);
        let finish = |kind, writer: Option<SegmentWriter>| {
            let close = |writer: SegmentWriter| {
                let (absent, replaces) = (record.absent.clone(), replaces.clone());
                let mut facts = SegmentFacts::new(kind, range, counts, absent, replaces, identity);
                facts.made_for = made_for;
                facts.corrections = corrected;
                if kind == SegmentKind::Rejects {
                    facts.payload_fields = marks.payload_fields.cloned();
                }
                facts.not_known = match kind {
                    SegmentKind::Results => marks.results,
                    SegmentKind::Rejects => marks.rejects,
                    SegmentKind::Corrections => NotKnown::or(marks.results, marks.rejects),
                };
                writer.close(facts)
            };
            writer.map(close).transpose()
        };
        let results = finish(SegmentKind::Results, self.results)?;
        let rejects = finish(SegmentKind::Rejects, self.rejects)?;
        let corrections = finish(SegmentKind::Corrections, corrections)?;
        Ok(Encoded {
            range,
            counts,
            record,
            absent: None,
            results,
            rejects,
            corrections,
        })
    }
}

impl OpenCorrections {
    fn write(
        &mut self,
        start: Offset,
        results: &RecordBatch,
        rejects: &RecordBatch,
        filtered: &[Offset],
        changed: Changed<'_>,
    ) -> Result<(), SegmentError> {
        let filtered = filtered_rows(filtered)?;
        let schema = self
            .schema
            .get_or_insert_with(|| corrections_schema(Some(results.schema_ref())));
        let mut parts = Vec::new();
        for (kind, batch) in [
            (OutcomeKind::Result, results),
            (OutcomeKind::Reject, rejects),
            (OutcomeKind::Filtered, &filtered),
        ] {
            let (rows, before) = match changed {
                Changed::All => (batch.clone(), None),
                Changed::Rows(changes) => {
                    let changes = match kind {
                        OutcomeKind::Result => &changes.results,
                        OutcomeKind::Reject => &changes.rejects,
                        OutcomeKind::Filtered => &changes.filtered,
                    };
                    if changes.is_empty() {
                        continue;
                    }
                    let rows = take_record_batch(batch, &changes.rows())?;
                    (rows, Some(changes.before()))
                }
            };
            if rows.num_rows() > 0 {
                let (replacement, before) = (&self.replacement, before.as_ref());
                parts.push(correct(kind, &rows, schema, replacement, before)?);
            }
        }
        if parts.is_empty() {
            return Ok(());
        }
        open(&mut self.writer, SegmentKind::Corrections, start, schema)?.write(&in_order(&parts)?)
    }
}

fn open<'w>(
    writer: &'w mut Option<SegmentWriter>,
    kind: SegmentKind,
    start: Offset,
    schema: &SchemaRef,
) -> Result<&'w mut SegmentWriter, SegmentError> {
    Ok(match writer {
        Some(writer) => writer,
        None => writer.insert(SegmentWriter::new(kind, start, SchemaRef::clone(schema))?),
    })
}
