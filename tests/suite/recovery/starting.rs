//! Where a group starts of which nothing is stored.

use super::*;

#[test]
fn a_new_group_starts_at_the_earliest_event() {
    let pipeline = Pipeline::new(1, Place::folder());
    send_more(&pipeline, 20);
    delete_records(&pipeline.brokers, &pipeline.events, 0, 5);
    pipeline
        .run_to_end()
        .args(["--start", "earliest"])
        .run()
        .expect_code(0);
    // Expired before anybody wanted them: no loss.
    pipeline.check();
    assert_eq!(pipeline.expected().results.len(), 15);
}

#[test]
fn a_new_group_starts_behind_the_latest_event_when_told_to() {
    let pipeline = Pipeline::new(1, Place::folder());
    send_more(&pipeline, 20);
    pipeline
        .run_to_end()
        .args(["--start", "latest"])
        .run()
        .expect_code(0);
    assert!(read_all(&pipeline.brokers, &pipeline.results).is_empty());
    // What it started with is remembered: the flag has no meaning any more.
    send_more(&pipeline, 5);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check_against(&only(&pipeline, |offset| offset >= 20), lost(0));
}

#[test]
fn a_new_group_starts_at_a_time_when_told_to() {
    let pipeline = Pipeline::new(1, Place::folder());
    send_more(&pipeline, 20);
    pipeline
        .run_to_end()
        .args(["--start", "2020-02-02T20:20:20Z"])
        .run()
        .expect_code(0);
    pipeline.check();
    let second = pipeline.fresh(&["group", "store"]);
    second
        .run_to_end()
        .args(["--start", "2120-02-02T20:20:20Z"])
        .run()
        .expect_code(0);
    // Nothing is as young as that: it stands at the end.
    second.check_verified(&Outcomes::default(), lost(0));
    pipeline.check();
}

#[test]
fn what_another_program_committed_is_where_it_goes_on() {
    let pipeline = Pipeline::new(1, Place::folder());
    send_more(&pipeline, 20);
    commit_elsewhere(&pipeline, 8);
    let finished = pipeline.run_to_end().run().expect_code(0);
    let says = "committed at 8 by another program";
    assert!(finished.stderr.contains(says), "{}", finished.stderr);
    pipeline.check_against(&only(&pipeline, |offset| offset >= 8), lost(0));
}
