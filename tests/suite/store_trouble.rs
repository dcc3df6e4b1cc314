//! A store in trouble under the whole pipeline: nothing is lost, nothing is doubled, work goes on by itself.

#![allow(
    unsafe_code,
    reason = "limits of another process have no safe form in std"
)]

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::outside::{
    LIMIT, Pipeline, Place, committed_events, number_of_events, scattered, wait_until_committed,
};
use crate::support::process::{Program, Running};
use crate::support::proxy::{Mode, Proxy};
use crate::support::{
    Kafka, S3Server, Status, create_topic, eventually, heavy, s3, seed, snapback, sweeps,
};

/// `snapback run` on the pipeline, reaching its store through a proxy.
fn through(pipeline: &Pipeline, proxy: &Proxy) -> Program {
    snapback(["run", "--s3-endpoint", proxy.endpoint()])
        .args(["--brokers", &pipeline.brokers, "--events", &pipeline.events])
        .args(["--results", &pipeline.results, "--group", &pipeline.group])
        .args(["--store", &pipeline.store.url()])
        .envs(pipeline.env())
        .limit(LIMIT)
}

fn a_pipeline_on_s3(partitions: i32) -> (Pipeline, Proxy) {
    let seed = seed("the faults of the store");
    let pipeline = Pipeline::new(partitions, Place::bucket(s3()));
    (pipeline, Proxy::before(s3().endpoint(), seed))
}

/// The rest is processed and stored, and everything is looked at from outside.
fn finish(pipeline: &Pipeline) {
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

fn stop(mut running: Running, code: i32) -> String {
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(code).stderr
}

#[test]
fn a_store_that_fails_in_every_way_costs_nothing() {
    let (pipeline, proxy) = a_pipeline_on_s3(2);
    let start = || {
        through(&pipeline, &proxy)
            .args(["--snapshot-interval", "300ms"])
            .spawn()
    };
    let mut running = start();
    pipeline.send_numbers(0, 0..10);
    wait_until_committed(&pipeline, 10);
    proxy.set(Mode::Faulty { percent: 25 });
    let mut sent = 10;
    for round in 0..40 {
        for partition in 0..2 {
            pipeline.send_numbers(partition, sent..sent + 300);
        }
        sent += 300;
        sleep(Duration::from_millis(250));
        if !running.is_running() {
            // A start that meets a fault may end, as one without a store does; a supervisor starts it again.
            running.wait(LIMIT).expect_code(3);
            running = start();
        } else if round % 13 == 12 {
            running.kill();
            running = start();
        }
    }
    let met = proxy.met();
    println!("{met:?}");
    assert!(met.len() >= 6 && met.values().sum::<u32>() >= 30, "{met:?}");
    proxy.set(Mode::Honest);
    wait_until_committed(&pipeline, 10 + 2 * (sent - 10));
    stop(running, 0);
    finish(&pipeline);
}

#[test]
fn while_the_store_is_away_work_goes_on_until_the_memory_is_used() {
    const EVENTS: i64 = 1_600_000;
    let _turn = heavy();
    let server: &'static S3Server = Box::leak(Box::new(S3Server::start()));
    let pipeline = Pipeline::new(2, Place::bucket(server));
    pipeline.send_numbers(0, 0..10);
    let running = pipeline
        .run()
        .args(["--memory", "64MiB", "--snapshot-interval", "1s"])
        .args(Status::ANYWHERE)
        .limit(2 * LIMIT)
        .spawn();
    wait_until_committed(&pipeline, 10);
    let status = Status::of(&running);
    status.wait_until(LIMIT, "running", |seen| seen["state"] == "running");
    server.kill();
    for partition in 0..2 {
        pipeline.send_numbers(partition, scattered(EVENTS / 2));
    }
    let total = number_of_events(&pipeline);
    let paused = eventually(LIMIT, "a pause", || {
        let before = committed_events(&pipeline);
        sleep(Duration::from_secs(3));
        (before > 1_000 && committed_events(&pipeline) == before).then_some(before)
    });
    assert!(
        paused < total,
        "all {total} events fit the memory: the test shows nothing"
    );
    let peak = running.peak_memory();
    println!(
        "paused after {paused} of {total} events; peak memory {} MiB",
        peak >> 20
    );
    assert!(peak < (64 << 20) * 6 / 5 + DEBUG_BUILD, "{peak} bytes");
    let log = running.stderr_so_far();
    assert!(log.contains("consumption pauses: "), "{log}");
    let seen = status.wait_until(LIMIT, "both troubles", |seen| {
        Status::detail(seen, "store-unreachable").is_some()
            && Status::detail(seen, "memory-full").is_some()
    });
    assert_eq!(seen["state"], "degraded", "{seen:#}");
    let store = Status::detail(&seen, "store-unreachable").expect("seen above");
    assert!(store.contains(server.endpoint()), "{store}");
    assert!(!seen["workers"][0]["paused_since"].is_null(), "{seen:#}");
    assert_eq!(status.metric("snapback_worker_paused{worker=\"0\"}"), 1.0);
    let metric = |reason| status.metric(&format!("snapback_degraded{{reason=\"{reason}\"}}"));
    assert_eq!(
        (metric("store-unreachable"), metric("memory-full")),
        (1.0, 1.0)
    );
    assert!(status.metric("snapback_snapshot_failures_total") > 0.0);
    // It waits, and lives.
    for path in ["/healthz", "/readyz"] {
        assert_eq!(status.get(path).code, 200, "{path}");
    }
    server.restart();
    wait_until_committed(&pipeline, total);
    let mended =
        |seen: &serde_json::Value| seen["state"] == "running" && seen["totals"]["results"] == total;
    status.wait_until(LIMIT, "no trouble any more", mended);
    assert_eq!(
        (metric("store-unreachable"), metric("memory-full")),
        (0.0, 0.0)
    );
    assert_eq!(status.metric("snapback_results_total"), total as f64);
    let peak = running.peak_memory();
    println!("peak memory at the end {} MiB", peak >> 20);
    assert!(peak < (64 << 20) * 6 / 5 + DEBUG_BUILD, "{peak} bytes");
    stop(running, 0);
    let report = pipeline.verify(0);
    assert_eq!(report["results"], total);
    finish(&pipeline);
}

/// What the program without optimisation, and its clients' threads, take beside `--memory`.
pub const DEBUG_BUILD: u64 = 16 << 20;

/// Every request is refused for a while; the work goes on, and what waits is stored afterwards.
fn refused_for_a_while(status: &'static str, code: &'static str, text: &str) {
    let (pipeline, proxy) = a_pipeline_on_s3(1);
    let running = through(&pipeline, &proxy)
        .args(["--snapshot-interval", "300ms"])
        .spawn();
    pipeline.send_numbers(0, 0..100);
    wait_until_committed(&pipeline, 100);
    proxy.set(Mode::Answering(status, code));
    pipeline.send_numbers(0, 100..3_000);
    wait_until_committed(&pipeline, 3_000);
    let said = || running.stderr_so_far().contains(text).then_some(());
    eventually(LIMIT, &format!("{text:?} in the log"), said);
    proxy.set(Mode::Honest);
    pipeline.send_numbers(0, 3_000..3_100);
    wait_until_committed(&pipeline, 3_100);
    stop(running, 0);
    assert_eq!(pipeline.verify(0)["results"], 3_100);
    finish(&pipeline);
}

#[test]
fn credentials_that_are_revoked_for_a_while_cost_nothing() {
    refused_for_a_while("403 Forbidden", "AccessDenied", "denied");
}

#[test]
fn a_bucket_that_is_gone_for_a_while_costs_nothing() {
    refused_for_a_while("404 Not Found", "NoSuchBucket", "does not exist");
}

#[test]
fn a_store_that_overwrites_is_refused_before_anything_is_published() {
    let (pipeline, proxy) = a_pipeline_on_s3(1);
    pipeline.send_numbers(0, 0..10);
    proxy.set(Mode::Overwriting);
    let finished = through(&pipeline, &proxy).arg("--exit-at-end").run();
    assert_ne!(finished.code, Some(0));
    assert!(
        finished.stderr.contains("ignores 'If-None-Match: *'"),
        "{}",
        finished.stderr
    );
    assert_eq!(committed_events(&pipeline), 0);
}

#[test]
fn a_stop_while_the_store_is_away_ends_in_time_and_loses_nothing() {
    let (pipeline, proxy) = a_pipeline_on_s3(1);
    let flags = ["--snapshot-interval", "1h", "--shutdown-timeout", "3s"];
    let running = through(&pipeline, &proxy).args(flags).spawn();
    pipeline.send_numbers(0, 0..1_000);
    wait_until_committed(&pipeline, 1_000);
    proxy.set(Mode::Down);
    let asked = Instant::now();
    let log = stop(running, 3);
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );
    assert!(
        log.contains("nothing is lost: the next start replays them"),
        "{log}"
    );
    finish(&pipeline);
}

#[test]
fn a_stop_while_the_broker_is_away_ends_in_time_and_loses_nothing() {
    let broker = Kafka::start_to_be_killed();
    let mut pipeline = Pipeline::without_events_topic(Place::folder());
    pipeline.brokers = broker.brokers().to_owned();
    create_topic(&pipeline.brokers, &pipeline.events, 1);
    let flags = [
        "--snapshot-interval",
        "1h",
        "--shutdown-timeout",
        "3s",
        "--commit-interval",
        "4s",
    ];
    let running = pipeline.run().args(flags).spawn();
    pipeline.send_numbers(0, 0..1_000);
    wait_until_committed(&pipeline, 1_000);
    pipeline.send_numbers(0, 1_000..2_000);
    sleep(Duration::from_millis(500));
    broker.kill();
    let asked = Instant::now();
    let log = stop(running, 3);
    assert!(
        asked.elapsed() < Duration::from_secs(12),
        "{:?}",
        asked.elapsed()
    );
    assert!(log.contains("Nothing is lost"), "{log}");
    broker.restart();
    finish(&pipeline);
}

#[test]
fn a_broker_that_is_away_for_a_while_costs_nothing() {
    let broker = Kafka::start_to_be_killed();
    let mut pipeline = Pipeline::without_events_topic(Place::folder());
    pipeline.brokers = broker.brokers().to_owned();
    create_topic(&pipeline.brokers, &pipeline.events, 1);
    let running = pipeline
        .run()
        .args(["--snapshot-interval", "1s"])
        .args(["-X", "session.timeout.ms=2000"])
        .args(["-X", "transaction.timeout.ms=4000"])
        .args(Status::ANYWHERE)
        .spawn();
    let status = Status::of(&running);
    pipeline.send_numbers(0, 0..20_000);
    wait_until_committed(&pipeline, 1_000);
    broker.kill();
    let away = Instant::now();
    let seen = status.wait_until(LIMIT, "a broker that is away", |seen| {
        Status::detail(seen, "broker-unreachable").is_some()
    });
    println!(
        "{:.1?} after the kill: {:#}",
        away.elapsed(),
        seen["degraded"]
    );
    assert_eq!(status.get("/healthz").code, 200);
    // Longer than sessions and transactions last.
    let lasts = if sweeps() { 30 } else { 8 };
    sleep(Duration::from_secs(lasts).saturating_sub(away.elapsed()));
    broker.restart();
    pipeline.send_numbers(0, 20_000..21_000);
    wait_until_committed(&pipeline, 21_000);
    status.wait_until(LIMIT, "no trouble any more", |seen| {
        seen["state"] == "running" && seen["totals"]["results"] == 21_000
    });
    stop(running, 0);
    finish(&pipeline);
}

#[test]
fn a_disk_that_takes_no_more_for_a_while_costs_nothing() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..100);
    // Too large a file gives an error then, not a signal.
    let ignoring = Program::new("sh").args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
    let running = ignoring
        .args(pipeline.run().line())
        .args(["--snapshot-interval", "500ms"])
        .spawn();
    wait_until_committed(&pipeline, 100);
    largest_file(running.id(), 32 * 1024);
    pipeline.send_numbers(0, 100..50_000);
    wait_until_committed(&pipeline, 50_000);
    let said = || {
        running
            .stderr_so_far()
            .contains("cannot be stored yet")
            .then_some(())
    };
    eventually(LIMIT, "a full disk in the log", said);
    largest_file(running.id(), libc::RLIM_INFINITY);
    stop(running, 0);
    assert_eq!(pipeline.verify(0)["results"], 50_000);
    finish(&pipeline);
}

/// Limits the size of the files that a process writes.
fn largest_file(id: u32, bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    let id = i32::try_from(id).expect("process ids are positive");
    // SAFETY: the limit lives until the call returns; no old limit is asked for.
    let set = unsafe {
        libc::prlimit(
            id,
            libc::RLIMIT_FSIZE,
            &raw const limit,
            std::ptr::null_mut(),
        )
    };
    assert_eq!(set, 0, "cannot limit: {}", std::io::Error::last_os_error());
}

#[test]
fn a_folder_that_is_not_one_for_a_while_costs_nothing() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..100);
    let running = pipeline
        .run()
        .args(["--snapshot-interval", "500ms"])
        .spawn();
    let results = pipeline.store.path().join(&pipeline.events).join("results");
    eventually(LIMIT, "a snapshot", || results.exists().then_some(()));
    let aside = results.with_extension("aside");
    fs::rename(&results, &aside).expect("a folder that may be renamed");
    fs::write(&results, "in the way").expect("a writable folder");
    pipeline.send_numbers(0, 100..2_000);
    wait_until_committed(&pipeline, 2_000);
    let said = || {
        running
            .stderr_so_far()
            .contains("cannot be stored yet")
            .then_some(())
    };
    eventually(LIMIT, "the folder in the log", said);
    fs::remove_file(&results).expect("a file that may be removed");
    fs::rename(&aside, &results).expect("a folder that may be renamed");
    let is_back = || {
        let log = running.stderr_so_far();
        log.contains("the store answers again, after").then_some(())
    };
    eventually(LIMIT, "the store's return in the log", is_back);
    stop(running, 0);
    finish(&pipeline);
}
