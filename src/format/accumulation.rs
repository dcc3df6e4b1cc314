//! One partition's outcomes that are in no snapshot yet, encoded as they come: the open files of the next one.

use arrow_array::RecordBatch;

use super::{
    AbsentBuilder, Encoded, EncodedSegment, Identity, MadeFor, NotKnown, RangeOutcomes,
    RowlessRecord, SegmentError, SegmentFacts, SegmentReader,
    absent_runs::AbsentRuns,
    corrections::Replacement,
    open_files::{Changed, Marks, OpenFiles},
    outcomes::{counts, rejects_batch},
    read::read_segment,
    rows,
};
use crate::{
    calculation::Fingerprint,
    events::Fields,
    model::{Counts, Offset, OffsetRange},
};

/// Outcomes of `[start, end)` on their way into a snapshot. Nothing uncommitted is ever added (I1).
///
/// An offset in the range without an outcome is absent. While nothing is added, nothing is open: an idle partition holds no
/// encoder.
pub struct Accumulation {
    start: Offset,
    end: Offset,
    replacement: Option<Replacement>,
    /// What it is made for.
    made_for: MadeFor,
    absent: AbsentBuilder,
    filtered: u64,
    /// What tells filtered from absent offsets, once there are both.
    listed: Option<AbsentRuns>,
    /// What its results do not know of their events.
    not_known: Option<NotKnown>,
    /// What a file says of its rejects that they were taken from.
    rejects: Option<(Option<Fields>, Option<NotKnown>)>,
    files: Option<OpenFiles>,
}

impl Accumulation {
    /// Nothing yet: what comes next has the offset `start`, everything before is in the chain.
    #[must_use]
    pub fn new(start: Offset) -> Accumulation {
        Accumulation {
            start,
            end: start,
            replacement: None,
            made_for: MadeFor::Append,
            absent: AbsentBuilder::default(),
            filtered: 0,
            listed: None,
            not_known: None,
            rejects: None,
            files: None,
        }
    }

    /// The same for outcomes of the calculation `now` that had been published before, under another: they come with
    /// corrections of all of them.
    #[must_use]
    pub fn replacing(start: Offset, published: Fingerprint, now: Fingerprint) -> Accumulation {
        let replacement = Replacement {
            before: published,
            now,
        };
        Accumulation {
            replacement: Some(replacement),
            ..Accumulation::new(start)
        }
    }

    /// The same for outcomes that the chain does not have and that are added later. Given the calculation `published`, each
    /// of them comes with a correction, filtered ones too: what was published of them, if anything, is not known.
    #[must_use]
    pub fn filling(start: Offset, published: Option<Fingerprint>) -> Accumulation {
        let replacement = published.map(|fingerprint| Replacement {
            before: fingerprint.clone(),
            now: fingerprint,
        });
        Accumulation {
            replacement,
            made_for: MadeFor::Repair,
            ..Accumulation::new(start)
        }
    }

    /// What was added of results up to here came from their messages: the times of their events are not known, nor, with `key`,
    /// their keys.
    pub fn came_from_messages(&mut self, key: bool) {
        self.not_known = (self.end > self.start).then_some(NotKnown {
            before: self.end,
            key,
        });
    }

    /// Rejects were taken from a file that says this of them.
    pub fn rejects_came_from(&mut self, file: &SegmentFacts) {
        self.rejects = Some((file.payload_fields.clone(), file.not_known));
    }

    /// Results were taken from a file that says this of them.
    pub fn results_came_from(&mut self, file: &SegmentFacts) {
        self.not_known = file.not_known;
    }

    /// Where the next outcomes start.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.end
    }

    /// The offsets that are accounted for.
    #[must_use]
    #[expect(clippy::expect_used, reason = "what is added lies after the start")]
    pub fn range(&self) -> OffsetRange {
        OffsetRange::new(self.start, self.end).expect("what is added lies after the start")
    }

    /// What they are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (results, rejects) = self.files.as_ref().map_or((0, 0), OpenFiles::rows);
        counts(self.range(), results, rejects, self.filtered)
    }

    /// The memory in use, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let files = self.files.as_ref().map_or(0, OpenFiles::bytes);
        files + self.listed.as_ref().map_or(0, AbsentRuns::bytes)
    }

    /// Encodes the next outcomes.
    ///
    /// # Errors
    /// When they do not start where these end, or do not have the columns of those before: a defect of the caller. What was
    /// accumulated is of no use then.
    pub fn append(&mut self, outcomes: &RangeOutcomes) -> Result<(), SegmentError> {
        let range = outcomes.range();
        if range.start() != self.end {
            return Err(SegmentError::NotContiguous {
                range,
                end: self.end,
            });
        }
        let counts = outcomes.counts();
        if counts.filtered > 0 {
            self.filtered += counts.filtered;
            self.listed
                .get_or_insert_with(|| AbsentRuns::new(range.start()));
        }
        outcomes.absent_runs(|run| {
            self.absent.push(run);
            if let Some(listed) = &mut self.listed {
                listed.push(run);
            }
        });
        // Filtered events have no row, but what replaces something published says so.
        if counts.stored() > 0 || counts.filtered > 0 && self.replacement.is_some() {
            let replacement = &self.replacement;
            let files = self
                .files
                .get_or_insert_with(|| OpenFiles::new(self.start, replacement.clone()));
            files.write(
                outcomes.results(),
                outcomes.rejects(),
                outcomes.filtered(),
                Changed::All,
            )?;
        }
        self.end = range.end();
        Ok(())
    }

    /// Takes everything out, for a snapshot; what comes next starts where it ends.
    #[must_use]
    pub fn take(&mut self) -> Accumulation {
        let next = Accumulation {
            replacement: self.replacement.clone(),
            made_for: self.made_for,
            ..Accumulation::new(self.end)
        };
        std::mem::replace(self, next)
    }

    /// Forgets everything: it will come again.
    pub fn restart(&mut self) {
        *self = Accumulation {
            replacement: self.replacement.take(),
            made_for: self.made_for,
            ..Accumulation::new(self.start)
        };
    }

    /// Ends the files.
    ///
    /// # Errors
    /// When Parquet refuses.
    pub fn close(self, identity: &Identity) -> Result<Encoded, SegmentError> {
        let range = self.range();
        let replacement = self.replacement;
        let files = self
            .files
            .unwrap_or_else(|| OpenFiles::new(self.start, replacement));
        let absent = self.absent.finish();
        let record = RowlessRecord {
            absent,
            filtered: self.filtered,
        };
        let (payload_fields, rejects) = self.rejects.unwrap_or_default();
        let marks = Marks {
            payload_fields: payload_fields.as_ref(),
            results: self.not_known,
            rejects,
        };
        let mut encoded = files.finish(range, (self.made_for, record), marks, identity)?;
        encoded.absent = self.listed;
        Ok(encoded)
    }
}

impl Encoded {
    /// The same outcomes without those before `at`, in new files.
    ///
    /// # Errors
    /// When `at` lies outside of the range, or (which would be a defect) the files cannot be read back.
    pub fn trim_before(&self, at: Offset, identity: &Identity) -> Result<Encoded, SegmentError> {
        if at < self.range.start() || at > self.range.end() {
            return Err(SegmentError::Trim {
                range: self.range,
                at,
            });
        }
        let corrections = self.corrections.as_ref();
        let mut kept = match corrections.and_then(|file| file.facts.replaces.clone()) {
            Some(published) => {
                Accumulation::replacing(at, published, identity.declaration.fingerprint.clone())
            }
            None => Accumulation::new(at),
        };
        let mut rejects = Vec::new();
        for batch in read(self.rejects.as_ref())?.into_iter().flatten() {
            rejects.push(rows::within(&batch?, at, self.range.end()));
        }
        let mut results_schema = None;
        let absent = self.absent.as_ref();
        for batch in read(self.results.as_ref())?.into_iter().flatten() {
            let batch = batch?;
            results_schema = Some(batch.schema());
            let last = rows::offsets(&batch).values().last().copied();
            let Some(end) = last.and_then(Offset::new).map(|last| last.plus(1)) else {
                continue;
            };
            if end > at {
                append_until(
                    &mut kept,
                    end,
                    &rows::within(&batch, at, end),
                    &rejects,
                    absent,
                )?;
            }
        }
        let schema = results_schema.unwrap_or_else(crate::calculation::rejects_schema);
        let none = RecordBatch::new_empty(schema);
        append_until(&mut kept, self.range.end(), &none, &rejects, absent)?;
        kept.close(identity)
    }
}

/// Appends everything from the end of `kept` to `end`: these results, the rejects that lie among them, and what is filtered.
fn append_until(
    kept: &mut Accumulation,
    end: Offset,
    results: &RecordBatch,
    rejects: &[RecordBatch],
    absent: Option<&AbsentRuns>,
) -> Result<(), SegmentError> {
    let start = kept.end();
    let range = OffsetRange::new(start, end).map_err(|_| SegmentError::Trim {
        range: kept.range(),
        at: end,
    })?;
    let among: Vec<RecordBatch> = rejects
        .iter()
        .map(|batch| rows::within(batch, start, end))
        .collect();
    let rejects = match among.first() {
        Some(first) => arrow_select::concat::concat_batches(first.schema_ref(), &among)?,
        None => rejects_batch(&[]),
    };
    let filtered = absent.map_or(Vec::new(), |absent| {
        absent.filtered(range, [results, &rejects])
    });
    kept.append(&RangeOutcomes::of_rows(
        range,
        results.clone(),
        rejects,
        filtered,
    )?)
}

fn read(file: Option<&EncodedSegment>) -> Result<Option<SegmentReader>, SegmentError> {
    file.map(|file| read_segment(file.bytes.clone()))
        .transpose()
}

#[cfg(test)]
mod tests;
