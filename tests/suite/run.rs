//! `snapback run` on real servers when nothing goes wrong: exactly once, to its end or until it is stopped.

pub mod holes;
mod open_transactions;
mod output_topics;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::json;

use crate::outside::{
    self, LIMIT, MALFORMED, Offsets, Pipeline, Place, number_of_events, wait_until_committed,
    writers,
};
use crate::support::{
    Kafka, committed, create_topic, create_topic_with, eventually, kafka, produce,
    produce_with_headers, read_all, s3, snapback, unique,
};

const PARTITIONS: i32 = 4;

/// A count in a report.
fn count(value: &serde_json::Value) -> u64 {
    value.as_u64().expect("a count")
}

/// Good and malformed events over all partitions, some with keys, some with headers.
fn send_a_mixture(pipeline: &Pipeline, events: i64) {
    let numbers = (0..events).map(|n| {
        let number = if n % 3 == 0 {
            -n * n * 1_000_000_007
        } else {
            n
        };
        let payload = format!("{{\"number\": {number}}}").into_bytes();
        let key = (n % 2 == 0).then(|| format!("key of {n}").into_bytes());
        (Some(n as i32 % PARTITIONS), key, Some(payload))
    });
    let extremes =
        [i64::MIN, i64::MAX, 0, -1].map(|number| (Some(1), None, Some(outside::event(number))));
    produce(&pipeline.brokers, &pipeline.events, numbers.chain(extremes));
    for (n, payload) in MALFORMED.into_iter().enumerate() {
        let key = (n % 2 == 0).then_some(b"key \xff of a bad one".as_slice());
        let headers: &[(&str, Option<&[u8]>)] = match n % 3 {
            0 => &[],
            1 => &[("trace", Some(b"a1")), ("empty", Some(b"")), ("none", None)],
            _ => &[("trace", Some(b"a1")), ("trace", Some(b"\xff"))],
        };
        let partition = n as i32 % PARTITIONS;
        produce_with_headers(
            &pipeline.brokers,
            &pipeline.events,
            partition,
            (key, payload),
            headers,
        );
    }
}

/// The whole happy path on a store; what is special about a kind of store is in neither test.
fn every_event_once(pipeline: &Pipeline) {
    send_a_mixture(pipeline, 2_000);
    let expected = pipeline.expected();
    assert_eq!(
        (expected.results.len(), expected.rejects.len()),
        (2_004, 12)
    );

    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
    let columns = &pipeline.read_store(&expected)["columns"];
    assert_eq!(columns["number"], "BIGINT");
    assert_eq!(columns["result"], "DECIMAL(38,0)");
    assert_eq!(columns["kafka_offset"], "BIGINT");
    assert_eq!(columns["kafka_timestamp"], "TIMESTAMP WITH TIME ZONE");
    assert_eq!(columns["key"], "BLOB");

    // Nothing is left to do, so nothing is done.
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();

    // New events go on where the old ones ended.
    send_a_mixture(pipeline, 100);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn every_event_is_published_and_stored_exactly_once() {
    every_event_once(&Pipeline::new(PARTITIONS, Place::folder()));
}

#[test]
fn every_event_is_published_and_stored_exactly_once_on_s3() {
    every_event_once(&Pipeline::new(PARTITIONS, Place::bucket(s3())));
}

#[test]
fn a_missing_events_topic_is_said_with_the_command_that_makes_it() {
    let pipeline = Pipeline::without_events_topic(Place::folder());
    let finished = pipeline.run_to_end().run().expect_code(2);
    let expected = format!("snapback produce --events {}", pipeline.events);
    assert!(finished.stderr.contains(&expected), "{}", finished.stderr);
    let names_it = format!("{:?} does not exist", pipeline.events);
    assert!(finished.stderr.contains(&names_it), "{}", finished.stderr);
}

#[test]
fn a_broker_that_cannot_be_reached_is_said() {
    // Nothing listens on the port of a listener that is closed again.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = closed.local_addr().expect("an address").to_string();
    drop(closed);
    let store = Place::folder();
    let finished = snapback(["run", "--brokers", &address, "--store", &store.url()])
        .limit(LIMIT)
        .run()
        .expect_code(3);
    assert!(finished.stderr.contains(&address), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("Connection refused"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_bucket_that_does_not_exist_is_said() {
    let pipeline = Pipeline::new(1, Place::bucket(s3()));
    let missing = format!("{}-missing", s3().bucket());
    let finished = snapback(["run", "--exit-at-end", "--brokers", &pipeline.brokers])
        .args([
            "--events",
            &pipeline.events,
            "--s3-endpoint",
            s3().endpoint(),
        ])
        .args(["--store", &format!("s3://{missing}/prefix")])
        .envs(pipeline.env())
        .limit(LIMIT)
        .run()
        .expect_code(2);
    assert!(finished.stderr.contains(&missing), "{}", finished.stderr);
}

fn a_signal_ends_everything_in_order(signal: i32) {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(0, 0..500);
    // Neither interval comes round while the test runs: what is stored is stored by the end.
    let mut running = pipeline.run().args(["--snapshot-interval", "1h"]).spawn();
    wait_until_committed(&pipeline, 500);
    pipeline.send_numbers(1, 500..600);
    wait_until_committed(&pipeline, 600);
    running.signal(signal);
    let finished = running.wait(LIMIT).expect_code(0);
    let says = "stored 2 snapshots, verified 2 segments: all is well";
    assert!(finished.stdout.contains(says), "{}", finished.stdout);
    pipeline.check();
}

#[test]
fn sigterm_ends_committed_snapshotted_and_verified() {
    a_signal_ends_everything_in_order(libc::SIGTERM);
}

#[test]
fn ctrl_c_ends_committed_snapshotted_and_verified() {
    a_signal_ends_everything_in_order(libc::SIGINT);
}

#[test]
fn snapshots_follow_their_interval_also_when_nothing_more_comes() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..10);
    let running = pipeline
        .run()
        .args(["--snapshot-interval", "200ms"])
        .spawn();
    eventually(LIMIT, "a snapshot", || {
        (pipeline.manifests(0).len() == 2).then_some(())
    });
    // Killed: nothing but the interval can have stored it, and it is all there.
    running.kill();
    pipeline.check();
}

#[test]
fn workers_of_two_processes_share_the_partitions() {
    let pipeline = Pipeline::new(8, Place::folder());
    let start = || pipeline.run().args(["--workers", "2"]).spawn();
    let (mut first, mut second) = (start(), start());
    let send = |round: i64| {
        for partition in 0..8 {
            pipeline.send_numbers(partition, (0..50).map(|n| n + round));
        }
    };
    let mut round = 0;
    eventually(LIMIT, "four workers at work", || {
        send(round);
        round += 1;
        wait_until_committed(&pipeline, number_of_events(&pipeline));
        (writers(&pipeline).len() == 4).then_some(())
    });
    // The second one's partitions go back to the first.
    second.signal(libc::SIGTERM);
    second.wait(LIMIT).expect_code(0);
    send(round);
    wait_until_committed(&pipeline, number_of_events(&pipeline));
    first.signal(libc::SIGTERM);
    first.wait(LIMIT).expect_code(0);
    pipeline.check();
}

#[test]
fn at_least_once_publishes_and_stores_every_event() {
    let pipeline = Pipeline::new(PARTITIONS, Place::folder());
    send_a_mixture(&pipeline, 500);
    let run = || {
        pipeline
            .run_to_end()
            .args(["--delivery", "at-least-once"])
            .run()
    };
    run().expect_code(0);
    // Without a crash in between nothing is published twice.
    pipeline.check();
    run().expect_code(0);
    pipeline.check();
}

#[test]
fn one_line_sums_the_rejects_up_and_says_what_would_accept_them() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send(
        0,
        [
            "{\"number\": 1.5}",
            "{\"number\": 2.5}",
            "{\"number\": 7}",
            "nothing",
        ],
    );
    let finished = pipeline.run_to_end().run().expect_code(0);
    let line = finished
        .stderr
        .lines()
        .find(|line| line.contains("3 rejects"));
    let line = line.unwrap_or_else(|| panic!("no line with the rejects:\n{}", finished.stderr));
    for part in [
        "2 fraction",
        "1 not-json",
        "--fields",
        "number DECIMAL(38,2) NOT NULL",
        "would accept 2 of 3",
    ] {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    pipeline.check();
}

#[test]
fn a_second_ctrl_c_aborts() {
    let pipeline = Pipeline::new(1, Place::bucket(s3()));
    pipeline.send_numbers(0, 0..10);
    let mut running = pipeline.run().args(["--snapshot-interval", "1h"]).spawn();
    wait_until_committed(&pipeline, 10);
    running.signal(libc::SIGSTOP);
    // Both wait while it is stopped, and so arrive before it can end in order. The same signal would count once.
    running.signal(libc::SIGINT);
    running.signal(libc::SIGTERM);
    running.signal(libc::SIGCONT);
    running.wait(Duration::from_secs(20)).expect_code(130);
    // Committed and not stored: the next start brings it back.
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn two_processes_of_a_host_that_name_the_broker_differently_share_the_work() {
    let pipeline = Pipeline::new(2, Place::folder());
    let (_, port) = pipeline.brokers.split_once(':').expect("a port");
    let by_name = Pipeline {
        brokers: format!("localhost:{port}"),
        ..pipeline.with_store(pipeline.store.beside(""))
    };
    let mut first = pipeline.run().spawn();
    let mut second = by_name.run().spawn();
    let mut round = 0;
    eventually(LIMIT, "work of both", || {
        for partition in 0..2 {
            pipeline.send_numbers(partition, round..round + 5);
        }
        round += 5;
        wait_until_committed(&pipeline, number_of_events(&pipeline));
        (writers(&pipeline).len() == 2).then_some(())
    });
    for process in [&mut first, &mut second] {
        process.signal(libc::SIGTERM);
    }
    first.wait(LIMIT).expect_code(0);
    second.wait(LIMIT).expect_code(0);
    pipeline.check();
}
