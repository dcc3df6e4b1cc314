//! The wish of an ownership for its facts, which ends with it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Dropped with the ownership, it tells whoever gathers the facts that nobody wants them any more.
#[derive(Debug, Default)]
pub struct Wish(Arc<AtomicBool>);

impl Wish {
    /// What is set when it is over.
    pub fn is_over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
