//! What a recalculation would change, counted. Pure.

use serde::Serialize;

use crate::{
    events::columns::offsets,
    format::{Encoded, OutcomeKind, SegmentError, correction_kinds, read_segment},
};

/// The outcomes of ranges that another calculation makes different, by what they were and would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Results with another value.
    pub results: u64,
    /// Results that become rejects.
    pub to_reject: u64,
    /// Rejects that become results.
    pub to_result: u64,
    /// Rejects for another reason.
    pub reasons: u64,
    /// Results and rejects that become filtered.
    pub to_filtered: u64,
    /// Filtered events that become results or rejects.
    pub from_filtered: u64,
    /// The first offset among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
}

impl Difference {
    /// What the files of a range change, which is what their corrections say.
    ///
    /// # Errors
    /// When the corrections cannot be read back, which would be a defect.
    pub fn of(files: &Encoded) -> Result<Difference, SegmentError> {
        let mut found = Difference::default();
        let Some(corrections) = &files.corrections else {
            return Ok(found);
        };
        for batch in read_segment(corrections.bytes.clone())? {
            let batch = batch?;
            let first = offsets(&batch).and_then(|offsets| offsets.first().copied());
            found.first = found.first.or(first);
            for kinds in correction_kinds(&batch)? {
                // What is not known any more counts as a result: it was published.
                let before = kinds.before.unwrap_or(OutcomeKind::Result);
                let count = match (before, kinds.now) {
                    (OutcomeKind::Result, OutcomeKind::Result) => &mut found.results,
                    (OutcomeKind::Result, OutcomeKind::Reject) => &mut found.to_reject,
                    (OutcomeKind::Reject, OutcomeKind::Result) => &mut found.to_result,
                    (OutcomeKind::Reject, OutcomeKind::Reject) => &mut found.reasons,
                    (_, OutcomeKind::Filtered) => &mut found.to_filtered,
                    (OutcomeKind::Filtered, _) => &mut found.from_filtered,
                };
                *count += 1;
            }
        }
        Ok(found)
    }

    /// All of them.
    #[must_use]
    pub const fn all(self) -> u64 {
        self.results
            + self.to_reject
            + self.to_result
            + self.reasons
            + self.to_filtered
            + self.from_filtered
    }

    /// These as well, which come after.
    pub fn add(&mut self, other: Difference) {
        self.results += other.results;
        self.to_reject += other.to_reject;
        self.to_result += other.to_result;
        self.reasons += other.reasons;
        self.to_filtered += other.to_filtered;
        self.from_filtered += other.from_filtered;
        self.first = self.first.or(other.first);
    }
}
