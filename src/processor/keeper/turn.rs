//! The turn of a kind of background work, from its step to the end of its edit.

use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::work::{Rewritten, Work};

/// Work under way, and its turn among those of the process.
pub struct Turn {
    pub work: Box<dyn Work>,
    pub began: Instant,
    pub _permit: OwnedSemaphorePermit,
}

/// Work whose edit has ended.
pub struct Worked {
    pub turn: Turn,
    pub rewritten: Option<Rewritten>,
}
