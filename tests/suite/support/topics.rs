//! Topics from outside of snapback: filled, read and inspected through a client of their own.

mod producing;
mod reading;

pub use producing::{produce, produce_one_batch, produce_with_headers};
pub use reading::{Record, has_open_transaction, read_all};

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

/// Changes one setting of a topic, as an administrator does while programs use it, and waits until the broker tells it.
#[track_caller]
pub fn set_topic_config(brokers: &str, topic: &str, (name, value): (&str, &str)) {
    let resource = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
    let answers =
        block_on(admin(brokers).alter_configs([&resource], &options())).expect("an answer");
    answers[0]
        .as_ref()
        .unwrap_or_else(|error| panic!("cannot set {name} of topic {topic}: {error:?}"));
    let what = format!("{name} of topic {topic} to be {value}");
    eventually_ok(LIMIT, &what, || {
        let topics = [ResourceSpecifier::Topic(topic)];
        let told = block_on(admin(brokers).describe_configs(&topics, &options()))?;
        let told = told.into_iter().flatten().next();
        let told = told.and_then(|told| told.get(name)?.value.clone());
        let not_yet = KafkaError::AdminOp(RDKafkaErrorCode::InvalidConfig);
        (told.as_deref() == Some(value))
            .then_some(())
            .ok_or(not_yet)
    });
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
