//! Reads the chain of one partition, tidies it, and tells the facts that follow from it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    ChainFacts, Committed, Damage, GoodChain,
    gather::{GatherError, Gatherer},
    seen::Seen,
};
use crate::{
    format::{Identity, Layout, Manifest, ManifestError},
    history::{self, Chain, ChainError, Found, Tidied, load_manifest, tidy},
    model::{Digest, Partition, Sequence},
    store::Store,
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
        let bound_at = bound_at(&self.store, &self.layout, newest).await?;
        let bound = bound_at.and_then(|at| (self.clock.now() - at).to_std().ok());
        Ok(ChainFacts::Good(good(newest, head_known, damage, bound)))
    }
}

/// When a partition was bound whose processor has recorded nothing since. A backfill may have made its history begin earlier
/// meanwhile: that says nothing about commits.
async fn bound_at(
    store: &Store,
    layout: &Layout,
    newest: &Manifest,
) -> Result<Option<DateTime<Utc>>, ChainError> {
    if newest.end != newest.published_from.unwrap_or(newest.origin) {
        return Ok(None);
    }
    if newest.sequence == Sequence::FIRST {
        return Ok(Some(newest.created_at));
    }
    let first = load_manifest(store, layout, newest.partition, Sequence::FIRST).await?;
    Ok(match first {
        Found::Good(first) => Some(first.created_at),
        Found::Damaged { .. } | Found::Missing => None,
    })
}

fn good(
    newest: &Manifest,
    head_known: bool,
    damage: Vec<Damage>,
    bound: Option<Duration>,
) -> GoodChain {
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
        bound,
        damage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        format::testing::{encoded, identity, time, with_sealed_corrections},
        history::{Repair, testing, write_repair},
        model::Sequence,
        store::Store,
    };

    #[tokio::test]
    async fn a_backfill_before_the_first_commit_does_not_hide_that_nothing_was_committed() {
        let (store, clock) = (Store::memory(), testing::clock());
        let mut chain = testing::bound(&store, "writer", &clock, 100).await;
        let layout = chain.layout().clone();
        let age = async |chain: &Chain| {
            let newest = chain.newest().unwrap();
            let bound_at = bound_at(&store, &layout, newest).await.unwrap();
            bound_at.map(|at| at >= time())
        };
        assert_eq!(age(&chain).await, Some(true));
        let mut earlier = Repair::filling(encoded(60, 100, &identity("writer")));
        write_repair(&mut chain, &mut earlier).await.unwrap();
        assert!(chain.newest().unwrap().sequence > Sequence::FIRST);
        assert_eq!(age(&chain).await, Some(true));
        let mut first = testing::pending(100, 120);
        history::write_snapshot(&mut chain, &mut first)
            .await
            .unwrap();
        assert_eq!(age(&chain).await, None, "what was stored was committed");
    }

    #[test]
    fn a_replay_knows_of_corrections_that_are_in_a_page() {
        let newest = with_sealed_corrections(5);
        let chain = good(&newest, true, Vec::new(), None);
        assert_eq!(chain.revision, Some(Sequence(5)));
    }
}
