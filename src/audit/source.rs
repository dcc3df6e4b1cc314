//! Whether Kafka has the topic that a store was made from.

use crate::{
    format::Pipeline,
    kafka::{Admin, KafkaError},
};

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
        /// What the store states.
        stored: String,
        /// What Kafka has.
        found: String,
    },
    /// Kafka does not answer.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// Whether Kafka has the topic that the store was made from: another of its name would give other events.
///
/// # Errors
/// When it has not, or does not answer.
pub fn is_its_source(pipeline: &Pipeline, admin: &Admin) -> Result<(), SourceError> {
    let topic = match admin.topic(&pipeline.events_topic)? {
        Some(topic) => topic.id,
        None => Some("none of that name".to_owned()),
    };
    let cluster = admin.cluster_id();
    let parts = [
        ("cluster", &pipeline.cluster_id, cluster),
        ("topic", &pipeline.events_topic_id, topic),
    ];
    for (what, stored, found) in parts {
        if let (Some(stored), Some(found)) = (stored, found)
            && *stored != found
        {
            let stored = stored.clone();
            return Err(SourceError::Other {
                what,
                stored,
                found,
            });
        }
    }
    Ok(())
}
