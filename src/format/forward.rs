//! What appends and accepted losses at the end have recorded, whatever other edits have made of it since.

use serde::{Deserialize, Serialize};

use crate::model::{Counts, OffsetRange, Sequence};

/// What the forward path has recorded from the origin to the end: commits count the same. It only grows, while an edit that
/// gives outcomes up takes them out of [`Counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// Outcomes that were appended.
    pub outcomes: u64,
    /// Offsets after the end that were accepted as lost.
    pub lost: u64,
    /// The newest edit that has made [`Counts`] say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<Sequence>,
}

impl Forward {
    /// What it is with these offsets after the end.
    #[must_use]
    pub const fn with(self, counts: Counts) -> Forward {
        Forward {
            outcomes: self.outcomes.saturating_add(counts.outcomes()),
            lost: self.lost.saturating_add(counts.lost),
            edited: self.edited,
        }
    }

    /// How many more outcomes it has than `counts`, which later edits have changed.
    #[must_use]
    pub fn beside(self, counts: Counts) -> i64 {
        let difference = i128::from(self.outcomes) - i128::from(counts.outcomes());
        i64::try_from(difference).unwrap_or_default()
    }

    /// Whether a manifest can state it: so much can have been recorded of `whole`, and the edit is not to come.
    #[must_use]
    pub(super) fn fits(self, whole: OffsetRange, newest: Sequence) -> bool {
        let sum = self.outcomes.checked_add(self.lost);
        let edited = self.edited.is_some_and(|edited| edited <= newest);
        edited && sum.is_some_and(|sum| sum <= whole.len())
    }
}

impl From<Counts> for Forward {
    fn from(counts: Counts) -> Forward {
        Forward::default().with(counts)
    }
}
