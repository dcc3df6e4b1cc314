//! `snapback run` on real servers when nothing goes wrong: exactly once, to its end or until it is stopped.

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
fn missing_output_topics_are_created_with_the_partitions_of_the_input() {
    let pipeline = Pipeline::new(3, Place::folder());
    pipeline.send_numbers(2, [7]);
    pipeline.run_to_end().run().expect_code(0);
    for topic in [&pipeline.results, &pipeline.rejects] {
        let partitions = committed(&pipeline.brokers, &pipeline.group, topic);
        assert_eq!(partitions.len(), 3, "{topic}");
    }
    pipeline.check();
}

#[test]
fn output_topics_are_not_created_when_that_is_switched_off() {
    let pipeline = Pipeline::new(3, Place::folder());
    pipeline.send_numbers(0, [7]);
    let run = || pipeline.run_to_end().arg("--create-topics=false").run();
    let refused = run().expect_code(2);
    assert!(
        refused.stderr.contains(&pipeline.results),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("--create-topics"),
        "{}",
        refused.stderr
    );

    create_topic(&pipeline.brokers, &pipeline.results, 3);
    let refused = run().expect_code(2);
    assert!(
        refused.stderr.contains(&pipeline.rejects),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("3 partitions"),
        "{}",
        refused.stderr
    );

    create_topic(&pipeline.brokers, &pipeline.rejects, 3);
    run().expect_code(0);
    pipeline.check();
}

#[test]
fn results_keep_their_place_in_a_results_topic_with_fewer_partitions() {
    let pipeline = Pipeline::new(3, Place::folder());
    create_topic(&pipeline.brokers, &pipeline.results, 2);
    for partition in 0..3 {
        pipeline.send_numbers(partition, [7, 8]);
    }
    pipeline.run_to_end().run().expect_code(0);
    let published: BTreeSet<(i32, Vec<u8>)> = read_all(&pipeline.brokers, &pipeline.results)
        .into_iter()
        .map(|record| (record.partition, record.key.expect("a key")))
        .collect();
    let expected = (0..3).flat_map(|partition| {
        let key = |offset| format!("{}/{partition}/{offset}", pipeline.events).into_bytes();
        [0, 1].map(|offset| (partition % 2, key(offset)))
    });
    assert_eq!(published, expected.collect());
    pipeline.check_stored(&pipeline.expected(), Offsets::default());
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
        "DOUBLE",
        "would accept 2",
    ] {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    pipeline.check();
}

fn transactional(brokers: &str) -> ThreadedProducer<DefaultProducerContext> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", unique("producer"))
        .create()
        .expect("a producer");
    producer.init_transactions(LIMIT).expect("transactions");
    producer
}

#[test]
fn offsets_of_markers_and_aborted_events_are_counted_as_absent() {
    let pipeline = Pipeline::new(1, Place::folder());
    let producer = transactional(&pipeline.brokers);
    let send = |number| {
        let payload = outside::event(number);
        let record = BaseRecord::<[u8], [u8]>::to(&pipeline.events).payload(&payload);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("a place in the queue");
    };
    for number in 0..5 {
        producer.begin_transaction().expect("a transaction");
        send(number);
        producer.flush(LIMIT).expect("a flush");
        if number % 2 == 0 {
            producer.commit_transaction(LIMIT).expect("a commit");
        } else {
            producer.abort_transaction(LIMIT).expect("an abort");
        }
    }
    // An open transaction: the end is before it.
    producer.begin_transaction().expect("a transaction");
    send(5);
    producer.flush(LIMIT).expect("a flush");

    pipeline.run_to_end().run().expect_code(0);
    let expected = pipeline.expected();
    assert_eq!(
        expected
            .results
            .keys()
            .map(|(_, offset)| *offset)
            .collect::<Vec<_>>(),
        [0, 4, 8]
    );
    // Two aborted events and five markers.
    pipeline.check_against(&expected, Offsets { absent: 7, lost: 0 });

    producer.commit_transaction(LIMIT).expect("a commit");
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check_against(&pipeline.expected(), Offsets { absent: 8, lost: 0 });
}

#[test]
fn a_compacted_topic_is_read_with_its_holes() {
    // A broker that compacts at once, and not every 15 seconds.
    let broker = Kafka::start(&[("log.cleaner.backoff.ms", "50")]);
    let mut pipeline = Pipeline::without_events_topic(Place::folder());
    pipeline.brokers = broker.brokers().to_owned();
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.0001"),
        ("segment.ms", "50"),
    ];
    create_topic_with(&pipeline.brokers, &pipeline.events, 1, &settings);
    let mut number = 0;
    eventually(LIMIT, "a compacted topic", || {
        // Only what lies before the newest file of the log is compacted, and a new event begins a new one.
        let keyed = (0..5).map(|key| {
            number += 1;
            (
                Some(0),
                Some(format!("key {key}").into_bytes()),
                Some(outside::event(number)),
            )
        });
        produce(&pipeline.brokers, &pipeline.events, keyed);
        (number_of_events(&pipeline) < number).then_some(())
    });
    pipeline.run_to_end().run().expect_code(0);
    let expected = pipeline.expected();
    // Events that went away meanwhile may be among the results.
    let report = pipeline.verify(0);
    let (results, absent) = (count(&report["results"]), count(&report["absent"]));
    assert_eq!(
        results + absent,
        u64::try_from(number).expect("a small number"),
        "{report:#}"
    );
    assert!(
        absent > 0 && results >= expected.results.len() as u64,
        "{report:#}"
    );
    let published = read_all(&pipeline.brokers, &pipeline.results);
    assert_eq!(published.len() as u64, results, "{report:#}");
}

#[test]
fn the_environment_and_the_file_configure_it_and_flags_win() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, [7]);
    let file = format!(
        "events = {:?}\ngroup = \"from the file\"\n",
        pipeline.events
    );
    snapback([
        "run",
        "--exit-at-end",
        "--group",
        &pipeline.group,
        "--config",
        "own.toml",
    ])
    .file("own.toml", file)
    .env("SNAPBACK_BROKERS", &pipeline.brokers)
    .env("SNAPBACK_RESULTS", &pipeline.results)
    .env("SNAPBACK_STORE", pipeline.store.url())
    .env("SNAPBACK_GROUP", "from-the-environment")
    .limit(LIMIT)
    .run()
    .expect_code(0);
    pipeline.check();
    let committed = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    assert_eq!(committed[&0].as_ref().map(|(offset, _)| *offset), Some(1));
}

#[test]
fn produced_events_are_processed_with_every_default_name() {
    // No other test uses the default names on the shared broker.
    let brokers = kafka().brokers();
    let folder = tempfile::tempdir().expect("a folder");
    let at = |args: &[&str]| {
        snapback(args)
            .env("SNAPBACK_BROKERS", brokers)
            .current_dir(&folder)
            .limit(LIMIT)
    };
    at(&["produce", "--count", "1000", "--partitions", "2"])
        .run()
        .expect_code(0);
    at(&["run", "--exit-at-end"]).run().expect_code(0);
    let report = at(&["verify", "-o", "json"]).run().expect_code(0).stdout;
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(
        (&report["clean"], &report["offsets"]),
        (&json!(true), &json!(1000)),
        "{report:#}"
    );
    assert_eq!(report["partitions"], 2);
    assert!(folder.path().join("snapshots/events/results").is_dir());
    let keys: BTreeMap<_, _> = read_all(brokers, "results")
        .into_iter()
        .map(|record| (record.key, record.payload))
        .collect();
    assert_eq!(keys.len() as u64, count(&report["results"]));
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
