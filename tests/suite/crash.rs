//! SIGKILL under load, again and again: whatever moment it hits, every event is an outcome exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::outside::{
    LIMIT, MALFORMED, Pipeline, Place, committed_events, event, number_of_events,
    wait_until_committed, writers,
};
use crate::published;
use crate::support::process::{Finished, Running};
use crate::support::{
    Kafka, S3Server, create_topic, eventually, heavy, produce, read_all, s3, seed, sweeps,
};

const PARTITIONS: i32 = 4;
/// Events, and how many of them are written in a second. The load has to go on for longer than the kills take, also where a
/// start waits until the group has given its predecessor up: the last third is slower. At the end what is left is written at once.
const LOAD: (i64, i64) = (150_000, 7_500);
const SWEEP: (i64, i64) = (300_000, 15_000);
const SLOWER: i64 = 500;
/// One event in so many is malformed.
const MALFORMED_EVERY: i64 = 1_000;
const KILLS: usize = 5;

/// Writes the events at a steady rate until it is told to hurry.
fn load(pipeline: &Pipeline, hurry: &AtomicBool) {
    let (events, per_second) = if sweeps() { SWEEP } else { LOAD };
    let start = Instant::now();
    let records = (0..events).map(|n| {
        if n % 500 == 0 && !hurry.load(Ordering::Relaxed) {
            let fast = n.min(events / 3 * 2);
            let due = fast * 1_000 / per_second + (n - fast) * 1_000 / SLOWER;
            let due = Duration::from_millis(u64::try_from(due).expect("positive"));
            sleep(due.saturating_sub(start.elapsed()));
        }
        let payload = if n % MALFORMED_EVERY == 0 {
            let which = usize::try_from(n / MALFORMED_EVERY).expect("positive") % MALFORMED.len();
            MALFORMED[which].map(<[u8]>::to_vec)
        } else {
            Some(event(n))
        };
        let partition = i32::try_from(n % i64::from(PARTITIONS)).expect("small");
        (Some(partition), None, payload)
    });
    produce(&pipeline.brokers, &pipeline.events, records);
}

/// Kills processes at random moments while the load goes on, lets the rest be finished, and looks at everything.
fn survives(pipeline: &Pipeline, processes: usize, flags: &[&str]) {
    let _turn = heavy();
    let mut random = StdRng::seed_from_u64(seed("the moments of the kills"));
    let hurry = Arc::new(AtomicBool::new(false));
    // Several commits to a snapshot, so that kills leave something to replay, and several snapshots to a life.
    let start = || {
        let program = pipeline
            .run()
            .args(["--snapshot-interval", "250ms"])
            .args(flags);
        program.spawn()
    };
    let mut replays = 0;

    std::thread::scope(|scope| {
        let hurry_up = SetWhenDropped(Arc::clone(&hurry));
        let loading = scope.spawn(|| load(pipeline, &hurry));
        let mut running: Vec<Running> = (0..processes).map(|_| start()).collect();
        for kill in 0..KILLS {
            // One kill hits a start, the others a process at work.
            if kill != KILLS / 2 {
                let before = committed_events(pipeline);
                eventually(LIMIT, "progress after a start", || {
                    (committed_events(pipeline) > before + 1_000).then_some(())
                });
            }
            sleep(Duration::from_millis(random.random_range(0..700)));
            // All of them, or one; what lives on has to take nothing that is not its own.
            let victims = if random.random() { running.len() } else { 1 };
            for victim in running.drain(..victims).collect::<Vec<_>>() {
                let killed = victim.kill();
                assert_eq!(
                    killed.signal,
                    Some(libc::SIGKILL),
                    "ended by itself: {killed:?}"
                );
                replays += replays_of(&killed);
            }
            running.extend((0..victims).map(|_| start()));
        }
        for last in running {
            replays += replays_of(&last.kill());
        }
        drop(hurry_up);
        loading.join().expect("the load to be written");
    });
    // As many as before: nobody has to wait until the broker gives a dead member up.
    let finishing: Vec<Running> = (0..processes)
        .map(|_| pipeline.run_to_end().args(flags).spawn())
        .collect();
    for last in finishing {
        replays += replays_of(&last.wait(LIMIT).expect_code(0));
    }
    // Otherwise no kill came between a commit and its snapshot, and the test would show nothing.
    assert!(replays > 0, "nothing had to be replayed");
}

/// How many partitions a process had to replay.
fn replays_of(finished: &Finished) -> usize {
    finished.stderr.matches("; replaying ").count()
}

/// Ends the wait of the load also when a test fails, which otherwise would wait for the load.
struct SetWhenDropped(Arc<AtomicBool>);

impl Drop for SetWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn killed_again_and_again_every_event_is_there_once() {
    let pipeline = Pipeline::new(PARTITIONS, Place::folder());
    survives(&pipeline, 1, &[]);
    pipeline.check();
    published::report(&pipeline, &[], 0);
    // The kills were not all before the first snapshot.
    let snapshots: usize = (0..PARTITIONS)
        .map(|partition| pipeline.manifests(partition).len())
        .sum();
    assert!(snapshots > 2 * KILLS, "only {snapshots} manifests");
}

#[test]
fn killed_again_and_again_every_event_is_there_once_on_s3() {
    let pipeline = Pipeline::new(PARTITIONS, Place::bucket(s3()));
    survives(&pipeline, 1, &["--workers", "2"]);
    pipeline.check();
}

#[test]
fn two_processes_killed_again_and_again_leave_every_event_once() {
    let pipeline = Pipeline::new(PARTITIONS, Place::folder());
    survives(&pipeline, 2, &[]);
    pipeline.check();
}

#[test]
fn two_processes_killed_again_and_again_leave_every_event_once_on_s3() {
    let pipeline = Pipeline::new(PARTITIONS, Place::bucket(s3()));
    survives(&pipeline, 2, &[]);
    pipeline.check();
}

#[test]
fn at_least_once_loses_nothing_when_killed() {
    let pipeline = Pipeline::new(PARTITIONS, Place::folder());
    let flags = ["--delivery", "at-least-once"];
    survives(&pipeline, 1, &flags);
    // The store has each outcome once even then; the results topic may have some twice.
    let expected = pipeline.expected();
    pipeline.check_stored(&expected, Default::default());
    pipeline.check_published_at_least_once(&expected);
    // Verify counts as copies the messages beyond one for each event.
    let report = published::report(&pipeline, &flags, 0);
    let messages: usize = [&pipeline.results, &pipeline.rejects]
        .map(|topic| read_all(&pipeline.brokers, topic).len())
        .into_iter()
        .sum();
    assert_eq!(
        report["published"]["copies"],
        messages as i64 - number_of_events(&pipeline)
    );
}

#[test]
fn a_killed_broker_costs_nothing() {
    let broker = Kafka::start_to_be_killed();
    let mut pipeline = Pipeline::without_events_topic(Place::folder());
    pipeline.brokers = broker.brokers().to_owned();
    create_topic(&pipeline.brokers, &pipeline.events, 1);
    pipeline.send_numbers(0, 0..1_000);
    let mut running = pipeline
        .run()
        .args(["--snapshot-interval", "200ms"])
        .spawn();
    wait_until_committed(&pipeline, 1_000);
    broker.kill();
    broker.restart();
    pipeline.send_numbers(0, 1_000..2_000);
    wait_until_committed(&pipeline, 2_000);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.check();
}

#[test]
fn while_the_object_store_is_away_events_go_on_and_nothing_is_lost() {
    // Leaked, as a pipeline's server lives for ever; it ends with the test process.
    let server: &'static S3Server = Box::leak(Box::new(S3Server::start()));
    let pipeline = Pipeline::new(1, Place::bucket(server));
    pipeline.send_numbers(0, 0..1_000);
    let mut running = pipeline
        .run()
        .args(["--snapshot-interval", "200ms"])
        .spawn();
    wait_until_committed(&pipeline, 1_000);
    server.kill();
    pipeline.send_numbers(0, 1_000..2_000);
    wait_until_committed(&pipeline, 2_000);
    server.restart();
    pipeline.send_numbers(0, 2_000..3_000);
    wait_until_committed(&pipeline, 3_000);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.check();
}

#[test]
fn a_restart_with_fewer_workers_waits_for_no_transaction_of_the_former_ones() {
    let pipeline = Pipeline::new(2, Place::folder());
    let mut sent = 0;
    let mut send = || {
        for partition in 0..2 {
            pipeline.send_numbers(partition, sent..sent + 50);
        }
        sent += 50;
        2 * sent
    };
    // Transactions stay open for half of it, at least.
    let flags = ["--workers", "2", "--commit-interval", "5s"];
    let two = pipeline
        .run()
        .args(flags)
        .args(["--instance", "one"])
        .spawn();
    eventually(LIMIT, "two workers at work", || {
        wait_until_committed(&pipeline, send());
        (writers(&pipeline).len() == 2).then_some(())
    });
    let before = committed_events(&pipeline);
    let all = send();
    sleep(Duration::from_secs(1));
    assert_eq!(
        committed_events(&pipeline),
        before,
        "the transactions are open"
    );
    two.kill();
    let killed = Instant::now();
    let one = pipeline.run_to_end().args(["--instance", "one"]).spawn();
    wait_until_committed(&pipeline, all);
    // The group waits for the dead member for 10 s; its transaction would have lived for 15 to 25 s.
    let waited = killed.elapsed();
    println!("both partitions went on after {waited:?}");
    assert!(waited < Duration::from_secs(15), "waited for {waited:?}");
    let finished = one.wait(LIMIT).expect_code(0);
    assert!(
        finished
            .stderr
            .contains("ended what the former worker 1 may have left open"),
        "{}",
        finished.stderr
    );
    pipeline.check();
}
