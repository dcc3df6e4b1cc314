//! Where corrections go.

use crate::events::MessageBuffer;

/// The topic to which corrections will be published, and what it takes: a result too large becomes a reject.
#[derive(Clone, Debug)]
pub struct ResultsTopic {
    /// Its name.
    pub name: String,
    /// The largest message in bytes.
    pub limit: u64,
    /// The messages that are larger than a limit.
    pub too_large: fn(&MessageBuffer, u64) -> Vec<usize>,
}
