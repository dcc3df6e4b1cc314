//! Transactions of other producers that are open before the end of the topic.

use std::time::Instant;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, TopicPartitionList};

use super::holes::transactional;
use super::*;
use crate::support::Status;

/// How soon partitions begin on which nothing is open; a second on a machine that does nothing else.
const SOON: Duration = Duration::from_secs(20);

type Open = ThreadedProducer<DefaultProducerContext>;

/// Begins a transaction with events at the end of a partition.
fn begin(pipeline: &Pipeline, partition: i32, numbers: std::ops::Range<i64>) -> Open {
    let producer = transactional(&pipeline.brokers);
    producer.begin_transaction().expect("a transaction");
    for number in numbers {
        let payload = outside::event(number);
        let record = BaseRecord::<[u8], [u8]>::to(&pipeline.events)
            .partition(partition)
            .payload(&payload);
        let sent = producer.send(record).map_err(|(error, _)| error);
        sent.expect("a place in the queue");
    }
    producer.flush(LIMIT).expect("a flush");
    producer
}

#[test]
fn a_run_to_the_end_waits_for_a_transaction_that_ends() {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(0, 0..50);
    let producer = begin(&pipeline, 0, 50..53);
    let running = pipeline.run_to_end().spawn();
    wait_until_committed(&pipeline, 50);
    producer.commit_transaction(LIMIT).expect("a commit");
    running.wait(LIMIT).expect_code(0);
    let expected = pipeline.expected();
    assert_eq!(expected.results.len(), 53);
    pipeline.check_against(&expected, Offsets { absent: 1, lost: 0 });
}

#[test]
fn a_run_to_the_end_ends_with_3_when_a_transaction_before_it_stays_open() {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(0, 0..50);
    let producer = begin(&pipeline, 0, 50..53);
    let finished = pipeline
        .run_to_end()
        .args(["-X", "transaction.timeout.ms=3000"])
        .run()
        .expect_code(3);
    let (events, brokers) = (&pipeline.events, &pipeline.brokers);
    for part in [
        format!(
            "partition 0 of {events}: the 3 offsets from 50 on wait for the end of another producer's transaction, open since 20"
        ),
        format!(
            "kafka-transactions.sh --bootstrap-server {brokers} describe-producers --topic {events} --partition 0`"
        ),
    ] {
        assert!(
            finished.stderr.contains(&part),
            "{part}: {}",
            finished.stderr
        );
    }
    // What comes before is done.
    pipeline.check_against(&pipeline.expected(), Offsets { absent: 0, lost: 0 });
    producer.abort_transaction(LIMIT).expect("an abort");
    pipeline.run_to_end().run().expect_code(0);
    let expected = pipeline.expected();
    assert_eq!(expected.results.len(), 50);
    pipeline.check_against(&expected, Offsets { absent: 4, lost: 0 });
}

#[test]
fn a_running_process_says_that_it_waits_for_a_transaction() {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(1, 0..50);
    let producer = begin(&pipeline, 1, 50..150);
    let mut running = pipeline.run().args(Status::ANYWHERE).spawn();
    let status = Status::of(&running);
    let seen = status.wait_until(LIMIT, "an open transaction", |seen| {
        Status::detail(seen, "open-transaction").is_some()
    });
    let detail = Status::detail(&seen, "open-transaction").expect("seen above");
    assert!(
        detail.contains("the 100 offsets from 50 on wait"),
        "{detail}"
    );
    assert_eq!(seen["degraded"][0]["partitions"], json!([1]), "{seen:#}");
    assert_eq!(
        (status.get("/readyz").code, status.get("/healthz").code),
        (200, 200)
    );
    producer.commit_transaction(LIMIT).expect("a commit");
    status.wait_until(LIMIT, "its end", |seen| {
        seen["state"] == "running"
            && seen["degraded"] == json!([])
            && seen["partitions"][1]["position"] == 151
    });
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
}

/// Another producer's transaction that commits an offset of the group for one partition; it is open.
fn commits_openly(pipeline: &Pipeline, partition: i32) -> Open {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &pipeline.brokers)
        .set("group.id", &pipeline.group)
        .create()
        .expect("a consumer");
    let group = consumer.group_metadata().expect("a group");
    let producer = transactional(&pipeline.brokers);
    producer.begin_transaction().expect("a transaction");
    let mut offsets = TopicPartitionList::new();
    let offset = rdkafka::Offset::Offset(7);
    let added = offsets.add_partition_offset(&pipeline.events, partition, offset);
    added.expect("an offset");
    let sent = producer.send_offsets_to_transaction(&offsets, &group, LIMIT);
    sent.expect("offsets in a transaction");
    producer
}

#[test]
fn an_open_commit_of_one_partition_keeps_no_other() {
    let pipeline = Pipeline::new(3, Place::folder());
    for partition in 0..3 {
        pipeline.send_numbers(partition, 0..20);
    }
    let producer = commits_openly(&pipeline, 1);
    let began = Instant::now();
    let mut running = pipeline.run().args(Status::ANYWHERE).spawn();
    let status = Status::of(&running);
    status.wait_until(LIMIT, "the others", |seen| {
        [0, 2]
            .iter()
            .all(|at| seen["partitions"][at]["position"] == 20)
    });
    println!("the others are done after {:.1?}", began.elapsed());
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let seen = status.wait_until(LIMIT, "a reason", |seen| {
        Status::detail(seen, "open-transaction").is_some()
    });
    assert_eq!(seen["degraded"][0]["partitions"], json!([1]), "{seen:#}");
    assert_eq!(seen["partitions"][1]["phase"], "recovering", "{seen:#}");
    producer.abort_transaction(LIMIT).expect("an abort");
    wait_until_committed(&pipeline, 60);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.check();
}
