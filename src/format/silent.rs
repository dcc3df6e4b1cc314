//! Ranges of nothing but offsets without a row, and lists of them. Pure.

use super::{Absent, RowlessRecord, absent::LISTED};
use crate::{
    calculation::Fingerprint,
    model::{Counts, OffsetRange},
};

/// What a range takes where it is listed, beside the runs of absent offsets.
const LINE_BYTES: u64 = 200;

/// A range of offsets none of which has a row: no segment has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilentRange {
    /// The offsets.
    pub range: OffsetRange,
    /// Why each of them has no row.
    pub record: RowlessRecord,
    /// The calculation whose condition filtered them; `None` when none of them is filtered.
    pub fingerprint: Option<Fingerprint>,
}

impl SilentRange {
    /// A range whose events, if it has any, the condition of `calculation` left out.
    #[must_use]
    pub fn new(
        range: OffsetRange,
        record: RowlessRecord,
        calculation: &Fingerprint,
    ) -> SilentRange {
        let fingerprint = (record.filtered > 0).then(|| calculation.clone());
        SilentRange {
            range,
            record,
            fingerprint,
        }
    }

    /// What its offsets are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let filtered = self.record.filtered;
        Counts {
            filtered,
            absent: self.range.len().saturating_sub(filtered),
            ..Counts::default()
        }
    }

    /// The part of it that lies in `range`; `None` when nothing does, or which of its offsets are absent is not known one by
    /// one and it would have to be cut.
    #[must_use]
    pub fn part(&self, range: OffsetRange) -> Option<SilentRange> {
        let range = self.range.common(range)?;
        if range == self.range {
            return Some(self.clone());
        }
        let Absent::Ranges(runs) = &self.record.absent else {
            return None;
        };
        let runs: Vec<_> = runs.iter().filter_map(|run| run.common(range)).collect();
        let absent: u64 = runs.iter().map(|run| run.len()).sum();
        let filtered = range.len().saturating_sub(absent);
        Some(SilentRange {
            range,
            record: RowlessRecord {
                absent: Absent::Ranges(runs),
                filtered,
            },
            fingerprint: self.fingerprint.clone().filter(|_| filtered > 0),
        })
    }

    /// It in parts that end at multiples of `step`, so that their borders stay where they are; `None` when it cannot be cut.
    #[must_use]
    pub fn cut(&self, step: u64) -> Option<Vec<SilentRange>> {
        let (mut at, end) = (self.range.start(), self.range.end());
        let mut parts = Vec::new();
        while at < end {
            let border = at.plus(step - at.get().unsigned_abs() % step).min(end);
            parts.push(self.part(OffsetRange::new(at, border).ok()?)?);
            at = border;
        }
        Some(parts)
    }

    /// How many runs of absent offsets it writes out.
    #[must_use]
    pub fn runs(&self) -> usize {
        match &self.record.absent {
            Absent::Ranges(runs) => runs.len(),
            Absent::Digest(_) => 0,
        }
    }

    /// What it takes in a manifest or a page, in bytes, about.
    #[must_use]
    pub fn listed_bytes(&self) -> u64 {
        let Absent::Ranges(runs) = &self.record.absent else {
            return LINE_BYTES;
        };
        let digits = runs
            .last()
            .map_or(0, |last| last.end().get().max(1).ilog10() + 1);
        LINE_BYTES + runs.len() as u64 * u64::from(2 * digits + 2)
    }

    /// This one and the one that follows it as one, if they touch, no two calculations filtered them, and which of their
    /// offsets are absent can be said in at most `most` runs.
    pub(super) fn joined(&self, next: &SilentRange, most: usize) -> Option<SilentRange> {
        let two = self.fingerprint.is_some() && next.fingerprint.is_some();
        if self.range.end() != next.range.start() || two && self.fingerprint != next.fingerprint {
            return None;
        }
        let (Absent::Ranges(before), Absent::Ranges(after)) =
            (&self.record.absent, &next.record.absent)
        else {
            return None;
        };
        let mut runs = before.clone();
        let mut after = after.iter().copied().peekable();
        if let Some(last) = runs.last_mut()
            && let Some(first) = after.next_if(|first| first.start() == last.end())
        {
            *last = OffsetRange::new(last.start(), first.end()).ok()?;
        }
        runs.extend(after);
        if runs.len() > most {
            return None;
        }
        Some(SilentRange {
            range: OffsetRange::new(self.range.start(), next.range.end()).ok()?,
            record: RowlessRecord {
                absent: Absent::Ranges(runs),
                filtered: self.record.filtered.checked_add(next.record.filtered)?,
            },
            fingerprint: self
                .fingerprint
                .clone()
                .or_else(|| next.fingerprint.clone()),
        })
    }
}

/// Adds a silent range behind others; one that continues the last becomes part of it, so that a quiet topic's list stays short.
pub(super) fn push_silent(list: &mut Vec<SilentRange>, next: SilentRange) {
    match list.last_mut() {
        Some(last) => match last.joined(&next, LISTED) {
            Some(joined) => *last = joined,
            None => list.push(next),
        },
        None => list.push(next),
    }
}

/// The list with `now` in the place of whatever it had in `range`; `None` when a range would have to be cut that cannot be.
pub(super) fn replace_silent(
    list: &[SilentRange],
    range: OffsetRange,
    now: Option<SilentRange>,
) -> Option<Vec<SilentRange>> {
    let mut parts = outside(list, range)?;
    let before = |other: &SilentRange| other.range.start() < range.start();
    parts.splice(
        parts.partition_point(before)..parts.partition_point(before),
        now,
    );
    let mut all = Vec::with_capacity(parts.len());
    parts
        .into_iter()
        .for_each(|part| push_silent(&mut all, part));
    Some(all)
}

/// The parts of the list that lie outside of `range`; `None` when one would have to be cut that cannot be.
pub(super) fn outside(list: &[SilentRange], range: OffsetRange) -> Option<Vec<SilentRange>> {
    let mut parts = Vec::with_capacity(list.len() + 2);
    for silent in list {
        if !silent.range.overlaps(range) {
            parts.push(silent.clone());
            continue;
        }
        let before = OffsetRange::new(silent.range.start(), range.start());
        let after = OffsetRange::new(range.end(), silent.range.end());
        for rest in [before, after].into_iter().flatten() {
            if !rest.is_empty() {
                parts.push(silent.part(rest)?);
            }
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests;
