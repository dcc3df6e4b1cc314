//! Where partitions begin and end, what a group has committed, and which offset belongs to a time.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError as NativeError, RDKafkaErrorCode as Code},
};

use super::Admin;
use crate::{
    kafka::{
        codes::is_passing,
        context::Context,
        error::KafkaError,
        raw::{self, GroupOffset},
    },
    model::{Offset, Partition},
};

/// How long a group's offsets are asked for together, before those that are stable are told apart.
const TOGETHER: Duration = Duration::from_secs(1);
/// Between two questions for what is stable.
const AGAIN: Duration = Duration::from_millis(100);

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

impl Watermarks {
    /// The same once the transactions have ended that were open then, or at the deadline; `ask` says where the partition ends by now.
    ///
    /// # Errors
    /// Those of `ask`.
    pub fn settled(
        mut self,
        mut ask: impl FnMut() -> Result<Watermarks, KafkaError>,
        deadline: Instant,
    ) -> Result<Watermarks, KafkaError> {
        while self.stable_end < self.end && Instant::now() < deadline {
            thread::sleep(AGAIN);
            self.stable_end = ask()?.stable_end;
        }
        Ok(self)
    }
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
        match self.committed_within(group, topic, partitions, self.timeout)? {
            Some(committed) => Ok(committed),
            None => Err(self.open_transaction(group, topic)?),
        }
    }

    /// The same, as far as no transaction is open: partitions whose offset an open one changes are left out when there are
    /// others. It waits only while there are no others.
    ///
    /// # Errors
    /// As [`committed`](Admin::committed), when such a transaction is open on each of them.
    pub fn committed_where_stable(
        &self,
        group: &str,
        topic: &str,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, Option<CommittedOffset>>, KafkaError> {
        if partitions.len() < 2 {
            return self.committed(group, topic, partitions);
        }
        let deadline = Instant::now() + self.timeout;
        let together = TOGETHER.min(self.timeout);
        if let Some(all) = self.committed_within(group, topic, partitions, together)? {
            return Ok(all);
        }
        let asked = list(topic, partitions);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.open_transaction(group, topic)?);
            }
            match raw::group_offsets(&self.stable, group, &asked, left) {
                Ok(found) => {
                    let stable = stable(found);
                    if !stable.is_empty() {
                        return Ok(stable);
                    }
                }
                // Whose turn it is to answer for the group changes, or nobody did in time.
                Err(failure) if is_passing(failure.code) => {}
                Err(failure) => {
                    let doing = reading(group, topic);
                    return Err(self.failed(&self.stable, &doing, failure));
                }
            }
            thread::sleep(AGAIN);
        }
    }

    /// What is committed; `None` when the group's coordinator did not say it in time.
    fn committed_within(
        &self,
        group: &str,
        topic: &str,
        partitions: &[Partition],
        within: Duration,
    ) -> Result<Option<BTreeMap<Partition, Option<CommittedOffset>>>, KafkaError> {
        let doing = reading(group, topic);
        let consumer = self.asker(group)?;
        let answer = match consumer.committed_offsets(list(topic, partitions), within) {
            Err(NativeError::MetadataFetch(Code::OperationTimedOut)) => return Ok(None),
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
        Ok(Some(found))
    }

    /// Why the group's coordinator says nothing, if anybody is there at all.
    fn open_transaction(&self, group: &str, topic: &str) -> Result<KafkaError, KafkaError> {
        let doing = reading(group, topic);
        self.ask(&self.stable, &doing, |consumer, timeout| {
            consumer.fetch_metadata(Some(topic), timeout)
        })?;
        let (group, topic) = (group.to_owned(), topic.to_owned());
        Ok(KafkaError::OpenTransaction { group, topic })
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

fn reading(group: &str, topic: &str) -> String {
    format!("read the committed offsets of group {group:?} in {topic:?}")
}

fn list(topic: &str, partitions: &[Partition]) -> TopicPartitionList {
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        asked.add_partition(topic, partition.0);
    }
    asked
}

/// Those that no open transaction changes.
fn stable(found: Vec<(i32, GroupOffset)>) -> BTreeMap<Partition, Option<CommittedOffset>> {
    let known = found.into_iter().filter_map(|(partition, offset)| {
        let committed = match offset {
            GroupOffset::Open => return None,
            GroupOffset::Nothing => None,
            GroupOffset::At(offset, metadata) => {
                let offset = Offset::new(offset);
                offset.map(|offset| CommittedOffset { offset, metadata })
            }
        };
        Some((Partition(partition), committed))
    });
    known.collect()
}

fn offset_or_zero(offset: i64) -> Offset {
    Offset::new(offset).unwrap_or(Offset::ZERO)
}
