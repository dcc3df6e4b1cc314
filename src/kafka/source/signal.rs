//! Wakes the thread that owns a source when something has come.

use std::{
    mem,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// A flag that one thread waits for and others raise.
#[derive(Default)]
pub(in crate::kafka) struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(in crate::kafka) fn raise(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Waits until it is raised, and lowers it; says whether it was.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut raised, _) = self
            .changed
            .wait_timeout_while(raised, timeout, |raised| !*raised)
            .unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *raised)
    }
}
