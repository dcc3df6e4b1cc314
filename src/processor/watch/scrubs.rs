//! What the scrub of a process has done and found.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{audit::Finding, model::Partition};

/// The scrub at one moment, since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubView {
    /// Segments verified.
    pub segments: u64,
    /// Their outcomes.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Ranges that it has mended.
    pub mended: u64,
    /// For each partition that is scrubbed: every live segment was verified then or later; `None` while one never was.
    pub verified_since: BTreeMap<Partition, Option<DateTime<Utc>>>,
    /// What checks have found wrong in what is stored, as far as it still is, by partition and offset.
    pub findings: Vec<Finding>,
}

impl ScrubView {
    /// Everything that is stored of all partitions was verified then or later; `None` while something never was.
    #[must_use]
    pub fn full_round(&self) -> Option<DateTime<Utc>> {
        self.verified_since.values().min().copied().flatten()
    }
}
