//! The kafka module against a real broker.

mod cluster;
mod groups;
mod partitions;
mod transactions;

use std::time::{Duration, Instant};

use snapback::{
    kafka::{Connection, Publisher, PublisherConfig, Source, SourceConfig, SourceEvent},
    model::{Offset, Partition},
};

use crate::support;

const LIMIT: Duration = Duration::from_secs(20);
const QUEUE_BYTES: u64 = 32 << 20;

fn connect(brokers: &str, properties: &[(&str, &str)]) -> Connection {
    let properties = properties
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect();
    Connection::new(brokers, properties, "tests").unwrap()
}

fn connection() -> Connection {
    connect(support::kafka().brokers(), &[])
}

fn at(offset: i64) -> Offset {
    Offset::new(offset).unwrap()
}

fn topic(name: &str, partitions: i32) -> String {
    let name = support::unique(name);
    support::create_topic(support::kafka().brokers(), &name, partitions);
    name
}

/// Messages `start..end` (the payload is the number) in every one of `partitions`.
fn fill(topic: &str, partitions: i32, range: std::ops::Range<i64>) {
    let all = (0..partitions).flat_map(|p| range.clone().map(move |n| (p, n)));
    let records = all.map(|(p, n)| (Some(p), None, Some(n.to_string().into_bytes())));
    support::produce(support::kafka().brokers(), topic, records);
}

fn join_as(
    connection: &Connection,
    topic: &str,
    group: &str,
    partitions: u32,
    instance: Option<&str>,
    session: Duration,
) -> Source {
    let mut config = SourceConfig::new(group, topic, partitions, QUEUE_BYTES);
    config.instance_id = instance.map(str::to_owned);
    config.session_timeout = session;
    Source::join(connection, &config).unwrap()
}

fn join(topic: &str, group: &str, partitions: u32) -> Source {
    join_as(
        &connection(),
        topic,
        group,
        partitions,
        None,
        Duration::from_secs(6),
    )
}

/// Polls until `wanted` finds what it looks for; every other event is a failure unless it is mere trouble.
#[track_caller]
fn event<T>(source: &mut Source, wanted: impl Fn(&SourceEvent) -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        for event in source.poll(Duration::from_millis(100)) {
            if let Some(found) = wanted(&event) {
                return found;
            }
            assert!(
                matches!(event, SourceEvent::Trouble { .. }),
                "unexpected: {event:?}"
            );
        }
    }
    panic!("the event never came");
}

fn assigned(event: &SourceEvent) -> Option<Vec<Partition>> {
    match event {
        SourceEvent::Assigned(partitions) if !partitions.is_empty() => Some(sorted(partitions)),
        _ => None,
    }
}

fn sorted(partitions: &[Partition]) -> Vec<Partition> {
    let mut partitions = partitions.to_vec();
    partitions.sort();
    partitions
}

/// Waits for the first assignment and starts all of it at `start`.
#[track_caller]
fn start(source: &mut Source, start: Offset) -> Vec<Partition> {
    let partitions = event(source, assigned);
    let offsets: Vec<_> = partitions.iter().map(|p| (*p, start)).collect();
    source.assign(&offsets).unwrap();
    partitions
}

/// Fetches from one partition until its position is `end`.
#[track_caller]
fn read_to(source: &mut Source, partition: i32, end: i64) -> Vec<i64> {
    let partition = Partition(partition);
    let (mut found, deadline) = (Vec::new(), Instant::now() + LIMIT);
    while source.position(partition) != Some(at(end)) {
        for event in source.poll(Duration::from_millis(50)) {
            match event {
                // The last round of a rebalance brings no news.
                SourceEvent::Assigned(none) if none.is_empty() => source.assign(&[]).unwrap(),
                SourceEvent::Trouble { .. } => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
        if let Some(batch) = source.fetch(partition, 100).unwrap() {
            assert_eq!(batch.len(), batch.iter().len());
            assert_eq!(batch.iter().next().unwrap().offset, batch.first_offset());
            found.extend(batch.iter().map(|event| event.offset.get()));
            assert_eq!(batch.last_offset().get(), *found.last().unwrap());
        }
        assert!(
            Instant::now() < deadline,
            "came to {:?} only",
            source.position(partition)
        );
    }
    found
}

fn publisher(id: &str) -> Publisher {
    let config = PublisherConfig::with_queue(QUEUE_BYTES);
    let mut publisher = Publisher::transactional(&connection(), id, &config).unwrap();
    publisher.init(LIMIT).unwrap();
    publisher
}
