//! What a repair has done, or would do.

use super::{super::exit::Exit, losses::Lost, rescue::Rescued};
use crate::audit::Unread;

/// What came of the command, in numbers.
#[derive(Default, serde::Serialize)]
pub(super) struct Outcome {
    /// Ranges that were mended, or, without `--apply`, can be.
    pub ranges: usize,
    /// Chains of manifests that were mended, or can be.
    pub manifests: usize,
    /// Pages that were made again, or, without `--apply`, may be.
    pub pages: usize,
    /// Those that stay as they are, and why.
    pub left: Vec<String>,
    /// Corrections that wait for the owners of their partitions.
    pub corrections: u64,
    /// Ranges that are recorded as lost now.
    pub lost: Vec<Lost>,
    /// What Kafka has no more of ranges, and the topics of results and dead letters have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rescued: Vec<Rescued>,
    pub applied: bool,
    /// Events that could not be read: whether something has to be mended there is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// The first error for which a range could not be tried to the end.
    #[serde(skip)]
    pub failed: Option<Exit>,
}
