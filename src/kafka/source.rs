//! A member of a consumer group.

mod config;
mod event;
mod fetching;
mod member;
mod serving;
mod signal;

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt, mem,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError as NativeError, RDKafkaErrorCode as Code},
};

pub use config::SourceConfig;
pub use event::SourceEvent;
pub(super) use signal::Signal;

use super::{
    batch::InHand,
    connection::Connection,
    context::{Context, Rebalance},
    error::{Failure, KafkaError},
    raw::{self, PartitionQueue},
};
use crate::model::{Offset, Partition};

/// How long [`Source::seek`] waits for a partition that is only just starting.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest uninterrupted wait inside [`Source::poll`].
const POLL_INTERVAL: Duration = Duration::from_millis(500);

struct Held {
    /// What the client still gave as its position when the partition was started: that of an earlier life. The client
    /// forgets it on a thread of its own, a moment later; until it gives something else, it says nothing.
    stale: Cell<Option<i64>>,
    queue: PartitionQueue,
    /// The offset below which everything was delivered.
    next: Offset,
    /// The batch that was delivered last.
    in_hand: InHand,
    /// What was delivered may come once more: it was paused, or the group has divided its partitions anew.
    repeats: bool,
    /// It delivers nothing until it is restarted.
    dead: bool,
    paused: bool,
}

/// One member of a consumer group, owned by one thread. It reads committed events only.
pub struct Source {
    held: BTreeMap<Partition, Held>,
    events: Vec<SourceEvent>,
    pending: Option<Rebalance>,
    consumer: Arc<BaseConsumer<Context>>,
    signal: Arc<Signal>,
    config: SourceConfig,
    brokers: String,
}

impl Source {
    /// Joins the group. The first partitions come as [`SourceEvent::Assigned`].
    ///
    /// # Errors
    /// When the client cannot be created. It does not wait for a broker.
    pub fn join(connection: &Connection, config: &SourceConfig) -> Result<Source, KafkaError> {
        let defaults = config.defaults(connection);
        let fixed = config.fixed();
        let mut consumer: BaseConsumer<Context> = connection.client(
            &borrowed(&defaults),
            &borrowed(&fixed),
            Context::new("consumer"),
        )?;
        let signal = Arc::new(Signal::default());
        let raise = Arc::clone(&signal);
        consumer.set_nonempty_callback(move || raise.raise());
        let source = Source {
            held: BTreeMap::new(),
            events: Vec::new(),
            pending: None,
            consumer: Arc::new(consumer),
            signal,
            config: config.clone(),
            brokers: connection.brokers().to_owned(),
        };
        let subscribed = source.consumer.subscribe(&[&config.topic]);
        subscribed.map_err(|error| source.failed("subscribe", error))?;
        Ok(source)
    }

    /// Serves the client, for at most `timeout`: returns as soon as there are events, or perhaps messages to
    /// [`fetch`](Source::fetch). Call it at least every few seconds, and with a time-out of zero while
    /// [`fetch`](Source::fetch) delivers.
    pub fn poll(&mut self, timeout: Duration) -> Vec<SourceEvent> {
        let deadline = Instant::now() + timeout;
        loop {
            self.drain();
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.events.is_empty() || left.is_zero() {
                return mem::take(&mut self.events);
            }
            if self.signal.wait(left.min(POLL_INTERVAL)) {
                self.drain();
                return mem::take(&mut self.events);
            }
        }
    }

    /// Answers [`SourceEvent::Assigned`]: fetches these partitions from these offsets.
    ///
    /// # Errors
    /// When one is assigned already, or the client refuses.
    pub fn assign(&mut self, partitions: &[(Partition, Offset)]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (partition, offset) in partitions {
            let at = rdkafka::Offset::Offset(offset.get());
            list.add_partition_offset(&self.config.topic, partition.0, at)
                .map_err(|error| self.failed("assign partitions", error))?;
        }
        // Split first: a message that reaches the consumer's own queue would be lost.
        let mut queues = Vec::with_capacity(partitions.len());
        for (partition, offset) in partitions {
            queues.push((*partition, *offset, self.split(*partition)?));
        }
        self.consumer
            .incremental_assign(&list)
            .map_err(|error| self.failed("assign partitions", error))?;
        self.pending = None;
        for (partition, next, queue) in queues {
            self.held.insert(
                partition,
                Held {
                    stale: Cell::new(raw::position(
                        &self.consumer,
                        &self.config.topic,
                        partition.0,
                    )),
                    queue,
                    next,
                    in_hand: InHand::default(),
                    repeats: false,
                    dead: false,
                    paused: false,
                },
            );
        }
        Ok(())
    }

    /// Answers [`SourceEvent::Revoked`] and [`SourceEvent::Lost`]: gives these partitions up (those that were never
    /// assigned are skipped).
    ///
    /// # Errors
    /// When the client refuses.
    pub fn unassign(&mut self, partitions: &[Partition]) -> Result<(), KafkaError> {
        let given: Vec<Partition> = partitions
            .iter()
            .copied()
            .filter(|p| self.held.contains_key(p))
            .collect();
        if given.is_empty() && self.pending.is_none() {
            return Ok(());
        }
        let paused: Vec<Partition> = given
            .iter()
            .copied()
            .filter(|p| self.held.get(p).is_some_and(|h| h.paused))
            .collect();
        self.resume(&paused)?;
        let list = self.list(&given);
        for partition in &given {
            self.held.remove(partition);
        }
        self.consumer
            .incremental_unassign(&list)
            .map_err(|error| self.failed("give up partitions", error))?;
        self.pending = None;
        Ok(())
    }

    /// Starts a partition again that delivers nothing any more, at another offset.
    ///
    /// # Errors
    /// [`KafkaError::RebalancePending`]: answer that first. Or when the partition is not assigned or the client refuses.
    pub fn restart(&mut self, partition: Partition, offset: Offset) -> Result<(), KafkaError> {
        self.drain();
        if self.pending.is_some() {
            let topic = self.config.topic.clone();
            return Err(KafkaError::RebalancePending { topic, partition });
        }
        if self.held.remove(&partition).is_none() {
            return Err(self.not_assigned(partition));
        }
        let list = self.list(&[partition]);
        self.consumer
            .incremental_unassign(&list)
            .map_err(|error| self.failed("restart a partition", error))?;
        // A revocation that came meanwhile took the call above for its answer: its partitions may be somebody else's
        // already. `Lost` makes the owner abort; and an assignment answered early does no harm.
        self.serve_marking_lost();
        let pending = self.pending.take();
        let result = self.assign(&[(partition, offset)]);
        self.pending = pending;
        result
    }

    /// Continues a partition at another offset.
    ///
    /// # Errors
    /// When the partition is not assigned, delivers nothing any more ([`Source::restart`] it), or does not start in time.
    pub fn seek(&mut self, partition: Partition, offset: Offset) -> Result<(), KafkaError> {
        if self.held.get(&partition).is_none_or(|held| held.dead) {
            return Err(self.not_assigned(partition));
        }
        let deadline = Instant::now() + SEEK_TIMEOUT;
        loop {
            let mut list = TopicPartitionList::with_capacity(1);
            let at = rdkafka::Offset::Offset(offset.get());
            let result = list
                .add_partition_offset(&self.config.topic, partition.0, at)
                .and_then(|()| self.consumer.seek_partitions(list, SEEK_TIMEOUT))
                .and_then(|list| {
                    list.elements()
                        .iter()
                        .try_for_each(|element| element.error())
                });
            match result {
                Ok(()) => break,
                Err(error) if is_starting(&error) && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(self.failed(format!("seek partition {partition}"), error)),
            }
        }
        let stale = raw::position(&self.consumer, &self.config.topic, partition.0);
        if let Some(held) = self.held.get_mut(&partition) {
            held.next = offset;
            held.repeats = true;
            held.stale.set(stale);
        }
        Ok(())
    }

    /// Stops fetching these partitions; what was fetched already is fetched again later. Those not assigned are skipped.
    ///
    /// # Errors
    /// When the client refuses.
    pub fn pause(&mut self, partitions: &[Partition]) -> Result<(), KafkaError> {
        let list = self.mark_paused(partitions, true);
        self.consumer
            .pause(&list)
            .map_err(|error| self.failed("pause partitions", error))
    }

    /// Fetches these partitions again. Those not assigned are skipped.
    ///
    /// # Errors
    /// When the client refuses.
    pub fn resume(&mut self, partitions: &[Partition]) -> Result<(), KafkaError> {
        let list = self.mark_paused(partitions, false);
        self.consumer
            .resume(&list)
            .map_err(|error| self.failed("resume partitions", error))
    }

    /// The partitions that are assigned.
    #[must_use]
    pub fn assigned(&self) -> Vec<Partition> {
        self.held.keys().copied().collect()
    }

    fn split(&self, partition: Partition) -> Result<PartitionQueue, KafkaError> {
        PartitionQueue::split(
            &self.consumer,
            &self.config.topic,
            partition.0,
            &self.signal,
        )
        .map_err(|failure| self.failed(format!("open partition {partition}"), failure))
    }

    fn mark_paused(&mut self, partitions: &[Partition], paused: bool) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            if let Some(held) = self.held.get_mut(partition) {
                held.paused = paused;
                held.repeats = true;
                list.add_partition(&self.config.topic, partition.0);
            }
        }
        list
    }

    fn list(&self, partitions: &[Partition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.config.topic, partition.0);
        }
        list
    }

    fn failed(&self, doing: impl fmt::Display, source: impl Into<Failure>) -> KafkaError {
        let doing = format!(
            "{doing} (group {:?}, topic {:?})",
            self.config.group, self.config.topic
        );
        self.consumer.context().failed(&self.brokers, doing, source)
    }

    fn not_assigned(&self, partition: Partition) -> KafkaError {
        KafkaError::NotAssigned {
            topic: self.config.topic.clone(),
            partition,
        }
    }
}

fn is_starting(error: &NativeError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::State | Code::PreviousInProgress)
    )
}

fn borrowed<'a>(pairs: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    pairs
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect()
}
