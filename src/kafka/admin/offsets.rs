//! Where partitions begin and end, what a group has committed, and which offset belongs to a time.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError as NativeError, RDKafkaErrorCode as Code},
};

use super::Admin;
use crate::{
    kafka::{context::Context, error::KafkaError},
    model::{Offset, Partition},
};

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The oldest offset in the log.
    pub start: Offset,
    /// The offset that a reader of committed messages can come to: no open transaction begins below it.
    pub stable_end: Offset,
    /// The offset that the next message gets.
    pub end: Offset,
}

/// An offset that a group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset.
    pub offset: Offset,
    /// The metadata committed with it, possibly empty.
    pub metadata: String,
}

impl Admin {
    /// Where a partition begins and ends.
    ///
    /// # Errors
    /// When no broker answers or there is no such partition.
    pub fn watermarks(&self, topic: &str, partition: Partition) -> Result<Watermarks, KafkaError> {
        let doing = format!("find the ends of {topic:?} partition {partition}");
        let ends = |consumer| {
            let (start, end) = self.ask_about(topic, consumer, &doing, |consumer, timeout| {
                consumer.fetch_watermarks(topic, partition.0, timeout)
            })?;
            Ok::<_, KafkaError>((offset_or_zero(start), offset_or_zero(end)))
        };
        // The stable end first: it never lies above an end asked for later.
        let (start, stable_end) = ends(&self.stable)?;
        let (_, end) = ends(&self.latest)?;
        Ok(Watermarks {
            start,
            stable_end,
            end,
        })
    }

    /// As [`ask`](Admin::ask), about partitions of `topic`. A client answers about one that was added since it last heard of the
    /// topic that there is none, for many minutes: so it is told to ask the brokers anew.
    fn ask_about<T>(
        &self,
        topic: &str,
        consumer: &BaseConsumer<Context>,
        doing: &str,
        mut question: impl FnMut(&BaseConsumer<Context>, Duration) -> Result<T, NativeError>,
    ) -> Result<T, KafkaError> {
        match self.ask(consumer, doing, &mut question) {
            Err(KafkaError::Call { source, .. }) if source.code == Code::UnknownPartition => {
                self.ask(consumer, doing, |consumer, timeout| {
                    consumer.fetch_metadata(Some(topic), timeout)
                })?;
                self.ask(consumer, doing, question)
            }
            answer => answer,
        }
    }

    /// What `group` has committed for the topic's partitions; `None` where it has committed nothing.
    ///
    /// # Errors
    /// [`KafkaError::OpenTransaction`] when a transaction that commits offsets is still open after the time-out.
    pub fn committed(
        &self,
        group: &str,
        topic: &str,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, Option<CommittedOffset>>, KafkaError> {
        let doing = format!("read the committed offsets of group {group:?} in {topic:?}");
        let consumer = self.asker(group)?;
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            asked.add_partition(topic, partition.0);
        }
        let answer = match consumer.committed_offsets(asked, self.timeout) {
            Err(NativeError::MetadataFetch(Code::OperationTimedOut)) => {
                // The group's coordinator did not answer: is anybody there?
                self.ask(&self.stable, &doing, |consumer, timeout| {
                    consumer.fetch_metadata(Some(topic), timeout)
                })?;
                let (group, topic) = (group.to_owned(), topic.to_owned());
                return Err(KafkaError::OpenTransaction { group, topic });
            }
            other => other.map_err(|error| self.failed(&consumer, &doing, error))?,
        };
        let mut found = BTreeMap::new();
        for element in answer.elements() {
            element
                .error()
                .map_err(|error| self.failed(&consumer, &doing, error))?;
            let committed = match element.offset() {
                rdkafka::Offset::Offset(offset) => {
                    Offset::new(offset).map(|offset| CommittedOffset {
                        offset,
                        metadata: element.metadata().to_owned(),
                    })
                }
                _ => None,
            };
            found.insert(Partition(element.partition()), committed);
        }
        Ok(found)
    }

    fn asker(&self, group: &str) -> Result<Arc<BaseConsumer<Context>>, KafkaError> {
        let mut kept = self.asker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, asker)) = &*kept
            && of == group
        {
            return Ok(Arc::clone(asker));
        }
        let fixed = [
            ("group.id", group),
            ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
        ];
        let asker = self.connection.client(&[], &fixed, Context::new("admin"))?;
        let asker = Arc::new(asker);
        *kept = Some((group.to_owned(), Arc::clone(&asker)));
        Ok(asker)
    }

    /// The first offset of each partition whose message is not older than `timestamp` (milliseconds since the epoch);
    /// `None` where there is no such message.
    ///
    /// # Errors
    /// When no broker answers or there is no such partition.
    pub fn offsets_for_time(
        &self,
        topic: &str,
        partitions: &[Partition],
        timestamp: i64,
    ) -> Result<BTreeMap<Partition, Option<Offset>>, KafkaError> {
        let doing = format!("find offsets by time in {topic:?}");
        let answer = self.ask_about(topic, &self.stable, &doing, |consumer, timeout| {
            let mut asked = TopicPartitionList::with_capacity(partitions.len());
            for partition in partitions {
                let at = rdkafka::Offset::Offset(timestamp.max(0));
                asked.add_partition_offset(topic, partition.0, at)?;
            }
            let answer = consumer.offsets_for_times(asked, timeout)?;
            let mut elements = answer.elements().into_iter();
            elements.try_for_each(|element| element.error())?;
            Ok(answer)
        })?;
        let mut found = BTreeMap::new();
        for element in answer.elements() {
            let offset = match element.offset() {
                rdkafka::Offset::Offset(offset) => Offset::new(offset),
                _ => None,
            };
            found.insert(Partition(element.partition()), offset);
        }
        Ok(found)
    }
}

fn offset_or_zero(offset: i64) -> Offset {
    Offset::new(offset).unwrap_or(Offset::ZERO)
}
