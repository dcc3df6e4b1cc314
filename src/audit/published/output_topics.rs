//! Where outcomes are published.

use crate::kafka::Connection;

/// Where outcomes are published.
#[derive(Clone, Debug)]
pub struct OutputTopics {
    /// The cluster.
    pub connection: Connection,
    /// The results topic.
    pub results: String,
    /// The dead-letter topic.
    pub rejects: String,
    /// Whether nobody has named it, so that it is the default.
    pub is_rejects_default: bool,
    /// Whether the processor may publish an outcome twice.
    pub at_least_once: bool,
}
