//! When the open transaction began, who takes part in it, and when it is to be committed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::super::partition::Epoch;
use crate::model::Partition;

/// The cadence of commits.
#[derive(Debug)]
pub struct Cadence {
    interval: Duration,
    open: Option<Open>,
    /// When the last commit began.
    last: Instant,
    /// How long the last commit took.
    took: Duration,
    /// Nothing is committed before.
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    /// The ownership under which each partition entered the transaction.
    owners: BTreeMap<Partition, Epoch>,
}

impl Cadence {
    pub fn new(interval: Duration) -> Cadence {
        Cadence {
            interval,
            open: None,
            last: Instant::now(),
            took: Duration::ZERO,
            not_before: None,
        }
    }

    /// Whether a transaction is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// A transaction is open now.
    pub fn open(&mut self) {
        self.open = Some(Open {
            since: Instant::now(),
            owners: BTreeMap::new(),
        });
    }

    /// A partition takes part in the open transaction.
    pub fn enter(&mut self, partition: Partition, epoch: Epoch) {
        if let Some(open) = &mut self.open {
            open.owners.entry(partition).or_insert(epoch);
        }
    }

    /// The partitions in the open transaction, and the ownership under which they entered it.
    pub fn owners(&self) -> impl Iterator<Item = (Partition, Epoch)> {
        let open = self.open.iter();
        open.flat_map(|open| open.owners.iter().map(|(of, epoch)| (*of, *epoch)))
    }

    /// A partition takes part no more: somebody else publishes what it had in it.
    pub fn leave(&mut self, partition: Partition) {
        if let Some(open) = &mut self.open {
            open.owners.remove(&partition);
        }
    }

    /// It is committed, and there is none any more.
    pub fn committed(&mut self) {
        self.took = self.last.elapsed();
        self.close();
    }

    /// There is none any more.
    pub fn close(&mut self) {
        self.open = None;
        self.not_before = None;
    }

    /// It stays open, and is committed after a pause.
    pub fn postpone(&mut self, pause: Duration) {
        self.not_before = Some(Instant::now() + pause);
    }

    /// Whether a commit may be tried.
    pub fn may_commit(&self) -> bool {
        self.not_before.is_none_or(|at| Instant::now() >= at)
    }

    /// A commit begins.
    pub fn begin_commit(&mut self) {
        self.last = Instant::now();
    }

    /// Whether it is time to commit.
    pub fn is_due(&self) -> bool {
        let since = self.open.as_ref().map_or(self.last, |open| {
            due_since(self.interval, self.last, self.took, open.since)
        });
        since.elapsed() >= self.interval && self.may_commit()
    }
}

/// From when on the interval of a transaction counts that was opened at `opened`, after a commit that began at `last` and took
/// `took`.
///
/// Under a steady stream commits *begin* an interval apart: what arrives while one is made waits for the next, and would
/// otherwise wait for the one as well. After a rest, and where commits take long, the interval counts from the first event:
/// of the time between two commits, at least half goes to events.
fn due_since(interval: Duration, last: Instant, took: Duration, opened: Instant) -> Instant {
    let share = took.max(interval / 2).min(interval);
    let early = opened.checked_sub(interval - share).unwrap_or(opened);
    let is_steady = opened.saturating_duration_since(last) < interval;
    if is_steady { last.max(early) } else { opened }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_begin_an_interval_apart_and_leave_half_of_the_time_to_events() {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        for (took, opened, due, why) in [
            (10, 10, 100, "an interval after the last one"),
            (10, 45, 100, "so far"),
            (10, 55, 105, "less than half an interval would be left"),
            (10, 99, 149, "so far, too"),
            (10, 100, 200, "after a rest: of the first event"),
            (10, 5_000, 5_100, "so far, too"),
            (50, 50, 100, "a commit may take half of it"),
            (60, 60, 120, "a longer one leaves as much time to events"),
            (100, 100, 200, "up to an interval"),
            (3_000, 3_000, 3_100, "and no more"),
        ] {
            let took = Duration::from_millis(took);
            let since = due_since(Duration::from_millis(100), began, took, at(opened));
            assert_eq!(since + Duration::from_millis(100), at(due), "{why}");
        }
    }
}
