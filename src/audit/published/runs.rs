//! Faults of one kind: neighbours as one, the first of them each by itself, and the rest as a number. Pure.

use super::message::Key;
use crate::model::{Offset, OffsetRange, Sequence};

/// Faults of a kind that are told one by one; what goes beyond is summed up.
const DETAILED: usize = 100;

/// Neighbouring faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub revision: Option<Sequence>,
    /// From the first to the last of them.
    pub range: OffsetRange,
    /// How many there are.
    pub count: u64,
    /// What is wrong, where that differs from one to the next.
    pub detail: Option<String>,
}

/// Faults of one kind.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    more: Option<Run>,
}

impl Runs {
    /// Adds a fault; it `joins` the one that was added before when nothing right lies between the two.
    pub fn add(&mut self, key: Key, joins: bool, detail: Option<String>) {
        let range = OffsetRange::new(key.offset, key.offset.plus(1));
        let run = Run {
            revision: key.revision,
            range: range.unwrap_or(OffsetRange::empty(key.offset)),
            count: 1,
            detail,
        };
        if let Some(more) = &mut self.more {
            more.join(&run);
            return;
        }
        let full = self.runs.len() >= DETAILED;
        match self.runs.last_mut() {
            Some(last) if joins && last.revision == run.revision => last.join(&run),
            _ if full => {
                self.more = Some(Run {
                    detail: None,
                    ..run
                });
            }
            _ => self.runs.push(run),
        }
    }

    /// Takes out the faults that begin before this offset; how many there were.
    pub fn remove_before(&mut self, before: Offset) -> u64 {
        let goes = |run: &Run| run.range.start() < before;
        let gone = self.runs.extract_if(.., |run| goes(run));
        let gone: u64 = gone.map(|run| run.count).sum();
        gone + self
            .more
            .take_if(|more| goes(more))
            .map_or(0, |more| more.count)
    }

    /// Adds faults that are others than these.
    pub fn append(&mut self, others: Runs) {
        self.runs.extend(others.runs);
        self.runs
            .sort_by_key(|run| (run.revision, run.range.start()));
        match (&mut self.more, others.more) {
            (Some(more), Some(other)) => more.join(&other),
            (more @ None, other) => *more = other,
            (Some(_), None) => {}
        }
    }

    /// All faults, those that are only counted last.
    pub fn iter(&self) -> impl Iterator<Item = (&Run, bool)> {
        let runs = self.runs.iter().map(|run| (run, false));
        runs.chain(self.more.iter().map(|more| (more, true)))
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.iter().map(|(run, _)| run.count).sum()
    }
}

impl Run {
    fn join(&mut self, other: &Run) {
        self.count += other.count;
        let ends = |range: OffsetRange| (range.start(), range.end());
        let ((start, end), (other_start, other_end)) = (ends(self.range), ends(other.range));
        let hull: (Offset, Offset) = (start.min(other_start), end.max(other_end));
        self.range = OffsetRange::new(hull.0, hull.1).unwrap_or(self.range);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    fn key(offset: i64) -> Key {
        Key::first(at(offset))
    }

    #[test]
    fn neighbours_are_one_and_what_goes_beyond_the_limit_is_counted() {
        let mut runs = Runs::default();
        for (offset, joins) in [(3, false), (4, true), (7, true), (9, false)] {
            runs.add(key(offset), joins, None);
        }
        let told: Vec<(i64, i64, u64)> = runs
            .iter()
            .map(|(run, _)| (run.range.start().get(), run.range.end().get(), run.count))
            .collect();
        assert_eq!(told, [(3, 8, 3), (9, 10, 1)]);

        for offset in (20..).step_by(2).take(200) {
            runs.add(key(offset), false, Some("wrong".to_owned()));
        }
        assert_eq!(runs.count(), 204);
        assert_eq!(runs.iter().count(), DETAILED + 1);
        let (more, summed) = runs.iter().last().unwrap();
        assert!(summed && more.detail.is_none());
        assert_eq!(more.range.end().get(), 20 + 2 * 199 + 1);

        // What is taken out is not there any more, nor is what is only counted and begins before.
        let mut others = Runs::default();
        others.add(key(5), false, None);
        others.add(key(1_000), false, None);
        assert_eq!(others.remove_before(at(6)), 1);
        let before = runs.count();
        runs.append(others);
        assert_eq!(runs.count(), before + 1);
        assert_eq!(runs.remove_before(at(1_000)), before);
        assert_eq!(runs.count(), 1);
    }
}
