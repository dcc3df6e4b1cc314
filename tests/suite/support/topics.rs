//! Topics from outside of snapback: filled, read and inspected through a client of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer,
};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use super::blocking::block_on;
use super::wait::eventually_ok;

/// How long one call, or a reader without any progress, may take.
const LIMIT: Duration = Duration::from_secs(30);

/// More than any topic takes: brokers set the limit, not this client.
const LARGEST_MESSAGE: &str = "4000000";

/// A record as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A name for a topic or group that no other test of this process has; all are of one length.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    format!("{name}-t{:04}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Creates a topic and waits until it can be used.
#[track_caller]
pub fn create_topic(brokers: &str, name: &str, partitions: i32) {
    create_topic_with(brokers, name, partitions, &[]);
}

/// As [`create_topic`], with settings such as `("cleanup.policy", "compact")`.
#[track_caller]
pub fn create_topic_with(brokers: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let admin = admin(brokers);
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (setting, value) in settings {
        topic = topic.set(setting, value);
    }
    let created = block_on(admin.create_topics([&topic], &options())).expect("an answer");
    created[0]
        .as_ref()
        .unwrap_or_else(|error| panic!("cannot create topic {name}: {error:?}"));
    eventually_ok(
        LIMIT,
        &format!("a leader for each partition of {name}"),
        || {
            let metadata = admin.inner().fetch_metadata(Some(name), LIMIT)?;
            let ready = metadata.topics().iter().any(|topic| {
                let partitions_with_leader = topic
                    .partitions()
                    .iter()
                    .filter(|p| p.leader() >= 0 && p.error().is_none());
                i32::try_from(partitions_with_leader.count()) == Ok(partitions)
            });
            let not_yet = KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable);
            ready.then_some(()).ok_or(not_yet)
        },
    );
}

/// Changes one setting of a topic, as an administrator does while programs use it.
#[track_caller]
pub fn set_topic_config(brokers: &str, topic: &str, (name, value): (&str, &str)) {
    let resource = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
    let answers =
        block_on(admin(brokers).alter_configs([&resource], &options())).expect("an answer");
    answers[0]
        .as_ref()
        .unwrap_or_else(|error| panic!("cannot set {name} of topic {topic}: {error:?}"));
}

/// Gives a topic more partitions: `partitions` in all.
#[track_caller]
pub fn add_partitions(brokers: &str, topic: &str, partitions: usize) {
    let more = NewPartitions::new(topic, partitions);
    let answers = block_on(admin(brokers).create_partitions([&more], &options()));
    answers.expect("an answer")[0]
        .as_ref()
        .unwrap_or_else(|error| panic!("cannot add partitions to {topic}: {error:?}"));
}

/// Deletes a topic.
#[track_caller]
pub fn delete_topic(brokers: &str, name: &str) {
    let deleted = block_on(admin(brokers).delete_topics(&[name], &options())).expect("an answer");
    deleted[0]
        .as_ref()
        .unwrap_or_else(|error| panic!("cannot delete topic {name}: {error:?}"));
}

/// Deletes the records of a partition below an offset, as a topic's retention does.
#[track_caller]
pub fn delete_records(brokers: &str, topic: &str, partition: i32, before_offset: i64) {
    let offsets = offsets(topic, &[(partition, before_offset)]);
    let deleted = block_on(admin(brokers).delete_records(&offsets, &options())).expect("an answer");
    deleted.elements()[0]
        .error()
        .expect("records to be deleted");
}

/// Writes records (partition, key, payload), in order per partition, and returns when the broker has acknowledged
/// all of them. Without a partition, the key decides.
#[track_caller]
pub fn produce(
    brokers: &str,
    topic: &str,
    records: impl IntoIterator<Item = (Option<i32>, Option<Vec<u8>>, Option<Vec<u8>>)>,
) {
    let failures = Failures::default();
    let producer: ThreadedProducer<Failures> = client(brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .set("message.max.bytes", LARGEST_MESSAGE)
        .create_with_context(failures.clone())
        .expect("a producer");
    for (partition, key, payload) in records {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic);
        record.partition = partition;
        record.key = key.as_deref();
        record.payload = payload.as_deref();
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    std::thread::sleep(Duration::from_millis(1));
                    record = back;
                }
                Err((error, _)) => panic!("cannot write to {topic}: {error}"),
            }
        }
    }
    producer.flush(LIMIT).expect("all records to be delivered");
    let failures = failures.0.lock().expect("no panic while locked");
    assert!(failures.is_empty(), "not written to {topic}: {failures:?}");
}

/// Writes one record with headers and returns when the broker has acknowledged it.
#[track_caller]
pub fn produce_with_headers(
    brokers: &str,
    topic: &str,
    partition: i32,
    (key, payload): (Option<&[u8]>, Option<&[u8]>),
    headers: &[(&str, Option<&[u8]>)],
) {
    let failures = Failures::default();
    let producer: ThreadedProducer<Failures> = client(brokers)
        .set("message.max.bytes", LARGEST_MESSAGE)
        .create_with_context(failures.clone())
        .expect("a producer");
    let mut all = OwnedHeaders::new();
    for (key, value) in headers {
        let value = *value;
        all = all.insert(Header { key, value });
    }
    let mut record = BaseRecord::<[u8], [u8]>::to(topic)
        .partition(partition)
        .headers(all);
    record.key = key;
    record.payload = payload;
    producer
        .send(record)
        .map_err(|(error, _)| error)
        .expect("a place in the queue");
    producer.flush(LIMIT).expect("the record to be delivered");
    let failures = failures.0.lock().expect("no panic while locked");
    assert!(failures.is_empty(), "not written to {topic}: {failures:?}");
}

/// Reads a topic from its beginning to the last stable offsets of this moment, as read_committed; sorted by
/// partition and offset.
#[track_caller]
pub fn read_all(brokers: &str, topic: &str) -> Vec<Record> {
    let consumer: BaseConsumer = client(brokers)
        .set("group.id", "reads-all")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("fetch.queue.backoff.ms", "10")
        .create()
        .expect("a consumer");
    let metadata = consumer
        .fetch_metadata(Some(topic), LIMIT)
        .expect("the topic's metadata");
    let ends: BTreeMap<i32, i64> = metadata.topics()[0]
        .partitions()
        .iter()
        .map(|partition| {
            let watermarks = consumer.fetch_watermarks(topic, partition.id(), LIMIT);
            // The high one of a read_committed consumer is the last stable offset.
            (
                partition.id(),
                watermarks.expect("the topic's watermarks").1,
            )
        })
        .collect();
    assert!(!ends.is_empty(), "there is no topic {topic}");
    let starts: Vec<(i32, i64)> = ends.keys().map(|partition| (*partition, 0)).collect();
    let mut assignment = offsets(topic, &starts);
    assignment
        .set_all_offsets(Offset::Beginning)
        .expect("an offset that is always valid");
    consumer.assign(&assignment).expect("an assignment");

    let mut records = Vec::new();
    let mut open: BTreeSet<i32> = ends.keys().copied().collect();
    let mut last_progress = Instant::now();
    let mut last_error = None;
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                last_progress = Instant::now();
                let (partition, end) = (message.partition(), ends[&message.partition()]);
                if message.offset() < end {
                    records.push(record(&message));
                }
                if message.offset() + 1 >= end {
                    open.remove(&partition);
                }
            }
            // Reached without a record at its end: the last offsets are markers or aborted records.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => last_error = Some(error),
            None => {}
        }
        assert!(
            last_progress.elapsed() < LIMIT,
            "reading {topic}, partitions {open:?} do not go on after {} records; {last_error:?}",
            records.len()
        );
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

/// Whether a transaction holds back readers of a partition that read only what is committed.
#[track_caller]
pub fn has_open_transaction(brokers: &str, topic: &str, partition: i32) -> bool {
    let end = |isolation: &str| {
        let consumer: BaseConsumer = client(brokers)
            .set("isolation.level", isolation)
            .create()
            .expect("a consumer");
        let watermarks = consumer.fetch_watermarks(topic, partition, LIMIT);
        watermarks.expect("the topic's watermarks").1
    };
    // The other way round, one that begins in between would be taken for an old one.
    let all = end("read_uncommitted");
    end("read_committed") < all
}

/// What a group has committed for each partition of a topic: offset and metadata. Offsets of a transaction that is
/// still open do not count.
#[track_caller]
pub fn committed(brokers: &str, group: &str, topic: &str) -> BTreeMap<i32, Option<(i64, String)>> {
    // A read_committed client would wait for open transactions.
    let consumer: BaseConsumer = client(brokers)
        .set("group.id", group)
        .set("isolation.level", "read_uncommitted")
        .create()
        .expect("a consumer");
    let metadata = consumer
        .fetch_metadata(Some(topic), LIMIT)
        .expect("the topic's metadata");
    let partitions: Vec<(i32, i64)> = metadata.topics()[0]
        .partitions()
        .iter()
        .map(|partition| (partition.id(), 0))
        .collect();
    // A broker that has just started does not coordinate groups yet.
    let committed = eventually_ok(LIMIT, "the group's offsets", || {
        consumer.committed_offsets(offsets(topic, &partitions), LIMIT)
    });
    let position = |offset, metadata: &str| match offset {
        Offset::Offset(offset) => Some((offset, metadata.to_owned())),
        _ => None,
    };
    committed
        .elements()
        .iter()
        .map(|element| {
            element.error().expect("the partition's offset");
            (
                element.partition(),
                position(element.offset(), element.metadata()),
            )
        })
        .collect()
}

/// Commits offsets for a group without being its member, as an operator's tool does. The broker accepts it only
/// while the group has no members.
#[track_caller]
pub fn commit_as_stranger(brokers: &str, group: &str, topic: &str, commits: &[(i32, i64)]) {
    commit_list(brokers, group, &offsets(topic, commits));
}

/// As [`commit_as_stranger`], with metadata: a forged commit of somebody who knows the format.
#[track_caller]
pub fn commit_with_metadata(
    brokers: &str,
    group: &str,
    topic: &str,
    (partition, offset): (i32, i64),
    metadata: &str,
) {
    let list = offsets(topic, &[(partition, offset)]);
    let mut element = list
        .find_partition(topic, partition)
        .expect("added just before");
    element.set_metadata(metadata);
    commit_list(brokers, group, &list);
}

#[track_caller]
fn commit_list(brokers: &str, group: &str, offsets: &TopicPartitionList) {
    let consumer: BaseConsumer = client(brokers)
        .set("group.id", group)
        .create()
        .expect("a consumer");
    // A member that was killed a moment ago may still count as one.
    eventually_ok(LIMIT, "a group without members", || {
        consumer.commit(offsets, CommitMode::Sync)
    });
}

/// Whether the group has no members at the moment.
#[track_caller]
pub fn has_no_members(brokers: &str, group: &str) -> bool {
    let consumer: BaseConsumer = client(brokers).create().expect("a client");
    let groups = consumer
        .fetch_group_list(Some(group), LIMIT)
        .expect("the group");
    groups.groups().iter().all(|one| one.members().is_empty())
}

/// Deletes a group with its offsets, as their expiry does.
#[track_caller]
pub fn delete_group(brokers: &str, group: &str) {
    let admin = admin(brokers);
    eventually_ok(LIMIT, "a group without members", || {
        let deleted = block_on(admin.delete_groups(&[group], &options())).expect("an answer");
        let answer = deleted.into_iter().next().expect("one for the group");
        answer.map_err(|(_, error)| error)
    });
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    client(brokers).create().expect("an administration client")
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(LIMIT))
        .request_timeout(Some(LIMIT))
}

fn offsets(topic: &str, offsets: &[(i32, i64)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))
            .expect("a valid offset");
    }
    list
}

fn record(message: &impl Message) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect()
    });
    Record {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}

/// What could not be delivered.
#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Vec<KafkaError>>>);

impl ClientContext for Failures {}

impl ProducerContext<NoCustomPartitioner> for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if let Err((error, _)) = result {
            self.0
                .lock()
                .expect("no panic while locked")
                .push(error.clone());
        }
    }
}
