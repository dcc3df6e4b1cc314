//! Reads the chain of one partition, tidies it, and tells the facts that follow from it.

use super::{
    ChainFacts, Committed, Damage, GoodChain,
    gather::{GatherError, Gatherer},
    seen::Seen,
};
use crate::{
    format::{Identity, Manifest, ManifestError},
    history::{self, Chain, ChainError, Clock, Tidied, tidy},
    model::{Digest, Partition, Sequence},
};

impl Gatherer {
    pub(super) async fn load(&self, partition: Partition) -> Result<Seen, GatherError> {
        let identity = Identity {
            topic: self.identity.events_topic.clone(),
            partition,
            declaration: self.calculation.clone(),
            writer: self.writer.clone(),
        };
        match Chain::load(self.store.clone(), identity, self.clock.clone()).await {
            Ok(chain) => Ok(Seen::Chain(Box::new(chain))),
            Err(ChainError::Newer { path, source }) => {
                let sequence = self
                    .layout
                    .parse_manifest(&path)
                    .map_or(Sequence::FIRST, |(_, sequence)| sequence);
                Ok(Seen::Only(Box::new(ChainFacts::Newer {
                    sequence,
                    version: match source {
                        ManifestError::Newer { found, .. } => found.try_into().unwrap_or(u32::MAX),
                        _ => 0,
                    },
                    writer: None,
                })))
            }
            Err(ChainError::StrayNumber { path, below }) => {
                let path = self.store.locate(&path);
                Ok(Seen::Only(Box::new(ChainFacts::StrayNumber {
                    path,
                    below,
                })))
            }
            Err(source) => Err(GatherError::Chain { partition, source }),
        }
    }

    pub(super) async fn tidied(
        &self,
        seen: Seen,
        committed: Option<&Committed>,
    ) -> Result<(Seen, Tidied), GatherError> {
        let mut chain = match seen {
            Seen::Chain(chain) => chain,
            only @ Seen::Only(_) => return Ok((only, Tidied::default())),
        };
        // Another pipeline's store is looked at, never touched.
        let ours = chain
            .newest()
            .is_some_and(|newest| newest.pipeline.is_same(&self.identity));
        if !ours {
            return Ok((Seen::Chain(chain), Tidied::default()));
        }
        if let Some(metadata) = committed.and_then(Committed::ours) {
            chain.note_commit(metadata.known());
        }
        let partition = chain.partition();
        let tidied = tidy(&mut chain, committed.and_then(Committed::head))
            .await
            .map_err(|source| GatherError::Chain { partition, source })?;
        Ok((Seen::Chain(chain), tidied))
    }

    pub(super) async fn chain_facts(
        &self,
        chain: &Chain,
        tidied: &Tidied,
        head: Option<(Sequence, Digest)>,
    ) -> Result<ChainFacts, ChainError> {
        let tail = chain.tail();
        let mut damage: Vec<Damage> = tail
            .damaged
            .iter()
            .map(|damaged| Damage {
                path: self
                    .store
                    .locate(&self.layout.manifest(chain.partition(), damaged.sequence)),
                detail: match damaged.digest {
                    Some(digest) => format!("the manifest cannot be read; its bytes are {digest}"),
                    None => "the manifest is missing, or too large to be one".to_owned(),
                },
            })
            .collect();
        let Some(newest) = &tail.newest else {
            return Ok(if damage.is_empty() {
                ChainFacts::Absent
            } else {
                ChainFacts::Unreadable { damage }
            });
        };
        damage.extend(tidied.missing.iter().map(|segment| Damage {
            path: self.store.locate(&segment.path),
            detail: format!(
                "the segment is missing; {} rows of offsets {} are not in the store",
                segment.rows, segment.range
            ),
        }));
        let head_known = match head {
            None => false,
            Some(head) if head == newest.head() => true,
            Some(head) => {
                let partition = chain.partition();
                history::contains(&self.store, &self.layout, partition, head, tail.highest).await?
            }
        };
        Ok(ChainFacts::Good(good(
            newest,
            head_known,
            damage,
            &self.clock,
        )))
    }
}

fn good(newest: &Manifest, head_known: bool, damage: Vec<Damage>, clock: &Clock) -> GoodChain {
    let age = (clock.now() - newest.created_at).to_std().ok();
    GoodChain {
        pipeline: newest.pipeline.clone(),
        sequence: newest.sequence,
        origin: newest.origin,
        end: newest.end,
        counts: newest.counts.into(),
        beside: newest.forward().beside(newest.counts),
        revision: newest.forward().edited.max(newest.revision()),
        lost: newest.forward().lost,
        head_known,
        age,
        damage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{format::testing::with_sealed_corrections, model::Sequence};

    #[test]
    fn a_replay_knows_of_corrections_that_are_in_a_page() {
        let newest = with_sealed_corrections(5);
        let chain = good(&newest, true, Vec::new(), &Clock::system());
        assert_eq!(chain.revision, Some(Sequence(5)));
    }
}
