//! What goes on by itself.

use super::*;

#[test]
fn where_store_and_group_agree_it_continues() {
    let pipeline = stored(20);
    store_more(&pipeline, 10);
    pipeline.check();
    assert_eq!(commit_of(&pipeline).0, 30);
}

#[test]
fn what_was_published_and_not_stored_is_replayed_and_not_published_again() {
    let pipeline = stored(20);
    crash_after(&pipeline, 30);
    // Also when it dies while it replays, and when nothing is in the first snapshot.
    let running = pipeline.run().args(["--snapshot-interval", "1h"]).spawn();
    running.kill();
    send_more(&pipeline, 10);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn what_was_published_before_the_first_snapshot_is_replayed() {
    let pipeline = Pipeline::new(1, Place::folder());
    crash_after(&pipeline, 30);
    assert_eq!(
        pipeline.manifests(0).len(),
        1,
        "manifest 1 comes before the first commit"
    );
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn a_damaged_newest_manifest_is_kept_and_its_events_are_replayed() {
    let pipeline = stored(20);
    store_more(&pipeline, 30);
    let damaged = newest_manifest(&pipeline);
    let whole = fs::read(&damaged).expect("a manifest");
    fs::write(&damaged, &whole[..whole.len() / 2]).expect("a writable store");

    let finished = pipeline.run_to_end().run().expect_code(0);
    let name = damaged.display().to_string();
    assert!(finished.stderr.contains(&name), "{}", finished.stderr);
    assert_eq!(
        fs::read(&damaged).expect("still there").len(),
        whole.len() / 2,
        "never rewritten"
    );
    store_more(&pipeline, 10);
    pipeline.check();
}

#[test]
fn a_missing_segment_is_said_and_found() {
    let pipeline = stored(20);
    store_more(&pipeline, 30);
    let segment = pipeline.segments("results", 0).pop().expect("a segment");
    fs::remove_file(&segment).expect("a file");
    let finished = pipeline.run_to_end().args(["--scrub", "off"]).run();
    let name = segment.display().to_string();
    assert!(finished.stderr.contains(&name), "{}", finished.stderr);
    assert_eq!(pipeline.findings(), ["missing-segment".to_owned()].into());
    pipeline.check_published(&pipeline.expected());
}

#[test]
fn a_damaged_segment_is_said_and_found() {
    let pipeline = stored(50);
    let segment = pipeline.segments("results", 0).pop().expect("a segment");
    let mut bytes = fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&segment, bytes).expect("a writable store");
    let finished = pipeline.run_to_end().args(["--scrub", "off"]).run();
    let name = segment
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    assert!(finished.stderr.contains(&name), "{}", finished.stderr);
    assert_eq!(pipeline.findings(), ["digest-mismatch".to_owned()].into());
}

#[test]
fn a_live_segment_in_the_attic_is_put_back() {
    let pipeline = stored(20);
    let segment = pipeline.segments("results", 0).pop().expect("a segment");
    let root = pipeline.store.path().join(&pipeline.events);
    let inside = segment
        .strip_prefix(&root)
        .expect("a segment of this topic");
    let attic = root.join("_attic").join(inside);
    fs::create_dir_all(attic.parent().expect("a folder")).expect("a writable store");
    fs::rename(&segment, &attic).expect("a writable store");
    assert_eq!(pipeline.findings(), ["misplaced-segment".to_owned()].into());
    store_more(&pipeline, 10);
    assert!(segment.exists() && !attic.exists());
    pipeline.check();
}

#[test]
fn a_segment_that_no_manifest_lists_goes_to_the_attic() {
    let pipeline = stored(20);
    // As a process leaves it that dies between the segment and its manifest.
    let segment = pipeline.segments("results", 0).pop().expect("a segment");
    let name = segment
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let (range, _) = name.rsplit_once('-').expect("range-id.parquet");
    let orphan = segment.with_file_name(format!("{range}-00000000.parquet"));
    fs::copy(&segment, &orphan).expect("a writable store");
    assert_eq!(pipeline.findings(), ["orphan".to_owned()].into());
    store_more(&pipeline, 10);
    assert!(segment.exists() && !orphan.exists());
    pipeline.check();
}

#[test]
fn a_deleted_group_with_nothing_behind_the_store_continues() {
    let pipeline = stored(20);
    delete_group(&pipeline.brokers, &pipeline.group);
    pipeline.run_to_end().run().expect_code(0);
    store_more(&pipeline, 10);
    pipeline.check();
}
