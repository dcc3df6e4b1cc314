//! Gathering: asks the store, the group and the log for the facts of some partitions, in the order that makes them true.
//!
//! Manifests are read before the committed offsets: a frontier never lies above what was committed when it was written
//! (I1), so it cannot lie above what is committed when it is asked for afterwards. The caller has joined the group and
//! initialised its producer, so that nobody else commits for these partitions any more.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{ChainFacts, Committed, Damage, Facts, GoodChain, LogFacts, Start};
use crate::{
    calculation::Declaration,
    failpoint::{self, Point},
    format::{Identity, Layout, Manifest, ManifestError, Pipeline},
    history::{self, Chain, ChainError, Clock, Tidied, tidy},
    kafka::{Admin, KafkaError},
    model::{Digest, Partition, Sequence},
    store::Store,
};

/// What does not change while a process runs, and where to ask.
#[derive(Clone)]
pub struct Gatherer {
    /// The store.
    pub store: Store,
    /// Its folders for the events topic.
    pub layout: Layout,
    /// Questions to the broker.
    pub admin: Arc<Admin>,
    /// The pipeline of this process, as it was at start.
    pub identity: Pipeline,
    /// The calculation of this process.
    pub calculation: Declaration,
    /// Where new partitions start.
    pub start: Start,
    /// Who writes manifests: a name that is kept over a restart.
    pub writer: String,
    /// Time and ids of what is written.
    pub clock: Clock,
}

/// The facts of a partition, and its chain as they describe it.
#[derive(Debug)]
pub struct Gathered {
    /// The facts.
    pub facts: Facts,
    /// The chain.
    pub chain: Option<Chain>,
    /// What tidying found and did.
    pub tidied: Tidied,
}

/// What is asked for at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The store for the manifests.
    Manifests,
    /// The broker for the committed offsets: it does not tell them while a transaction that changes them is open.
    Committed,
    /// Everything else.
    Rest,
}

/// Why facts are not known yet.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The chain cannot be read.
    #[error("the manifests of partition {partition} cannot be read: {source}")]
    Chain {
        /// The partition.
        partition: Partition,
        /// Why.
        source: ChainError,
    },
    /// The broker does not answer, or an open transaction of a dead process has not timed out yet.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The events topic is gone.
    #[error("the topic {topic} does not exist any more")]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// The thread that asks the broker is gone.
    #[error("asking the broker ended early: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// What the store says about one partition.
enum Seen {
    Chain(Box<Chain>),
    /// Facts without a chain that could be continued.
    Only(Box<ChainFacts>),
}

impl Seen {
    fn chain(&self) -> Option<&Chain> {
        match self {
            Seen::Chain(chain) => Some(chain),
            Seen::Only(_) => None,
        }
    }

    fn head(&self) -> Option<(Sequence, Digest)> {
        self.chain()?.tail().head()
    }
}

impl Gatherer {
    /// Gathers the facts of `partitions` and puts their folders in order; `tell` hears what it is about to do.
    ///
    /// # Errors
    /// When store or broker do not answer; asking again later may help.
    pub async fn gather(
        &self,
        partitions: &[Partition],
        tell: impl Fn(Step),
    ) -> Result<Vec<Gathered>, GatherError> {
        let began = Instant::now();
        tell(Step::Manifests);
        let loads = partitions.iter().map(|partition| self.load(*partition));
        let seen = futures::future::try_join_all(loads).await?;
        let chains = seen.iter().filter_map(Seen::chain);
        let size = self.size_at_first(chains).await?;
        let loaded = began.elapsed();
        failpoint::at(Point::ManifestsRead);
        tell(Step::Committed);
        let mut committed = self.committed(partitions).await?;
        failpoint::at(Point::CommittedRead);
        tell(Step::Rest);
        let asked = began.elapsed();
        let before: Vec<_> = seen.iter().map(Seen::head).collect();
        let heads = partitions.iter().map(|partition| committed.get(partition));
        let tidying = futures::future::try_join_all(
            seen.into_iter()
                .zip(heads)
                .map(|(seen, committed)| self.tidied(seen, committed)),
        );
        let (tidied, logs, ours) = tokio::join!(tidying, self.logs(partitions), self.ours(size));
        let (tidied, logs, ours) = (tidied?, logs?, ours?);
        // A chain that has grown since may reach beyond what was committed then.
        if tidied.iter().map(|(seen, _)| seen.head()).ne(before) {
            committed = self.committed(partitions).await?;
        }
        failpoint::at(Point::FactsGathered);
        tracing::debug!(
            "facts of {} partitions: manifests {loaded:?}, committed offsets {:?}, folders and logs {:?}",
            partitions.len(),
            asked - loaded,
            began.elapsed() - asked
        );
        let mut gathered = Vec::with_capacity(partitions.len());
        for (partition, (seen, tidied)) in partitions.iter().zip(tidied) {
            let committed = committed.get(partition).cloned();
            let log = logs[partition];
            let ours = ours.clone();
            let facts = self.facts(*partition, ours, seen, tidied, committed, log);
            gathered.push(facts.await?);
        }
        Ok(gathered)
    }

    /// Our pipeline as it is now: while we run, the events topic may be deleted and created anew.
    async fn ours(&self, size_at_first: Option<u32>) -> Result<Pipeline, GatherError> {
        let (admin, topic) = (Arc::clone(&self.admin), self.identity.events_topic.clone());
        let found = tokio::task::spawn_blocking(move || admin.topic(&topic)).await??;
        let found = found.ok_or_else(|| GatherError::NoTopic {
            topic: self.identity.events_topic.clone(),
        })?;
        Ok(Pipeline {
            events_topic_id: found.id,
            events_partitions: size_at_first.or(Some(found.partitions)),
            ..self.identity.clone()
        })
    }

    async fn load(&self, partition: Partition) -> Result<Seen, GatherError> {
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

    async fn tidied(
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

    async fn facts(
        &self,
        partition: Partition,
        ours: Pipeline,
        seen: Seen,
        tidied: Tidied,
        committed: Option<Committed>,
        log: LogFacts,
    ) -> Result<Gathered, GatherError> {
        let (chain_facts, chain) = match seen {
            Seen::Only(facts) => (*facts, None),
            Seen::Chain(chain) => {
                let facts = self
                    .chain_facts(
                        &chain,
                        &tidied,
                        committed.as_ref().and_then(Committed::head),
                    )
                    .await
                    .map_err(|source| GatherError::Chain { partition, source })?;
                (facts, Some(*chain))
            }
        };
        Ok(Gathered {
            facts: Facts {
                partition,
                ours,
                calculation: self.calculation.clone(),
                store: self.store.uri().to_owned(),
                chain: chain_facts,
                committed,
                log,
                replayed: None,
                unreadable: None,
                refused: None,
            },
            chain,
            tidied,
        })
    }

    async fn chain_facts(
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

    async fn committed(
        &self,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, Committed>, GatherError> {
        let (admin, partitions) = (Arc::clone(&self.admin), partitions.to_vec());
        let (group, topic) = (
            self.identity.group.clone(),
            self.identity.events_topic.clone(),
        );
        let answer =
            tokio::task::spawn_blocking(move || admin.committed(&group, &topic, &partitions))
                .await??;
        Ok(answer
            .into_iter()
            .filter_map(|(partition, committed)| Some((partition, committed?.into())))
            .collect())
    }

    async fn logs(
        &self,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, LogFacts>, GatherError> {
        let (admin, partitions) = (Arc::clone(&self.admin), partitions.to_vec());
        let (topic, start) = (self.identity.events_topic.clone(), self.start);
        let logs = tokio::task::spawn_blocking(move || {
            let since = match start {
                Start::Time(at) => admin.offsets_for_time(&topic, &partitions, at)?,
                Start::Earliest | Start::Latest => BTreeMap::new(),
            };
            let ask = |partition: Partition| {
                let marks = admin.watermarks(&topic, partition)?;
                let facts = LogFacts {
                    start: marks.start,
                    stable_end: marks.stable_end,
                    end: marks.end,
                    since: since.get(&partition).copied().flatten(),
                };
                Ok::<_, KafkaError>((partition, facts))
            };
            partitions.into_iter().map(ask).collect::<Result<_, _>>()
        })
        .await??;
        Ok(logs)
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
        revision: newest
            .corrections
            .iter()
            .filter_map(|one| one.revision)
            .max(),
        lost: newest.counts.lost,
        head_known,
        age: age.map(|age: Duration| age),
        damage,
    }
}
