//! Brokers and groups that do not take a process in: what it waits for is said soon, and what cannot pass ends it at once.

use std::io::Read as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::{Value, json};

use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::support::process::Running;
use crate::support::{Kafka, Status, create_topic, eventually, snapback};

/// How soon it is said what is waited for; ten seconds on a machine that does nothing else.
const SOON: Duration = Duration::from_secs(30);

/// A pipeline with some events on a broker of its own.
fn on(broker: &Kafka) -> Pipeline {
    let pipeline = Pipeline {
        brokers: broker.brokers().to_owned(),
        ..Pipeline::without_events_topic(Place::folder())
    };
    create_topic(&pipeline.brokers, &pipeline.events, 2);
    pipeline.send_numbers(0, 0..10);
    pipeline
}

/// What is said while the process waits for its group: it lives, and is not ready.
fn waits(running: &Running) -> String {
    let status = Status::of(running);
    let began = Instant::now();
    let seen = status.wait_until(SOON, "a reason", |seen| {
        Status::detail(seen, "joining").is_some()
    });
    println!("said after {:.1?}", began.elapsed());
    assert_eq!(
        (status.get("/healthz").code, status.get("/readyz").code),
        (200, 503)
    );
    assert_eq!(seen["ready"], json!(false), "{seen:#}");
    let detail = Status::detail(&seen, "joining")
        .expect("seen above")
        .to_owned();
    let log = running.stderr_so_far();
    assert!(log.contains(&detail), "{detail} is not in the log:\n{log}");
    detail
}

#[test]
fn a_broker_that_cannot_make_the_topic_of_the_offsets_is_said_with_its_setting() {
    let broker = Kafka::start_uncoordinated(&[("offsets.topic.replication.factor", "3")]);
    let pipeline = on(&broker);
    let mut running = pipeline.run().args(Status::ANYWHERE).spawn();
    let detail = waits(&running);
    for part in [
        "__consumer_offsets",
        "3 replicas (offsets.topic.replication.factor)",
        "1 brokers",
    ] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
}

#[test]
fn a_broker_without_transactions_and_with_long_sessions_only_is_said_with_its_settings() {
    let broker = Kafka::start_uncoordinated(&[
        ("transaction.state.log.replication.factor", "3"),
        ("group.min.session.timeout.ms", "30000"),
    ]);
    let pipeline = on(&broker);
    let long = ["-X", "session.timeout.ms=30000"];
    let mut running = pipeline.run().args(Status::ANYWHERE).args(long).spawn();
    let detail = waits(&running);
    for part in [
        "__transaction_state",
        "3 replicas (transaction.state.log.replication.factor)",
    ] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(130);

    // What cannot pass ends the process at once.
    let at_least_once = || pipeline.run_to_end().args(["--delivery", "at-least-once"]);
    let refused = at_least_once().run().expect_code(2);
    for part in ["group.min.session.timeout.ms", "-X session.timeout.ms="] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    at_least_once().args(long).run().expect_code(0);
    pipeline.check();
}

#[test]
fn a_member_that_divides_partitions_in_another_way_is_said_and_waited_for() {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(0, 0..10);
    // As the Python script and most other programs.
    let other: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &pipeline.brokers)
        .set("group.id", &pipeline.group)
        .create()
        .expect("a client");
    other
        .subscribe(&[&pipeline.events])
        .expect("a subscription");
    eventually(LIMIT, "partitions of the other", || {
        other.poll(Duration::from_millis(100));
        (other.assignment().expect("an assignment").count() == 2).then_some(())
    });
    let mut running = pipeline.run().args(Status::ANYWHERE).spawn();
    let detail = waits(&running);
    assert!(
        detail.contains("divides the partitions in another way"),
        "{detail}"
    );
    drop(other);
    wait_until_committed(&pipeline, 10);
    let status = Status::of(&running);
    let seen = status.wait_until(LIMIT, "nothing to wait for", |seen| {
        seen["state"] == "running"
    });
    assert_eq!(seen["degraded"], Value::Array(Vec::new()));
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.check();
}

#[test]
fn a_port_that_hangs_up_is_said_with_the_setting_that_it_may_expect() {
    // As a port for TLS does with a client without it.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut begin = [0; 16];
            // Whatever comes, the connection is closed.
            let _ = stream.map(|mut stream| stream.read(&mut begin));
        }
    });
    let running = snapback(["run", "--brokers", &address])
        .args(Status::ANYWHERE)
        .spawn();
    let status = Status::of(&running);
    let seen = status.wait_until(SOON, "a reason", |seen| {
        Status::detail(seen, "broker-unreachable").is_some()
    });
    let detail = Status::detail(&seen, "broker-unreachable").expect("seen above");
    assert!(detail.contains("-X security.protocol="), "{detail}");
    assert!(running.stderr_so_far().contains("-X security.protocol="));
    let finished = running.wait(LIMIT).expect_code(3);
    assert!(finished.stderr.contains("hung up"), "{}", finished.stderr);
}
