//! The benchmark of the whole path, on a real broker that it starts itself:
//!
//! ```text
//! cargo bench --bench pipeline                      5,000,000 events, 8 partitions
//! cargo bench --bench pipeline -- 20000000          another number of events
//! cargo bench --bench pipeline -- 5000000 recovery  only the recovery after SIGKILL, and with ten times the history
//! cargo bench --bench pipeline -- 5000000 workers   exactly-once with one worker, and with two
//! cargo bench --bench pipeline -- 2000000 carry     exactly-once with and without --carry, on events with keys
//! cargo bench --bench pipeline -- latency           from the producer to a reader of results, at 100,000 events/s
//! ```
//!
//! In one run, in turn: (a) a bare librdkafka forwarder, (b) snapback exactly-once with snapshots every 5 s on local disk,
//! (c) snapback at-least-once. Each is measured from the first to the last visible result, with the CPU time and the peak
//! memory of its process. Machines are noisy: compare the ratios of one run, not the numbers of two. The snapshots are
//! verified afterwards, off the clock.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![allow(unsafe_code, missing_docs, clippy::print_stdout, clippy::print_stderr)]

mod forwarder;
mod latency;
mod measure;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/suite/support/mod.rs"]
mod support;

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use measure::{Measured, Watcher, measure};

const PARTITIONS: i32 = 8;
const SNAPSHOT_INTERVAL: &str = "5s";

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    if args.first().map(String::as_str) == Some("forward") {
        return forwarder::forward(
            &args[1],
            &args[2],
            &args[3],
            &args[4],
            PARTITIONS,
            args[5].parse().expect("a number of events"),
        );
    }
    let events: u64 = args
        .iter()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(5_000_000);
    let only = args
        .iter()
        .find(|arg| arg.parse::<u64>().is_err())
        .map(String::as_str);

    let broker = support::Kafka::start(&[]);
    let brokers = broker.brokers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bench = Bench {
        brokers,
        folder: folder.path(),
        events,
    };
    if only == Some("latency") {
        return bench.latency();
    }
    if only == Some("carry") {
        return bench.carry();
    }
    bench.load("events", events);
    if only == Some("workers") {
        bench.workers();
    }
    if only.is_none() || only == Some("throughput") {
        bench.throughput();
    }
    if only.is_none() || only == Some("recovery") {
        bench.recovery("events", events, 3_000_000.min(events * 3 / 5), "3M");
        bench.load("history", events * 8);
        bench.recovery("history", events * 8, 30_000_000.min(events * 6), "30M");
    }
}

struct Bench<'a> {
    brokers: &'a str,
    folder: &'a std::path::Path,
    events: u64,
}

impl Bench<'_> {
    fn load(&self, topic: &str, events: u64) {
        let began = Instant::now();
        let status = self
            .snapback(&["produce", "--events", topic, "--partitions", "8"])
            .args(["--count", &events.to_string()])
            .stdout(Stdio::null())
            .status()
            .expect("snapback produce starts");
        assert!(status.success(), "snapback produce failed");
        println!(
            "loaded {events} events into {topic} in {:.1} s",
            began.elapsed().as_secs_f64()
        );
    }

    fn snapback(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_snapback"));
        command
            .args(args)
            .args(["--brokers", self.brokers])
            .current_dir(self.folder);
        command
    }

    fn run(&self, name: &str, events: &str, delivery: &str) -> Command {
        let mut command = self.snapback(&["run", "--exit-at-end", "--delivery", delivery]);
        command
            .args(["--snapshot-interval", SNAPSHOT_INTERVAL, "--events", events])
            .args(["--store", &self.store(name)])
            .args([
                "--results",
                &format!("results-{name}"),
                "--rejects",
                &format!("dlq-{name}"),
            ])
            .args(["--group", &format!("group-{name}")])
            .stdout(Stdio::null());
        command
    }

    fn store(&self, name: &str) -> String {
        self.folder
            .join(format!("store-{name}"))
            .display()
            .to_string()
    }

    fn throughput(&self) {
        let mut rows = Vec::new();
        support::create_topic(self.brokers, "results-forwarder", PARTITIONS);
        let mut forward = Command::new(std::env::current_exe().expect("this program's path"));
        forward.args([
            "forward",
            self.brokers,
            "events",
            "results-forwarder",
            "forwarder",
        ]);
        forward.arg(self.events.to_string());
        rows.push((
            "(a) bare librdkafka forwarder",
            self.measured(forward, "results-forwarder"),
        ));
        for (name, label, delivery) in [
            ("eo", "(b) snapback exactly-once", "exactly-once"),
            ("alo", "(c) snapback at-least-once", "at-least-once"),
        ] {
            support::create_topic(self.brokers, &format!("results-{name}"), PARTITIONS);
            let command = self.run(name, "events", delivery);
            rows.push((label, self.measured(command, &format!("results-{name}"))));
        }
        let base = rows[0].1.events_per_second(self.events);
        println!(
            "\n{:<32}{:>12}{:>14}{:>12}{:>10}",
            "", "events/s", "CPU us/event", "peak MB", "ratio"
        );
        for (label, measured) in &rows {
            let rate = measured.events_per_second(self.events);
            println!(
                "{label:<32}{:>11.2}M{:>14.2}{:>12.0}{:>10.2}",
                rate / 1e6,
                measured.cpu.as_secs_f64() * 1e6 / self.events as f64,
                measured.peak_bytes as f64 / 1e6,
                rate / base
            );
        }
        for name in ["eo", "alo"] {
            self.verify(name, "events");
        }
    }

    /// What headers and times of their own cost: each twice, in turn.
    fn carry(&self) {
        support::create_topic(self.brokers, "keyed", PARTITIONS);
        let keyed = (0..self.events).map(|number| {
            let partition = i32::try_from(number % u64::from(PARTITIONS.unsigned_abs())).ok();
            let key = format!("customer-{}", number % 100_000);
            let payload = format!("{{\"number\": {number}}}");
            (
                partition,
                Some(key.into_bytes()),
                Some(payload.into_bytes()),
            )
        });
        support::produce(self.brokers, "keyed", keyed);
        let ways = [
            ("nothing", &[][..]),
            ("timestamp", &["--carry", "timestamp"]),
            ("key", &["--carry", "key,timestamp"]),
        ];
        for (round, ways) in [(1, ways), (2, [ways[2], ways[1], ways[0]])] {
            for (name, flags) in ways {
                let run = format!("carry-{name}-{round}");
                let results = format!("results-{run}");
                support::create_topic(self.brokers, &results, PARTITIONS);
                let mut command = self.run(&run, "keyed", "exactly-once");
                command.args(flags);
                let measured = self.measured(command, &results);
                println!(
                    "{:<24}{:.2} M events/s, {:.2} us of CPU per event",
                    if flags.is_empty() {
                        "without".to_owned()
                    } else {
                        flags.join(" ")
                    },
                    measured.events_per_second(self.events) / 1e6,
                    measured.cpu.as_secs_f64() * 1e6 / self.events as f64,
                );
            }
        }
    }

    /// Each number of workers twice, in turn: the order must not decide.
    fn workers(&self) {
        for (round, workers) in [(1, "1"), (1, "2"), (2, "2"), (2, "1")] {
            let name = format!("workers-{workers}-{round}");
            let results = format!("results-{name}");
            support::create_topic(self.brokers, &results, PARTITIONS);
            let mut command = self.run(&name, "events", "exactly-once");
            command.args(["--workers", workers]);
            let measured = self.measured(command, &results);
            println!(
                "--workers {workers}: {:.2} M events/s, {:.2} us of CPU per event, {:.0} MB",
                measured.events_per_second(self.events) / 1e6,
                measured.cpu.as_secs_f64() * 1e6 / self.events as f64,
                measured.peak_bytes as f64 / 1e6,
            );
        }
    }

    fn latency(&self) {
        support::create_topic(self.brokers, "moments", PARTITIONS);
        support::create_topic(self.brokers, "results-latency", PARTITIONS);
        let mut run = self
            .snapback(&["run", "--events", "moments", "--results", "results-latency"])
            .args(["--snapshot-interval", SNAPSHOT_INTERVAL])
            .args(["--store", &self.store("latency")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("snapback starts");
        let latencies = latency::measure(self.brokers, "moments", "results-latency", PARTITIONS);
        run.kill().expect("the run is killed");
        run.wait().expect("the run has ended");
        let ms = |share| latencies.percentile(share).as_secs_f64() * 1e3;
        println!(
            "{} results at 100,000 events/s, commit interval 100 ms: from the producer to a reader p50 {:.0} ms, \
             p99 {:.0} ms, p99.9 {:.0} ms, longest {:.0} ms",
            latencies.count(),
            ms(0.5),
            ms(0.99),
            ms(0.999),
            ms(1.0)
        );
    }

    fn measured(&self, command: Command, results: &str) -> Measured {
        measure(
            command,
            &Watcher::new(self.brokers, results, PARTITIONS),
            self.events,
        )
    }

    fn verify(&self, name: &str, events: &str) {
        let output = Command::new(env!("CARGO_BIN_EXE_snapback"))
            .args([
                "verify",
                "--store",
                &self.store(name),
                "--events",
                events,
                "-o",
                "json",
            ])
            .output()
            .expect("snapback verify starts");
        println!(
            "verify {name}: {}",
            String::from_utf8_lossy(&output.stdout).trim()
        );
        assert!(
            output.status.success(),
            "the snapshots of {name} do not verify"
        );
    }

    /// SIGKILL when `stored` events are in snapshots, then the time from exec to the first new visible result.
    fn recovery(&self, events: &str, total: u64, stored: u64, label: &str) {
        let name = format!("recovery-{label}");
        let results = format!("results-{name}");
        support::create_topic(self.brokers, &results, PARTITIONS);
        let mut first = self
            .run(&name, events, "exactly-once")
            .stderr(Stdio::null())
            .spawn()
            .expect("snapback starts");
        let began = Instant::now();
        let mut watcher = Watcher::new(self.brokers, &results, PARTITIONS);
        let store = std::path::PathBuf::from(self.store(&name));
        while measure::frontiers(&store.join(events).join("_manifests")) < stored {
            assert!(
                first.try_wait().expect("a child").is_none(),
                "the run ended before {stored} events were stored"
            );
            assert!(
                began.elapsed() < Duration::from_secs(300),
                "{stored} of {total} events were not stored in time"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        first.kill().expect("the run is killed");
        first.wait().expect("the run has ended");
        let published = watcher.visible();
        let frontier = measure::frontiers(&store.join(events).join("_manifests"));
        let restarted = Instant::now();
        let mut second = self
            .run(&name, events, "exactly-once")
            .stderr(Stdio::null())
            .spawn()
            .expect("snapback starts");
        watcher.wait_for_new_record(Duration::from_secs(60));
        let until_first = restarted.elapsed();
        let status = second.wait().expect("the run has ended");
        assert!(status.success(), "the restarted run failed");
        println!(
            "recovery {label}: killed with {frontier} events stored and about {published} published; \
             from exec to the first new visible result {:.2} s",
            until_first.as_secs_f64()
        );
        self.verify(&name, events);
    }
}
