//! What the workers let the coordinator see.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::partition::{Owned, Phase};
use crate::{model::Partition, recovery::Refusal};

/// One worker as the coordinator sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct WorkerProgress {
    /// Whether every owned partition has committed its target or is held, and none is arriving.
    pub reached: bool,
    /// Partitions that are neither held nor done with recovery, or running.
    pub working: usize,
    /// The held partitions.
    pub held: BTreeMap<Partition, Refusal>,
}

/// All workers as the coordinator sees them.
#[derive(Debug)]
pub(super) struct Progress(Vec<Mutex<WorkerProgress>>);

impl Progress {
    pub(super) fn new(workers: usize) -> Progress {
        Progress((0..workers).map(|_| Mutex::default()).collect())
    }

    pub(super) fn set(&self, worker: usize, reached: bool, owned: &BTreeMap<Partition, Owned>) {
        let mut state = self.0[worker]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.reached = reached;
        state.working = 0;
        let held = owned
            .values()
            .filter(|owned| matches!(owned.phase, Phase::Held(_)))
            .count();
        state.working = owned.len() - held;
        if held != state.held.len()
            || owned
                .keys()
                .any(|p| held > 0 && !state.held.contains_key(p))
        {
            state.held = owned
                .values()
                .filter_map(|owned| match &owned.phase {
                    Phase::Held(refusal) => Some((owned.partition, (**refusal).clone())),
                    _ => None,
                })
                .collect();
        }
    }

    /// Whether every worker has done what was there at start.
    pub(super) fn all_reached(&self) -> bool {
        self.each().all(|state| state.reached)
    }

    /// Partitions at work over all workers.
    pub(super) fn working(&self) -> usize {
        self.each().map(|state| state.working).sum()
    }

    /// The held partitions of all workers.
    pub(super) fn held(&self) -> BTreeMap<Partition, Refusal> {
        self.each().flat_map(|state| state.held).collect()
    }

    fn each(&self) -> impl Iterator<Item = WorkerProgress> + '_ {
        self.0
            .iter()
            .map(|state| state.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
