//! Trouble on the broker's side while it runs: topics that change under it, and events that expire.

use std::thread::sleep;
use std::time::Duration;

use crate::outside::{
    LIMIT, Offsets, Pipeline, Place, committed_events, in_a_shell, printed_commands,
    wait_until_committed,
};
use crate::support::process::{Finished, Running};
use crate::support::{
    add_partitions, create_topic, create_topic_with, delete_records, delete_topic, eventually,
    python, read_all,
};

/// Running, with the events `0..events` processed and stored.
fn running(events: i64) -> (Pipeline, Running) {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..events);
    let flags = [
        "--snapshot-interval",
        "300ms",
        "-X",
        "topic.metadata.refresh.interval.ms=1000",
    ];
    let running = pipeline.run().args(flags).spawn();
    wait_until_committed(&pipeline, events);
    eventually(LIMIT, "a snapshot", || {
        (!pipeline.segments("results", 0).is_empty()).then_some(())
    });
    sleep(Duration::from_millis(500));
    (pipeline, running)
}

/// It holds its only partition and stays; asked to stop, it ends with the refusal.
fn refused(mut running: Running) -> Finished {
    eventually(LIMIT, "a held partition", || {
        running.stderr_so_far().contains(" is held: ").then_some(())
    });
    sleep(Duration::from_millis(500));
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(4)
}

fn a_topic_that_is_replaced_by_one_with(events: i64) {
    let (pipeline, running) = running(100);
    delete_topic(&pipeline.brokers, &pipeline.events);
    create_topic(&pipeline.brokers, &pipeline.events, 1);
    pipeline.send_numbers(0, 1_000..1_000 + events);
    let finished = refused(running);
    assert!(
        finished.stderr.contains("events topic id"),
        "{}",
        finished.stderr
    );
    // Not one event of the other topic was taken for one of this.
    assert_eq!(read_all(&pipeline.brokers, &pipeline.results).len(), 100);
    assert_eq!(pipeline.verify(0)["results"], 100);
}

#[test]
fn a_topic_that_is_replaced_by_a_shorter_one_is_noticed() {
    a_topic_that_is_replaced_by_one_with(20);
}

#[test]
fn a_topic_that_is_replaced_by_a_longer_one_is_noticed() {
    a_topic_that_is_replaced_by_one_with(500);
}

#[test]
fn a_topic_that_is_replaced_while_the_client_does_not_look_is_noticed_before_anything_of_it_is_committed()
 {
    let (pipeline, mut running) = running(100);
    // When it looks again there is a topic of that name, and an event at the next offset.
    running.signal(libc::SIGSTOP);
    delete_topic(&pipeline.brokers, &pipeline.events);
    create_topic(&pipeline.brokers, &pipeline.events, 1);
    pipeline.send_numbers(0, 1_000..1_200);
    running.signal(libc::SIGCONT);
    eventually(LIMIT, "a refusal", || {
        let said = running.stderr_so_far();
        said.contains("events topic id").then_some(())
    });
    running.signal(libc::SIGTERM);
    running.wait(LIMIT);
    assert_eq!(read_all(&pipeline.brokers, &pipeline.results).len(), 100);
    assert_eq!(pipeline.verify(0)["results"], 100);
}

#[test]
fn events_that_expire_under_a_running_process_are_refused_until_they_are_accepted() {
    let (pipeline, mut running) = running(100);
    running.signal(libc::SIGSTOP);
    pipeline.send_numbers(0, 100..300);
    delete_records(&pipeline.brokers, &pipeline.events, 0, 250);
    running.signal(libc::SIGCONT);
    let finished = refused(running);
    let commands = printed_commands(&finished);
    let accept = commands
        .iter()
        .find(|command| command.contains("--accept-loss 0:100-250"))
        .unwrap_or_else(|| panic!("{commands:?}\n{}", finished.stderr));
    in_a_shell(&format!("{accept} --exit-at-end"))
        .run()
        .expect_code(0);
    assert_eq!(committed_events(&pipeline), 300);
    let report = pipeline.verify(0);
    assert_eq!(
        (&report["results"], &report["lost"]),
        (&150.into(), &150.into())
    );
}

#[test]
fn a_running_process_reads_a_partition_that_is_added() {
    let (pipeline, mut running) = running(100);
    add_partitions(&pipeline.brokers, &pipeline.events, 2);
    eventually(LIMIT, "the added partition in the store", || {
        (!pipeline.manifests(1).is_empty()).then_some(())
    });
    pipeline.send_numbers(1, 0..50);
    wait_until_committed(&pipeline, 150);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    // The results topic has one partition, as it had when it was made.
    assert_eq!(read_all(&pipeline.brokers, &pipeline.results).len(), 150);
    pipeline.check_stored(&pipeline.expected(), Offsets::default());
}

#[test]
fn events_of_the_far_future_and_past_are_events() {
    let pipeline = Pipeline::without_events_topic(Place::folder());
    let far = ("message.timestamp.after.max.ms", "9223372036854775807");
    create_topic_with(&pipeline.brokers, &pipeline.events, 1, &[far]);
    let script = include_str!("python/produce_at.py");
    python().run(script, &[&pipeline.brokers, &pipeline.events]);
    pipeline.run_to_end().run().expect_code(0);
    let expected = pipeline.expected();
    assert_eq!(expected.results.len(), 3);
    pipeline.check_published(&expected);
    pipeline.check_stored(&expected, Offsets::default());
}
