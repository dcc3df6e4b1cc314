//! What a recalculation would change, counted. Pure.

use arrow_array::{Array as _, cast::AsArray as _};
use serde::Serialize;

use crate::{
    events::columns::{NEW_KIND, OLD_KIND, offsets},
    format::{Encoded, SegmentError, read_segment},
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
            let kinds = |name| batch.column_by_name(name)?.as_string_opt::<i32>();
            let (Some(before), Some(now)) = (kinds(OLD_KIND), kinds(NEW_KIND)) else {
                continue;
            };
            let first = offsets(&batch).and_then(|offsets| offsets.first().copied());
            found.first = found.first.or(first);
            for row in 0..batch.num_rows() {
                // What is not known any more counts as a result: it was published.
                let was_reject = before.is_valid(row) && before.value(row) == "reject";
                let count = match (was_reject, now.value(row) == "reject") {
                    (false, false) => &mut found.results,
                    (false, true) => &mut found.to_reject,
                    (true, false) => &mut found.to_result,
                    (true, true) => &mut found.reasons,
                };
                *count += 1;
            }
        }
        Ok(found)
    }

    /// All of them.
    #[must_use]
    pub const fn all(self) -> u64 {
        self.results + self.to_reject + self.to_result + self.reasons
    }

    /// These as well, which come after.
    pub fn add(&mut self, other: Difference) {
        self.results += other.results;
        self.to_reject += other.to_reject;
        self.to_result += other.to_result;
        self.reasons += other.reasons;
        self.first = self.first.or(other.first);
    }
}
