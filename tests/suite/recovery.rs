//! The recovery table on a real broker, row by row: what goes on, what is refused, and that the printed command
//! resolves a refusal.
//!
//! The whole text of each refusal is held by a file in `snapshots/`. `INSTA_UPDATE=always cargo test` rewrites them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::outside::{
    LIMIT, Offsets, Outcomes, Pipeline, Place, committed_events, in_a_shell, number_of_events,
    printed_commands, wait_until_committed,
};
use crate::support::process::Finished;
use crate::support::{
    Kafka, commit_as_stranger, commit_with_metadata, committed, create_topic, delete_group,
    delete_records, delete_topic, read_all, snapback, unique,
};

/// A pipeline with one partition whose events `0..events` are processed and in the store.
pub fn stored(events: i64) -> Pipeline {
    let pipeline = Pipeline::new(1, Place::folder());
    store_more(&pipeline, events);
    pipeline
}

/// Sends numbers that continue those of partition 0, as many, and has them processed and stored.
pub fn store_more(pipeline: &Pipeline, events: i64) {
    send_more(pipeline, events);
    pipeline.run_to_end().run().expect_code(0);
}

/// Sends numbers that continue those of partition 0, as many.
fn send_more(pipeline: &Pipeline, events: i64) {
    let first = number_of_events(pipeline);
    pipeline.send_numbers(0, first..first + events);
}

/// Leaves published and committed outcomes behind that are in no snapshot.
fn crash_after(pipeline: &Pipeline, events: i64) {
    let before = pipeline.segments("results", 0);
    let target = committed_events(pipeline) + events;
    send_more(pipeline, events);
    let running = pipeline.run().args(["--snapshot-interval", "1h"]).spawn();
    wait_until_committed(pipeline, target);
    running.kill();
    assert_eq!(
        pipeline.segments("results", 0),
        before,
        "nothing is to be stored before the crash"
    );
}

/// The group's commit for partition 0.
fn commit_of(pipeline: &Pipeline) -> (i64, Value) {
    let commits = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    let (offset, metadata) = commits[&0].clone().expect("a committed offset");
    let metadata = serde_json::from_str(&metadata).expect("metadata of ours");
    (offset, metadata)
}

/// Writes the group's commit for partition 0 again, with other metadata.
fn forge_commit(pipeline: &Pipeline, change: impl FnOnce(&mut Value)) {
    let (offset, mut metadata) = commit_of(pipeline);
    change(&mut metadata);
    let metadata = metadata.to_string();
    commit_with_metadata(
        &pipeline.brokers,
        &pipeline.group,
        &pipeline.events,
        (0, offset),
        &metadata,
    );
}

/// Moves the group as an operator's tool or another consumer does.
fn commit_elsewhere(pipeline: &Pipeline, offset: i64) {
    commit_as_stranger(
        &pipeline.brokers,
        &pipeline.group,
        &pipeline.events,
        &[(0, offset)],
    );
}

fn newest_manifest(pipeline: &Pipeline) -> std::path::PathBuf {
    pipeline.manifests(0).pop().expect("a manifest")
}

/// Changes a manifest as somebody does who knows how its digest is made.
pub fn forge_manifest(path: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path).expect("a manifest");
    let body = text
        .rsplit_once("\"digest\":\"")
        .expect("a digest at its end")
        .0;
    let body = change(body.to_owned());
    let digest = hex::encode(Sha256::digest(&body));
    fs::write(path, format!("{body}\"digest\":\"sha256:{digest}\"\n}}\n"))
        .expect("a writable store");
}

/// A refusal: exit code 4, the text, and the commands in it.
struct Refusal {
    store: String,
    commands: Vec<String>,
}

/// Runs it to its refusal, whose text is held under `name`.
#[track_caller]
fn refused(name: &str, pipeline: &Pipeline, flags: &[&str]) -> Refusal {
    let finished = pipeline.run_to_end().args(flags).run().expect_code(4);
    hold(name, pipeline, &finished);
    let commands = printed_commands(&finished);
    assert!(!commands.is_empty(), "no command:\n{}", finished.stderr);
    Refusal {
        store: pipeline.store.url(),
        commands,
    }
}

impl Refusal {
    /// The only printed command with this text.
    #[track_caller]
    fn command(&self, part: &str) -> &str {
        let mut found = self
            .commands
            .iter()
            .filter(|command| command.contains(part));
        match (found.next(), found.next()) {
            (Some(command), None) => command,
            found => panic!("{part}: {found:?} of {:#?}", self.commands),
        }
    }

    /// Runs the only printed command with this text, which resolves the refusal.
    #[track_caller]
    fn resolve_with(&self, part: &str) -> Finished {
        run(self.command(part))
    }

    /// Runs the printed command that leaves this history alone and begins another.
    #[track_caller]
    fn begin_anew(&self) {
        self.resolve_with(&format!("--store {}-2 ", self.store));
    }

    /// Runs the printed command that is the refused one again, after what it depends on has changed.
    #[track_caller]
    fn run_again(&self) {
        self.resolve_with(&format!("--store {} ", self.store));
    }
}

/// Runs a printed command, which resolves the refusal.
#[track_caller]
fn run(command: &str) -> Finished {
    in_a_shell(command).run().expect_code(0)
}

/// Holds what a program logged, without what differs from run to run.
#[track_caller]
fn hold(name: &str, pipeline: &Pipeline, finished: &Finished) {
    // Longest first: one may be a part of another.
    let mut values: Vec<(String, &str)> = vec![
        (pipeline.brokers.clone(), "BROKERS"),
        (pipeline.events.clone(), "EVENTS"),
        (pipeline.results.clone(), "RESULTS"),
        (pipeline.group.clone(), "GROUP"),
        (pipeline.store.path().display().to_string(), "STORE"),
    ];
    values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    let mut text = finished.stderr.clone();
    for (value, name) in values {
        text = text.replace(&value, name);
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, replacement) in [
        // In the log: when, and how long it took.
        // Ids of topics and clusters.
        (
            r"[A-Za-z0-9+/_-]{22}(\s+there,\s+)[A-Za-z0-9+/_-]{22}",
            "ID${1}OTHER",
        ),
        (
            r"[A-Za-z0-9+/_-]{22} in the store, [A-Za-z0-9+/_-]{22} here",
            "ID in the store, OTHER here",
        ),
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "TIME"),
        (r"\d+(\.\d+)?(ns|µs|ms|s)\b", "DURATION"),
        (r"sha256:[0-9a-f]{64}", "DIGEST"),
        (r"\b[0-9a-f]{16}\b", "FINGERPRINT"),
        (r"-[0-9a-f]{8}\.parquet", "-ID.parquet"),
        // Names that another pipeline has.
        (r"\b(events|results|group)-t\d{4}\b", "OTHER"),
        (
            r"snapback \d+\.\d+\.\d+ \S+/\d+",
            "snapback VERSION INSTANCE",
        ),
    ] {
        settings.add_filter(pattern, replacement);
    }
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The same pipeline with a copy of its store, which has since gone on from 20 to 50.
fn older_copy(pipeline: &Pipeline) -> Pipeline {
    let older = pipeline.with_store(pipeline.store.copy());
    store_more(pipeline, 15);
    // A commit names the newest manifest before it: only from here on does one name a manifest that the copy lacks.
    store_more(pipeline, 15);
    older
}

/// Only the events with offsets below, or from, and so on.
fn only(pipeline: &Pipeline, keep: impl Fn(i64) -> bool) -> Outcomes {
    pipeline.expected().only(|(_, offset)| keep(offset))
}

fn lost(lost: u64) -> Offsets {
    Offsets { absent: 0, lost }
}

// What goes on.

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
    let finished = pipeline.run_to_end().run();
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
    let finished = pipeline.run_to_end().run();
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

// What is refused.

#[test]
fn the_store_of_another_group_is_refused() {
    let pipeline = stored(20);
    let mut other = pipeline.with_store(pipeline.store.beside(""));
    other.group = unique("group");
    let refusal = refused("other-group", &other, &[]);
    send_more(&pipeline, 10);
    refusal.resolve_with(&format!("--group {}", pipeline.group));
    pipeline.check();

    // Or with a store of its own, and then everything is published by this group too.
    refusal.begin_anew();
    let fresh = other.with_store(other.store.beside("-2"));
    fresh.check_stored(&fresh.expected(), lost(0));
}

#[test]
fn the_store_of_another_results_topic_is_refused() {
    let pipeline = stored(20);
    let mut other = pipeline.with_store(pipeline.store.beside(""));
    other.results = unique("results");
    let refusal = refused("other-results-topic", &other, &[]);
    refusal.resolve_with(&format!("--results {}", pipeline.results));
    pipeline.check();
}

#[test]
fn a_recreated_events_topic_is_refused() {
    let pipeline = stored(20);
    delete_topic(&pipeline.brokers, &pipeline.events);
    create_topic(&pipeline.brokers, &pipeline.events, 1);
    pipeline.send_numbers(0, 100..130);
    let refusal = refused("recreated-topic", &pipeline, &[]);
    refusal.begin_anew();
    let fresh = pipeline.fresh(&["group", "store"]);
    fresh.check_stored(&fresh.expected(), lost(0));
    // Nothing of the old history was touched.
    assert_eq!(pipeline.verify(0)["results"], 20);
}

#[test]
fn a_results_topic_with_another_number_of_partitions_is_refused() {
    let pipeline = stored(20);
    delete_topic(&pipeline.brokers, &pipeline.results);
    create_topic(&pipeline.brokers, &pipeline.results, 2);
    let refusal = refused("results-partitions", &pipeline, &[]);
    refusal.begin_anew();
    let fresh = pipeline.fresh(&["group", "store", "results"]);
    fresh.check_stored(&fresh.expected(), lost(0));
}

#[test]
fn the_store_of_another_cluster_is_refused() {
    let pipeline = stored(20);
    let broker = Kafka::start(&[]);
    let mut elsewhere = pipeline.with_store(pipeline.store.beside(""));
    elsewhere.brokers = broker.brokers().to_owned();
    create_topic(&elsewhere.brokers, &elsewhere.events, 1);
    elsewhere.send_numbers(0, 100..110);
    let refusal = refused("other-cluster", &elsewhere, &[]);
    refusal.begin_anew();
    elsewhere.fresh(&["group", "store"]).check();
}

#[test]
fn a_newer_manifest_is_refused() {
    let pipeline = stored(20);
    let manifest = newest_manifest(&pipeline);
    let original = fs::read(&manifest).expect("a manifest");
    forge_manifest(&manifest, |body| {
        body.replacen("\"format_version\":1", "\"format_version\":2", 1)
    });
    let refusal = refused("newer-manifest", &pipeline, &[]);
    // Commands that only read refuse as well: what they cannot judge is not damaged.
    for command in ["verify", "snapshots"] {
        let reading = snapback([command, "--events", &pipeline.events]);
        let reading = reading.args(pipeline.store_args()).run().expect_code(4);
        assert!(reading.stderr.contains("newer"), "{}", reading.stderr);
    }
    refusal.begin_anew();
    let fresh = pipeline.fresh(&["group", "store", "results"]);
    fresh.check_stored(&fresh.expected(), lost(0));

    // The other way out is the program that can read it; to that one it looks as this does to ours.
    fs::write(&manifest, original).expect("a writable store");
    refusal.run_again();
    pipeline.check();
}

#[test]
fn newer_commit_metadata_are_refused() {
    let pipeline = stored(20);
    let (_, original) = commit_of(&pipeline);
    forge_commit(&pipeline, |metadata| metadata["v"] = json!(2));
    let refusal = refused("newer-commit", &pipeline, &[]);
    refusal.begin_anew();
    let fresh = pipeline.fresh(&["group", "store", "results"]);
    fresh.check_stored(&fresh.expected(), lost(0));

    forge_commit(&pipeline, |metadata| *metadata = original);
    refusal.run_again();
    pipeline.check();
}

#[test]
fn an_emptied_or_wrong_store_is_refused() {
    let pipeline = stored(20);
    let wrong = pipeline.with_store(pipeline.store.beside("-wrong"));
    let refusal = refused("wrong-store", &wrong, &[]);
    let right = refusal.command("THE_RIGHT_STORE");
    run(&right.replace("THE_RIGHT_STORE", &pipeline.store.url()));
    pipeline.check();

    // Or it is not wrong: the old one is gone.
    refusal.resolve_with("--resume-from committed");
    store_more(&wrong, 10);
    wrong.check_published(&wrong.expected());
    wrong.check_stored(&only(&wrong, |offset| offset >= 20), lost(0));
}

#[test]
fn an_older_copy_of_the_store_is_refused_and_may_publish_again() {
    let pipeline = stored(20);
    let older = older_copy(&pipeline);
    let refusal = refused("older-store", &older, &[]);
    assert_eq!(refusal.commands.len(), 3, "{:#?}", refusal.commands);
    refusal.resolve_with("--resume-from frontier");
    let expected = older.expected();
    older.check_stored(&expected, lost(0));
    older.check_published_at_least_once(&expected);
    assert_eq!(read_all(&older.brokers, &older.results).len(), 50 + 30);
}

#[test]
fn an_older_copy_of_the_store_is_refused_and_may_record_a_gap() {
    let pipeline = stored(20);
    let older = older_copy(&pipeline);
    let refusal = refused("older-store", &older, &[]);
    refusal.resolve_with("--resume-from committed");
    store_more(&older, 10);
    older.check_published(&older.expected());
    older.check_stored(
        &only(&older, |offset| !(20..50).contains(&offset)),
        lost(30),
    );
}

#[test]
fn a_store_without_any_readable_manifest_is_refused() {
    let pipeline = stored(20);
    let originals: BTreeMap<_, _> = pipeline
        .manifests(0)
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).expect("a manifest")))
        .collect();
    for path in originals.keys() {
        fs::write(path, "{").expect("a writable store");
    }
    let refusal = refused("unreadable", &pipeline, &[]);
    refusal.begin_anew();
    let fresh = pipeline.fresh(&["group", "store", "results"]);
    fresh.check_stored(&fresh.expected(), lost(0));

    for (path, original) in originals {
        fs::write(path, original).expect("a writable store");
    }
    refusal.run_again();
    pipeline.check();
}

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
    const EVENTS: i64 = 700_000;
    const LITTLE: [&str; 2] = ["--memory", "64MiB"];
    let pipeline = stored(10);
    let stored = pipeline.segments("results", 0);
    send_more(&pipeline, EVENTS);
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
    let replayed = pipeline.run_to_end().args(LITTLE).run().expect_code(0);
    assert!(
        replayed.stderr.contains("counting it first"),
        "{}",
        replayed.stderr
    );
    assert!(pipeline.segments("results", 0).len() > stored.len() + 1);
    let report = pipeline.verify(0);
    assert_eq!(report["results"], 10 + EVENTS);
    pipeline.check_published(&pipeline.expected());
}
