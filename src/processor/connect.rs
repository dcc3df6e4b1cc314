//! Connecting to the cluster, and the output topics.

use std::{cell::RefCell, time::Duration};

use super::{
    ProcessorError,
    watch::{Board, Reason},
};
use crate::{
    config::RunConfig,
    kafka::{Admin, KafkaError, Topic},
};

/// How long a metadata question to the broker may take.
pub const ASK: Duration = Duration::from_secs(30);

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

/// An output topic, made where it is missing.
pub fn output(
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
