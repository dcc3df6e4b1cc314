//! A producer: transactional, or idempotent for at-least-once delivery.

mod failures;
mod topic_id;

use std::{
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    error::{KafkaError as NativeError, RDKafkaErrorCode as Code},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer, ThreadedProducer},
};

pub use topic_id::TopicQuestion;

use super::{
    connection::Connection,
    context::Context,
    error::{Failure, PublishError},
    raw::{self, Outgoing, TopicHandle},
    record::Record,
    source::Source,
};
use crate::{
    failpoint::{self, Call, Point},
    model::{Offset, Partition},
};

/// What librdkafka keeps for one waiting message besides its bytes.
const MESSAGE_OVERHEAD: u64 = 250;
/// How many messages go into the client's queue with one call.
const CHUNK: usize = 4096;
/// How long to wait before a full queue is tried again.
const FULL_WAIT: Duration = Duration::from_millis(1);

/// What a [`Publisher`] may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublisherConfig {
    /// What all messages that wait to be sent may take in memory, in bytes.
    pub queue_bytes: u64,
    /// The largest message that one of the topics takes, in bytes.
    pub largest_message: u64,
    /// The largest batch of messages that all of the topics take, in bytes.
    pub largest_batch: u64,
}

impl PublisherConfig {
    /// How long a transaction may be open before Kafka aborts it. `-X transaction.timeout.ms` has precedence.
    pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

    /// For topics with a broker's usual limits.
    #[must_use]
    pub fn with_queue(queue_bytes: u64) -> PublisherConfig {
        PublisherConfig {
            queue_bytes,
            largest_message: 1_000_000,
            largest_batch: 1_000_000,
        }
    }
}

/// A producer. Dropping it purges what was not sent.
pub struct Publisher {
    topics: Vec<(String, TopicHandle)>,
    outgoing: Outgoing,
    producer: ThreadedProducer<Context>,
    name: String,
    transactional: bool,
}

impl Publisher {
    /// A transactional producer; [`init`](Publisher::init) it next.
    ///
    /// # Errors
    /// When the client cannot be created. It does not wait for a broker.
    pub fn transactional(
        connection: &Connection,
        transactional_id: &str,
        config: &PublisherConfig,
    ) -> Result<Publisher, PublishError> {
        let fixed = [("transactional.id", transactional_id)];
        let name = format!("transactional producer {transactional_id:?}");
        let timeout = PublisherConfig::TRANSACTION_TIMEOUT.as_millis().to_string();
        Publisher::create(
            connection,
            &[("transaction.timeout.ms", &timeout)],
            &fixed,
            name,
            *config,
        )
    }

    /// An idempotent producer without transactions: no message twice, but only as long as it lives.
    ///
    /// # Errors
    /// When the client cannot be created. It does not wait for a broker.
    pub fn idempotent(
        connection: &Connection,
        config: &PublisherConfig,
    ) -> Result<Publisher, PublishError> {
        Publisher::create(connection, &[], &[], "producer".to_owned(), *config)
    }

    fn create(
        connection: &Connection,
        defaults: &[(&str, &str)],
        fixed: &[(&str, &str)],
        name: String,
        config: PublisherConfig,
    ) -> Result<Publisher, PublishError> {
        let messages = (config.queue_bytes * 3 / 4 / MESSAGE_OVERHEAD)
            .clamp(1_000, 2_000_000)
            .to_string();
        let largest = config.largest_message.clamp(1_000, 1_000_000_000);
        let kilobytes = (config.queue_bytes / 2 / 1024)
            .max(largest * 2 / 1024)
            .clamp(1_024, 2_097_151)
            .to_string();
        let largest = largest.to_string();
        let batch = config.largest_batch.clamp(1, 1_000_000).to_string();
        let mut all_defaults = vec![
            ("compression.type", "lz4"),
            ("linger.ms", "5"),
            ("message.max.bytes", largest.as_str()),
            ("batch.size", batch.as_str()),
        ];
        all_defaults.extend(defaults);
        let mut all_fixed = vec![
            ("enable.idempotence", "true"),
            // Only failures are reported: a commit, or a flush without failures, proves the rest.
            ("delivery.report.only.error", "true"),
            ("queue.buffering.max.messages", messages.as_str()),
            ("queue.buffering.max.kbytes", kilobytes.as_str()),
        ];
        all_fixed.extend(fixed);
        let context = Context::new("producer");
        let producer = connection.client(&all_defaults, &all_fixed, context)?;
        Ok(Publisher {
            topics: Vec::new(),
            outgoing: Outgoing::default(),
            producer,
            name,
            transactional: !fixed.is_empty(),
        })
    }

    /// Registers the transactional id: ends what an earlier holder of it left open, and fences that holder.
    ///
    /// # Errors
    /// See [`PublishError::disposition`].
    pub fn init(&mut self, timeout: Duration) -> Result<(), PublishError> {
        // Without a connection the client looks for the coordinator again only after half a second. Whether there is one
        // now is for the call below to say.
        let since = Instant::now();
        let _ = self.producer.client().fetch_cluster_id(timeout);
        let left = timeout.saturating_sub(since.elapsed()).max(FULL_WAIT);
        let result = self.producer.init_transactions(left);
        self.transaction("initialise the transactional id", result)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// See [`PublishError::disposition`].
    pub fn begin(&mut self) -> Result<(), PublishError> {
        if let Some(refused) = self
            .undelivered()
            .filter(|undelivered| !undelivered.is_purged())
        {
            return Err(refused);
        }
        let result = self.producer.begin_transaction();
        self.transaction("begin a transaction", result)
    }

    /// Hands `records` to the client, in order, for one partition of `topic`; their bytes are copied. Waits at most
    /// `timeout` for room in its queue.
    ///
    /// # Errors
    /// See [`PublishError::disposition`]; some of the records may be on their way.
    pub fn produce<'a>(
        &mut self,
        topic: &str,
        partition: i32,
        records: impl IntoIterator<Item = Record<'a>>,
        timeout: Duration,
    ) -> Result<(), PublishError> {
        let deadline = Instant::now() + timeout;
        let place = self.topic(topic, partition)?;
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            let chunk = records.by_ref().take(CHUNK);
            let sent = self
                .outgoing
                .send(&self.topics[place].1, partition, chunk, || {
                    wait_until(deadline)
                });
            sent.map_err(|code| self.refused(topic, partition, code, timeout))?;
        }
        Ok(())
    }

    /// Hands one message with headers to the client, and a timestamp that is not that of now. Waits at most `timeout` for room
    /// in its queue.
    ///
    /// # Errors
    /// See [`PublishError::disposition`].
    pub fn produce_with_headers(
        &mut self,
        topic: &str,
        partition: i32,
        record: Record<'_>,
        headers: &[(&str, Option<&[u8]>)],
        timestamp: Option<i64>,
        timeout: Duration,
    ) -> Result<(), PublishError> {
        let deadline = Instant::now() + timeout;
        let headers = (!headers.is_empty()).then(|| {
            headers.iter().fold(
                OwnedHeaders::new_with_capacity(headers.len()),
                |headers, (key, value)| headers.insert(Header { key, value: *value }),
            )
        });
        let mut message: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(partition);
        (message.key, message.payload) = (record.key, record.payload);
        (message.headers, message.timestamp) = (headers, timestamp);
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((NativeError::MessageProduction(Code::QueueFull), again))
                    if wait_until(deadline) =>
                {
                    message = again;
                }
                Err((error, _)) => {
                    let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
                    return Err(self.refused(topic, partition, code, timeout));
                }
            }
        }
    }

    /// Waits until all messages are acknowledged or given up.
    ///
    /// # Errors
    /// When the time is over, or some messages were not delivered ([`PublishError::Undelivered`]; in a transaction the
    /// commit says so instead).
    pub fn flush(&mut self, timeout: Duration) -> Result<(), PublishError> {
        let flushed = raw::flush(&self.producer, timeout);
        if !self.transactional
            && let Some(error) = self.undelivered()
        {
            return Err(error);
        }
        flushed.map_err(|code| {
            let retriable = code == Code::OperationTimedOut;
            self.failed(
                "flush",
                Failure {
                    retriable,
                    ..Failure::of(code)
                },
            )
        })
    }

    /// Makes `source`'s offsets, with their metadata, part of the open transaction.
    ///
    /// # Errors
    /// [`PublishError::NotAMember`] when `source` is not a member of its group now (the broker would not fence it);
    /// otherwise see [`PublishError::disposition`].
    pub fn send_offsets(
        &mut self,
        source: &Source,
        offsets: &[(Partition, Offset, String)],
        timeout: Duration,
    ) -> Result<(), PublishError> {
        let membership = source.membership();
        let Some(membership) = membership else {
            let (publisher, group) = (self.name.clone(), source.group().to_owned());
            return Err(PublishError::NotAMember { publisher, group });
        };
        if failpoint::fails(Call::Offsets) {
            let refused = Failure {
                requires_abort: true,
                ..Failure::of(Code::OffsetMetadataTooLarge)
            };
            return Err(self.failed("add offsets to the transaction", refused));
        }
        raw::send_offsets(
            &self.producer,
            &source.offsets(offsets),
            &membership,
            timeout,
        )
        .map_err(|failure| {
            let error = self.failed("add offsets to the transaction", failure);
            self.rather_refused(error)
        })
    }

    /// Commits the transaction; flushes first.
    ///
    /// # Errors
    /// See [`PublishError::disposition`].
    pub fn commit(&mut self, timeout: Duration) -> Result<(), PublishError> {
        let deadline = Instant::now() + timeout;
        self.flush(timeout)?;
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(FULL_WAIT);
        failpoint::at(Point::CommitRequested);
        let result = self.producer.commit_transaction(left);
        self.transaction("commit the transaction", result)
            .map_err(|error| self.rather_refused(error))
    }

    /// Aborts the transaction; purges what was not sent.
    ///
    /// # Errors
    /// See [`PublishError::disposition`].
    pub fn abort(&mut self, timeout: Duration) -> Result<(), PublishError> {
        let result = self.producer.abort_transaction(timeout);
        self.transaction("abort the transaction", result)
    }

    /// The client's last error text, when it is recent: for a status page.
    #[must_use]
    pub fn last_trouble(&self) -> Option<String> {
        self.producer.context().why()
    }

    fn topic(&mut self, topic: &str, partition: i32) -> Result<usize, PublishError> {
        if let Some(place) = self.topics.iter().position(|(name, _)| name == topic) {
            return Ok(place);
        }
        let handle = TopicHandle::new(&self.producer, topic).map_err(|source| {
            let (publisher, topic) = (self.name.clone(), topic.to_owned());
            PublishError::Refused {
                publisher,
                topic,
                partition,
                source,
            }
        })?;
        self.topics.push((topic.to_owned(), handle));
        Ok(self.topics.len() - 1)
    }
}

/// Waits a moment, unless `deadline` has passed.
fn wait_until(deadline: Instant) -> bool {
    let wait = Instant::now() < deadline;
    if wait {
        thread::sleep(FULL_WAIT);
    }
    wait
}
