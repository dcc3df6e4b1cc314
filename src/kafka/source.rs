//! A member of a consumer group.

mod config;
mod signal;

use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError as NativeError, RDKafkaErrorCode as Code},
};

pub use config::SourceConfig;
pub(super) use signal::Signal;

use super::{
    batch::Batch,
    connection::Connection,
    context::{Context, Rebalance, answer},
    error::{Failure, KafkaError},
    raw::{self, Membership, PartitionQueue},
};
use crate::model::{Offset, Partition};

/// How long [`Source::seek`] waits for a partition that is only just starting.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long [`Source::leave`] waits for the group to let go.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest uninterrupted wait inside [`Source::poll`].
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// What happened to a [`Source`].
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceEvent {
    /// These partitions are ours (possibly none). Nothing is fetched from any partition until [`Source::assign`] has
    /// answered, with these partitions, some or none of them.
    Assigned(Vec<Partition>),
    /// These partitions go to somebody else as soon as [`Source::unassign`] has answered with all of them; commit or
    /// abort first. Nothing is fetched from any partition until then.
    Revoked(Vec<Partition>),
    /// The same, but somebody else may have them already: abort, nothing of theirs can be committed.
    Lost(Vec<Partition>),
    /// The partition's next offset is not in the log; it delivers nothing until [`Source::restart`].
    OutOfRange {
        /// The partition.
        partition: Partition,
        /// The offset that was wanted.
        offset: Offset,
    },
    /// The partition's next messages cannot be read; it delivers nothing until [`Source::restart`].
    Unreadable {
        /// The partition.
        partition: Partition,
        /// The offset from which on nothing was delivered.
        offset: Offset,
        /// Why.
        text: String,
    },
    /// A newer process has this instance's name: this source is of no more use.
    Fenced {
        /// The instance's name.
        instance: String,
    },
    /// Something that the client tries to overcome by itself; reported at most every 5 s per kind.
    Trouble {
        /// What the client says.
        text: String,
    },
    /// The client is of no more use.
    Fatal(KafkaError),
}

struct Held {
    queue: PartitionQueue,
    /// The offset below which everything was delivered.
    next: Offset,
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
        let defaults = config.defaults();
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

    /// Serves the client, for at most `timeout`: returns as soon as there are events, or messages to
    /// [`fetch`](Source::fetch). Call it at least every few seconds, and with a time-out of zero while
    /// [`fetch`](Source::fetch) delivers.
    pub fn poll(&mut self, timeout: Duration) -> Vec<SourceEvent> {
        let deadline = Instant::now() + timeout;
        loop {
            self.serve();
            let events = mem::take(&mut self.events);
            let left = deadline.saturating_duration_since(Instant::now());
            if !events.is_empty() || left.is_zero() {
                return events;
            }
            if self.signal.wait(left.min(POLL_INTERVAL)) && raw::waiting(&self.consumer) == 0 {
                return events;
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
                    queue,
                    next,
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
        if !self.held.get(&partition).is_some_and(|held| !held.dead) {
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
        if let Some(held) = self.held.get_mut(&partition) {
            held.next = offset;
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

    /// Up to `max` messages of a partition that are here already; never waits. Every offset is delivered at most once
    /// and in order. What is wrong with the partition comes with the next [`poll`](Source::poll).
    ///
    /// # Errors
    /// When the partition is not assigned.
    pub fn fetch(&mut self, partition: Partition, max: usize) -> Result<Option<Batch>, KafkaError> {
        let Some(held) = self.held.get_mut(&partition) else {
            return Err(self.not_assigned(partition));
        };
        let mut messages = held.queue.take(max);
        if messages.len() == 0 || held.dead {
            return Ok(None);
        }
        let next = held.next.get();
        if !messages.are_clean(next) {
            // After a pause or a rebalance librdkafka may deliver a few messages twice.
            if let Some(trouble) = messages.clean(next) {
                let wanted = Offset::new(trouble.offset);
                match wanted {
                    Some(offset) if trouble.code == Code::AutoOffsetReset => {
                        held.dead = true;
                        self.events
                            .push(SourceEvent::OutOfRange { partition, offset });
                    }
                    // It names an offset: messages were skipped.
                    Some(offset) => {
                        held.dead = true;
                        let text = trouble.text;
                        self.events.push(SourceEvent::Unreadable {
                            partition,
                            offset,
                            text,
                        });
                    }
                    None => {
                        let kind = format!("{partition} {:?}", trouble.code);
                        if self.consumer.context().is_news(&kind) {
                            let text = format!("partition {partition}: {}", trouble.text);
                            self.events.push(SourceEvent::Trouble { text });
                        }
                    }
                }
                self.signal.raise();
            }
        }
        if let Some(last) = messages
            .len()
            .checked_sub(1)
            .and_then(|last| messages.offset(last))
        {
            held.next = Offset::new(last).map_or(held.next, |last| last.plus(1));
        }
        Ok(Batch::of(messages))
    }

    /// The offset below which everything was delivered by [`fetch`](Source::fetch) or holds no event (markers, aborted
    /// or compacted events). `None` when the partition is not assigned or delivers nothing any more.
    #[must_use]
    pub fn position(&self, partition: Partition) -> Option<Offset> {
        let held = self.held.get(&partition).filter(|held| !held.dead)?;
        let native = raw::position(&self.consumer, &self.config.topic, partition.0);
        native.and_then(Offset::new).max(Some(held.next))
    }

    /// The partitions that are assigned.
    #[must_use]
    pub fn assigned(&self) -> Vec<Partition> {
        self.held.keys().copied().collect()
    }

    /// Commits offsets with metadata, outside of any transaction, and waits for the answer.
    ///
    /// # Errors
    /// [`KafkaError::NotAMember`], or when the group's coordinator refuses or does not answer in time.
    pub fn commit(
        &self,
        offsets: &[(Partition, Offset, String)],
        timeout: Duration,
    ) -> Result<(), KafkaError> {
        if !self.is_member() {
            return Err(KafkaError::NotAMember {
                group: self.config.group.clone(),
            });
        }
        let list = self.offsets(offsets);
        raw::commit(&self.consumer, &list, timeout)
            .map_err(|failure| self.failed("commit offsets", failure))
    }

    /// Whether this is a member of its group at present.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.membership().is_some()
    }

    /// The group's name.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.config.group
    }

    /// The client's last error text, when it is recent: for a status page.
    #[must_use]
    pub fn last_trouble(&self) -> Option<String> {
        self.consumer.context().why()
    }

    /// Leaves the group, so that others get the partitions at once. Returns within seconds.
    pub fn leave(self) {
        drop(self);
    }

    pub(super) fn membership(&self) -> Option<Membership> {
        Membership::of(&self.consumer)
    }

    pub(super) fn offsets(&self, offsets: &[(Partition, Offset, String)]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset, metadata) in offsets {
            let mut element = list.add_partition(&self.config.topic, partition.0);
            element.set_metadata(metadata);
            element
                .set_offset(rdkafka::Offset::Offset(offset.get()))
                .expect("an offset of the model is never negative");
        }
        list
    }

    fn serve_marking_lost(&mut self) {
        let before = self.events.len();
        self.drain();
        for event in &mut self.events[before..] {
            if let SourceEvent::Revoked(partitions) = event {
                *event = SourceEvent::Lost(mem::take(partitions));
            }
        }
    }

    /// Serves the consumer's queue once.
    fn serve(&mut self) {
        self.signal.clear();
        self.drain();
    }

    /// Serves the consumer's queue until it is empty, or a rebalance has come (the next one comes only after its answer).
    fn drain(&mut self) {
        let consumer = Arc::clone(&self.consumer);
        loop {
            match consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => self.stray(Partition(message.partition())),
                Some(Err(error)) => self.trouble(&error),
                None if raw::waiting(&consumer) == 0 => break,
                None => {}
            }
        }
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            self.events.push(match &rebalance {
                Rebalance::Assigned(partitions) => SourceEvent::Assigned(partitions.clone()),
                Rebalance::Revoked {
                    partitions,
                    lost: true,
                } => SourceEvent::Lost(partitions.clone()),
                Rebalance::Revoked { partitions, .. } => SourceEvent::Revoked(partitions.clone()),
                Rebalance::Failed(text) => SourceEvent::Trouble { text: text.clone() },
            });
            if !matches!(rebalance, Rebalance::Failed(_)) {
                self.pending = Some(rebalance);
            }
        }
    }

    /// A message in the consumer's own queue, where none should be: fetch it again through the partition's.
    fn stray(&mut self, partition: Partition) {
        let Some(next) = self
            .held
            .get(&partition)
            .filter(|held| !held.dead)
            .map(|held| held.next)
        else {
            return;
        };
        tracing::debug!(%partition, "a message came through the consumer's own queue");
        let again = self.split(partition).and_then(|queue| {
            if let Some(held) = self.held.get_mut(&partition) {
                held.queue = queue;
            }
            self.seek(partition, next)
        });
        if let Err(error) = again {
            if let Some(held) = self.held.get_mut(&partition) {
                held.dead = true;
            }
            let text = error.to_string();
            self.events.push(SourceEvent::Unreadable {
                partition,
                offset: next,
                text,
            });
        }
    }

    fn trouble(&mut self, error: &NativeError) {
        let fatal = self.consumer.client().fatal_error();
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        if let Some((code, reason)) = fatal {
            self.events.push(if code == Code::FencedInstanceId {
                let instance = self.config.instance_id.clone().unwrap_or_default();
                SourceEvent::Fenced { instance }
            } else {
                let failure = Failure {
                    text: reason,
                    fatal: true,
                    ..Failure::of(code)
                };
                SourceEvent::Fatal(self.failed("go on consuming", failure))
            });
        } else if self.consumer.context().is_news(&format!("event {code:?}")) {
            let text = self
                .consumer
                .context()
                .why()
                .unwrap_or_else(|| code.to_string());
            self.events.push(SourceEvent::Trouble { text });
        }
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

impl Drop for Source {
    fn drop(&mut self) {
        self.consumer.context().leave();
        self.held.clear();
        while let Some(rebalance) = self
            .pending
            .take()
            .or_else(|| self.consumer.context().next_rebalance())
        {
            answer(&self.consumer, &rebalance);
        }
        // A static member that only closes would keep its partitions from the others until its session times out.
        if self.consumer.client().fatal_error().is_none() {
            self.consumer.unsubscribe();
            let deadline = Instant::now() + LEAVE_TIMEOUT;
            while Instant::now() < deadline && self.is_member() {
                self.consumer.poll(Duration::from_millis(10));
            }
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
