//! Offsets of a range that have no row: how many, and which.

use super::{Absent, AbsentBuilder};
use crate::model::{Counts, OffsetRange};

/// How many offsets of a range have no row although an edit accounts for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rowless {
    /// Those that the log never delivers.
    pub absent: u64,
    /// Those whose event a condition leaves out.
    pub filtered: u64,
}

impl Rowless {
    /// Those among counts.
    #[must_use]
    pub const fn of(counts: Counts) -> Rowless {
        Rowless {
            absent: counts.absent,
            filtered: counts.filtered,
        }
    }
}

/// Which offsets of a range have no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowlessRecord {
    /// Those that the log never delivers.
    pub absent: Absent,
    /// How many are filtered: those without a row that are not absent.
    pub filtered: u64,
}

impl RowlessRecord {
    /// All of a range is absent.
    #[must_use]
    pub fn all_absent(range: OffsetRange) -> RowlessRecord {
        let mut absent = AbsentBuilder::default();
        absent.push(range);
        let absent = absent.finish();
        let filtered = 0;
        RowlessRecord { absent, filtered }
    }

    /// Whether it is one of so many offsets, all inside the range. A digest is believed: it is compared with the rows.
    #[must_use]
    pub fn is_of(&self, range: OffsetRange, rowless: Rowless) -> bool {
        if self.filtered != rowless.filtered || self.filtered > range.len() {
            return false;
        }
        let Absent::Ranges(runs) = &self.absent else {
            return true;
        };
        let inside = |run: &OffsetRange| range.includes(*run);
        runs.iter().all(inside) && runs.iter().map(|run| run.len()).sum::<u64>() == rowless.absent
    }
}
