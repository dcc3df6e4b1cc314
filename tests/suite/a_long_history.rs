//! `gc`, by command and by a running processor: a history of hundreds of snapshots is small afterwards, nothing that counts is
//! gone, and whoever dies in the middle of it leaves what the next one goes on from.
//!
//! What is removed must be a day old: the tests put the times of the files back.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::support::{Program, S3Server, eventually, snapback};

/// More than what always stays, and what is worth a round at rest.
const MANIFESTS: usize = 320;
const A_DAY_AND_MORE: Duration = Duration::from_secs(25 * 60 * 60);

/// The folder in which a store has its files; of a bucket, that of its server.
fn folder(pipeline: &Pipeline) -> PathBuf {
    let store = match &pipeline.store {
        Place::Folder { .. } => pipeline.store.path(),
        Place::Bucket { server, prefix } => server.bucket_folder().join(prefix),
    };
    store.join(&pipeline.events)
}

fn manifests(pipeline: &Pipeline) -> Vec<PathBuf> {
    let folder = folder(pipeline).join("_manifests/partition=0");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|name| name == "json"));
    paths.sort();
    paths
}

/// All files become a day older, and more.
fn age(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            age(&path);
        } else {
            let file = File::options().write(true).open(&path).expect("a file");
            let then = SystemTime::now() - A_DAY_AND_MORE;
            file.set_modified(then).expect("a time");
        }
    }
}

/// A partition with hundreds of snapshots, a day ago.
fn long_history(place: Place) -> Pipeline {
    let pipeline = Pipeline::new(1, place);
    let mut running = pipeline
        .run()
        .args(["--commit-interval", "5ms", "--snapshot-interval", "100ms"])
        .spawn();
    let mut sent = 0;
    eventually(LIMIT * 4, "hundreds of snapshots", || {
        pipeline.send_numbers(0, sent..sent + 3);
        sent += 3;
        (manifests(&pipeline).len() > MANIFESTS).then_some(())
    });
    wait_until_committed(&pipeline, sent);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    // Nothing is left to be merged: whoever merges makes a new manifest, and with it the partition is at rest no more.
    snapback(["compact", "--events", &pipeline.events, "--apply"])
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .run()
        .expect_code(0);
    age(&folder(&pipeline));
    pipeline
}

/// The same, with a file that no manifest lists, and one that a repair has superseded long ago.
pub fn with_something_of_everything(place: Place) -> Pipeline {
    let pipeline = long_history(place);
    let results = folder(&pipeline).join("results/partition=0");
    let first = fs::read_dir(&results).expect("a folder").flatten().next();
    let bytes = fs::read(first.expect("a segment").path()).expect("a segment");
    let attic = folder(&pipeline).join("_attic/results/partition=0");
    fs::create_dir_all(&attic).expect("a folder");
    for id in ["00000001", "00000002"] {
        let name = format!("{:020}-{:020}-{id}.parquet", 0, 3);
        fs::write(attic.join(name), &bytes).expect("a file");
    }
    // Noted long ago: one goes at once, the other is new.
    let noted = folder(&pipeline).join("_gc");
    fs::create_dir_all(&noted).expect("a folder");
    let orphan = format!(
        "{}/results/partition=0/{:020}-{:020}-00000001.parquet",
        pipeline.events, 0, 3
    );
    let note = serde_json::json!({"since": "2020-01-01T00:00:00Z", "head": 1});
    let notes = serde_json::json!({"format": 1, "unlisted": {orphan: note}});
    fs::write(noted.join("partition=0.json"), notes.to_string()).expect("a file");
    pipeline
}

pub fn gc(pipeline: &Pipeline, flags: &[&str]) -> Program {
    snapback(["gc", "--events", &pipeline.events])
        .args(flags)
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
}

fn json(pipeline: &Pipeline, flags: &[&str], code: i32) -> Value {
    let finished = gc(pipeline, flags)
        .args(["-o", "json"])
        .run()
        .expect_code(code);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

fn is_small(pipeline: &Pipeline) -> bool {
    let manifests = manifests(pipeline);
    let first = manifests[0].file_name().expect("a name");
    first.to_string_lossy().trim_start_matches('0') != "1.json" && manifests.len() <= 400
}

fn a_history_is_small_afterwards(place: Place) {
    let pipeline = long_history(place);
    let before = manifests(&pipeline);
    let planned = json(&pipeline, &[], 1);
    assert_eq!(manifests(&pipeline), before, "a plan changes nothing");
    let done = json(&pipeline, &["--apply"], 0);
    for member in ["manifests", "files", "bytes"] {
        assert_eq!(planned[member], done[member], "{planned} {done}");
    }
    assert!(done["manifests"].as_u64() > Some(100), "{done}");
    assert!(is_small(&pipeline), "{:?}", manifests(&pipeline).len());
    let again = gc(&pipeline, &[]).run().expect_code(0);
    assert_eq!(again.stdout, "nothing to delete\n");
    pipeline.check();
    let looked = snapback(["lookup", "0/5", "--events", &pipeline.events])
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .run();
    looked.expect_code(0);
    // The group goes on as if nothing had been.
    pipeline.send_numbers(0, 5_000..5_010);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn a_folder_is_small_after_gc_and_a_damaged_manifest_stops_it() {
    let pipeline = long_history(Place::folder());
    let damaged = manifests(&pipeline)[250].clone();
    let good = fs::read(&damaged).expect("a manifest");
    fs::write(&damaged, "{}").expect("a writable store");
    let stopped = gc(&pipeline, &["--apply"]).run().expect_code(1);
    let name = damaged.file_name().expect("a name").to_string_lossy();
    assert!(stopped.stdout.contains(&*name), "{stopped:?}");
    assert!(stopped.stdout.contains("cannot be read"), "{stopped:?}");
    let first = manifests(&pipeline)[0].clone();
    assert!(first.ends_with("00000000000000000001.json"), "{first:?}");
    fs::write(&damaged, good).expect("a writable store");
    age(&folder(&pipeline));
    gc(&pipeline, &["--apply"]).run().expect_code(0);
    assert!(is_small(&pipeline));
    pipeline.check();
}

#[test]
fn a_folder_is_small_after_gc() {
    a_history_is_small_afterwards(Place::folder());
}

#[test]
fn a_bucket_is_small_after_gc() {
    // Private: of this one the folder is known, and its objects can be made older.
    let server: &'static S3Server = Box::leak(Box::new(S3Server::start()));
    a_history_is_small_afterwards(Place::bucket(server));
}

#[test]
fn a_running_processor_makes_its_history_small_by_itself() {
    let pipeline = with_something_of_everything(Place::folder());
    let mut running = pipeline.run().args(["--snapshot-interval", "1h"]).spawn();
    eventually(LIMIT, "a small history", || {
        is_small(&pipeline).then_some(())
    });
    let attic = folder(&pipeline).join("_attic/results/partition=0");
    // Compaction may bring others there.
    let noted = attic.join(format!("{:020}-{:020}-00000001.parquet", 0, 3));
    eventually(LIMIT, "no old orphan", || (!noted.exists()).then_some(()));
    pipeline.send_numbers(0, 5_000..5_010);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn gc_that_is_killed_anywhere_is_finished_by_the_next() {
    let pipeline = with_something_of_everything(Place::folder());
    for point in [
        "oldest-raised=40*off->return",
        "orphans-noted=return",
        "file-collected=return",
        "manifest-collected=60*off->return",
    ] {
        let killed = gc(&pipeline, &["--apply"]).env("FAILPOINTS", point).run();
        assert!(
            killed.signal == Some(libc::SIGABRT)
                && killed.stderr.contains("dies at the fail point"),
            "{point}: {killed:?}"
        );
        assert_eq!(pipeline.verify(0)["clean"], true, "{point}");
    }
    gc(&pipeline, &["--apply"]).run().expect_code(0);
    assert!(is_small(&pipeline));
    pipeline.check();
}

#[test]
fn keep_cannot_be_less_than_six_hours() {
    let pipeline = Pipeline::new(1, Place::folder());
    fs::create_dir_all(pipeline.store.path()).expect("a folder");
    let refused = gc(&pipeline, &["--keep", "5h"]).run().expect_code(2);
    assert!(refused.stderr.contains("--keep"), "{refused:?}");
}

#[test]
fn what_is_not_there_needs_a_person() {
    let sample = |args: &[&str]| {
        let root = env!("CARGO_MANIFEST_DIR");
        let program = snapback(["gc"]).args(args).current_dir(root).run();
        program.expect_code(2).stderr
    };
    let topic = sample(&["--events", "nothing"]);
    assert!(topic.contains("nothing"), "{topic}");
    let partition = sample(&["--events", "sample", "--partition", "99"]);
    assert!(partition.contains("99"), "{partition}");
}
