//! Events that nobody has stored are gone from Kafka: refused until exactly they are accepted.

use super::*;

#[test]
fn events_that_expired_unread_are_refused_until_exactly_they_are_accepted() {
    let pipeline = stored(10);
    send_more(&pipeline, 20);
    let all = pipeline.expected();
    delete_records(&pipeline.brokers, &pipeline.events, 0, 25);
    let refusal = refused("expired-unread", &pipeline, &[]);
    for (name, range) in [
        ("expired-unread-too-few", "0:10-24"),
        ("expired-unread-too-many", "0:9-26"),
    ] {
        refused(name, &pipeline, &["--accept-loss", range]);
    }
    refusal.resolve_with("--accept-loss 0:10-25");
    let expected = all.only(|(_, offset)| !(10..25).contains(&offset));
    pipeline.check_against(&expected, lost(15));

    // Accepted once and for all; the flag does no harm.
    let again = refusal.resolve_with("--accept-loss 0:10-25");
    assert!(again.stderr.contains("not needed"), "{}", again.stderr);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check_against(&expected, lost(15));
}

#[test]
fn all_partitions_with_expired_events_are_accepted_by_one_command_and_the_others_go_on() {
    let pipeline = Pipeline::new(3, Place::folder());
    for partition in 0..3 {
        pipeline.send_numbers(partition, 0..10);
    }
    pipeline.run_to_end().run().expect_code(0);
    for partition in 0..3 {
        pipeline.send_numbers(partition, 10..30);
    }
    let all = pipeline.expected();
    delete_records(&pipeline.brokers, &pipeline.events, 0, 20);
    delete_records(&pipeline.brokers, &pipeline.events, 2, 30);

    let finished = pipeline.run_to_end().run().expect_code(4);
    let not_held = all
        .clone()
        .only(|(partition, offset)| partition == 1 || offset < 10);
    pipeline.check_against(&not_held, lost(0));

    let commands = printed_commands(&finished);
    let both = |command: &&String| {
        command.contains("--accept-loss 0:10-20") && command.contains("--accept-loss 2:10-30")
    };
    let together = commands
        .iter()
        .find(both)
        .unwrap_or_else(|| panic!("{commands:#?}"));
    in_a_shell(together).run().expect_code(0);
    let expected = all.only(|(partition, offset)| match partition {
        0 => !(10..20).contains(&offset),
        2 => offset < 10,
        _ => true,
    });
    pipeline.check_against(&expected, lost(30));
}

#[test]
fn a_held_partition_does_not_stop_the_others() {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(0, 0..10);
    pipeline.send_numbers(1, 0..10);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.send_numbers(0, 10..30);
    delete_records(&pipeline.brokers, &pipeline.events, 0, 20);
    let mut running = pipeline.run().spawn();
    pipeline.send_numbers(1, 10..40);
    wait_until_committed(&pipeline, 10 + 40);
    assert!(running.is_running());
    running.signal(libc::SIGTERM);
    let finished = running.wait(LIMIT);
    assert!(
        finished.stderr.contains("--accept-loss 0:10-20"),
        "{}",
        finished.stderr
    );
    let commits = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    assert_eq!(
        commits[&0].as_ref().map(|(offset, _)| *offset),
        Some(10),
        "held where it was"
    );
}

#[test]
fn events_that_expired_behind_another_programs_commit_are_refused() {
    let pipeline = Pipeline::new(1, Place::folder());
    send_more(&pipeline, 30);
    let all = pipeline.expected();
    commit_elsewhere(&pipeline, 4);
    delete_records(&pipeline.brokers, &pipeline.events, 0, 10);
    let refusal = refused("expired-behind-a-foreign-commit", &pipeline, &[]);
    refusal.resolve_with("--accept-loss 0:4-10");
    pipeline.check_against(&all.only(|(_, offset)| offset >= 10), lost(6));
}

#[test]
fn published_events_that_are_gone_before_their_snapshot_are_refused() {
    let pipeline = stored(10);
    crash_after(&pipeline, 20);
    let all = pipeline.expected();
    delete_records(&pipeline.brokers, &pipeline.events, 0, 25);
    let refusal = refused("gone-before-their-snapshot", &pipeline, &[]);
    refusal.resolve_with("--accept-loss 0:10-25");
    pipeline.check_published(&all);
    pipeline.check_stored(
        &all.only(|(_, offset)| !(10..25).contains(&offset)),
        lost(15),
    );
}

#[test]
fn a_log_that_ends_before_the_committed_offset_is_refused() {
    let pipeline = stored(20);
    commit_elsewhere(&pipeline, 100);
    let refusal = refused("truncated", &pipeline, &[]);
    refusal.begin_anew();
    let fresh = pipeline.fresh(&["group", "store", "results"]);
    fresh.check_stored(&fresh.expected(), lost(0));
}
