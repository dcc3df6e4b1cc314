//! Messages that no broker takes: a refusal is narrowed down to its event, and that holds its partition. The others go on.

use std::collections::BTreeSet;

use super::{
    super::{
        WorkerError,
        partition::{Fetch, Owned},
    },
    Worker,
};
use crate::{
    kafka::PublishError,
    model::{Offset, Partition},
    recovery::RefusedEvent,
};

/// What was being handed to the producer when it failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandedOver {
    pub partition: Partition,
    /// How many events.
    pub events: u64,
    /// The last of them.
    pub last: Offset,
}

impl Worker {
    /// Counts a refusal of everybody whose message it may have been, and narrows it down; whether there is anybody.
    pub(super) fn count_refusal(
        &mut self,
        error: &PublishError,
        batch: Option<HandedOver>,
    ) -> bool {
        let Some((topic, to)) = error.refused_at() else {
            return false;
        };
        if error.refuses_a_time() {
            self.shared.carried_times.leave_out();
        }
        let pipeline = &self.shared.settings.pipeline;
        let is_suspect = |of: Partition| match topic {
            _ if topic == pipeline.results => self.shared.results_partition(of) == to,
            _ => self.shared.rejects_partition(of) == to,
        };
        let suspects: BTreeSet<Partition> = self
            .owned
            .keys()
            .copied()
            .filter(|of| is_suspect(*of))
            .collect();
        let mut is_counted = false;
        for partition in suspects {
            let batch = batch.filter(|batch| batch.partition == partition);
            let Some(owned) = self.owned.get_mut(&partition) else {
                continue;
            };
            let Some((events, last)) = uncommitted(owned, batch) else {
                // Nothing but corrections of it can have been refused.
                is_counted |= owned.outbox.refuse();
                if owned.outbox.is_stuck() {
                    tracing::error!(
                        "partition {partition}: no broker takes its corrections ({error}); none is published until the next start"
                    );
                }
                continue;
            };
            is_counted = true;
            if let Some(offset) = owned
                .narrowing
                .refuse(owned.books.committed(), events, last)
            {
                let rules = self.shared.rules(topic);
                owned.refused = Some(RefusedEvent {
                    offset,
                    topic: topic.to_owned(),
                    words: error.to_string(),
                    rules,
                });
            }
        }
        is_counted
    }

    /// Whether the events of `partition` are tried alone at the moment.
    pub(super) fn narrows(&self, partition: Partition) -> bool {
        let owned = self.owned.get(&partition);
        owned.is_some_and(|owned| owned.narrowing.most().is_some())
    }

    /// How many events of `partition` may be taken at once.
    pub(super) fn most_events(&self, partition: Partition) -> usize {
        let usual = self.batch_size.events();
        let most = self
            .owned
            .get(&partition)
            .and_then(|owned| owned.narrowing.most());
        most.map_or(usual, |most| most.min(usual))
    }

    /// Moves `partition` forward in a transaction of its own.
    pub(super) fn advance_alone(&mut self, partition: Partition) -> Result<usize, WorkerError> {
        self.commit()?;
        if self.cadence.is_open() {
            return Ok(0);
        }
        let moved = self.advance(partition)?;
        self.commit()?;
        Ok(moved)
    }

    /// Stops partitions before the event whose message no broker takes. The offsets before it that the log never delivers
    /// are passed.
    pub(super) fn stop_at_refused(&mut self) -> Result<(), WorkerError> {
        for (partition, offset) in self.refused() {
            if let Some(owned) = self.owned.get_mut(&partition) {
                owned.fetch = Fetch::Paused;
            }
            self.source.pause(&[partition])?;
            self.keep(partition, offset, self.nothing())?;
        }
        Ok(())
    }

    /// Asks the decision table about them, as soon as everything before them is stored.
    pub(super) fn ask_about_refused(&mut self) -> Result<(), WorkerError> {
        let refused = self.refused();
        if refused.is_empty() {
            return Ok(());
        }
        self.commit()?;
        for (partition, _) in refused {
            let Some(owned) = self.owned.get_mut(&partition) else {
                continue;
            };
            if !owned.is_running() || owned.books.has_uncommitted() || owned.must_commit.is_some() {
                continue;
            }
            if owned.store_first() {
                if let Some(keeper) = self.keepers.get(&partition) {
                    keeper.store();
                }
            } else {
                self.gather_anew(partition)?;
            }
        }
        Ok(())
    }

    fn refused(&self) -> Vec<(Partition, Offset)> {
        let running = self.owned.values().filter(|owned| owned.is_running());
        let refused = running.filter_map(|owned| {
            let refused = owned.refused.as_ref()?;
            Some((owned.partition, refused.offset))
        });
        refused.collect()
    }
}

/// How many events of a partition are in the transaction, and the last of them.
fn uncommitted(owned: &Owned, batch: Option<HandedOver>) -> Option<(u64, Offset)> {
    let kept = owned.books.uncommitted_events();
    match batch {
        Some(batch) => Some((kept.map_or(0, |kept| kept.0) + batch.events, batch.last)),
        None => kept,
    }
}
