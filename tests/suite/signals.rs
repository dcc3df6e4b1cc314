//! Signals are heard from the first moment on, whatever the program waits for, and end it at once where nothing is begun.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::outside::{Pipeline, Place, wait_until_committed};
use crate::support::process::{Program, Running};
use crate::support::{Status, snapback};

/// A server that takes connections and never says a word.
struct Silent {
    address: String,
    taken: Receiver<TcpStream>,
}

impl Silent {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (sender, taken) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if sender.send(stream).is_err() {
                    return;
                }
            }
        });
        Self { address, taken }
    }

    /// Returns when somebody waits for an answer; the connection stays open as long as what comes back.
    fn wait(&self) -> TcpStream {
        let limit = Duration::from_secs(30);
        self.taken.recv_timeout(limit).expect("a connection")
    }
}

/// How long ending at once may take, on a machine that does much else.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Sends these signals, and expects the end at once.
fn ends_at_once(mut running: Running, signals: &[i32]) {
    let begun = Instant::now();
    for signal in signals {
        running.signal(*signal);
        std::thread::sleep(Duration::from_millis(100));
    }
    running.wait(Duration::from_secs(30)).expect_code(130);
    let took = begun.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
}

fn with_store(silent: &Silent, command: &[&str]) -> Program {
    snapback(command)
        .args(["--store", "s3://bucket/prefix", "--s3-endpoint"])
        .arg(format!("http://{}", silent.address))
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
}

#[test]
fn a_store_that_does_not_answer_keeps_no_command_from_ending() {
    for (command, signal) in [
        ("run", libc::SIGTERM),
        ("run", libc::SIGINT),
        ("verify", libc::SIGTERM),
        ("snapshots", libc::SIGINT),
    ] {
        let silent = Silent::start();
        let running = with_store(&silent, &[command]).spawn();
        let _open = silent.wait();
        ends_at_once(running, &[signal]);
    }
}

#[test]
fn a_broker_that_does_not_answer_keeps_no_command_from_ending() {
    for (command, signals) in [
        (&["run"][..], &[libc::SIGTERM][..]),
        (&["run"], &[libc::SIGINT, libc::SIGINT]),
        (&["produce", "--count", "1"], &[libc::SIGTERM]),
    ] {
        let silent = Silent::start();
        let running = snapback(command)
            .args(["--brokers", &silent.address])
            .spawn();
        let _open = silent.wait();
        ends_at_once(running, signals);
    }
}

#[test]
fn what_hangs_at_its_end_ends_at_the_second_signal() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..10);
    let hangs = pipeline
        .run()
        .env("FAILPOINTS", "shutdown-begun=sleep(60000)");
    let mut running = hangs.spawn();
    wait_until_committed(&pipeline, 10);
    running.signal(libc::SIGTERM);
    std::thread::sleep(Duration::from_millis(500));
    assert!(running.is_running(), "{}", running.stderr_so_far());
    ends_at_once(running, &[libc::SIGTERM]);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn a_store_that_does_not_answer_is_named_beside_what_would_run() {
    let silent = Silent::start();
    let run = with_store(&silent, &["run"]).args(Status::ANYWHERE);
    let mut running = run.spawn();
    let _open = silent.wait();
    let status = Status::of(&running);
    let said = "no answer from the store s3://bucket/prefix";
    let seen = status.wait_until(Duration::from_secs(15), "a reason", |seen| {
        Status::detail(seen, "store-unreachable").is_some()
    });
    let detail = Status::detail(&seen, "store-unreachable").expect("seen above");
    assert!(detail.starts_with(said), "{detail}");
    let log = running.stderr_so_far();
    let (before, _) = log.split_once(said).expect("the same in the log");
    assert!(before.contains("store s3://bucket/prefix"), "{log}");
    running.signal(libc::SIGTERM);
    running.wait(Duration::from_secs(30)).expect_code(130);
}

#[test]
fn the_first_line_says_what_runs_on_what() {
    let silent = Silent::start();
    let mut running = snapback(["run", "--brokers", &silent.address])
        .args(["--events", "orders", "--group", "g", "--workers", "2"])
        .args(["--delivery", "at-least-once"])
        .spawn();
    let _open = silent.wait();
    running.signal(libc::SIGTERM);
    let log = running
        .wait(Duration::from_secs(30))
        .expect_code(130)
        .stderr;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("orders")).collect();
    let [line] = lines.as_slice() else {
        panic!("{log}");
    };
    for said in [
        concat!("snapback ", env!("CARGO_PKG_VERSION"), " as "),
        "square(number)",
        "orders (number BIGINT NOT NULL)",
        "to results and orders.dlq",
        "group g",
        "at-least-once",
        "2 workers",
        "256.0 MiB",
        &silent.address,
        "store ./snapshots",
    ] {
        assert!(line.contains(said), "{said} is not in {line}");
    }
}

/// The system ends the first process of a container only by signals that it listens to.
#[test]
fn every_command_listens_before_it_waits_for_anything() {
    for command in [&["run"][..], &["verify"], &["snapshots"]] {
        let silent = Silent::start();
        let running = with_store(&silent, command).spawn();
        let _open = silent.wait();
        let status = fs::read_to_string(format!("/proc/{}/status", running.id()));
        let status = status.expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(line.expect("a line").trim(), 16).expect("a number");
        for signal in [libc::SIGINT, libc::SIGTERM] {
            assert!(
                caught >> (signal - 1) & 1 == 1,
                "{command:?}: {signal} in {status}"
            );
        }
    }
}
