//! Members come and go: whatever the moment, every partition soon has an owner, and every event is an outcome once.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::outside::{
    LIMIT, Offsets, Pipeline, Place, committed_events, event, wait_until_committed, writers,
};
use crate::support::process::Running;
use crate::support::{
    add_partitions, committed, create_topic, eventually, heavy, produce, s3, seed, sweeps,
};

#[test]
fn a_partition_on_its_way_from_a_dead_member_that_comes_back_finds_an_owner() {
    let pipeline = Pipeline::new(2, Place::folder());
    let mut sent = 0;
    let mut send = || {
        for partition in 0..2 {
            pipeline.send_numbers(partition, sent..sent + 100);
        }
        sent += 100;
        2 * sent
    };
    send();
    let mut first = pipeline
        .run()
        .args(["--instance", "first"])
        .env("FAILPOINTS", "revoked=return")
        .spawn();
    eventually(LIMIT, "both partitions at work", || {
        (committed_events(&pipeline) == 200).then_some(())
    });
    // It gives a partition back for the second one, and dies before it says so to the group.
    let mut second = pipeline.run().args(["--instance", "second"]).spawn();
    eventually(LIMIT, "the death of the first", || {
        (!first.is_running()).then_some(())
    });
    assert_eq!(first.wait(LIMIT).signal, Some(libc::SIGABRT));
    // The group takes it back as if it had never been away.
    let mut first = pipeline.run().args(["--instance", "first"]).spawn();
    wait_until_committed(&pipeline, send());
    for process in [&mut first, &mut second] {
        process.signal(libc::SIGTERM);
    }
    first.wait(LIMIT).expect_code(0);
    second.wait(LIMIT).expect_code(0);
    pipeline.check();
}

#[test]
fn a_commit_that_fails_between_two_partitions_publishes_nothing_twice() {
    let pipeline = Pipeline::new(2, Place::folder());
    // Several batches of each, and longer over each than a commit interval: so the commits come between the partitions.
    for partition in 0..2 {
        pipeline.send_numbers(partition, 0..40_000);
    }
    // An odd rhythm, so that they fail after the one and after the other.
    let fails = ["2*off->1*return"; 4].join("->");
    let actions = format!("kept=sleep(60);not-a-member={fails}");
    let finished = pipeline
        .run_to_end()
        .args(["--commit-interval", "20ms"])
        .env("FAILPOINTS", actions)
        .run()
        .expect_code(0);
    let failed = finished.stderr.matches("not a member of group").count();
    assert_eq!(failed, 4, "{}", finished.stderr);
    pipeline.check();
}

#[test]
fn a_group_that_moves_on_refuses_nothing_at_least_once() {
    let pipeline = Pipeline::new(2, Place::folder());
    for partition in 0..2 {
        pipeline.send_numbers(partition, 0..5_000);
    }
    // More often than a refusal may be repeated.
    let finished = pipeline
        .run_to_end()
        .args([
            "-v",
            "--delivery",
            "at-least-once",
            "--commit-interval",
            "5ms",
        ])
        .env("FAILPOINTS", "kept=sleep(20);not-a-member=1*off->12*return")
        .run()
        .expect_code(0);
    let later = "the offsets are committed later";
    let postponed = finished.stderr.matches(later).count();
    assert_eq!(postponed, 12, "{}", finished.stderr);
    // What is published stays published: the same offsets are committed when the group is at rest.
    assert!(
        !finished.stderr.contains("processed again"),
        "{}",
        finished.stderr
    );
    pipeline.check();
}

#[test]
fn a_second_process_joins_and_leaves_at_least_once_and_nothing_is_missing() {
    let pipeline = Pipeline::new(4, Place::folder());
    let mut sent = 0;
    let mut send = || {
        for partition in 0..4 {
            pipeline.send_numbers(partition, sent..sent + 50);
        }
        sent += 50;
        4 * sent
    };
    let start = |name: &str| {
        let flags = ["--delivery", "at-least-once", "--commit-interval", "5ms"];
        pipeline
            .run()
            .args(["--instance", name])
            .args(flags)
            .spawn()
    };
    let mut first = start("first");
    wait_until_committed(&pipeline, send());
    for _ in 0..3 {
        let mut second = start("second");
        eventually(LIMIT, "the second process at work", || {
            wait_until_committed(&pipeline, send());
            let writers = writers(&pipeline);
            let is_there = |name: &str| writers.iter().any(|writer| writer.contains(name));
            (is_there("first") && is_there("second")).then_some(())
        });
        second.signal(libc::SIGTERM);
        second.wait(LIMIT).expect_code(0);
        wait_until_committed(&pipeline, send());
    }
    first.signal(libc::SIGTERM);
    first.wait(LIMIT).expect_code(0);
    let expected = pipeline.expected();
    pipeline.check_published_at_least_once(&expected);
    pipeline.check_stored(&expected, Offsets::default());
}

#[test]
fn a_partition_without_events_collects_no_failures() {
    let pipeline = Pipeline::new(2, Place::folder());
    // Nine refusals, each followed by a commit.
    let fails = ["1*return->1*off"; 9].join("->");
    let mut running = pipeline
        .run()
        .env("FAILPOINTS", format!("offsets-refused={fails}->off"))
        .spawn();
    for round in 1..=12 {
        pipeline.send_numbers(1, [round]);
        wait_until_committed(&pipeline, round);
    }
    running.signal(libc::SIGTERM);
    let finished = running.wait(LIMIT).expect_code(0);
    let failed = finished.stderr.matches("cannot add offsets").count();
    assert_eq!(failed, 9, "{}", finished.stderr);
    pipeline.check();
}

/// No partition stands still for longer, although there are events in it: a session of 2 s and a transaction of 4 s end, the
/// group is looked at for 6 to 8 s, and what begins anew may be interrupted by the next change.
const BOUND: Duration = Duration::from_secs(40);
/// How long it goes on in a usual run, and in a full sweep.
const USUAL: Duration = Duration::from_secs(20);
const SWEEP: Duration = Duration::from_secs(60);
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const FIRST_PARTITIONS: i32 = 6;
const PARTITIONS: i32 = 8;

/// The events of all partitions, how far the group has come, and since when each partition has stood still.
struct Watch<'p> {
    pipeline: &'p Pipeline,
    sent: BTreeMap<i32, i64>,
    seen: BTreeMap<i32, (i64, Instant)>,
    longest: Duration,
}

impl Watch<'_> {
    fn send(&mut self, partitions: i32) {
        let mut records = Vec::new();
        for partition in 0..partitions {
            let sent = self.sent.entry(partition).or_default();
            for n in *sent..*sent + 50 {
                let payload = if n % 17 == 0 {
                    b"bad".to_vec()
                } else {
                    event(n)
                };
                records.push((Some(partition), None, Some(payload)));
            }
            *sent += 50;
        }
        produce(&self.pipeline.brokers, &self.pipeline.events, records);
    }

    fn look(&mut self) {
        let Pipeline {
            brokers,
            group,
            events,
            ..
        } = self.pipeline;
        for (partition, commit) in committed(brokers, group, events) {
            let at = commit.map_or(0, |(offset, _)| offset);
            let sent = self.sent.get(&partition).copied().unwrap_or_default();
            let now = Instant::now();
            let (last, since) = self.seen.entry(partition).or_insert((at, now));
            if at > *last || at >= sent {
                (*last, *since) = (at, now);
            }
            self.longest = self.longest.max(since.elapsed());
            assert!(
                since.elapsed() < BOUND,
                "partition {partition} has stood at {at} of {sent} for {:?}",
                since.elapsed()
            );
        }
    }
}

/// The processes of a group, each with a name that is its own.
struct Crowd<'p> {
    pipeline: &'p Pipeline,
    random: StdRng,
    living: BTreeMap<&'static str, Running>,
    /// Told to stop, with up to a few seconds left.
    ending: Vec<Running>,
    came: u32,
    killed: u32,
}

impl Crowd<'_> {
    /// One begins, or ends by SIGTERM or by SIGKILL, or is replaced under its name with another number of workers.
    fn change(&mut self) {
        let name = *NAMES.choose(&mut self.random).expect("not empty");
        match self.living.remove(name) {
            None => self.start(name),
            Some(process) => {
                self.end(process);
                if self.living.is_empty() || self.random.random() {
                    self.start(name);
                }
            }
        }
    }

    fn start(&mut self, name: &'static str) {
        let workers = self.random.random_range(1..=3).to_string();
        let process = self
            .pipeline
            .run()
            .args(["--instance", name, "--workers", &workers])
            .args(["--snapshot-interval", "500ms"])
            .args(["-X", "session.timeout.ms=2000"])
            .args(["-X", "transaction.timeout.ms=4000"])
            .args(["-X", "topic.metadata.refresh.interval.ms=1000"])
            .spawn();
        self.living.insert(name, process);
        self.came += 1;
    }

    fn end(&mut self, mut process: Running) {
        if self.random.random_bool(0.6) {
            process.kill();
            self.killed += 1;
        } else {
            process.signal(libc::SIGTERM);
            self.ending.push(process);
        }
    }

    /// All end in peace.
    fn go(mut self) {
        for (_, mut process) in std::mem::take(&mut self.living) {
            process.signal(libc::SIGTERM);
            self.ending.push(process);
        }
        for process in self.ending {
            let ended = process.wait(LIMIT);
            // 5: a newer one has the name of one that was still ending. 130: it was told to stop while it started.
            assert!(matches!(ended.code, Some(0 | 5 | 130)), "{ended:?}");
        }
    }
}

/// Processes come and go, about two in a second; meanwhile the topic gets more partitions, twice.
fn come_and_go(store: Place) {
    let random = StdRng::seed_from_u64(seed("who comes and goes"));
    let _turn = heavy();
    let pipeline = Pipeline::new(FIRST_PARTITIONS, store);
    create_topic(&pipeline.brokers, &pipeline.results, PARTITIONS);
    let mut watch = Watch {
        pipeline: &pipeline,
        sent: BTreeMap::new(),
        seen: BTreeMap::new(),
        longest: Duration::ZERO,
    };
    let mut crowd = Crowd {
        pipeline: &pipeline,
        random,
        living: BTreeMap::new(),
        ending: Vec::new(),
        came: 0,
        killed: 0,
    };
    let mut partitions = FIRST_PARTITIONS;
    let (begun, lasts) = (Instant::now(), if sweeps() { SWEEP } else { USUAL });
    let grows = |partitions: i32| {
        let step = (partitions - FIRST_PARTITIONS + 1).cast_unsigned();
        lasts * step / 3
    };
    let mut next = begun;
    while begun.elapsed() < lasts {
        if partitions < PARTITIONS && begun.elapsed() > grows(partitions) {
            partitions += 1;
            let all = usize::try_from(partitions).expect("positive");
            add_partitions(&pipeline.brokers, &pipeline.events, all);
        }
        if Instant::now() >= next {
            crowd.change();
            next = Instant::now() + Duration::from_millis(crowd.random.random_range(100..800));
        }
        watch.send(partitions);
        watch.look();
        sleep(Duration::from_millis(30));
    }
    assert_eq!(partitions, PARTITIONS);
    if crowd.living.is_empty() {
        crowd.start(NAMES[0]);
    }
    eventually(LIMIT, "everything to be committed", || {
        watch.look();
        let sent: i64 = watch.sent.values().sum();
        (committed_events(&pipeline) >= sent).then_some(())
    });
    let (came, killed, longest) = (crowd.came, crowd.killed, watch.longest);
    let figures = format!(
        "{came} came, {killed} were killed; no partition stood still for more than {longest:.1?}"
    );
    // Past the test harness, which shows only what failed tests print.
    writeln!(std::io::stderr(), "{figures}").expect("standard error takes it");
    crowd.go();
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn processes_come_and_go_and_every_event_is_there_once() {
    come_and_go(Place::folder());
}

#[test]
fn processes_come_and_go_and_every_event_is_there_once_on_s3() {
    come_and_go(Place::bucket(s3()));
}
