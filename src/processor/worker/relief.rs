//! What a worker does about the memory that outcomes take (I8): the largest accumulations are stored early, and consumption
//! pauses when that does not suffice.

use super::Worker;
use crate::model::Partition;

impl Worker {
    /// Whether consumption must wait for snapshots; says so when that changes.
    pub(super) fn is_full(&mut self) -> bool {
        let held = self.ledger.held();
        let full = held > self.budget.pause_above;
        if full && !self.paused {
            tracing::warn!(
                "consumption pauses: {} MiB of outcomes wait to be stored, which is what --memory allows; it resumes by itself",
                held >> 20
            );
        } else if self.paused && !full {
            tracing::info!("consumption resumes: outcomes are being stored again");
        }
        self.paused = full;
        full
    }

    /// When memory is short, has the largest accumulations stored before their interval: as many as needed, so that a busy
    /// partition does not make small files of the others.
    pub(super) fn relieve_memory(&mut self) {
        let storable = self.ledger.storable();
        if storable <= self.budget.store_above {
            return;
        }
        let asked = self.keepers.values().filter(|keeper| keeper.is_asked());
        let coming: u64 = asked.map(|keeper| keeper.storable_bytes()).sum();
        let keepers = self.keepers.iter().filter(|(_, keeper)| !keeper.is_asked());
        let mut largest: Vec<(u64, Partition)> = keepers
            .map(|(partition, keeper)| (keeper.storable_bytes(), *partition))
            .collect();
        largest.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let mut excess = storable.saturating_sub(coming + self.budget.store_above / 2);
        for (bytes, partition) in largest {
            if excess == 0 || bytes == 0 {
                return;
            }
            excess = excess.saturating_sub(bytes);
            if !self.count_replay(partition)
                && let Some(keeper) = self.keepers.get(&partition)
            {
                keeper.store();
            }
        }
    }
}
