//! Questions to the cluster.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions},
    client::DefaultClientContext,
};
use snapback::{
    kafka::{Admin, KafkaError, MockBroker, Publisher, PublisherConfig, Reader, Record},
    model::{OffsetRange, Partition},
};

use super::{LIMIT, QUEUE_BYTES, at, connect, connection, fill, join_as, start, topic};
use crate::support::{block_on, delete_topic, eventually, kafka, unique};

/// Gives a topic more partitions.
pub fn grow(topic: &str, partitions: usize) {
    let client: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", kafka().brokers())
        .create()
        .unwrap();
    let request = [NewPartitions::new(topic, partitions)];
    block_on(client.create_partitions(&request, &AdminOptions::new())).unwrap()[0]
        .as_ref()
        .unwrap();
}

fn admin() -> Admin {
    Admin::connect(&connection(), Duration::from_secs(10)).unwrap()
}

#[test]
fn a_topic_created_anew_under_its_name_has_another_id() {
    let (admin, name) = (admin(), unique("identity"));
    assert_eq!(admin.cluster_id().as_deref(), Some(kafka().cluster_id()));
    assert_eq!(admin.topic(&name).unwrap(), None);
    assert!(
        admin
            .create_topic(&name, 3, &[("retention.ms", "60000")])
            .unwrap()
    );
    assert!(!admin.create_topic(&name, 3, &[]).unwrap());
    let first = eventually(LIMIT, "the topic", || admin.topic(&name).unwrap());
    assert_eq!(first.partitions, 3);
    assert_eq!(
        admin
            .topic_config(&name, "retention.ms")
            .unwrap()
            .as_deref(),
        Some("60000")
    );
    delete_topic(kafka().brokers(), &name);
    eventually(LIMIT, "no topic", || {
        admin.topic(&name).unwrap().is_none().then_some(())
    });
    assert!(admin.create_topic(&name, 3, &[]).unwrap());
    let second = eventually(LIMIT, "the topic", || admin.topic(&name).unwrap());
    assert!(first.id.is_some() && second.id.is_some());
    assert_ne!(first.id, second.id);
}

#[test]
fn a_partition_that_was_added_is_known_at_once_to_who_has_asked_before() {
    let (admin, name) = (admin(), topic("grown", 1));
    fill(&name, 1, 0..5);
    let (first, added) = (Partition(0), Partition(1));
    assert_eq!(admin.watermarks(&name, first).unwrap().end, at(5));
    assert!(admin.watermarks(&name, added).is_err());
    grow(&name, 2);
    let ends = || admin.watermarks(&name, added).ok();
    let ends = eventually(LIMIT, "the leader of the added partition", ends);
    assert_eq!((ends.start, ends.end), (at(0), at(0)));
    let by_time = admin.offsets_for_time(&name, &[first, added], 0).unwrap();
    assert_eq!((by_time[&first], by_time[&added]), (Some(at(0)), None));
}

#[test]
fn offsets_are_found_by_time() {
    let name = topic("times", 2);
    fill(&name, 1, 0..5);
    let both = [Partition(0), Partition(1)];
    let found = admin().offsets_for_time(&name, &both, 1).unwrap();
    assert_eq!((found[&both[0]], found[&both[1]]), (Some(at(0)), None));
    let found = admin()
        .offsets_for_time(&name, &both, 4_000_000_000_000)
        .unwrap();
    assert_eq!((found[&both[0]], found[&both[1]]), (None, None));
}

#[test]
fn an_unreachable_broker_is_named_with_the_reason() {
    let asked = Instant::now();
    let error = Admin::connect(&connect("127.0.0.1:1", &[]), Duration::from_secs(2))
        .err()
        .unwrap();
    assert!(asked.elapsed() < Duration::from_secs(4));
    let text = error.to_string();
    assert!(matches!(error, KafkaError::Unreachable { .. }) && error.is_transient());
    for part in ["127.0.0.1:1", "--brokers", "Connection refused"] {
        assert!(text.contains(part), "{text}");
    }
    let error = Admin::connect(
        &connect("no-such-host.invalid:1", &[]),
        Duration::from_secs(2),
    );
    let text = error.err().unwrap().to_string();
    assert!(text.contains("no-such-host.invalid"), "{text}");
    let tls = connect(kafka().brokers(), &[("security.protocol", "ssl")]);
    let text = Admin::connect(&tls, Duration::from_secs(3))
        .err()
        .unwrap()
        .to_string();
    assert!(text.contains("PLAINTEXT") || text.contains("SSL"), "{text}");
}

#[test]
fn the_mock_broker_serves_a_source_and_an_idempotent_publisher_at_once() {
    let mock = MockBroker::start(&[("events", 2), ("results", 2)]).unwrap();
    let connection = connect(mock.bootstrap_servers(), &[]);
    let admin = Admin::connect(&connection, Duration::from_secs(5)).unwrap();
    let found = admin.topic("events").unwrap().unwrap();
    eprintln!("mock: {found:?}, cluster {:?}", admin.cluster_id());
    assert_eq!(found.partitions, 2);
    assert_eq!(
        admin.topic_config("events", "max.message.bytes").unwrap(),
        None
    );
    let config = PublisherConfig::with_queue(QUEUE_BYTES);
    let mut publisher = Publisher::idempotent(&connection, &config).unwrap();
    let records = (0..10).map(|_| Record {
        key: Some(b"k"),
        payload: Some(b"v"),
    });
    publisher.produce("events", 0, records, LIMIT).unwrap();
    publisher.flush(LIMIT).unwrap();
    let asked = Instant::now();
    let mut source = join_as(
        &connection,
        "events",
        "demo",
        2,
        Some("demo-0"),
        Duration::from_secs(6),
    );
    start(&mut source, at(0));
    eprintln!("mock: assigned after {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(2));
    assert_eq!(super::read_to(&mut source, 0, 10).len(), 10);
    source
        .commit(&[(Partition(0), at(10), "m".to_owned())], LIMIT)
        .unwrap();
    let committed = admin
        .committed("demo", "events", &[Partition(0), Partition(1)])
        .unwrap();
    assert_eq!(committed[&Partition(0)].as_ref().unwrap().metadata, "m");
    assert_eq!(committed[&Partition(1)], None);
    assert_eq!(
        admin.watermarks("events", Partition(0)).unwrap().end,
        at(10)
    );
    let reader = Reader::open(&connection, "events").unwrap();
    let (mut count, range) = (0, OffsetRange::new(at(0), at(10)).unwrap());
    let read = reader.read(Partition(0), range, LIMIT, |batch| {
        count += batch.len();
        ControlFlow::Continue(())
    });
    read.unwrap();
    assert_eq!(count, 10);
    source.leave();
}
