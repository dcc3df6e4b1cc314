//! Messages that a broker refuses for what they are: where a rule of the topic can be met it is; otherwise the event holds its
//! partition, and only that.

use std::time::Duration;

use crate::limits::{FIELDS, header, noted};
use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::published::report;
use crate::support::{create_topic_with, eventually, produce, read_all, set_topic_config};

/// One event of 300 makes a message that the client takes from nobody. It is found, and the others go on.
fn holds_its_partition(delivery: &str) {
    let pipeline = Pipeline::new(2, Place::folder());
    let events = (0..300).map(|n| noted(n, if n == 137 { 5_000 } else { 10 }));
    pipeline.send(0, events);
    pipeline.send(1, (300..320).map(|n| noted(n, 10)));
    let run = || {
        let flags = ["-X", "message.max.bytes=2000", "--delivery", delivery];
        pipeline.run_to_end().args(FIELDS).args(flags)
    };
    let held = run().run().expect_code(4);
    for said in [
        "--accept-loss 0:137-138",
        "max.message.bytes=",
        &pipeline.results,
    ] {
        assert!(held.stderr.contains(said), "{said}: {}", held.stderr);
    }
    let published = || {
        let results = read_all(&pipeline.brokers, &pipeline.results);
        let keys = results.into_iter().filter_map(|result| result.key);
        let keys: std::collections::BTreeSet<Vec<u8>> = keys.collect();
        keys.len()
    };
    // At-least-once, what follows it may have been sent already.
    if delivery == "exactly-once" {
        assert_eq!(published(), 137 + 20);
    }
    run()
        .args(["--accept-loss", "0:137-138"])
        .run()
        .expect_code(0);
    assert_eq!(published(), 319);
    let report = report(
        &pipeline,
        &[&FIELDS[..], &["--delivery", delivery]].concat(),
        0,
    );
    assert_eq!(
        (&report["results"], &report["lost"]),
        (&319.into(), &1.into())
    );
}

#[test]
fn an_event_whose_message_is_never_taken_holds_its_partition() {
    holds_its_partition("exactly-once");
}

#[test]
fn an_event_whose_message_is_never_taken_holds_its_partition_at_least_once() {
    holds_its_partition("at-least-once");
}

#[test]
fn a_rule_that_refuses_every_message_is_named_and_waits_for_its_administrator() {
    let pipeline = Pipeline::new(1, Place::folder());
    let rule = ("message.timestamp.before.max.ms", "1");
    create_topic_with(&pipeline.brokers, &pipeline.results, 1, &[rule]);
    pipeline.send_numbers(0, 0..50);
    let held = pipeline.run_to_end().run().expect_code(4);
    for said in ["--accept-loss 0:0-1", "message.timestamp.before.max.ms=1"] {
        assert!(held.stderr.contains(said), "{said}: {}", held.stderr);
    }
    let usual = ("message.timestamp.before.max.ms", "9223372036854775807");
    set_topic_config(&pipeline.brokers, &pipeline.results, usual);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn a_topic_that_takes_nothing_is_refused_at_the_start() {
    let pipeline = Pipeline::new(1, Place::folder());
    let rule = ("min.insync.replicas", "2");
    create_topic_with(&pipeline.brokers, &pipeline.results, 1, &[rule]);
    pipeline.send_numbers(0, [7]);
    let refused = pipeline.run_to_end().run().expect_code(2);
    for said in ["min.insync.replicas", &pipeline.results] {
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
}

#[test]
fn a_compacted_dead_letter_topic_gets_a_key_for_every_letter() {
    let pipeline = Pipeline::new(1, Place::folder());
    let rule = ("cleanup.policy", "compact");
    create_topic_with(&pipeline.brokers, &pipeline.rejects, 1, &[rule]);
    let bad = |key: Option<&str>| {
        let key = key.map(|key| key.as_bytes().to_vec());
        (Some(0), key, Some(b"bad".to_vec()))
    };
    produce(
        &pipeline.brokers,
        &pipeline.events,
        [bad(None), bad(Some("own"))],
    );
    pipeline.send_numbers(0, [7, 8]);
    let finished = pipeline.run_to_end().run().expect_code(0);
    assert!(
        finished.stderr.contains("is compacted"),
        "{}",
        finished.stderr
    );
    let dead = read_all(&pipeline.brokers, &pipeline.rejects);
    let source = format!("{}/0/0", pipeline.events);
    let keys: Vec<_> = dead.iter().map(|letter| letter.key.as_deref()).collect();
    assert_eq!(keys, [Some(source.as_bytes()), Some(&b"own"[..])]);
    let made = |index: usize| header(&dead[index], "snapback-key-made-of");
    assert_eq!((made(0).as_deref(), made(1)), (Some("source"), None));
    let report = report(&pipeline, &[], 0);
    assert_eq!(
        (&report["results"], &report["rejects"]),
        (&2.into(), &2.into())
    );
}

#[test]
fn a_dead_letter_topic_that_is_compacted_from_now_on_is_noticed() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send(0, ["bad"]);
    let mut running = pipeline.run().spawn();
    wait_until_committed(&pipeline, 1);
    let rule = ("cleanup.policy", "compact");
    set_topic_config(&pipeline.brokers, &pipeline.rejects, rule);
    let mut sent = 1;
    // The broker follows the new rule in a moment after it has said so.
    eventually(Duration::from_secs(60), "a letter with a key", || {
        pipeline.send(0, ["bad"]);
        sent += 1;
        wait_until_committed(&pipeline, sent);
        let dead = read_all(&pipeline.brokers, &pipeline.rejects);
        dead.iter().any(|letter| letter.key.is_some()).then_some(())
    });
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    report(&pipeline, &[], 0);
}
