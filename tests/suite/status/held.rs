//! Processes all of whose partitions are held.

use super::start;
use crate::outside::{LIMIT, Pipeline, Place, committed_events};
use crate::support::{delete_records, eventually};

/// A pipeline of two partitions of which the events 10 to 20 of one are gone before they were read.
fn with_a_hole(partition: i32) -> Pipeline {
    let pipeline = Pipeline::new(2, Place::folder());
    for partition in 0..2 {
        pipeline.send_numbers(partition, 0..10);
    }
    pipeline.run_to_end().run().expect_code(0);
    for partition in 0..2 {
        pipeline.send_numbers(partition, 10..30);
    }
    delete_records(&pipeline.brokers, &pipeline.events, partition, 20);
    pipeline
}

/// A second process takes the partition at work from the first, which keeps the held one; `false` when the group gives it
/// the held one instead, with which it ends.
fn stays_when_only_the_held_partition_is_left(held: i32) -> bool {
    let pipeline = with_a_hole(held);
    let (mut first, status) = start(&pipeline, &["--instance", "first"]);
    let (held, working) = (held as usize, 1 - held as usize);
    status.wait_until(LIMIT, "one held and one at work", |seen| {
        seen["partitions"][held]["phase"] == "held" && seen["partitions"][working]["position"] == 30
    });
    let mut second = pipeline.run().args(["--instance", "second"]).spawn();
    let moved = eventually(LIMIT, "a division", || {
        let seen = status.seen();
        let left = seen["partitions"].as_array().expect("a list");
        if !second.is_running() {
            return Some(false);
        }
        (left.len() == 1 && left[0]["phase"] == "held").then_some(true)
    });
    if !moved {
        second.wait(LIMIT).expect_code(4);
        return false;
    }
    pipeline.send_numbers(working as i32, 30..40);
    eventually(LIMIT, "work of the second", || {
        (committed_events(&pipeline) == 50).then_some(())
    });
    assert!(first.is_running(), "it ended with the held partition");
    // When the second ends, its partition comes back.
    second.signal(libc::SIGTERM);
    second.wait(LIMIT).expect_code(0);
    pipeline.send_numbers(working as i32, 40..50);
    eventually(LIMIT, "work of the first", || {
        (committed_events(&pipeline) == 60).then_some(())
    });
    super::stop(first, 4);
    true
}

#[test]
fn a_process_stays_when_a_scale_out_leaves_it_with_a_held_partition_only() {
    // Which of the two the group moves is its own affair.
    assert!(
        [0, 1]
            .into_iter()
            .any(stays_when_only_the_held_partition_is_left)
    );
}
