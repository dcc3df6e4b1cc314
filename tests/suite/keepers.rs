//! The store half of the processor under the whole pipeline: keepers that die, and many partitions of which few are busy.

use std::time::{Duration, Instant};

use crate::outside::{LIMIT, Pipeline, Place, committed_events, event, wait_until_committed};
use crate::store_trouble::DEBUG_BUILD;
use crate::support::{Status, eventually, heavy, produce};

/// A panic at this place, once; then the processor goes on by itself.
fn dies_once(point: &str) {
    let pipeline = Pipeline::new(2, Place::folder());
    let mut running = pipeline
        .run()
        .args(["--snapshot-interval", "300ms"])
        .env("FAILPOINTS", format!("{point}=1*panic"))
        .spawn();
    for partition in 0..2 {
        pipeline.send_numbers(partition, 0..100);
    }
    wait_until_committed(&pipeline, 200);
    eventually(LIMIT, "a keeper that dies", || {
        let log = running.stderr_so_far();
        log.contains("what stores its outcomes panicked")
            .then_some(())
    });
    for partition in 0..2 {
        pipeline.send_numbers(partition, 100..200);
    }
    wait_until_committed(&pipeline, 400);
    running.signal(libc::SIGTERM);
    let ended = running.wait(LIMIT).expect_code(0);
    assert!(ended.stderr.contains("replaying"), "{}", ended.stderr);
    pipeline.check();
}

#[test]
fn a_keeper_that_dies_is_replaced_and_what_it_held_is_replayed() {
    dies_once("snapshot-taken");
}

#[test]
fn a_job_that_dies_is_its_keepers_death() {
    dies_once("segments-put");
}

#[test]
fn a_partition_whose_keepers_die_three_times_in_a_row_is_held() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..100);
    let mut running = pipeline
        .run()
        .args(["--snapshot-interval", "300ms"])
        .env("FAILPOINTS", "snapshot-taken=panic")
        .spawn();
    // It has been at work, so it stays: somebody may give it other partitions.
    eventually(LIMIT, "a held partition", || {
        let log = running.stderr_so_far();
        log.contains("failed 3 times in a row").then_some(())
    });
    running.signal(libc::SIGTERM);
    let ended = running.wait(LIMIT).expect_code(4);
    for part in [
        "a defect of this program",
        "failed 3 times in a row",
        "failpoint snapshot-taken panic",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn what_gathers_the_facts_and_plans_may_die_at_every_place() {
    for points in [
        ["manifests-read", "committed-read"],
        ["facts-gathered", "planned"],
        ["bind-begun", "bound"],
    ] {
        let pipeline = Pipeline::new(2, Place::folder());
        for partition in 0..2 {
            pipeline.send_numbers(partition, 0..20);
        }
        let die = points.map(|point| format!("{point}=1*panic"));
        let run = pipeline.run_to_end().env("FAILPOINTS", die.join(";")).run();
        let ended = run.expect_code(0);
        for point in points {
            let said = format!("what recovers it panicked: failpoint {point} panic");
            assert!(ended.stderr.contains(&said), "{said}: {}", ended.stderr);
        }
        pipeline.check();
    }
}

#[test]
fn a_partition_whose_recovery_dies_three_times_in_a_row_is_held() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..20);
    let run = pipeline
        .run_to_end()
        .env("FAILPOINTS", "planned=panic")
        .run();
    let ended = run.expect_code(4);
    for part in [
        "a defect of this program",
        "failed 3 times in a row",
        "failpoint planned panic",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

/// An idle partition holds no encoder, and an open one has small pages.
#[test]
fn five_hundred_partitions_of_which_ten_are_busy_fit_the_memory() {
    const PARTITIONS: i32 = 500;
    const BUSY: i32 = 10;
    const EACH: i64 = 30_000;
    let _turn = heavy();
    let pipeline = Pipeline::new(PARTITIONS, Place::folder());
    let one_each = (0..PARTITIONS).map(|partition| (Some(partition), None, Some(event(1))));
    produce(&pipeline.brokers, &pipeline.events, one_each);
    let mut running = pipeline
        .run()
        .args(["--memory", "256MiB", "--snapshot-interval", "2s"])
        .args(Status::ANYWHERE)
        .limit(2 * LIMIT)
        .spawn();
    let status = Status::of(&running);
    wait_until_committed(&pipeline, PARTITIONS.into());
    for partition in 0..BUSY {
        pipeline.send_numbers(partition * 50, 0..EACH);
    }
    let all = i64::from(PARTITIONS) + i64::from(BUSY) * EACH;
    let mut slowest = Duration::ZERO;
    eventually(LIMIT, "everything to be committed", || {
        let asked = Instant::now();
        assert_eq!(status.get("/healthz").code, 200);
        slowest = slowest.max(asked.elapsed());
        (committed_events(&pipeline) >= all).then_some(())
    });
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let peak = running.peak_memory();
    assert!(peak < (256 << 20) * 6 / 5 + DEBUG_BUILD, "{peak} bytes");
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    let report = pipeline.verify(0);
    assert_eq!(report["results"], all);
}
