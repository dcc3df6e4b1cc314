//! How many outcomes there are: of each kind, expected of a replay, and found by it.

use std::{fmt, ops::AddAssign};

use serde::{Deserialize, Serialize};

use crate::model::{Counts, is_zero};

/// How many outcomes there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCounts {
    /// Results.
    pub results: u64,
    /// Rejects.
    pub rejects: u64,
    /// Events that `--where` leaves out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub filtered: u64,
}

impl OutcomeCounts {
    /// All of them.
    #[must_use]
    pub const fn outcomes(self) -> u64 {
        self.results + self.rejects + self.filtered
    }

    /// What has come since there were `before`; `None` when there were more of a kind.
    #[must_use]
    pub fn since(self, before: OutcomeCounts) -> Option<OutcomeCounts> {
        Some(OutcomeCounts {
            results: self.results.checked_sub(before.results)?,
            rejects: self.rejects.checked_sub(before.rejects)?,
            filtered: self.filtered.checked_sub(before.filtered)?,
        })
    }
}

impl From<Counts> for OutcomeCounts {
    fn from(counts: Counts) -> OutcomeCounts {
        OutcomeCounts {
            results: counts.results,
            rejects: counts.rejects,
            filtered: counts.filtered,
        }
    }
}

impl AddAssign for OutcomeCounts {
    fn add_assign(&mut self, more: OutcomeCounts) {
        self.results += more.results;
        self.rejects += more.rejects;
        self.filtered += more.filtered;
    }
}

impl fmt::Display for OutcomeCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.filtered {
            0 => write!(f, "{} results and {} rejects", self.results, self.rejects),
            filtered => write!(
                f,
                "{} results, {} rejects and {filtered} filtered events",
                self.results, self.rejects
            ),
        }
    }
}

/// How many outcomes a replay gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Exactly as many of each kind as the commit says were published.
    OfEachKind(OutcomeCounts),
    /// Exactly as many as the commit says were published, of whatever kind.
    Exactly(u64),
    /// At most so many: some of those that were published lie in a gap that was recorded since.
    AtMost(u64),
}

impl Expected {
    /// Whether a replay that gave `found` outcomes is what was published.
    #[must_use]
    pub fn admits(self, found: Replayed) -> bool {
        match (self, found) {
            (Expected::OfEachKind(expected), Replayed::Calculated(found)) => found == expected,
            (Expected::OfEachKind(_) | Expected::Exactly(_), _) => {
                found.outcomes() == self.outcomes()
            }
            (Expected::AtMost(outcomes), _) => found.outcomes() <= outcomes,
        }
    }

    /// The number, exact or not.
    #[must_use]
    pub const fn outcomes(self) -> u64 {
        match self {
            Expected::OfEachKind(expected) => expected.outcomes(),
            Expected::Exactly(outcomes) | Expected::AtMost(outcomes) => outcomes,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::OfEachKind(expected) => expected.fmt(f),
            Expected::Exactly(outcomes) | Expected::AtMost(outcomes) => {
                write!(f, "{outcomes} outcomes")
            }
        }
    }
}

/// What a replay has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// So many events, which were only counted.
    Counted(u64),
    /// So many outcomes of each kind.
    Calculated(OutcomeCounts),
}

impl Replayed {
    /// The number of outcomes.
    #[must_use]
    pub const fn outcomes(self) -> u64 {
        match self {
            Replayed::Counted(outcomes) => outcomes,
            Replayed::Calculated(found) => found.outcomes(),
        }
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Replayed::Counted(outcomes) => outcomes.fmt(f),
            Replayed::Calculated(found) => found.fmt(f),
        }
    }
}
