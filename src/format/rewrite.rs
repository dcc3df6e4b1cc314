//! The files of a repair: other outcomes for the offsets of a range that the chain holds.

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::take::take_record_batch;

use super::{
    Absent, Encoded, SegmentError, SegmentFacts, SegmentKind, SegmentWriter,
    buffer::{counts, rejects_batch},
    corrections::{Replacement, correct, corrections_schema, in_order},
    facts::Identity,
};
use crate::{
    calculation::{Evaluated, Fingerprint},
    events::Fields,
    model::OffsetRange,
};

/// The outcomes of a batch that are others than before: their rows, ascending, and the kinds that they had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows of the results.
    pub results: Vec<(u32, SegmentKind)>,
    /// Rows of the rejects.
    pub rejects: Vec<(u32, SegmentKind)>,
}

/// Writes the files of a repair, batch by batch; memory grows with the files, not with the rows.
pub struct Rewriter {
    range: OffsetRange,
    absent: Absent,
    replacement: Replacement,
    identity: Identity,
    schema: SchemaRef,
    results: Option<SegmentWriter>,
    rejects: Option<SegmentWriter>,
    corrections: Option<SegmentWriter>,
}

impl Rewriter {
    /// For `range`, whose outcomes are of the calculation `before` and whose absent offsets stay `absent`; the new results
    /// have the columns `results`.
    #[must_use]
    pub fn new(
        range: OffsetRange,
        absent: Absent,
        before: Fingerprint,
        results: &Schema,
        identity: Identity,
    ) -> Rewriter {
        let now = identity.fingerprint.clone();
        Rewriter {
            range,
            absent,
            replacement: Replacement { before, now },
            identity,
            schema: corrections_schema(Some(results)),
            results: None,
            rejects: None,
            corrections: None,
        }
    }

    /// Writes the next outcomes, and those of them that changed as corrections.
    ///
    /// # Errors
    /// When they do not follow what was written, or lie outside of the range.
    pub fn write(&mut self, outcomes: &Evaluated, changes: &Changes) -> Result<(), SegmentError> {
        let rejects = rejects_batch(&outcomes.rejects);
        let range = self.range;
        for (kind, writer, batch) in [
            (SegmentKind::Results, &mut self.results, &outcomes.results),
            (SegmentKind::Rejects, &mut self.rejects, &rejects),
        ] {
            if batch.num_rows() > 0 {
                open(writer, kind, range, &batch.schema())?.write(batch)?;
            }
        }
        let mut parts = Vec::new();
        for (kind, batch, changes) in [
            (SegmentKind::Results, &outcomes.results, &changes.results),
            (SegmentKind::Rejects, &rejects, &changes.rejects),
        ] {
            if !changes.is_empty() {
                parts.push(self.correct(kind, batch, changes)?);
            }
        }
        if !parts.is_empty() {
            let kind = SegmentKind::Corrections;
            open(&mut self.corrections, kind, range, &self.schema)?.write(&in_order(&parts)?)?;
        }
        Ok(())
    }

    fn correct(
        &self,
        kind: SegmentKind,
        batch: &RecordBatch,
        changes: &[(u32, SegmentKind)],
    ) -> Result<RecordBatch, SegmentError> {
        let rows = UInt32Array::from_iter_values(changes.iter().map(|(row, _)| *row));
        let changed = take_record_batch(batch, &rows)?;
        let before: Vec<SegmentKind> = changes.iter().map(|(_, before)| *before).collect();
        correct(
            kind,
            &changed,
            &self.schema,
            &self.replacement,
            Some(&before),
        )
    }

    /// Ends the files. `payload_fields` are the fields of which payloads of rejects were made that are not the events' own.
    ///
    /// # Errors
    /// When an offset has two outcomes, or Parquet refuses.
    pub fn finish(self, payload_fields: Option<Fields>) -> Result<Encoded, SegmentError> {
        let rows = |writer: &Option<SegmentWriter>| writer.as_ref().map_or(0, SegmentWriter::rows);
        let (results, rejects) = (rows(&self.results), rows(&self.rejects));
        if results + rejects > self.range.len() {
            return Err(SegmentError::Contents {
                kind: SegmentKind::Rejects,
                range: self.range,
                detail: "an offset has a result and a reject",
            });
        }
        let corrections = rows(&self.corrections);
        let replaces = (corrections > 0).then(|| self.replacement.before.clone());
        let counts = counts(self.range, results, rejects);
        let finish = |kind, writer: Option<SegmentWriter>| {
            let mut facts = SegmentFacts::new(
                kind,
                self.range,
                counts,
                self.absent.clone(),
                replaces.clone(),
                &self.identity,
            );
            facts.corrections = corrections;
            if kind == SegmentKind::Rejects {
                facts.payload_fields.clone_from(&payload_fields);
            }
            writer.map(|writer| writer.close(facts)).transpose()
        };
        Ok(Encoded {
            range: self.range,
            counts,
            results: finish(SegmentKind::Results, self.results)?,
            rejects: finish(SegmentKind::Rejects, self.rejects)?,
            corrections: finish(SegmentKind::Corrections, self.corrections)?,
        })
    }
}

fn open<'w>(
    writer: &'w mut Option<SegmentWriter>,
    kind: SegmentKind,
    range: OffsetRange,
    schema: &SchemaRef,
) -> Result<&'w mut SegmentWriter, SegmentError> {
    Ok(match writer {
        Some(writer) => writer,
        None => writer.insert(SegmentWriter::new(kind, range, SchemaRef::clone(schema))?),
    })
}

/// The memory that the files of a repair may take beside the files that it replaces, in bytes: as much again for the new
/// ones and for corrections of all of them, and the batches under way.
#[must_use]
pub fn repair_memory(replaced: u64) -> u64 {
    3 * replaced + (16 << 20)
}
