//! A replay that gives something else than was published, or more than the memory holds.

use super::*;
use crate::outside::scattered;

#[test]
fn a_replay_that_gives_another_count_is_refused() {
    let pipeline = stored(10);
    crash_after(&pipeline, 20);
    // As if compaction had removed an event since it was published.
    forge_commit(&pipeline, |metadata| {
        let outcomes = metadata["outcomes"].as_u64().expect("a count");
        metadata["outcomes"] = json!(outcomes + 1);
    });
    let refusal = refused("replay-mismatch", &pipeline, &[]);
    refusal.resolve_with("--accept-loss 0:10-30");
    let all = pipeline.expected();
    pipeline.check_published(&all);
    pipeline.check_stored(&all.only(|(_, offset)| offset < 10), lost(20));
}

/// What the memory does not hold of a replay would have to be stored before it is known whether it is all there.
#[test]
fn a_replay_beyond_the_memory_is_counted_before_any_of_it_is_stored() {
    const EVENTS: i64 = 1_100_000;
    const LITTLE: [&str; 2] = ["--memory", "64MiB"];
    let pipeline = stored(10);
    let stored = pipeline.segments("results", 0);
    pipeline.send_numbers(0, scattered(EVENTS));
    let large = ["--memory", "1GiB", "--snapshot-interval", "1h"];
    let running = pipeline.run().args(large).spawn();
    wait_until_committed(&pipeline, 10 + EVENTS);
    running.kill();
    let miscount = |by: i64| {
        forge_commit(&pipeline, |metadata| {
            let outcomes = metadata["outcomes"].as_i64().expect("a count");
            metadata["outcomes"] = json!(outcomes + by);
        });
    };
    miscount(1);
    let refused = pipeline.run_to_end().args(LITTLE).run().expect_code(4);
    let missing = format!("--accept-loss 0:10-{}", 10 + EVENTS);
    assert!(refused.stderr.contains(&missing), "{}", refused.stderr);
    assert_eq!(pipeline.segments("results", 0), stored);
    miscount(-1);
    // The end of what is replayed lies within a batch.
    const MORE: i64 = 1_000;
    send_more(&pipeline, MORE);
    let replayed = pipeline.run_to_end().args(LITTLE).run().expect_code(0);
    assert!(
        replayed.stderr.contains("counting it first"),
        "{}",
        replayed.stderr
    );
    assert!(pipeline.segments("results", 0).len() > stored.len() + 1);
    let report = pipeline.verify(0);
    assert_eq!(report["results"], 10 + EVENTS + MORE);
    pipeline.check_published(&pipeline.expected());
}
