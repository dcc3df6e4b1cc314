//! Troubles as the status shows them.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{is_running, start, stop};
use crate::outside::{LIMIT, Pipeline, Place, committed_events, in_a_shell, wait_until_committed};
use crate::support::{Kafka, Status, create_topic, delete_records};

#[test]
fn a_held_partition_is_shown_with_its_command_while_the_others_go_on() {
    let pipeline = Pipeline::new(2, Place::folder());
    for partition in 0..2 {
        pipeline.send_numbers(partition, 0..10);
    }
    pipeline.run_to_end().run().expect_code(0);
    for partition in 0..2 {
        pipeline.send_numbers(partition, 10..30);
    }
    delete_records(&pipeline.brokers, &pipeline.events, 0, 20);
    let (running, status) = start(&pipeline, &[]);
    let seen = status.wait_until(LIMIT, "one held and one running", |seen| {
        seen["partitions"][0]["phase"] == "held" && seen["partitions"][1]["position"] == 30
    });
    assert_eq!(seen["state"], "degraded", "{seen:#}");
    let detail = Status::detail(&seen, "partitions-held").expect("a reason");
    assert!(detail.contains("the events 10-20 are gone"), "{detail}");
    let held = &seen["partitions"][0]["held"];
    assert_eq!(held["refusal"], detail);
    let command = held["commands"][0].as_str().expect("a command");
    assert!(command.contains("--accept-loss 0:10-20"), "{command}");
    let page = status.get("/");
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.body.contains("--accept-loss 0:10-20"), "{}", page.body);
    // What can be recovered is.
    for path in ["/readyz", "/healthz"] {
        assert_eq!(status.get(path).code, 200, "{path}");
    }
    assert_eq!(
        status.metric("snapback_partition_held{partition=\"0\"}"),
        1.0
    );
    assert_eq!(
        status.metric("snapback_partition_held{partition=\"1\"}"),
        0.0
    );
    assert_eq!(status.metric("snapback_held_partitions"), 1.0);
    assert_eq!(
        status.metric("snapback_degraded{reason=\"partitions-held\"}"),
        1.0
    );
    stop(running, 4);
    // As printed.
    let accept = in_a_shell(&format!(
        "{} --exit-at-end",
        command.replace(&Status::ANYWHERE.join(" "), "--status off")
    ));
    accept.run().expect_code(0);
    assert_eq!(committed_events(&pipeline), 60);
}

#[test]
fn an_open_transaction_of_a_dead_process_is_shown_until_it_has_timed_out() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..50);
    // It dies when the offsets are in the transaction, before it is committed.
    let dead = pipeline.run().args(["--instance", "dead"]);
    dead.env("FAILPOINTS", "offsets-sent=return")
        .spawn()
        .wait(LIMIT);
    let (running, status) = start(&pipeline, &["--instance", "next"]);
    let began = Instant::now();
    let shown = status.wait_until(LIMIT, "an open transaction", |seen| {
        Status::detail(seen, "open-transaction").is_some()
    });
    println!("after {:.1?}: {:#}", began.elapsed(), shown["degraded"]);
    let detail = Status::detail(&shown, "open-transaction").expect("seen above");
    assert!(detail.contains("ends by itself"), "{detail}");
    assert_eq!(shown["state"], "degraded");
    assert_eq!(shown["not_ready_because"], "partitions being recovered: 0");
    assert_eq!(status.get("/healthz").code, 200);
    let seen = status.wait_until(LIMIT, "the end of it", is_running);
    assert_eq!(seen["degraded"], json!([]));
    println!("over after {:.1?}", began.elapsed());
    wait_until_committed(&pipeline, 50);
    assert_eq!(status.get("/readyz").code, 200);
    stop(running, 0);
    pipeline.check();
}

#[test]
fn what_the_start_finds_wrong_is_shown() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..100);
    pipeline.run_to_end().run().expect_code(0);
    let segments = pipeline.segments("results", 0);
    let segment = segments.last().expect("a segment");
    let mut bytes = fs::read(segment).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(segment, bytes).expect("a writable file");
    let (running, status) = start(&pipeline, &["--scrub", "report"]);
    let seen = status.wait_until(LIMIT, "a finding", |seen| {
        Status::detail(seen, "findings").is_some() && seen["ready"] == true
    });
    let detail = Status::detail(&seen, "findings").expect("seen above");
    assert!(
        detail.contains("digest-mismatch") && detail.contains("snapback verify"),
        "{detail}"
    );
    let health = status.get("/healthz");
    assert_eq!(
        (health.code, health.body.as_str()),
        (200, "healthy, but degraded: findings\n")
    );
    // Work goes on all the same.
    pipeline.send_numbers(0, 100..200);
    wait_until_committed(&pipeline, 200);
    stop(running, 1);
}

#[test]
fn a_worker_that_waits_for_a_broker_within_a_transaction_shows_that_it_lives() {
    let broker = Kafka::start_to_be_killed();
    let mut pipeline = Pipeline::without_events_topic(Place::folder());
    pipeline.brokers = broker.brokers().to_owned();
    create_topic(&pipeline.brokers, &pipeline.events, 1);
    let (running, status) = start(&pipeline, &["--commit-interval", "4s"]);
    pipeline.send_numbers(0, 0..1_000);
    wait_until_committed(&pipeline, 1_000);
    status.wait_until(LIMIT, "a start", is_running);
    pipeline.send_numbers(0, 1_000..2_000);
    status.wait_until(LIMIT, "an open transaction of ours", |seen| {
        seen["partitions"][0]["position"] == 2_000
    });
    broker.kill();
    let killed = Instant::now();
    let seen = status.wait_until(LIMIT, "a broker that is away", |seen| {
        Status::detail(seen, "broker-unreachable").is_some()
    });
    println!("{:#}", seen["degraded"]);
    assert_eq!(seen["partitions"][0]["committed"], 1_000, "{seen:#}");
    // Its transaction has not timed out yet; calls after that may take longer, but never a minute.
    sleep(Duration::from_secs(11).saturating_sub(killed.elapsed()));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a time after 1970").as_secs_f64();
    let tick = status.metric("snapback_worker_last_tick_timestamp_seconds{worker=\"0\"}");
    assert!(
        now - tick < 5.0,
        "the last sign of life was {} s ago",
        now - tick
    );
    let health = status.get("/healthz");
    assert_eq!(
        (health.code, health.body.as_str()),
        (200, "healthy, but degraded: broker-unreachable\n")
    );
    broker.restart();
    wait_until_committed(&pipeline, 2_000);
    status.wait_until(LIMIT, "no trouble any more", |seen| {
        is_running(seen) && seen["totals"]["results"] == 2_000
    });
    stop(running, 0);
    pipeline.check();
}
