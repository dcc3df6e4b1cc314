//! Connecting to the store and to the cluster, and the output topics.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use super::{
    ProcessorError, rules,
    watch::{Board, Reason},
};
use crate::{
    config::RunConfig,
    kafka::{Admin, KafkaError, Topic},
    store::{Store, StoreError},
};

/// How long a metadata question to the broker may take.
pub const ASK: Duration = Duration::from_secs(30);

/// A store that answers later is waited for with a word.
const UNUSUAL: Duration = Duration::from_secs(5);

/// Opens the store; says what is waited for when that takes long.
///
/// # Errors
/// When it cannot be used, or does not answer for long.
pub async fn open_store(settings: &RunConfig, board: &Board) -> Result<Store, StoreError> {
    let opening = async {
        let store = Store::open(&settings.store).await?;
        store.probe_put_if_absent().await?;
        Ok(store)
    };
    tokio::pin!(opening);
    let trouble = board.trouble(&[]);
    let since = Instant::now();
    loop {
        if let Ok(opened) = tokio::time::timeout(UNUSUAL, &mut opening).await {
            return opened;
        }
        let text = format!(
            "no answer from the store {} for {} s; it is asked again for a while",
            settings.store.url,
            since.elapsed().as_secs()
        );
        tracing::warn!("{text}");
        trouble.is(Reason::Store, text);
    }
}

/// Connects; says what is waited for when that takes long.
pub fn connect(settings: &RunConfig, board: &Board) -> Result<Admin, KafkaError> {
    let trouble = board.trouble(&[]);
    let brokers = settings.connection.brokers();
    let said = RefCell::new(String::new());
    Admin::connect_saying(&settings.connection, ASK, |why| {
        let text = format!("no answer from Kafka at {brokers} yet: {why}");
        if *said.borrow() != text {
            tracing::warn!("{text}");
            said.replace(text.clone());
        }
        trouble.is(Reason::Broker, text);
    })
}

/// An output topic, made where it is missing. One that would take nothing is refused.
pub fn output(
    admin: &Admin,
    settings: &RunConfig,
    name: &str,
    partitions: u32,
) -> Result<Topic, ProcessorError> {
    let topic = find_or_make(admin, settings, name, partitions)?;
    match rules::too_few_replicas(admin, name, &topic) {
        Some(needed) => Err(ProcessorError::TooFewReplicas {
            topic: name.to_owned(),
            needed,
            replicas: topic.replicas,
        }),
        None => Ok(topic),
    }
}

fn find_or_make(
    admin: &Admin,
    settings: &RunConfig,
    name: &str,
    partitions: u32,
) -> Result<Topic, ProcessorError> {
    if let Some(topic) = admin.topic(name)? {
        return Ok(topic);
    }
    let missing = || ProcessorError::NoOutputTopic {
        topic: name.to_owned(),
        brokers: settings.connection.brokers().to_owned(),
        partitions,
    };
    if !settings.create_topics {
        return Err(missing());
    }
    admin.create_topic(name, partitions, &[])?;
    tracing::info!("created the topic {name} with {partitions} partitions");
    admin.topic(name)?.ok_or_else(missing)
}
