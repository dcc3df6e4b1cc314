//! Processes that are suspended, replaced, or have a rival: whoever comes too late publishes nothing and harms nothing.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::outside::{LIMIT, Pipeline, Place, committed_events, wait_until_committed, writers};
use crate::support::process::{Program, Running};
use crate::support::{create_topic, eventually, has_open_transaction, read_all, s3, unique};

/// Time-outs that are over soon.
const SESSION: Duration = Duration::from_secs(2);
const TRANSACTION: Duration = Duration::from_secs(4);

/// A process that others replace within seconds.
fn impatient(pipeline: &Pipeline) -> Program {
    let session = format!("session.timeout.ms={}", SESSION.as_millis());
    let transaction = format!("transaction.timeout.ms={}", TRANSACTION.as_millis());
    pipeline
        .run()
        .args(["-X", &session, "-X", &transaction])
        .args(["--snapshot-interval", "200ms"])
}

/// Sends to partition 0 until a transaction stays open, as one of a process does that waits inside of it.
fn until_a_transaction_stays_open(pipeline: &Pipeline, mut send: impl FnMut()) {
    let open = || has_open_transaction(&pipeline.brokers, &pipeline.results, 0);
    eventually(LIMIT, "the output topic", || {
        (committed_events(pipeline) > 0).then_some(())
    });
    let mut since = None;
    eventually(LIMIT, "a transaction that stays open", || {
        if !open() {
            since = None;
            send();
            return None;
        }
        // Longer than several commit intervals.
        (since.get_or_insert_with(Instant::now).elapsed() > Duration::from_secs(1)).then_some(())
    });
}

fn until_no_transaction_is_open(pipeline: &Pipeline, partitions: i32) {
    for partition in 0..partitions {
        eventually(LIMIT, "the end of the transaction", || {
            let open = has_open_transaction(&pipeline.brokers, &pipeline.results, partition);
            (!open).then_some(())
        });
    }
}

#[track_caller]
fn stop(mut running: Running) {
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
}

/// It sleeps inside a transaction, with a snapshot under way whose segments are put, and is suspended there until its
/// partition, and the work that it had begun, are another's.
fn wakes_up_too_late(store: Place) {
    let pipeline = Pipeline::new(1, store);
    let mut sent = 0;
    let mut send = || {
        pipeline.send_numbers(0, sent..sent + 500);
        sent += 500;
        sent
    };
    send();
    let actions = "segments-put=1*sleep(15000);flushed=12*off->1*sleep(15000)";
    let mut suspended = impatient(&pipeline).env("FAILPOINTS", actions).spawn();
    until_a_transaction_stays_open(&pipeline, || {
        send();
    });
    suspended.signal(libc::SIGSTOP);

    send();
    impatient(&pipeline)
        .arg("--exit-at-end")
        .run()
        .expect_code(0);
    // The other one is still suspended. Its transaction hides what was published after it, until it has timed out; then
    // everything is there, and what it comes back with is too much.
    until_no_transaction_is_open(&pipeline, 1);
    pipeline.check();

    suspended.signal(libc::SIGCONT);
    // Nobody has its name, so it takes part again.
    wait_until_committed(&pipeline, send());
    assert!(suspended.is_running());
    stop(suspended);
    pipeline.check();
}

#[test]
fn suspended_in_a_transaction_and_a_snapshot_it_comes_too_late_with_both() {
    wakes_up_too_late(Place::folder());
}

#[test]
fn suspended_in_a_transaction_and_a_snapshot_it_comes_too_late_with_both_on_s3() {
    wakes_up_too_late(Place::bucket(s3()));
}

#[test]
fn a_transaction_that_timed_out_is_made_again() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..1_000);
    // It stays a member all the time: nobody takes its partition, and nobody but the broker ends its transaction.
    let transaction = format!("transaction.timeout.ms={}", TRANSACTION.as_millis());
    let mut sent = 1_000;
    let mut suspended = pipeline
        .run()
        .args(["-X", "session.timeout.ms=60000", "-X", &transaction])
        .env("FAILPOINTS", "flushed=3*off->1*sleep(6000)")
        .spawn();
    until_a_transaction_stays_open(&pipeline, || {
        pipeline.send_numbers(0, sent..sent + 500);
        sent += 500;
    });
    suspended.signal(libc::SIGSTOP);
    until_no_transaction_is_open(&pipeline, 1);
    suspended.signal(libc::SIGCONT);
    pipeline.send_numbers(0, sent..sent + 500);
    wait_until_committed(&pipeline, sent + 500);
    stop(suspended);
    pipeline.check();
}

#[test]
fn under_another_name_a_restart_waits_for_two_time_outs_at_most() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..5_000);
    let start = |name: &str| impatient(&pipeline).args(["--instance", name]);
    let died = start("first")
        .env("FAILPOINTS", "offsets-sent=2*off->return")
        .spawn();
    eventually(LIMIT, "the output topic", || {
        (committed_events(&pipeline) > 0).then_some(())
    });
    let mut sent = 5_000;
    let mut died = died;
    while died.is_running() {
        pipeline.send_numbers(0, sent..sent + 100);
        sent += 100;
    }
    assert_eq!(died.wait(LIMIT).signal, Some(libc::SIGABRT));
    assert!(has_open_transaction(
        &pipeline.brokers,
        &pipeline.results,
        0
    ));
    let visible = read_all(&pipeline.brokers, &pipeline.results).len();

    let since = Instant::now();
    let second = start("second").spawn();
    eventually(LIMIT, "a new result", || {
        let now = read_all(&pipeline.brokers, &pipeline.results).len();
        (now > visible).then_some(())
    });
    let (took, bound) = (
        since.elapsed(),
        SESSION + TRANSACTION + Duration::from_secs(10),
    );
    assert!(
        took < bound,
        "the first new result after {took:?}, not within {bound:?}"
    );
    println!("the first new result after {took:?}");
    wait_until_committed(&pipeline, sent);
    stop(second);
    pipeline.check();
}

#[test]
fn two_topics_of_one_group_do_not_meet() {
    let one = Pipeline::new(2, Place::folder());
    let mut other = Pipeline::new(3, Place::folder());
    other.group.clone_from(&one.group);
    let mut running: Vec<Running> = Vec::new();
    for round in 0..3 {
        for (pipeline, partitions) in [(&one, 2), (&other, 3)] {
            for partition in 0..partitions {
                pipeline.send_numbers(partition, round * 1_000..(round + 1) * 1_000);
            }
            // A member more, in the middle of the others' work.
            if round < 2 {
                running.push(impatient(pipeline).spawn());
            }
        }
    }
    wait_until_committed(&one, 2 * 3_000);
    wait_until_committed(&other, 3 * 3_000);
    running.into_iter().for_each(stop);
    one.check();
    other.check();
}

#[test]
fn of_two_groups_that_begin_on_one_store_one_is_refused() {
    let one = Pipeline::new(1, Place::folder());
    one.send_numbers(0, 0..1_000);
    let mut other = one.with_store(one.store.beside(""));
    (other.group, other.results) = (unique("group"), unique("results"));
    other.rejects = unique("rejects");
    create_topic(&other.brokers, &other.results, 1);
    // It has seen that the store is empty, and comes to bind it when the other one has.
    let late = other
        .run_to_end()
        .args(["--rejects", &other.rejects])
        .arg("-v")
        .env("FAILPOINTS", "bind-begun=1*sleep(10000)")
        .spawn();
    eventually(LIMIT, "its facts", || {
        let facts = late.stderr_so_far().contains("facts of 1 partitions");
        facts.then_some(())
    });
    one.run_to_end().run().expect_code(0);
    let refused = late.wait(LIMIT).expect_code(4);
    assert!(refused.stderr.contains(&one.group), "{}", refused.stderr);
    assert!(read_all(&other.brokers, &other.results).is_empty());
    one.check();
}

#[test]
fn a_suspended_process_that_wakes_up_after_its_replacement_doubles_nothing() {
    let pipeline = Pipeline::new(2, Place::folder());
    let start = || {
        pipeline
            .run()
            .args(["--snapshot-interval", "200ms"])
            .spawn()
    };
    let mut suspended = start();
    let mut sent = 0;
    let mut send = |events: i64| {
        for partition in 0..2 {
            pipeline.send_numbers(partition, sent..sent + events);
        }
        sent += events;
        2 * sent
    };
    wait_until_committed(&pipeline, send(500));
    // Under load, so that a transaction is open as likely as not.
    send(20_000);
    suspended.signal(libc::SIGSTOP);
    let mut replacement = start();
    wait_until_committed(&pipeline, send(500));
    suspended.signal(libc::SIGCONT);
    wait_until_committed(&pipeline, send(500));
    for process in [&mut suspended, &mut replacement] {
        process.signal(libc::SIGTERM);
    }
    suspended.wait(LIMIT);
    replacement.wait(LIMIT).expect_code(0);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn a_process_whose_name_a_newer_one_takes_is_fenced() {
    let pipeline = Pipeline::new(2, Place::folder());
    let start = || pipeline.run().args(["--instance", "same"]).spawn();
    pipeline.send_numbers(0, 0..100);
    let older = start();
    wait_until_committed(&pipeline, 100);
    let mut newer = start();
    let fenced = older.wait(LIMIT).expect_code(5);
    assert!(fenced.stderr.contains("\"same\""), "{}", fenced.stderr);
    pipeline.send_numbers(1, 100..200);
    wait_until_committed(&pipeline, 200);
    newer.signal(libc::SIGTERM);
    newer.wait(LIMIT).expect_code(0);
    pipeline.check();
}

/// As when a broker dies after it has let a process join again and before it could say so: the group then has a member of
/// its name that is nobody, and takes the process for an older one.
#[test]
fn a_process_that_the_group_takes_for_an_older_one_of_its_name_joins_anew() {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(0, 0..100);
    let mut running = impatient(&pipeline).args(["--instance", "same"]).spawn();
    wait_until_committed(&pipeline, 100);
    let nobody: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &pipeline.brokers)
        .set("group.id", &pipeline.group)
        .set(
            "group.instance.id",
            format!("{}.{}.same.0", pipeline.group, pipeline.events),
        )
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", SESSION.as_millis().to_string())
        .create()
        .expect("a client");
    nobody
        .subscribe(&[&pipeline.events])
        .expect("a subscription");
    let says = |what| running.stderr_so_far().contains(what).then_some(());
    eventually(LIMIT, "a fenced process", || {
        nobody.poll(Duration::from_millis(100));
        says("has another member named")
    });
    // A static member says nothing when it ends.
    drop(nobody);
    eventually(LIMIT, "a process that joins anew", || {
        says("joining it anew")
    });
    pipeline.send_numbers(1, 100..200);
    wait_until_committed(&pipeline, 200);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.check();
}

#[test]
fn the_partitions_of_a_dead_process_are_taken_over() {
    let pipeline = Pipeline::new(2, Place::folder());
    let start = || {
        let program = pipeline.run().args(["--snapshot-interval", "700ms"]);
        program.spawn()
    };
    let dying = start();
    let mut living = start();
    let mut sent = 0;
    let mut send = |events: i64| {
        for partition in 0..2 {
            pipeline.send_numbers(partition, sent..sent + events);
        }
        sent += events;
        2 * sent
    };
    eventually(LIMIT, "two processes at work", || {
        wait_until_committed(&pipeline, send(100));
        (writers(&pipeline).len() == 2).then_some(())
    });
    send(20_000);
    dying.kill();
    // Nobody starts it again: its partition is free when the group gives it up, and its open transaction, which
    // still holds the partition's offset, ends with its time-out.
    wait_until_committed(&pipeline, send(100));
    living.signal(libc::SIGTERM);
    living.wait(LIMIT).expect_code(0);
    // It may have held no offset yet, only results: these it hides, and what came after them.
    until_no_transaction_is_open(&pipeline, 2);
    pipeline.check();
}
