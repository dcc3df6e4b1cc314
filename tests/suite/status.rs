//! The status of a running processor over HTTP: what it says is true, and asking for it harms nobody.

mod held;
mod troubles;

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::corrections;
use crate::outside::{
    LIMIT, Pipeline, Place, committed_events, number_of_events, wait_until_committed,
};
use crate::support::process::Running;
use crate::support::{Status, eventually};

fn start(pipeline: &Pipeline, flags: &[&str]) -> (Running, Status) {
    let running = pipeline.run().args(Status::ANYWHERE).args(flags).spawn();
    let status = Status::of(&running);
    (running, status)
}

fn stop(mut running: Running, code: i32) -> String {
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(code).stderr
}

fn is_running(seen: &Value) -> bool {
    seen["state"] == "running"
}

#[test]
fn it_is_ready_after_recovery_and_its_numbers_are_those_of_the_outside() {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(0, 0..400);
    pipeline.send_numbers(1, 0..300);
    pipeline.send(1, ["{\"number\": 1.5}", "{\"number\": 2.5}", "nothing"]);
    let (running, status) = start(&pipeline, &["--snapshot-interval", "300ms"]);
    // Healthy and not ready, from the first moment on.
    let first = status.get("/readyz");
    assert_eq!(first.code, 503, "{first:?}");
    assert!(first.body.starts_with("not ready: "), "{first:?}");
    let health = status.get("/healthz");
    assert!(
        health.code == 200 && health.body.starts_with("healthy"),
        "{health:?}"
    );
    let seen = status.seen();
    assert_eq!(is_running(&seen), seen["ready"] == true, "{seen:#}");

    wait_until_committed(&pipeline, 703);
    let seen = status.wait_until(LIMIT, "everything stored", |seen| {
        let stored = |one: &Value| one["frontier"] == one["log_end"];
        is_running(seen)
            && seen["partitions"]
                .as_array()
                .expect("a list")
                .iter()
                .all(stored)
    });
    assert_eq!(status.get("/readyz").body, "ready\n");
    assert_eq!(
        (&seen["ready"], &seen["not_ready_because"]),
        (&json!(true), &json!(null))
    );
    assert_eq!(seen["degraded"], json!([]));
    assert_eq!(seen["calculation"], "square(number)");
    assert_eq!(seen["group"], pipeline.group.as_str());
    assert_eq!(seen["totals"]["results"], 700);
    assert_eq!(
        seen["totals"]["rejects"],
        json!({"fraction": 2, "not-json": 1})
    );
    let first = &seen["partitions"][0];
    for offset in ["frontier", "committed", "position", "log_end"] {
        assert_eq!(first[offset], 400, "{offset} in {first:#}");
        assert_eq!(seen["partitions"][1][offset], 303, "{offset} in {seen:#}");
    }
    assert_eq!(
        (&first["phase"], &first["lag"]),
        (&json!("running"), &json!(0))
    );
    assert_eq!(
        (&first["buffered_bytes"], &first["buffered_outcomes"]),
        (&json!(0), &json!(0))
    );
    let manifests = pipeline.manifests(0).len();
    assert_eq!(first["manifest"], manifests, "{first:#}");

    let metrics = status.metrics();
    let is = |sample: &str, value: f64| {
        assert_eq!(
            metrics.get(sample),
            Some(&value),
            "{sample} in {metrics:#?}"
        )
    };
    is("snapback_results_total", 700.0);
    is("snapback_rejects_total{reason=\"fraction\"}", 2.0);
    is("snapback_rejects_total{reason=\"not-json\"}", 1.0);
    is("snapback_rejects_total{reason=\"empty\"}", 0.0);
    is("snapback_partition_frontier_offset{partition=\"0\"}", 400.0);
    is(
        "snapback_partition_committed_offset{partition=\"1\"}",
        303.0,
    );
    is("snapback_partition_lag_offsets{partition=\"1\"}", 0.0);
    is(
        "snapback_partition_manifest_number{partition=\"0\"}",
        manifests as f64,
    );
    is("snapback_ready", 1.0);
    is("snapback_owned_partitions", 2.0);
    is("snapback_held_partitions", 0.0);
    is("snapback_replayed_outcomes_total", 0.0);
    let bytes: u64 = ["results", "rejects"]
        .iter()
        .flat_map(|kind| [0, 1].map(|partition| pipeline.segments(kind, partition)))
        .flatten()
        .map(|file| file.metadata().expect("a file").len())
        .sum();
    is("snapback_stored_bytes_total", bytes as f64);

    // Killed with outcomes that are in no snapshot: the next one counts what it replays, and publishes nothing twice.
    running.kill();
    let (running, status) = start(&pipeline, &["--snapshot-interval", "1h"]);
    pipeline.send_numbers(0, 400..450);
    wait_until_committed(&pipeline, 753);
    running.kill();
    let (running, again) = start(&pipeline, &["--snapshot-interval", "1h"]);
    drop(status);
    let seen = again.wait_until(LIMIT, "a replay", |seen| {
        seen["totals"]["replayed"] == 50 && is_running(seen)
    });
    assert_eq!(seen["totals"]["results"], 0, "{seen:#}");
    assert_eq!(seen["partitions"][0]["buffered_outcomes"], 50, "{seen:#}");
    stop(running, 0);
    pipeline.check();
}

#[test]
fn what_is_published_twice_because_a_transaction_was_aborted_counts_once() {
    let pipeline = Pipeline::new(1, Place::folder());
    let flags = ["--snapshot-interval", "300ms"];
    let run = pipeline.run().args(Status::ANYWHERE).args(flags);
    // Some commits find the group in a rebalance, so that their transactions are aborted and made again.
    let running = run
        .env("FAILPOINTS", "not-a-member=2*off->3*return")
        .spawn();
    let status = Status::of(&running);
    let mut sent = 0;
    eventually(LIMIT, "three aborted transactions", || {
        pipeline.send_numbers(0, sent..sent + 50);
        pipeline.send(0, ["nothing"]);
        sent += 50;
        let aborted = status.seen()["totals"]["aborted_transactions"].as_u64();
        (aborted >= Some(3)).then_some(())
    });
    wait_until_committed(&pipeline, sent / 50 * 51);
    let seen = status.wait_until(LIMIT, "all of it", |seen| {
        let totals = &seen["totals"];
        let rejects = totals["rejects"]["not-json"].as_i64();
        totals["results"].as_i64() >= Some(sent) && rejects >= Some(sent / 50)
    });
    let rejects = json!({"not-json": sent / 50});
    assert_eq!(
        (&seen["totals"]["results"], &seen["totals"]["rejects"]),
        (&json!(sent), &rejects)
    );
    let finished = stop(running, 0);
    assert!(
        finished.contains("is dropped and processed again"),
        "{finished}"
    );
    pipeline.check();
}

#[test]
fn corrections_are_counted_when_they_are_published() {
    let pipeline = corrections::crashed(Place::folder());
    let (running, status) = start(&pipeline, &corrections::DOUBLE);
    let seen = status.wait_until(LIMIT, "four corrections", |seen| {
        is_running(seen) && seen["totals"]["corrections"] == 4
    });
    assert_eq!(seen["partitions"][0]["pending_corrections"], 0, "{seen:#}");
    assert_eq!(seen["totals"]["results"], 0, "{seen:#}");
    assert_eq!(status.metric("snapback_corrections_published_total"), 4.0);
    stop(running, 0);
    corrections::check_corrected(&pipeline);
}

#[test]
fn a_chosen_address_that_is_taken_is_an_error_and_the_default_one_is_not() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..10);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let refused = pipeline.run_to_end().args(["--status", &address]).run();
    let refused = refused.expect_code(2);
    for part in [address.as_str(), "--status HOST:PORT", "in use"] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    assert_eq!(committed_events(&pipeline), 0);

    // Whoever has it, it is taken.
    let _taken = TcpListener::bind("127.0.0.1:9464");
    let finished = pipeline.run_to_end().env("SNAPBACK_STATUS", "").run();
    let log = finished.expect_code(0).stderr;
    let warnings = log.lines().filter(|line| line.contains("127.0.0.1:9464"));
    let warnings: Vec<&str> = warnings.collect();
    assert!(
        matches!(warnings.as_slice(), [one] if one.contains("WARN") && one.contains("--status HOST:PORT")),
        "{log}"
    );
    pipeline.check();
}

#[test]
fn an_address_that_is_none_is_a_usage_error() {
    for wrong in [
        "9464",
        "localhost",
        "localhost:http",
        ":9464",
        "a b:1",
        "::1:9464",
        "127.0.0.1:70000",
    ] {
        let finished = crate::support::snapback(["config", "--config", "own.toml"])
            .env("SNAPBACK_STATUS", "")
            .file("own.toml", format!("status = {wrong:?}\n"))
            .run()
            .expect_code(2);
        for part in ["--status", "own.toml", "HOST:PORT"] {
            assert!(
                finished.stderr.contains(part),
                "{wrong}: {}",
                finished.stderr
            );
        }
    }
}

#[test]
fn it_answers_what_it_understands_within_bounds_and_goes_on() {
    let pipeline = Pipeline::new(1, Place::folder());
    let (running, status) = start(&pipeline, &[]);
    status.wait_until(LIMIT, "a start", is_running);

    let page = status.get("/");
    assert!(page.body.ends_with("</html>\n"), "{}", page.body);
    assert!(page.headers["content-security-policy"].contains("default-src 'none'"));
    let head = status.ask("HEAD", "/status");
    assert_eq!((head.code, head.body.as_str()), (200, ""));
    assert_ne!(head.headers["content-length"], "0");
    let missing = status.get("/nothing");
    assert_eq!(missing.code, 404);
    assert!(missing.body.contains("/metrics"), "{missing:?}");
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        let answer = status.ask(method, "/status");
        assert_eq!(
            (answer.code, answer.headers["allow"].as_str()),
            (405, "GET, HEAD"),
            "{method}"
        );
    }
    // Queries do not matter; other protocols and giants are sent away.
    assert_eq!(status.get("/healthz?verbose=1").code, 200);
    let giant = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "y".repeat(100_000)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "A: b\r\n".repeat(200)
    );
    for request in [
        giant.as_str(),
        many.as_str(),
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ] {
        // The connection may end while such a request is still being sent.
        let answer = status.exchange(request.as_bytes()).unwrap_or_default();
        assert!(!answer.contains("200 OK"), "{answer}");
    }

    // Connections that say nothing, or nearly nothing, give way to the one that asks.
    let mut silent: Vec<_> = (0..40)
        .map(|_| status.connect().expect("a connection"))
        .collect();
    for stream in silent.iter_mut().step_by(2) {
        stream.write_all(b"GET / HT").expect("a few bytes");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        let began = Instant::now();
        assert_eq!(status.get(path).code, 200, "{path}");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(1), "{path}: {took:?}");
    }
    drop(silent);

    // A page from elsewhere may have made up a name for this machine; only the machine's own names are served.
    let from = |host: &str| {
        let request = format!("GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n");
        status.exchange(request.as_bytes()).expect("an answer")
    };
    for host in ["localhost", "localhost:80", "127.0.0.1", "[::1]:9464"] {
        let answer = from(host);
        assert!(answer.contains("200 OK"), "{host}: {answer}");
    }
    for host in [
        "evil.example",
        "evil.example:9464",
        "localhost.evil.example",
    ] {
        let answer = from(host);
        assert!(answer.starts_with("HTTP/1.1 421 "), "{host}: {answer}");
        assert!(!answer.contains(&pipeline.events), "{host}: {answer}");
    }

    pipeline.send_numbers(0, 0..100);
    wait_until_committed(&pipeline, number_of_events(&pipeline));
    stop(running, 0);
    pipeline.check();
}
