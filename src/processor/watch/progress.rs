//! What the workers let the coordinator see.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::{model::Partition, recovery::Refusal};

/// One worker as the coordinator sees it.
#[derive(Clone, Debug, Default)]
pub struct WorkerProgress {
    /// Whether every owned partition has committed its target or is held, and none is arriving.
    pub reached: bool,
    /// Partitions that are neither held nor done with recovery, or running.
    pub working: usize,
    /// Those of them that recovery has found in order.
    pub ready: usize,
    /// The held partitions.
    pub held: BTreeMap<Partition, Refusal>,
}

/// All workers as the coordinator sees them.
#[derive(Debug)]
pub struct Progress(Vec<Mutex<WorkerProgress>>);

impl Progress {
    pub fn new(workers: usize) -> Progress {
        Progress((0..workers).map(|_| Mutex::default()).collect())
    }

    pub fn set(&self, worker: usize, progress: WorkerProgress) {
        *self.0[worker]
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = progress;
    }

    /// Whether every worker has done what was there at start.
    pub fn all_reached(&self) -> bool {
        self.each().all(|state| state.reached)
    }

    /// Partitions at work over all workers.
    pub fn working(&self) -> usize {
        self.each().map(|state| state.working).sum()
    }

    /// Partitions over all workers that recovery has found in order.
    pub fn ready(&self) -> usize {
        self.each().map(|state| state.ready).sum()
    }

    /// The held partitions of all workers.
    pub fn held(&self) -> BTreeMap<Partition, Refusal> {
        self.each().flat_map(|state| state.held).collect()
    }

    fn each(&self) -> impl Iterator<Item = WorkerProgress> + '_ {
        self.0
            .iter()
            .map(|state| state.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
