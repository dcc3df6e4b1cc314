//! Somebody else moved the group, or deleted it: refused.

use super::*;

#[test]
fn what_a_stranger_committed_is_refused_and_may_be_published() {
    let pipeline = stored(10);
    send_more(&pipeline, 20);
    commit_elsewhere(&pipeline, 25);
    let refusal = refused("committed-by-a-stranger", &pipeline, &[]);
    refusal.resolve_with("--resume-from frontier");
    pipeline.check();
}

#[test]
fn what_a_stranger_committed_is_refused_and_may_be_skipped() {
    let pipeline = stored(10);
    send_more(&pipeline, 20);
    commit_elsewhere(&pipeline, 25);
    let refusal = refused("committed-by-a-stranger", &pipeline, &[]);
    refusal.resolve_with("--resume-from committed");
    pipeline.check_against(
        &only(&pipeline, |offset| !(10..25).contains(&offset)),
        lost(15),
    );
}

#[test]
fn a_group_that_was_reset_is_refused() {
    let pipeline = stored(20);
    commit_elsewhere(&pipeline, 5);
    send_more(&pipeline, 10);
    let refusal = refused("group-reset", &pipeline, &[]);
    refusal.resolve_with("--resume-from frontier");
    pipeline.check();

    // Or the history begins anew, beside the old one.
    commit_elsewhere(&pipeline, 0);
    refusal.begin_anew();
    let fresh = pipeline.fresh(&["group", "store"]);
    fresh.check_stored(&fresh.expected(), lost(0));
}

#[test]
fn a_deleted_group_with_more_events_than_the_store_is_refused() {
    let pipeline = stored(20);
    delete_group(&pipeline.brokers, &pipeline.group);
    send_more(&pipeline, 10);
    let refusal = refused("group-deleted", &pipeline, &[]);
    refusal.resolve_with("--resume-from frontier");
    pipeline.check();
}
