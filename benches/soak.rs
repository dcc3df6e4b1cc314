//! A long time under load while processes, broker and store are killed at random: memory stays flat, nothing stands still
//! for long, and in the end every event is an outcome once.
//!
//! ```text
//! cargo bench --bench soak            twenty minutes
//! cargo bench --bench soak -- 2m      as long as one likes
//! ```
//!
//! The figures are printed.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![allow(unsafe_code, missing_docs, clippy::print_stdout, clippy::print_stderr)]

#[allow(dead_code, unused_imports)]
#[path = "../tests/suite/outside/mod.rs"]
mod outside;
#[allow(dead_code, unused_imports)]
#[path = "../tests/suite/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::outside::{
    LIMIT, MALFORMED, Pipeline, Place, committed_events, event, number_of_events,
};
use crate::support::process::{Finished, Running};
use crate::support::{
    Kafka, S3Server, committed, create_topic, eventually, has_open_transaction, produce,
    resident_memory, seed,
};

const USUAL: Duration = Duration::from_secs(20 * 60);
/// From this length on memory is compared: a shorter run is over before the buffers, the clients' queues and the
/// allocator have reached their size.
const LONG: Duration = Duration::from_secs(180);
const PARTITIONS: i32 = 4;
const EVENTS_PER_SECOND: i64 = 2_000;
const MALFORMED_EVERY: i64 = 50;
const MEMORY: u64 = 64 << 20;
/// What a program without optimisation and its clients take beside `--memory`.
const BESIDE: u64 = 48 << 20;
const SAMPLES_EVERY: Duration = Duration::from_millis(500);
/// No partition stands still for longer: a broker is away for some seconds, and then a transaction that nobody ended
/// holds its partition up for the rest of its 15 s and up to 10 s more.
const BOUND: Duration = Duration::from_secs(60);

/// How a process may end while its servers come and go: unreachable as it started.
const MAY_END_WITH: i32 = 3;

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Process,
    Store,
    Broker,
}

/// Writes events at a steady rate until it is told to stop.
fn load(pipeline: &Pipeline, stop: &AtomicBool) {
    const BURST: i64 = 100;
    let begun = Instant::now();
    let goes_on = |n: &i64| n % BURST != 0 || !stop.load(Ordering::Relaxed);
    let records = (0..).take_while(goes_on).map(|n| {
        if n % BURST == 0 {
            let due = (n * 1_000 / EVENTS_PER_SECOND).cast_unsigned();
            sleep(Duration::from_millis(due).saturating_sub(begun.elapsed()));
        }
        let payload = if n % MALFORMED_EVERY == 0 {
            let which = usize::try_from(n / MALFORMED_EVERY).expect("positive");
            MALFORMED[which % MALFORMED.len()].map(<[u8]>::to_vec)
        } else {
            Some(event(n))
        };
        let partition = i32::try_from(n % i64::from(PARTITIONS)).expect("small");
        (Some(partition), None, payload)
    });
    produce(&pipeline.brokers, &pipeline.events, records);
}

/// The bytes that a process occupies, again and again until it is told to stop.
fn watch_memory(id: &AtomicU32, stop: &AtomicBool) -> Vec<u64> {
    let mut samples = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        // Between two lives there is nothing to see.
        samples.extend(resident_memory(id.load(Ordering::Relaxed)));
        sleep(SAMPLES_EVERY);
    }
    samples
}

/// The mean of each third.
fn thirds(samples: &[u64]) -> Vec<u64> {
    let third = samples.len().div_ceil(3);
    let thirds = samples.chunks(third);
    thirds
        .map(|part| part.iter().sum::<u64>() / part.len() as u64)
        .collect()
}

/// Sets the flag also when a test fails, whose threads would go on otherwise.
struct SetWhenDropped<'f>(&'f AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A process that is left in peace, one that is killed, and their servers. Both are started again when they have ended, as a
/// supervisor does it.
struct Soak<'p> {
    pipeline: &'p Pipeline,
    broker: &'p Kafka,
    store: &'p S3Server,
    random: StdRng,
    lives_on: Option<Running>,
    /// Its process id.
    id: &'p AtomicU32,
    dies: Option<Running>,
    /// How often each was killed.
    kills: BTreeMap<Victim, u32>,
    /// How often one ended by itself, by exit code.
    ended: BTreeMap<i32, u32>,
    replays: usize,
    /// Where each partition was last seen, and since when.
    seen: BTreeMap<i32, (i64, Instant)>,
    longest: Duration,
}

impl Soak<'_> {
    fn start(pipeline: &Pipeline, name: &str, workers: u32) -> Running {
        pipeline
            .run()
            .args(["--instance", name, "--workers", &workers.to_string()])
            .args(["--memory", "64MiB", "--snapshot-interval", "5s"])
            .spawn()
    }

    fn kill(&mut self, victim: Victim) {
        *self.kills.entry(victim).or_default() += 1;
        let pause = Duration::from_millis(self.random.random_range(0..3_000));
        // Shown when the test fails, beside the times in the logs.
        println!("{} {victim:?} is killed", chrono::Utc::now());
        match victim {
            Victim::Process => {
                if let Some(dies) = self.dies.take() {
                    let killed = dies.kill();
                    self.replays += replays_of(&killed);
                    println!("{}", last_lines(&killed.stderr));
                }
                // Often at once, as a supervisor starts it.
                if self.random.random() {
                    sleep(pause);
                }
            }
            Victim::Store => {
                self.store.kill();
                sleep(pause);
                self.store.restart();
                println!("{} it is back", chrono::Utc::now());
            }
            Victim::Broker => {
                self.broker.kill();
                sleep(pause);
                self.broker.restart();
                println!("{} it is back", chrono::Utc::now());
            }
        }
    }

    /// What became of a process, if it has ended: only its servers end it, while they are away.
    fn still(&mut self, process: Option<Running>) -> Option<Running> {
        let mut process = process?;
        if process.is_running() {
            return Some(process);
        }
        let ended = process.wait(LIMIT);
        let code = ended.code.filter(|code| *code == MAY_END_WITH);
        let code = code.unwrap_or_else(|| {
            panic!(
                "it ended by itself: {:?}, signal {:?}\n{}\n{}",
                ended.code,
                ended.signal,
                ended.stderr,
                self.logs()
            )
        });
        println!("ended by itself with {code}\n{}", last_lines(&ended.stderr));
        *self.ended.entry(code).or_default() += 1;
        self.replays += replays_of(&ended);
        None
    }

    /// Starts again what has ended, and looks at the progress.
    fn look(&mut self) {
        let lives_on = self.lives_on.take();
        self.lives_on = self.still(lives_on);
        if self.lives_on.is_none() {
            let started = Self::start(self.pipeline, "lives-on", 1);
            self.id.store(started.id(), Ordering::Relaxed);
            self.lives_on = Some(started);
        }
        let dies = self.dies.take();
        self.dies = self.still(dies);
        if self.dies.is_none() {
            let workers = self.random.random_range(1..=2);
            self.dies = Some(Self::start(self.pipeline, "dies", workers));
        }
        let pipeline = self.pipeline;
        for (partition, commit) in committed(&pipeline.brokers, &pipeline.group, &pipeline.events) {
            let at = commit.map_or(0, |(offset, _)| offset);
            let now = Instant::now();
            let (last, since) = self.seen.entry(partition).or_insert((at, now));
            self.longest = self.longest.max(since.elapsed());
            assert!(
                since.elapsed() < BOUND,
                "partition {partition} has stood at {at} for {:?}\n{}",
                since.elapsed(),
                self.logs()
            );
            if at > *last {
                (*last, *since) = (at, now);
            }
        }
    }

    /// Kills something every few seconds; everything at least once.
    fn go_on(&mut self, lasts: Duration) {
        let begun = Instant::now();
        let mut first = [Victim::Process, Victim::Store, Victim::Broker];
        first.shuffle(&mut self.random);
        let mut first = first.into_iter();
        while begun.elapsed() < lasts {
            let peace = Duration::from_millis(self.random.random_range(1_000..6_000));
            let since = Instant::now();
            while since.elapsed() < peace {
                self.look();
                sleep(Duration::from_millis(100));
            }
            let victim = first
                .next()
                .unwrap_or_else(|| match self.random.random_range(0..8) {
                    0 => Victim::Broker,
                    1 | 2 => Victim::Store,
                    _ => Victim::Process,
                });
            self.kill(victim);
        }
    }

    /// Waits until everything is committed; nothing is killed any more.
    fn catch_up(&mut self, all: i64) -> Duration {
        let since = Instant::now();
        while committed_events(self.pipeline) < all {
            self.look();
            sleep(Duration::from_millis(100));
        }
        since.elapsed()
    }

    /// What both processes said last.
    fn logs(&self) -> String {
        let last = |running: &Option<Running>| {
            let log = running.as_ref().map(Running::stderr_so_far);
            last_lines(&log.unwrap_or_default())
        };
        let (lives_on, dies) = (last(&self.lives_on), last(&self.dies));
        format!("--- lives on\n{lives_on}\n--- dies\n{dies}")
    }

    /// Both end in peace, with everything done.
    fn end(&mut self) {
        for mut process in [self.lives_on.take(), self.dies.take()]
            .into_iter()
            .flatten()
        {
            process.signal(libc::SIGTERM);
            self.replays += replays_of(&process.wait(LIMIT).expect_code(0));
        }
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// How many partitions a process had to replay.
fn replays_of(finished: &Finished) -> usize {
    finished.stderr.matches("; replaying ").count()
}

fn main() {
    let lasts = std::env::args()
        .skip(1)
        .find(|arg| !arg.starts_with('-'))
        .map_or(USUAL, |text| {
            humantime::parse_duration(&text).expect("a duration such as 20m")
        });
    let broker = Kafka::start_to_be_killed();
    // Leaked, as a pipeline's server lives for ever; it ends with the test process.
    let store: &'static S3Server = Box::leak(Box::new(S3Server::start()));
    let mut pipeline = Pipeline::without_events_topic(Place::bucket(store));
    pipeline.brokers = broker.brokers().to_owned();
    create_topic(&pipeline.brokers, &pipeline.events, PARTITIONS);
    let seed = seed("what is killed, and when");
    let (stop, id) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut soak = Soak {
        pipeline: &pipeline,
        broker: &broker,
        store,
        random: StdRng::seed_from_u64(seed),
        lives_on: None,
        id: &id,
        dies: None,
        kills: BTreeMap::new(),
        ended: BTreeMap::new(),
        replays: 0,
        seen: BTreeMap::new(),
        longest: Duration::ZERO,
    };
    let samples = std::thread::scope(|scope| {
        let loaded = scope.spawn(|| load(&pipeline, &stop));
        let watched = scope.spawn(|| watch_memory(&id, &stop));
        let stops = SetWhenDropped(&stop);
        soak.go_on(lasts);
        drop(stops);
        loaded.join().expect("the load is written");
        watched.join().expect("the memory of a process that lives")
    });
    let all = number_of_events(&pipeline);
    let longest = soak.longest;
    let caught_up = soak.catch_up(all);
    soak.end();
    let Soak {
        kills,
        ended,
        replays,
        ..
    } = soak;
    let means = thirds(&samples);
    let peak = samples.iter().copied().max().expect("samples");
    let mib: Vec<u64> = means.iter().map(|mean| mean >> 20).collect();
    println!(
        "\nSNAPBACK_TEST_SEED={seed}\nsoak of {lasts:?}: {all} events, killed {kills:?}, ended by themselves {ended:?}, {replays} replays; \
         stood still for {longest:.1?} at most, was done {caught_up:.1?} after the load; \
         memory {mib:?} MiB in its thirds, {} MiB at most",
        peak >> 20
    );
    pipeline.run_to_end().run().expect_code(0);
    // One of a killed process that nobody ended hides what was published behind it.
    eventually(BOUND, "the end of all transactions", || {
        let topics = [&pipeline.results, &pipeline.rejects];
        let open = topics.into_iter().any(|topic| {
            let is_open = |of| has_open_transaction(&pipeline.brokers, topic, of);
            (0..PARTITIONS).any(is_open)
        });
        (!open).then_some(())
    });
    pipeline.check();
    assert!(peak < MEMORY * 6 / 5 + BESIDE, "{peak} bytes");
    if lasts >= LONG {
        assert!(means[2] * 10 <= means[1] * 11, "memory grows: {mib:?} MiB");
    }
}
