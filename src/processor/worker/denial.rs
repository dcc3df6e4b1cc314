//! What a broker refuses to a worker that it has granted before, and when it is tried again.

use std::{collections::BTreeSet, time::Instant};

use super::super::{store_wait::Pauses, watch::Trouble};
use crate::model::Partition;

/// See the module.
pub struct Denial {
    pub(super) trouble: Trouble,
    pub(super) pauses: Pauses,
    /// When the next attempt is made.
    pub(super) until: Instant,
    /// Whether offsets may not be committed, although what they are of is published: at-least-once delivery.
    pub(super) offsets: bool,
    /// Partitions whose events may not be read.
    pub(super) unread: BTreeSet<Partition>,
}
