//! Gathering: asks the store, the group and the log for the facts of some partitions, in the order that makes them true.
//!
//! Manifests are read before the committed offsets: a frontier never lies above what was committed when it was written
//! (I1), so it cannot lie above what is committed when it is asked for afterwards. The caller has joined the group and
//! initialised its producer, so that nobody else commits for these partitions any more.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use futures::future::join_all;

use super::{Committed, Facts, LogFacts, Start, seen::Seen};
use crate::{
    calculation::{CarryChoices, Declaration},
    failpoint::{self, Point},
    format::{Layout, Pipeline},
    history::{Chain, ChainError, Clock, Tidied},
    kafka::{Admin, KafkaError},
    model::Partition,
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
    /// Its fingerprints with every `--carry`.
    pub carry_choices: CarryChoices,
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
    /// The broker said nothing about a partition's log.
    #[error("the broker does not say where the log of partition {partition} ends")]
    NoLog {
        /// The partition.
        partition: Partition,
    },
    /// The thread that asks the broker is gone.
    #[error("asking the broker ended early: {0}")]
    Interrupted(tokio::task::JoinError),
}

impl From<tokio::task::JoinError> for GatherError {
    /// A panic of the thread goes on in whoever waits for it.
    fn from(error: tokio::task::JoinError) -> GatherError {
        match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => GatherError::Interrupted(error),
        }
    }
}

impl GatherError {
    /// Whether it lies at what is stored of this partition, and not at the store: waiting alone helps nothing.
    #[must_use]
    pub fn lies_at_the_partition(&self) -> bool {
        match self {
            GatherError::Chain { source, .. } => match source {
                ChainError::Store(error) => error.concerns_the_object(),
                source => !source.is_retryable(),
            },
            GatherError::Kafka(_)
            | GatherError::NoTopic { .. }
            | GatherError::NoLog { .. }
            | GatherError::Interrupted(_) => false,
        }
    }
}

impl Gatherer {
    /// Gathers the facts of `partitions` and puts their folders in order; `tell` hears what it is about to do. Each has an
    /// answer of its own, in their order: what is wrong with one does not keep the others.
    ///
    /// # Errors
    /// When the broker does not answer what is asked for all of them; asking again later may help.
    pub async fn gather(
        &self,
        partitions: &[Partition],
        tell: impl Fn(Step),
    ) -> Result<Vec<Result<Gathered, GatherError>>, GatherError> {
        let began = Instant::now();
        tell(Step::Manifests);
        let mut answers = BTreeMap::new();
        let mut seen = BTreeMap::new();
        let loads = partitions.iter().map(|partition| self.load(*partition));
        for (partition, loaded) in partitions.iter().zip(join_all(loads).await) {
            match loaded {
                Ok(one) => _ = seen.insert(*partition, one),
                Err(error) => _ = answers.insert(*partition, Err(error)),
            }
        }
        if !seen.is_empty() {
            let loaded = began.elapsed();
            let size = self
                .size_at_first(seen.values().filter_map(Seen::chain))
                .await?;
            failpoint::at(Point::ManifestsRead);
            answers.append(&mut self.beside_logs(seen, size, tell).await?);
            tracing::debug!(
                "facts of {} partitions: manifests {loaded:?}, committed offsets, folders and logs {:?}",
                partitions.len(),
                began.elapsed() - loaded
            );
        }
        let answers = partitions
            .iter()
            .filter_map(|partition| answers.remove(partition));
        Ok(answers.collect())
    }

    /// The facts of partitions whose chains are read.
    async fn beside_logs(
        &self,
        mut seen: BTreeMap<Partition, Seen>,
        size_at_first: Option<u32>,
        tell: impl Fn(Step),
    ) -> Result<BTreeMap<Partition, Result<Gathered, GatherError>>, GatherError> {
        let mut answers = BTreeMap::new();
        let mut partitions: Vec<Partition> = seen.keys().copied().collect();
        tell(Step::Committed);
        let mut committed = self.committed(&partitions).await?;
        // Those on which a transaction is open keep no other.
        partitions.retain(|partition| committed.contains_key(partition));
        let open = seen.extract_if(.., |partition, _| !committed.contains_key(partition));
        answers.extend(open.map(|(partition, _)| (partition, Err(self.open_transaction()))));
        failpoint::at(Point::CommittedRead);
        tell(Step::Rest);
        let before: BTreeMap<_, _> = seen.iter().map(|(at, seen)| (*at, seen.head())).collect();
        let tidying = join_all(
            seen.into_iter()
                .map(|(partition, seen)| self.tidied(seen, of(&committed, partition))),
        );
        let (tidied, logs, ours) =
            tokio::join!(tidying, self.logs(&partitions), self.ours(size_at_first));
        let (mut logs, ours) = (logs?, ours?);
        // A chain that has grown since may reach beyond what was committed then.
        let has_grown =
            |(partition, tidied): (&Partition, &Result<(Seen, Tidied), GatherError>)| {
                let head = tidied.as_ref().ok().map(|(seen, _)| seen.head());
                head.is_some_and(|head| before.get(partition) != Some(&head))
            };
        if partitions.iter().zip(&tidied).any(has_grown) {
            committed = self.committed(&partitions).await?;
        }
        failpoint::at(Point::FactsGathered);
        for (partition, tidied) in partitions.into_iter().zip(tidied) {
            let log = logs.remove(&partition);
            let committed = committed.get(&partition).cloned();
            let answer = async {
                let committed = committed.ok_or_else(|| self.open_transaction())?;
                let (seen, tidied) = tidied?;
                let log = log.ok_or(GatherError::NoLog { partition })??;
                let ours = ours.clone();
                self.facts(partition, ours, seen, tidied, committed, log)
                    .await
            };
            answers.insert(partition, answer.await);
        }
        Ok(answers)
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
                carry_choices: self.carry_choices.clone(),
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

    /// What the group has committed, without the partitions on which an open transaction changes it, unless it is so on each.
    async fn committed(
        &self,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, Option<Committed>>, GatherError> {
        let (admin, partitions) = (Arc::clone(&self.admin), partitions.to_vec());
        let (group, topic) = (
            self.identity.group.clone(),
            self.identity.events_topic.clone(),
        );
        let ask = move || admin.committed_where_stable(&group, &topic, &partitions);
        let answer = tokio::task::spawn_blocking(ask).await??;
        let committed = answer.into_iter();
        Ok(committed
            .map(|(partition, committed)| (partition, committed.map(Committed::from)))
            .collect())
    }

    /// Why nothing is known of what is committed for a partition.
    fn open_transaction(&self) -> GatherError {
        GatherError::Kafka(KafkaError::OpenTransaction {
            group: self.identity.group.clone(),
            topic: self.identity.events_topic.clone(),
        })
    }

    async fn logs(
        &self,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, Result<LogFacts, KafkaError>>, GatherError> {
        let (admin, partitions) = (Arc::clone(&self.admin), partitions.to_vec());
        let (topic, start) = (self.identity.events_topic.clone(), self.start);
        let logs = tokio::task::spawn_blocking(move || {
            let since = match start {
                Start::Time(at) => admin.offsets_for_time(&topic, &partitions, at)?,
                Start::Earliest | Start::Latest => BTreeMap::new(),
            };
            let ask = |partition: Partition| {
                let marks = admin.watermarks(&topic, partition);
                let facts = marks.map(|marks| LogFacts {
                    start: marks.start,
                    stable_end: marks.stable_end,
                    end: marks.end,
                    since: since.get(&partition).copied().flatten(),
                });
                (partition, facts)
            };
            Ok::<_, KafkaError>(partitions.into_iter().map(ask).collect())
        })
        .await??;
        Ok(logs)
    }
}

fn of(
    committed: &BTreeMap<Partition, Option<Committed>>,
    partition: Partition,
) -> Option<&Committed> {
    committed.get(&partition).and_then(Option::as_ref)
}
