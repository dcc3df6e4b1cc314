//! Whether Kafka has the topic that a store was made from.

use std::time::Duration;

use crate::{
    format::Pipeline,
    kafka::{Admin, KafkaError},
};

/// So often a broker is asked for a topic of which it does not know.
const ANSWERS: usize = 5;
/// How long between two of these questions.
const BETWEEN: Duration = Duration::from_secs(1);

/// Why the events in Kafka are not compared with a store.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The store was made from other topics than those that Kafka has.
    #[error(
        "the store was made from another {what}: it states {stored}, Kafka has {found}. Nothing was changed; check --brokers, --events and --store"
    )]
    Other {
        /// Cluster or topic.
        what: &'static str,
        /// Whether it is the topic, in the store's own cluster.
        is_gone: bool,
        /// What the store states.
        stored: String,
        /// What Kafka has.
        found: String,
    },
    /// Kafka says, each time that it is asked, that it has no such topic.
    #[error(
        "the store was made from the topic {topic:?}, and Kafka has none of that name. Nothing was changed; check --brokers, --events and --store"
    )]
    NoTopic {
        /// Its name.
        topic: String,
        /// Whether it is the cluster that the store was made from.
        is_its_cluster: bool,
    },
    /// Kafka does not answer.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

impl SourceError {
    /// Whether the topic that the store was made from is no more: its cluster has another under its name, or none.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        match self {
            SourceError::Other { is_gone, .. } => *is_gone,
            SourceError::NoTopic { is_its_cluster, .. } => *is_its_cluster,
            SourceError::Kafka(_) => false,
        }
    }
}

/// Whether Kafka has the topic that the store was made from: another of its name would give other events. That there is none
/// counts when it is said again and again: a broker that has just started, or that has not heard of it yet, says so once.
/// Blocking.
///
/// # Errors
/// When it has not, or does not answer.
pub fn is_its_source(pipeline: &Pipeline, admin: &Admin) -> Result<(), SourceError> {
    let topic = said_again(|| admin.topic(&pipeline.events_topic))?;
    compare(pipeline, admin.cluster_id(), topic.map(|topic| topic.id))
}

/// What a question about a topic gives: nothing only if it is the answer each time.
fn said_again<T, E>(mut ask: impl FnMut() -> Result<Option<T>, E>) -> Result<Option<T>, E> {
    for _ in 1..ANSWERS {
        if let Some(topic) = ask()? {
            return Ok(Some(topic));
        }
        std::thread::sleep(BETWEEN);
    }
    ask()
}

/// Compares what a store states with the cluster's id, and with the topic's where there is one.
fn compare(
    pipeline: &Pipeline,
    cluster: Option<String>,
    topic: Option<Option<String>>,
) -> Result<(), SourceError> {
    let is_its_cluster = cluster.is_some() && cluster == pipeline.cluster_id;
    let exists = topic.is_some();
    let parts = [
        ("cluster", &pipeline.cluster_id, cluster),
        ("topic", &pipeline.events_topic_id, topic.flatten()),
    ];
    for (what, stored, found) in parts {
        if let (Some(stored), Some(found)) = (stored, found)
            && *stored != found
        {
            let stored = stored.clone();
            return Err(SourceError::Other {
                what,
                is_gone: what == "topic" && is_its_cluster,
                stored,
                found,
            });
        }
    }
    if exists {
        return Ok(());
    }
    Err(SourceError::NoTopic {
        topic: pipeline.events_topic.clone(),
        is_its_cluster,
    })
}

#[cfg(test)]
mod tests;
