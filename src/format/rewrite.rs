//! The files of a repair: other outcomes for the offsets of a range that the chain holds.

use arrow_schema::Schema;

use super::{
    Absent, Encoded, MadeFor, NotKnown, RowlessRecord, SegmentError,
    absent::Gaps,
    changes::Changes,
    corrections::Replacement,
    facts::Identity,
    open_files::{Changed, Marks, OpenFiles},
    outcomes::rejects_batch,
    rows,
};
use crate::{
    calculation::{Evaluated, Fingerprint},
    events::Fields,
    model::OffsetRange,
};

/// Writes the files of a repair, batch by batch; memory grows with the files, not with the rows.
pub struct Rewriter {
    range: OffsetRange,
    absent: Absent,
    /// The offsets between the rows, where `absent` is a digest: once nothing is filtered any more, they are what it is of. It may be
    /// a digest of digests, which nobody can compare with rows.
    gaps: Option<Gaps>,
    filtered: u64,
    identity: Identity,
    /// What results and rejects do not know of their events.
    not_known: [Option<NotKnown>; 2],
    files: OpenFiles,
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
        let now = identity.declaration.fingerprint.clone();
        let replacement = Replacement { before, now };
        let gaps = matches!(absent, Absent::Digest(_)).then(|| Gaps::new(range.start()));
        Rewriter {
            range,
            absent,
            gaps,
            filtered: 0,
            not_known: [None; 2],
            identity,
            files: OpenFiles::correcting(range.start(), replacement, results),
        }
    }

    /// Writes the next outcomes, and those of them that changed as corrections.
    ///
    /// # Errors
    /// When they do not follow what was written, or lie outside of the range.
    pub fn write(&mut self, outcomes: &Evaluated, changes: &Changes) -> Result<(), SegmentError> {
        let rejects = rejects_batch(&outcomes.rejects);
        let changed = Changed::Rows(changes);
        self.filtered += outcomes.filtered.len() as u64;
        if let Some(gaps) = &mut self.gaps
            && rows::has_offsets(&outcomes.results)
        {
            let results = rows::offsets(&outcomes.results).values().iter().copied();
            let rejects = outcomes.rejects.iter().map(|reject| reject.offset.get());
            let mut rejects = rejects.peekable();
            gaps.pass_results(results, &mut rejects);
            rejects.for_each(|reject| gaps.pass(reject));
        }
        self.files
            .write(&outcomes.results, &rejects, &outcomes.filtered, changed)
    }

    /// So many events of the range had been filtered, and still are: they are in no batch.
    pub fn keep_filtered(&mut self, count: u64) {
        self.filtered += count;
    }

    /// Results and rejects are of rows that do not know this of their events.
    pub fn keep_not_known(&mut self, results: Option<NotKnown>, rejects: Option<NotKnown>) {
        self.not_known = [results, rejects];
    }

    /// The memory in use, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.files.bytes()
    }

    /// Ends the files. `payload_fields` are the fields of which payloads of rejects were made that are not the events' own.
    ///
    /// # Errors
    /// When an offset has two outcomes, or Parquet refuses.
    pub fn finish(self, payload_fields: Option<Fields>) -> Result<Encoded, SegmentError> {
        let [results, rejects] = self.not_known;
        let marks = Marks {
            payload_fields: payload_fields.as_ref(),
            results,
            rejects,
        };
        let absent = match self.gaps {
            Some(mut gaps) if self.filtered == 0 => {
                gaps.pass_to(self.range.end());
                gaps.absent.finish()
            }
            _ => self.absent,
        };
        let record = RowlessRecord {
            absent,
            filtered: self.filtered,
        };
        self.files
            .finish(self.range, (MadeFor::Repair, record), marks, &self.identity)
    }
}

/// The memory that the files of a repair may take, in bytes: the files that it replaces, the new ones, corrections of all of
/// them, which hold the old messages too, and the batches under way.
#[must_use]
pub fn repair_memory(replaced: u64) -> u64 {
    5 * replaced + (16 << 20)
}
