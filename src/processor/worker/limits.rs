//! What decides outcomes besides the calculation: the largest messages that the output topics take.
//!
//! Every commit names the limits that decided what lies between the frontier and its offset, so that a replay decides alike.
//! Others decide only what comes after a snapshot of all that.

use super::{super::WorkerError, Worker};
use crate::{model::Partition, recovery::Limits};

impl Worker {
    /// What decides the outcomes of `partition` now.
    pub(super) fn limits(&self, partition: Partition) -> Limits {
        let owned = self.owned.get(&partition);
        owned.map_or_else(|| self.shared.limits(), |owned| owned.limits)
    }

    /// Has the limits of today decide, in each partition as soon as everything is stored that others decided.
    pub(super) fn take_limits(&mut self) -> Result<(), WorkerError> {
        let limits = self.shared.limits();
        let others = self.owned.values();
        let others = others.filter(|owned| owned.is_running() && owned.limits != limits);
        let others: Vec<Partition> = others.map(|owned| owned.partition).collect();
        if others.is_empty() {
            return Ok(());
        }
        self.commit()?;
        for partition in others {
            self.take_limits_of(partition)?;
        }
        Ok(())
    }

    /// The same for one partition. It commits nothing: what is not committed keeps the limits that decided it.
    pub(super) fn take_limits_of(&mut self, partition: Partition) -> Result<(), WorkerError> {
        let limits = self.shared.limits();
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(());
        };
        let is_settled = owned.must_commit.is_none() && !owned.books.has_uncommitted();
        if owned.limits == limits || !owned.is_running() || !is_settled {
            return Ok(());
        }
        let before = owned.limits;
        if owned.take_limits(limits) {
            tracing::info!(
                "partition {partition}: the output topics take messages of other sizes now ({} and {} bytes, before {} and {}); what was decided before is stored first",
                limits.results,
                limits.rejects,
                before.results,
                before.rejects
            );
            self.source.pause(&[partition])?;
            if let Some(keeper) = self.keepers.get(&partition) {
                keeper.store();
            }
        }
        Ok(())
    }
}
