//! How large the events topic was when the store was bound to it first: partitions with higher numbers came later.

use std::collections::BTreeSet;

use super::gather::{GatherError, Gatherer};
use crate::{
    format::Manifest,
    history::{Chain, ChainError, load_tail},
    model::Partition,
};

impl Gatherer {
    /// How many partitions the topic had then; `None` while no partition is bound. Any that is bound says it: those of
    /// `loaded`, else the first of the others.
    pub(super) async fn size_at_first(
        &self,
        loaded: impl Iterator<Item = &Chain>,
    ) -> Result<Option<u32>, GatherError> {
        let size = |newest: &Manifest| {
            let ours = newest.pipeline.is_same(&self.identity);
            newest.pipeline.events_partitions.filter(|_| ours)
        };
        let mut known = BTreeSet::new();
        for chain in loaded {
            if let Some(size) = chain.newest().and_then(size) {
                return Ok(Some(size));
            }
            known.insert(chain.partition());
        }
        let all = (0..).map(Partition);
        let all = all.take(self.identity.events_partitions.unwrap_or(0) as usize);
        for partition in all.filter(|partition| !known.contains(partition)) {
            match load_tail(&self.store, &self.layout, partition).await {
                Ok(tail) => {
                    if let Some(size) = tail.newest.as_ref().and_then(size) {
                        return Ok(Some(size));
                    }
                }
                // What is wrong with another partition is found out by its owner.
                Err(ChainError::Store(error)) if error.concerns_the_object() => {}
                Err(source) if !source.is_retryable() => {}
                Err(source) => return Err(GatherError::Chain { partition, source }),
            }
        }
        Ok(None)
    }
}
