//! When the open transaction began, and who takes part in it.

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
    last: Instant,
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
        let since = self.open.as_ref().map_or(self.last, |open| open.since);
        since.elapsed() >= self.interval && self.may_commit()
    }
}
