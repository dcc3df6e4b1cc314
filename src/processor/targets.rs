//! What a run with `--exit-at-end` is to reach: the ends that the log has at start.

use std::{collections::BTreeMap, sync::OnceLock};

use crate::{
    kafka::{Admin, KafkaError},
    model::{Offset, Partition},
    recovery::Committed,
};

/// See the module.
#[derive(Debug, Default)]
pub struct Targets {
    ends: BTreeMap<Partition, Offset>,
    given_up: OnceLock<String>,
}

impl Targets {
    /// Where the partitions of `topic` end now.
    pub fn of(admin: &Admin, topic: &str, partitions: u32) -> Result<Targets, KafkaError> {
        let mut ends = BTreeMap::new();
        for partition in (0..).map(Partition).take(partitions as usize) {
            ends.insert(partition, admin.watermarks(topic, partition)?.end);
        }
        Ok(Targets {
            ends,
            given_up: OnceLock::new(),
        })
    }

    /// The offset that `partition` must have committed before the run ends.
    pub fn end(&self, partition: Partition) -> Option<Offset> {
        self.ends.get(&partition).copied()
    }

    /// The partitions that have one.
    pub fn partitions(&self) -> Vec<Partition> {
        self.ends.keys().copied().collect()
    }

    /// Whether `committed` is all of it.
    pub fn are_reached(&self, committed: &BTreeMap<Partition, Committed>) -> bool {
        self.ends.iter().all(|(partition, end)| {
            *end == Offset::ZERO
                || committed
                    .get(partition)
                    .is_some_and(|committed| committed.offset >= *end)
        })
    }

    /// They will not be reached; the first reason counts.
    pub fn give_up(&self, why: String) {
        // A later reason adds nothing.
        let _ = self.given_up.set(why);
    }

    /// Why the run ends before it has reached them.
    pub fn given_up(&self) -> Option<&str> {
        self.given_up.get().map(String::as_str)
    }
}
