//! Whether each offset of a range has exactly one outcome or a record of its absence (I4). Pure.

use crate::{
    format::{Absent, AbsentBuilder},
    model::{Offset, OffsetRange},
};

/// Ranges that are reported one by one; what goes beyond is only counted.
const DETAILED: usize = 100;

/// Takes the offsets of a range's outcomes in ascending order and compares them with what is recorded
/// as absent. Memory does not grow with the offsets.
pub(super) struct Coverage<'a> {
    range: OffsetRange,
    next: i64,
    absent: Record<'a>,
    covered: Covered,
}

/// What is known of a range's absent offsets.
enum Record<'a> {
    /// Nothing: holes cannot be told from them.
    Unknown,
    /// The ascending runs that are still ahead.
    Ranges(&'a [OffsetRange]),
    /// Only their digest, because they are too many; and the runs that were found.
    Digest(&'a Absent, AbsentBuilder),
}

/// What a [`Coverage`] has seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Covered {
    /// Offsets without an outcome.
    pub missing: u64,
    /// Those of them that no record explains.
    pub holes: Listed,
    /// Offsets with more than one outcome.
    pub doubled: Listed,
    /// How many offsets these are.
    pub unrecorded: u64,
    /// Offsets with an outcome although they are recorded as absent.
    pub unexpected: Listed,
    /// Whether the offsets without an outcome are not those whose digest is recorded: which of them are
    /// holes cannot be said then.
    pub not_as_recorded: bool,
}

/// Ranges, the first of them one by one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// The first ranges.
    pub ranges: Vec<OffsetRange>,
    /// How many ranges are not listed.
    pub more: u64,
    /// From the first offset concerned to the last.
    pub hull: Option<OffsetRange>,
}

impl<'a> Coverage<'a> {
    pub fn new(range: OffsetRange, absent: Option<&'a Absent>) -> Coverage<'a> {
        Coverage {
            range,
            next: range.start().get(),
            absent: match absent {
                None => Record::Unknown,
                Some(Absent::Ranges(ranges)) => Record::Ranges(ranges),
                Some(absent @ Absent::Digest(_)) => {
                    Record::Digest(absent, AbsentBuilder::default())
                }
            },
            covered: Covered::default(),
        }
    }

    /// An outcome at `offset`, which is not below the one before. Outside of the range it is ignored.
    #[inline]
    pub fn outcome(&mut self, offset: i64) {
        if offset == self.next && offset < self.range.end().get() && self.is_expected(offset) {
            self.next += 1;
        } else {
            self.unusual(offset);
        }
    }

    #[inline]
    fn is_expected(&self, offset: i64) -> bool {
        match &self.absent {
            Record::Ranges([run, ..]) => offset < run.start().get(),
            Record::Ranges([]) | Record::Unknown | Record::Digest(..) => true,
        }
    }

    #[cold]
    fn unusual(&mut self, offset: i64) {
        let Some(at) = Offset::new(offset).filter(|at| self.range.contains(*at)) else {
            return;
        };
        let one = OffsetRange::new(at, at.plus(1)).unwrap_or(OffsetRange::empty(at));
        if offset < self.next {
            if offset == self.next - 1 {
                self.covered.doubled.push(one);
            }
            return;
        }
        self.pass(at);
        if self.run_at(at).is_some_and(|run| run.contains(at)) {
            self.covered.unexpected.push(one);
        }
        self.next = offset + 1;
    }

    /// Everything from the next expected offset to `end` has no outcome.
    fn pass(&mut self, end: Offset) {
        let mut at = Offset::new(self.next).unwrap_or(Offset::ZERO);
        let Some(missing) = OffsetRange::new(at, end)
            .ok()
            .filter(|range| !range.is_empty())
        else {
            return;
        };
        self.covered.missing += missing.len();
        match &mut self.absent {
            Record::Unknown => return,
            Record::Digest(_, found) => return found.push(missing),
            Record::Ranges(_) => {}
        }
        while at < end {
            let run = self.run_at(at).filter(|run| run.start() < end);
            let (from, to) = run.map_or((end, end), |run| (run.start(), run.end()));
            if let Ok(hole) = OffsetRange::new(at, from)
                && !hole.is_empty()
            {
                self.covered.unrecorded += hole.len();
                self.covered.holes.push(hole);
            }
            at = at.max(to);
        }
    }

    /// The first recorded run that does not end before `at`.
    fn run_at(&mut self, at: Offset) -> Option<OffsetRange> {
        let Record::Ranges(runs) = &mut self.absent else {
            return None;
        };
        while let [run, rest @ ..] = *runs {
            if at < run.end() {
                return Some(*run);
            }
            *runs = rest;
        }
        None
    }

    /// The range is complete.
    pub fn finish(mut self) -> Covered {
        self.pass(self.range.end());
        if let Record::Digest(recorded, found) = self.absent {
            self.covered.not_as_recorded = found.finish() != *recorded;
        }
        self.covered
    }
}

impl Listed {
    pub fn push(&mut self, range: OffsetRange) {
        let start = self
            .hull
            .map_or(range.start(), |hull| hull.start().min(range.start()));
        let end = self
            .hull
            .map_or(range.end(), |hull| hull.end().max(range.end()));
        self.hull = OffsetRange::new(start, end).ok();
        let joined = self
            .ranges
            .last_mut()
            .filter(|last| self.more == 0 && last.end() == range.start());
        if let Some(last) = joined {
            *last = OffsetRange::new(last.start(), range.end()).unwrap_or(*last);
        } else if self.ranges.len() < DETAILED {
            self.ranges.push(range);
        } else {
            self.more += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: i64, end: i64) -> OffsetRange {
        OffsetRange::new(Offset::new(start).unwrap(), Offset::new(end).unwrap()).unwrap()
    }

    fn cover(whole: OffsetRange, offsets: &[i64], absent: Option<&[OffsetRange]>) -> Covered {
        let absent = absent.map(|runs| Absent::Ranges(runs.to_vec()));
        let mut coverage = Coverage::new(whole, absent.as_ref());
        offsets.iter().for_each(|offset| coverage.outcome(*offset));
        coverage.finish()
    }

    #[test]
    fn every_offset_needs_exactly_one_outcome_or_a_record() {
        let whole = range(10, 20);
        let all: Vec<i64> = (10..20).collect();
        assert_eq!(cover(whole, &all, Some(&[])), Covered::default());
        let some = [10, 11, 13, 14, 15, 16, 19];
        let covered = cover(whole, &some, Some(&[range(12, 13), range(17, 19)]));
        assert_eq!((covered.missing, covered.holes.ranges.len()), (3, 0));
        let covered = cover(whole, &some, Some(&[range(17, 18)]));
        assert_eq!(covered.holes.ranges, [range(12, 13), range(18, 19)]);
        let covered = cover(whole, &[], Some(&[]));
        assert_eq!(covered.holes.ranges, [whole]);
        let covered = cover(whole, &some, None);
        assert_eq!((covered.missing, covered.holes.ranges.len()), (3, 0));
        let covered = cover(
            whole,
            &[10, 11, 11, 11, 12, 14, 14],
            Some(&[range(13, 14), range(15, 20)]),
        );
        assert_eq!(covered.doubled.ranges.len(), 3);
        assert_eq!(covered.doubled.hull, Some(range(11, 15)));
        assert!(covered.holes.ranges.is_empty());
        let covered = cover(whole, &all, Some(&[range(12, 14)]));
        assert_eq!(covered.unexpected.ranges, [range(12, 14)]);
        // What lies outside of the range is not its business.
        let covered = cover(
            whole,
            &[9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
            Some(&[]),
        );
        assert_eq!(covered, Covered::default());
    }

    #[test]
    fn too_many_absent_runs_are_compared_by_their_digest() {
        let whole = range(0, 10_000);
        let even: Vec<i64> = (0..10_000).step_by(2).collect();
        let mut absent = AbsentBuilder::default();
        even.iter()
            .for_each(|offset| absent.push(range(offset + 1, offset + 2)));
        let absent = absent.finish();
        assert!(matches!(absent, Absent::Digest(_)));
        let cover = |offsets: &[i64]| {
            let mut coverage = Coverage::new(whole, Some(&absent));
            offsets.iter().for_each(|offset| coverage.outcome(*offset));
            coverage.finish()
        };
        assert!(!cover(&even).not_as_recorded);
        assert!(cover(&even[1..]).not_as_recorded);
    }

    #[test]
    fn what_is_listed_is_bounded() {
        let offsets: Vec<i64> = (0..100_000).step_by(2).collect();
        let covered = cover(range(0, 100_000), &offsets, Some(&[]));
        assert_eq!(covered.missing, 50_000);
        assert_eq!(covered.holes.ranges.len(), DETAILED);
        assert_eq!(covered.holes.more, 50_000 - DETAILED as u64);
        assert_eq!(covered.holes.hull, Some(range(1, 100_000)));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_count_by_hand(
            rows in proptest::collection::vec(0..3u8, 0..60),
            records in proptest::collection::vec(any::<bool>(), 60),
        ) {
            let end = i64::try_from(rows.len()).unwrap();
            let offsets: Vec<i64> = (0..end).flat_map(|o| vec![o; rows[o as usize].into()]).collect();
            let absent: Vec<_> = (0..end).filter(|o| records[*o as usize]).map(|o| range(o, o + 1)).collect();
            let covered = cover(range(0, end), &offsets, Some(&absent));
            let count = |test: &dyn Fn(usize) -> bool| (0..rows.len()).filter(|o| test(*o)).count() as u64;
            let sum = |listed: &Listed| listed.ranges.iter().map(|r| r.len()).sum::<u64>();
            prop_assert_eq!(covered.missing, count(&|o| rows[o] == 0));
            prop_assert_eq!(sum(&covered.holes), count(&|o| rows[o] == 0 && !records[o]));
            prop_assert_eq!(sum(&covered.doubled), count(&|o| rows[o] == 2));
            prop_assert_eq!(sum(&covered.unexpected), count(&|o| rows[o] > 0 && records[o]));
        }
    }
}
