//! The turn of a kind of background work, from its step to the end of its edit.

use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::work::{Work, Written};

/// Work under way, and its turn among those of the process.
pub struct Turn {
    pub work: Box<dyn Work>,
    pub began: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// A turn that began then; it ends when it is dropped.
    pub fn new(work: Box<dyn Work>, began: Instant, permit: OwnedSemaphorePermit) -> Turn {
        Turn {
            work,
            began,
            _permit: permit,
        }
    }
}

/// Work whose edit was attempted.
pub struct Worked {
    pub turn: Turn,
    pub written: Written,
}
