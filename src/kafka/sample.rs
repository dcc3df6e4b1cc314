//! Some of a topic's events, read from outside any group in a short time.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode as Code,
};

use super::{
    admin::serve,
    codes::{is_denied, is_passing},
    connection::Connection,
    context::Context,
    error::{Failure, KafkaError},
    raw::{Order, RangeReader},
};
use crate::model::{Event, Offset, Partition};

/// So many partitions are looked at, evenly spread.
const MOST_PARTITIONS: u32 = 64;
/// A sample of larger events ends before it is complete.
const MOST_BYTES: usize = 16 << 20;
/// How long nobody looks when nothing has come.
const PAUSE: Duration = Duration::from_millis(2);

/// What Kafka calls a log's beginning, and its end; that minus a number is as many offsets before it.
const BEGINNING: i64 = -2;
const TAIL: i64 = -2000;

/// An event of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// Its partition.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
    /// Its payload; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
}

impl Sampled {
    /// What there is to decode of it.
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        Event {
            offset: self.offset,
            timestamp: None,
            key: None,
            payload: self.payload.as_deref(),
        }
    }
}

/// Which events a sample is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Half of them the oldest, half the newest.
    Both,
    /// The newest.
    Newest,
}

/// Up to `most` committed events of `topic`, evenly from its partitions, as far as they come `within` that time; in the order
/// of partition and offset.
///
/// # Errors
/// When the client cannot be created, or the broker denies it. One that does not answer gives an empty sample, and a partition
/// ends where its events cannot be read.
pub fn sample(
    connection: &Connection,
    (topic, partitions): (&str, u32),
    ends: Ends,
    most: usize,
    within: Duration,
) -> Result<Vec<Sampled>, KafkaError> {
    let deadline = Instant::now() + within;
    let looked_at = partitions.clamp(1, MOST_PARTITIONS);
    let chosen: Vec<Partition> = (0..looked_at)
        .map(|index| u64::from(index) * u64::from(partitions) / u64::from(looked_at))
        .filter_map(|partition| i32::try_from(partition).ok().map(Partition))
        .collect();
    let share = most / chosen.len().max(1);
    let (oldest, newest) = match ends {
        Ends::Both => (share.div_ceil(2), share / 2),
        Ends::Newest => (0, share),
    };
    let fixed = [
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "earliest"),
        ("enable.partition.eof", "true"),
        ("queued.min.messages", "2000"),
        ("queued.max.messages.kbytes", "16384"),
        ("fetch.message.max.bytes", "65536"),
    ];
    // Where the end of one partition is must not wait for another's, nor for what was queued already.
    let defaults = [
        ("fetch.wait.max.ms", "10"),
        ("fetch.queue.backoff.ms", "10"),
        ("fetch.error.backoff.ms", "20"),
    ];
    let consumer = connection.client(&defaults, &fixed, Context::new("sample"))?;
    let consumer: Arc<BaseConsumer<Context>> = Arc::new(consumer);
    // The client then knows who leads the partitions; why nobody answers is for others to say.
    drop(consumer.fetch_metadata(Some(topic), within));
    let mut sampled = Vec::new();
    for (start, share) in [(BEGINNING, oldest), (TAIL - length(newest), newest)] {
        if share > 0 {
            let reading = Reading::begin(&consumer, (connection, topic), &chosen, start, share)?;
            sampled.extend(reading.end(deadline)?);
        }
    }
    sampled.sort_by_key(|one: &Sampled| (one.partition, one.offset));
    sampled.dedup_by_key(|one| (one.partition, one.offset));
    Ok(sampled)
}

/// The time of the message at `offset`, committed or not, in milliseconds since the epoch; `None` when it has none, or does not
/// come `within` that time.
///
/// # Errors
/// When the client cannot be created, or the broker refuses.
pub fn timestamp_at(
    connection: &Connection,
    topic: &str,
    partition: Partition,
    offset: Offset,
    within: Duration,
) -> Result<Option<i64>, KafkaError> {
    let fixed = [("isolation.level", "read_uncommitted")];
    let consumer = connection.client(&[], &fixed, Context::new("sample"))?;
    let consumer: Arc<BaseConsumer<Context>> = Arc::new(consumer);
    let doing = format!("read {topic:?} partition {partition}");
    let reader = RangeReader::start(&consumer, topic, partition.0, offset.get());
    let reader = reader.map_err(|failure| {
        consumer
            .context()
            .failed(connection.brokers(), doing, failure)
    })?;
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        serve(&consumer);
        let mut messages = reader.take(1, 10 * PAUSE);
        // What is wrong with the partition is for others to say.
        drop(messages.clean(Order::from(offset)));
        if let Some(event) = messages.events().next() {
            return Ok(event.timestamp);
        }
    }
    Ok(None)
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX / 2)
}

/// One pass over partitions that all start alike.
struct Reading<'a> {
    partitions: Vec<(Partition, RangeReader)>,
    consumer: Arc<BaseConsumer<Context>>,
    connection: &'a Connection,
    topic: &'a str,
    share: usize,
}

impl<'a> Reading<'a> {
    fn begin(
        consumer: &Arc<BaseConsumer<Context>>,
        (connection, topic): (&'a Connection, &'a str),
        partitions: &[Partition],
        start: i64,
        share: usize,
    ) -> Result<Reading<'a>, KafkaError> {
        let mut reading = Reading {
            partitions: Vec::new(),
            consumer: Arc::clone(consumer),
            connection,
            topic,
            share,
        };
        for partition in partitions {
            let reader = RangeReader::start(&reading.consumer, topic, partition.0, start);
            let reader = reader.map_err(|failure| reading.failed(*partition, failure))?;
            reading.partitions.push((*partition, reader));
        }
        Ok(reading)
    }

    /// Reads until every partition has given its share or has no more, or until `deadline`.
    fn end(mut self, deadline: Instant) -> Result<Vec<Sampled>, KafkaError> {
        let mut sampled = Vec::new();
        let mut bytes = 0;
        let mut counts = vec![0; self.partitions.len()];
        let mut open: Vec<usize> = (0..self.partitions.len()).collect();
        while !open.is_empty() && bytes < MOST_BYTES && Instant::now() < deadline {
            serve(&self.consumer);
            let before = (open.len(), sampled.len());
            let mut refused = None;
            open.retain(|index| {
                let (partition, reader) = &self.partitions[*index];
                let mut messages = reader.take(self.share - counts[*index], Duration::ZERO);
                let trouble = messages.clean(Order::from(Offset::ZERO));
                counts[*index] += messages.len();
                for event in messages.events() {
                    bytes += event.payload.map_or(0, <[u8]>::len);
                    sampled.push(Sampled {
                        partition: *partition,
                        offset: event.offset,
                        payload: event.payload.map(<[u8]>::to_vec),
                    });
                }
                match trouble {
                    None => counts[*index] < self.share,
                    Some(trouble) if trouble.code == Code::PartitionEOF => false,
                    Some(trouble) if is_passing(trouble.code) => true,
                    // What cannot be read is said by who must read it.
                    Some(trouble) if !is_denied(trouble.code) => false,
                    Some(trouble) => {
                        let failure = Failure {
                            text: trouble.text,
                            ..Failure::of(trouble.code)
                        };
                        refused = Some(self.failed(*partition, failure));
                        false
                    }
                }
            });
            if let Some(error) = refused {
                return Err(error);
            }
            if before == (open.len(), sampled.len()) {
                thread::sleep(PAUSE);
            }
        }
        // The readers first: they stop what the client does.
        self.partitions.clear();
        Ok(sampled)
    }

    fn failed(&self, partition: Partition, failure: Failure) -> KafkaError {
        let doing = format!("read {:?} partition {partition}", self.topic);
        let brokers = self.connection.brokers();
        self.consumer.context().failed(brokers, doing, failure)
    }
}
