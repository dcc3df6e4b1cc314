//! Reads ranges of a topic from outside any group.

mod unreadable;

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode as Code,
};

use super::{
    admin::serve,
    batch::Batch,
    connection::Connection,
    context::Context,
    error::{Failure, KafkaError},
    fault::{Fault, FaultKind, Trouble},
    raw::{self, Order, RangeReader},
};
use crate::model::{Offset, OffsetRange, Partition};

/// How many messages come at once.
const BATCH: usize = 10_000;
/// The longest uninterrupted wait.
const WAIT: Duration = Duration::from_millis(100);

/// Reads committed messages of one topic without joining or changing anything.
pub struct Reader {
    consumer: Arc<BaseConsumer<Context>>,
    topic: String,
    brokers: String,
}

impl Reader {
    /// A reader of `topic`.
    ///
    /// # Errors
    /// When the client cannot be created. It does not wait for a broker.
    pub fn open(connection: &Connection, topic: &str) -> Result<Reader, KafkaError> {
        let fixed = [
            ("isolation.level", "read_committed"),
            ("auto.offset.reset", "error"),
            ("enable.partition.eof", "false"),
            ("queued.min.messages", "20000"),
            ("queued.max.messages.kbytes", "16384"),
        ];
        // A fetch from one partition must not wait for another's that has nothing more.
        let defaults = [
            ("fetch.queue.backoff.ms", "10"),
            ("fetch.wait.max.ms", "10"),
        ];
        let consumer = connection.client(&defaults, &fixed, Context::new("reader"))?;
        let (topic, brokers) = (topic.to_owned(), connection.brokers().to_owned());
        Ok(Reader {
            consumer: Arc::new(consumer),
            topic,
            brokers,
        })
    }

    /// Delivers the committed messages of `range` in order until the range is complete or `each` breaks. The range must
    /// end at or below the partition's stable end.
    ///
    /// # Errors
    /// [`KafkaError::OutOfRange`] when the range does not begin in the log; [`KafkaError::Unreadable`] when messages of it cannot
    /// be read; [`KafkaError::Idle`] when nothing comes for `idle`.
    pub fn read(
        &self,
        partition: Partition,
        range: OffsetRange,
        idle: Duration,
        mut each: impl FnMut(Batch) -> ControlFlow<()>,
    ) -> Result<(), KafkaError> {
        if range.is_empty() {
            return Ok(());
        }
        let queue = self.start(partition, range.start())?;
        let mut position = range.start();
        let mut heard = Instant::now();
        while position < range.end() {
            serve(&self.consumer);
            let mut messages = queue.take(BATCH, WAIT);
            // Whatever comes after it is not contiguous with what came before, which is right.
            let trouble = messages.clean(self.order(partition, position));
            messages.truncate(range.end().get());
            let batch = Batch::of(messages);
            let taken = batch.as_ref().map(|batch| batch.last_offset().plus(1));
            let now = match trouble {
                Some(_) => taken,
                None => self.position(partition).max(taken),
            };
            let now = now.unwrap_or(position);
            if now > position {
                (position, heard) = (now, Instant::now());
            }
            if let Some(batch) = batch {
                if each(batch).is_break() {
                    break;
                }
                // However long that took, the log was not silent meanwhile.
                heard = Instant::now();
            }
            if let Some(trouble) = trouble.filter(|_| position < range.end()) {
                return Err(self.troubled(partition, trouble));
            }
            if position < range.end() && heard.elapsed() > idle {
                return Err(self.idle(partition, range, position, idle));
            }
        }
        Ok(())
    }

    fn start(&self, partition: Partition, at: Offset) -> Result<RangeReader, KafkaError> {
        RangeReader::start(&self.consumer, &self.topic, partition.0, at.get())
            .map_err(|failure| self.failed(partition, failure))
    }

    fn position(&self, partition: Partition) -> Option<Offset> {
        raw::position(&self.consumer, &self.topic, partition.0).and_then(Offset::new)
    }

    fn order(&self, partition: Partition, next: Offset) -> Order {
        Order {
            next: next.get(),
            repeats: false,
            end: raw::log_end(&self.consumer, &self.topic, partition.0),
        }
    }

    fn troubled(&self, partition: Partition, trouble: Trouble) -> KafkaError {
        let fault = Fault::of(&trouble);
        let topic = || self.topic.clone();
        match (Offset::new(trouble.offset), fault.kind) {
            (Some(offset), _) if trouble.code == Code::AutoOffsetReset => KafkaError::OutOfRange {
                topic: topic(),
                partition,
                offset,
            },
            (Some(offset), kind) if !matches!(kind, FaultKind::Denied | FaultKind::Passing) => {
                KafkaError::Unreadable {
                    topic: topic(),
                    partition,
                    offset,
                    fault,
                }
            }
            _ => {
                let failure = Failure {
                    text: trouble.text,
                    ..Failure::of(trouble.code)
                };
                self.failed(partition, failure)
            }
        }
    }

    fn idle(
        &self,
        partition: Partition,
        range: OffsetRange,
        position: Offset,
        waited: Duration,
    ) -> KafkaError {
        let (topic, why) = (self.topic.clone(), self.consumer.context().why());
        KafkaError::Idle {
            topic,
            partition,
            range,
            position,
            waited,
            why,
        }
    }

    fn failed(&self, partition: Partition, failure: Failure) -> KafkaError {
        let doing = format!("read {:?} partition {partition}", self.topic);
        self.consumer
            .context()
            .failed(&self.brokers, doing, failure)
    }
}
