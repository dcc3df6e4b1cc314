//! The committed offsets of a group, seen from outside.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use super::{admin::CommittedOffset, connection::Connection, context::Context, error::KafkaError};
use crate::model::{Offset, Partition};

/// Watches what a group commits, without joining it.
///
/// Unlike [`Admin::committed`](super::Admin::committed) it never waits for an open transaction: it tells what is committed
/// now, which that transaction may change.
pub struct GroupWatch {
    consumer: BaseConsumer<Context>,
    group: String,
    topic: String,
    brokers: String,
}

impl GroupWatch {
    /// Watches `group` in `topic`.
    ///
    /// # Errors
    /// When the client cannot be created. It does not wait for a broker.
    pub fn open(
        connection: &Connection,
        group: &str,
        topic: &str,
    ) -> Result<GroupWatch, KafkaError> {
        let fixed = [
            ("group.id", group),
            ("isolation.level", "read_uncommitted"),
            ("enable.auto.commit", "false"),
        ];
        let consumer = connection.client(&[], &fixed, Context::new("group watch"))?;
        Ok(GroupWatch {
            consumer,
            group: group.to_owned(),
            topic: topic.to_owned(),
            brokers: connection.brokers().to_owned(),
        })
    }

    /// The committed offsets of partitions 0 to `partitions`; those without one are left out.
    ///
    /// # Errors
    /// When the group's coordinator does not answer within `timeout`.
    pub fn committed(
        &self,
        partitions: u32,
        timeout: Duration,
    ) -> Result<BTreeMap<Partition, Offset>, KafkaError> {
        let commits = self.commits(partitions, timeout)?.into_iter();
        Ok(commits
            .map(|(partition, commit)| (partition, commit.offset))
            .collect())
    }

    /// The same with the metadata of each commit.
    ///
    /// # Errors
    /// As [`committed`](GroupWatch::committed).
    pub fn commits(
        &self,
        partitions: u32,
        timeout: Duration,
    ) -> Result<BTreeMap<Partition, CommittedOffset>, KafkaError> {
        let mut asked = TopicPartitionList::new();
        for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
            asked.add_partition(&self.topic, partition);
        }
        let failed = |error: rdkafka::error::KafkaError| {
            let doing = format!("read the committed offsets of group {:?}", self.group);
            let context = self.consumer.client().context();
            context.failed(&self.brokers, doing, error)
        };
        let answer = self
            .consumer
            .committed_offsets(asked, timeout)
            .map_err(failed)?;
        let mut found = BTreeMap::new();
        for element in answer.elements() {
            element.error().map_err(failed)?;
            if let rdkafka::Offset::Offset(offset) = element.offset()
                && let Some(offset) = Offset::new(offset)
            {
                let metadata = element.metadata().to_owned();
                let commit = CommittedOffset { offset, metadata };
                found.insert(Partition(element.partition()), commit);
            }
        }
        Ok(found)
    }
}
