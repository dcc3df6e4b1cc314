//! Stored files that cannot be read: they hide no other partition, and hold their own alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::sample::{self, Copy};
use crate::support::{Status, eventually, snapback};
use crate::unknown_files::verified;

/// A store with one partition that cannot be read in some way; the other is verified and listed.
fn one_of_two_is_unreadable(spoil: impl Fn(&Copy)) {
    let store = sample::copy();
    spoil(&store);
    let report = verified(&store, 1);
    let findings = report["findings"].as_array().expect("a list");
    assert!(
        !findings.is_empty() && findings.iter().all(|finding| finding["partition"] == 1),
        "{report:#}"
    );
    assert_eq!(report["partitions"], 2);
    let whole = verified(&sample::copy(), 0);
    assert!(report["results"].as_u64() >= Some(whole["results"].as_u64().expect("a number") / 3));
    let listed = store
        .snapback(&["snapshots", "-o", "json"])
        .run()
        .expect_code(0);
    let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    assert_eq!(listed["partitions"][0]["partition"], 0, "{listed:#}");
    store
        .snapback(&["verify", "--partition", "0"])
        .run()
        .expect_code(0);
}

/// Root may read everything, and these tests may run as root: a link to itself is for nobody to read.
fn spoil_file(path: &Path) {
    fs::remove_file(path).expect("a file");
    symlink(path.file_name().expect("a name"), path).expect("a link");
}

fn newest(folder: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("a file").path())
        .max()
        .expect("a file")
}

#[test]
fn an_unreadable_manifest_hides_no_other_partition() {
    one_of_two_is_unreadable(|store| spoil_file(&newest(&store.path("_manifests/partition=1"))));
}

#[test]
fn a_folder_of_manifests_that_is_a_link_to_nothing_hides_nothing() {
    one_of_two_is_unreadable(|store| {
        let folder = store.path("_manifests/partition=1");
        fs::remove_dir_all(&folder).expect("a folder");
        symlink("nowhere", &folder).expect("a link");
    });
}

/// What has the name of the newest manifest may be one, whatever it is: nobody may go on from an older one.
#[test]
fn what_lies_under_the_name_of_the_newest_manifest_is_never_passed_over() {
    type Spoil = fn(&Path);
    let spoils: [(&str, Spoil); 4] = [
        ("nowhere", |path| symlink("nowhere", path).expect("a link")),
        ("through", |path| {
            symlink("/dev/null/file", path).expect("a link");
        }),
        ("a socket", |path| {
            drop(std::os::unix::net::UnixListener::bind(path).expect("a socket"));
        }),
        ("a folder", |path| fs::create_dir(path).expect("a folder")),
    ];
    for (name, spoil) in spoils {
        eprintln!("{name}");
        one_of_two_is_unreadable(|store| {
            let newest = newest(&store.path("_manifests/partition=1"));
            fs::remove_file(&newest).expect("a file");
            let relative = Path::new(newest.file_name().expect("a name"));
            // A socket's path may not be long.
            let there = tempfile::tempdir().expect("a folder");
            let short = there.path().join("m");
            symlink(newest.parent().expect("a folder"), &short).expect("a link");
            spoil(&short.join(relative));
        });
    }
}

#[test]
fn an_unreadable_segment_hides_no_other_partition() {
    one_of_two_is_unreadable(|store| spoil_file(&newest(&store.path("results/partition=1"))));
}

#[test]
fn a_folder_of_manifests_that_leads_nowhere_hides_no_other_partition() {
    one_of_two_is_unreadable(|store| {
        let folder = store.path("_manifests/partition=1");
        fs::remove_dir_all(&folder).expect("a folder");
        symlink("partition=1", &folder).expect("a link");
    });
}

#[test]
fn places_of_mode_000_hide_no_other_partition() {
    let closed = |path: &Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("a folder of ours");
    };
    let is_root = is_root();
    for place in ["_manifests/partition=1", "results/partition=1"] {
        let store = sample::copy();
        closed(&store.path(place));
        let report = verified(&store, if is_root { 0 } else { 1 });
        assert_eq!(report["partitions"], 2, "{report:#}");
        store.snapback(&["snapshots"]).run().expect_code(0);
        fs::set_permissions(store.path(place), fs::Permissions::from_mode(0o700)).expect("ours");
    }
}

/// Two partitions, of which the second's newest manifest cannot be read.
fn one_of_two_cannot_be_recovered() -> (Pipeline, std::path::PathBuf, Vec<u8>) {
    let pipeline = Pipeline::new(2, Place::folder());
    for partition in 0..2 {
        pipeline.send_numbers(partition, 0..20);
    }
    pipeline.run_to_end().run().expect_code(0);
    let topic = pipeline.store.path().join(&pipeline.events);
    let manifest = newest(&topic.join("_manifests/partition=1"));
    let content = fs::read(&manifest).expect("a manifest");
    spoil_file(&manifest);
    for partition in 0..2 {
        pipeline.send_numbers(partition, 20..40);
    }
    (pipeline, manifest, content)
}

const IS_HELD: &str = "is held: what is stored of it cannot be read";

#[test]
fn a_partition_that_cannot_be_read_is_held_alone_and_goes_on_when_it_can() {
    let (pipeline, manifest, content) = one_of_two_cannot_be_recovered();
    let mut running = pipeline.run().spawn();
    wait_until_committed(&pipeline, 60);
    eventually(LIMIT, "a held partition", || {
        let log = running.stderr_so_far();
        log.contains(IS_HELD).then_some(())
    });
    assert!(!running.stderr_so_far().contains("recovery waits"));
    fs::remove_file(&manifest).expect("a link");
    fs::write(&manifest, content).expect("a writable folder");
    wait_until_committed(&pipeline, 80);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.check();
}

/// Several attempts at what cannot be read.
const ATTEMPTS: Duration = Duration::from_secs(7);

#[test]
fn partitions_that_cannot_be_read_have_one_reason_and_one_line() {
    let pipeline = Pipeline::new(3, Place::folder());
    for partition in 0..3 {
        pipeline.send_numbers(partition, 0..20);
    }
    pipeline.run_to_end().run().expect_code(0);
    let topic = pipeline.store.path().join(&pipeline.events);
    for partition in [1, 2] {
        spoil_file(&newest(
            &topic.join(format!("_manifests/partition={partition}")),
        ));
    }
    let mut running = pipeline.run().args(Status::ANYWHERE).spawn();
    let status = Status::of(&running);
    status.wait_until(LIMIT, "held partitions", |seen| held(seen) == 2);
    sleep(ATTEMPTS);
    let seen = status.seen();
    let reasons = seen["degraded"].as_array().expect("a list");
    let reasons: Vec<&Value> = reasons.iter().map(|one| &one["reason"]).collect();
    assert_eq!(reasons, ["partitions-held"], "{seen:#}");
    let log = running.stderr_so_far();
    let about: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("cannot be read"))
        .collect();
    assert_eq!(about.len(), 1, "{log}");
    let begins = format!("partitions 1, 2 of topic {} are held: ", pipeline.events);
    assert!(about[0].contains(&begins), "{log}");
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(4);
}

fn held(seen: &Value) -> usize {
    let partitions = seen["partitions"].as_array().expect("a list").iter();
    partitions.filter(|one| one["phase"] == "held").count()
}

/// Somebody whose rights the modes of files bound, as nobody's do who runs these tests as root.
const NOBODY: u32 = 65534;

/// Everything below `folder` is this user's.
fn give(folder: &Path, user: u32) {
    std::os::unix::fs::chown(folder, Some(user), Some(user)).expect("root may");
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => give(&path, user),
            false => std::os::unix::fs::chown(path, Some(user), Some(user)).expect("root may"),
        }
    }
}

#[test]
fn a_partition_whose_files_have_mode_000_is_held_alone_and_said_once() {
    let pipeline = Pipeline::new(2, Place::folder());
    for partition in 0..2 {
        pipeline.send_numbers(partition, 0..20);
    }
    pipeline.run_to_end().run().expect_code(0);
    let root = pipeline.store.path();
    let is_root = is_root();
    if is_root {
        fs::set_permissions(
            root.parent().expect("a folder"),
            fs::Permissions::from_mode(0o755),
        )
        .expect("a folder of ours");
        give(&root, NOBODY);
    }
    let closed = root.join(&pipeline.events).join("_manifests/partition=1");
    let set = |mode| fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).expect("ours");
    set(0o000);
    for partition in 0..2 {
        pipeline.send_numbers(partition, 20..40);
    }
    let program = pipeline.run().args(Status::ANYWHERE);
    let mut running = if is_root {
        program.by_user(NOBODY)
    } else {
        program
    }
    .spawn();
    wait_until_committed(&pipeline, 60);
    let status = Status::of(&running);
    let seen = status.wait_until(LIMIT, "a held partition", |seen| held(seen) == 1);
    assert_eq!(seen["partitions"][1]["phase"], "held", "{seen:#}");
    sleep(ATTEMPTS);
    let log = running.stderr_so_far();
    assert_eq!(log.matches(IS_HELD).count(), 1, "{log}");
    assert!(
        log.contains("no permission; check the owner and mode"),
        "{log}"
    );
    assert!(running.is_running(), "{log}");
    set(0o700);
    wait_until_committed(&pipeline, 80);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.check();
}

/// Whether modes mean nothing to whoever runs these tests.
fn is_root() -> bool {
    let probe = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(probe.path(), fs::Permissions::from_mode(0o000)).expect("ours");
    fs::read_dir(probe.path()).is_ok()
}

#[test]
fn statements_are_compared_as_far_as_the_store_can_be_read() {
    let store = sample::copy();
    let statement = store.path("statement.json");
    let statement = statement.to_str().expect("text");
    let verify = |flags: [&str; 2]| store.snapback(&["verify", "-o", "json"]).args(flags);
    verify(["--statement", statement]).run().expect_code(0);
    spoil_file(&newest(&store.path("results/partition=1")));
    let against = |code| -> Value {
        let finished = verify(["--against", statement]).run().expect_code(code);
        serde_json::from_str(&finished.stdout).expect("JSON")
    };
    let report = against(1);
    let compared = &report["against"];
    assert_eq!(compared["changed"], json!([]), "{report:#}");
    assert_eq!(compared["blocks"], 1, "{report:#}");
    let unread = compared["unread"].as_array().expect("a list");
    assert_eq!(unread.len(), 1, "{report:#}");
    assert_eq!(unread[0]["partition"], 1, "{report:#}");
    // The newest manifest as well: there is a report all the same, and nothing is stated.
    spoil_file(&newest(&store.path("_manifests/partition=1")));
    assert_eq!(against(1)["against"]["unread"][0]["partition"], 1);
    fs::remove_file(statement).expect("a statement");
    let report = verify(["--statement", statement]).run().expect_code(1);
    let report: Value = serde_json::from_str(&report.stdout).expect("JSON");
    assert_eq!(report["partitions"], 2, "{report:#}");
    assert!(!Path::new(statement).exists());
}

#[test]
fn a_run_to_the_end_ends_with_4_when_one_partition_cannot_be_read() {
    let (pipeline, manifest, content) = one_of_two_cannot_be_recovered();
    let ended = pipeline.run_to_end().run().expect_code(4);
    for part in ["partition 1", IS_HELD, "owner and mode"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert!(
        !ended.stderr.contains("partition 0 of topic"),
        "{}",
        ended.stderr
    );
    wait_until_committed(&pipeline, 60);
    fs::remove_file(&manifest).expect("a link");
    fs::write(&manifest, content).expect("a writable folder");
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}

#[test]
fn commands_do_the_other_partitions_and_end_with_3_when_one_cannot_be_read() {
    let (pipeline, ..) = one_of_two_cannot_be_recovered();
    let brokers = ["--brokers", &pipeline.brokers, "--events", &pipeline.events];
    let command = |words: &[&str]| snapback(words).args(brokers).args(pipeline.store_args());
    let closed = "partition 1: its newest manifest cannot be read";
    for words in [
        &["compact"][..],
        &["recalculate", "--calculation", "number+2", "--apply"],
    ] {
        let ended = command(words).run().expect_code(3);
        let said = ended.stdout.lines().any(|line| line.starts_with(closed));
        assert!(said, "{words:?}: {}", ended.stdout);
    }
    let ended = command(&["compact", "--partition", "0"]).run();
    ended.expect_code(0);
    let ended = command(&["recalculate", "--calculation", "number+2", "-o", "json"]).run();
    let report: Value = serde_json::from_str(&ended.expect_code(3).stdout).expect("JSON");
    assert_eq!(report["partitions"][0]["partition"], 0, "{report:#}");
    assert_eq!(report["partitions"][0]["ranges"], 0, "{report:#}");
    assert!(report["unreadable"]["1"].is_string(), "{report:#}");
    let ended = command(&["repair"]).run().expect_code(3);
    assert!(
        ended.stdout.contains("manifest-damaged at 1/"),
        "{}",
        ended.stdout
    );
    let published = command(&[
        "verify",
        "--level",
        "published",
        "--calculation",
        "number+2",
    ])
    .args(["--results", &pipeline.results]);
    let ended = published.run().expect_code(1);
    assert!(
        ended
            .stdout
            .contains("holds the partition, and goes on with the others"),
        "{}",
        ended.stdout
    );
    let listed = snapback(["snapshots", "--events", &pipeline.events]);
    let listed = listed.args(pipeline.store_args()).run().expect_code(0);
    assert!(listed.stdout.contains(closed), "{}", listed.stdout);
}
