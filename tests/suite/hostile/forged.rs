//! Manifests that somebody forged who can write to the store and knows how their digests are made.
//!
//! Each is put into a copy of one store; then every command that reads manifests is asked. None may follow it out of
//! the root, believe what no store can hold, need more memory than the file warrants, or end in a panic.

use std::fs::{self, File};
use std::path::Path;

use super::copy::{Copy, ORDINARY, newest_segment, original};
use crate::recovery::{forge_manifest, store_more};

#[test]
fn a_path_that_is_not_the_partitions_own_is_never_followed() {
    let original = original();
    let segment = newest_segment(&original);
    let name = Path::new(&segment)
        .file_name()
        .and_then(|name| name.to_str());
    let (name, events) = (name.expect("a name"), original.events.as_str());
    // Outside of the root lies the very segment: whoever followed a path there would find nothing wrong.
    let canary = original.store.beside("-canary").path();
    let folder = canary.join(&segment);
    fs::create_dir_all(folder.parent().expect("a folder")).expect("a writable folder");
    fs::copy(original.store.path().join(&segment), &folder).expect("a canary");
    let outside = canary
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    for path in [
        format!("../{outside}/{segment}"),
        format!("{events}/../../{outside}/{segment}"),
        folder.to_str().expect("a path in UTF-8").to_owned(),
        format!("other/results/partition=0/{name}"),
        format!("{events}/results/partition=1/{name}"),
        format!("{events}/rejects/partition=0/{name}"),
        format!("{events}/_attic/results/partition=0/{name}"),
        format!("{events}/results/partition=0/./{name}"),
        format!("{events}/results/partition=0//{name}"),
        "../../etc/passwd".to_owned(),
        "/etc/passwd".to_owned(),
        ".staging/passwd".to_owned(),
        String::new(),
    ] {
        let copy = Copy::of(&original);
        for inside in [
            "other/results/partition=0",
            &format!("{events}/results/partition=1"),
        ] {
            let inside = copy.pipeline.store.path().join(inside);
            fs::create_dir_all(&inside).expect("a writable folder");
            fs::copy(&folder, inside.join(name)).expect("a canary");
        }
        copy.forge(
            &format!("\"path\":\"{segment}\""),
            &format!("\"path\":\"{path}\""),
        );
        copy.assert_damaged(
            &format!("the path {path:?} is not that of such a segment of this partition"),
            ORDINARY,
        );
    }
    // One of them under a run: the events are read from Kafka again, nothing is published again.
    let copy = Copy::of(&original);
    copy.forge(&segment, &format!("../{outside}/{segment}"));
    copy.run(0, ORDINARY);
    copy.pipeline.check();
    fs::remove_dir_all(canary).expect("a folder of the test's own");
}

#[test]
fn sizes_that_no_store_can_hold_are_not_believed() {
    let original = original();
    let bytes = fs::metadata(original.store.path().join(newest_segment(&original)));
    let bytes = format!("\"bytes\":{}", bytes.expect("a segment").len());
    for (from, to, why) in [
        (
            bytes.as_str(),
            "\"bytes\":1152921504606846976",
            "1152921504606846976 bytes, which no file has",
        ),
        (
            &bytes,
            "\"bytes\":18446744073709551615",
            "18446744073709551615 bytes, which no file has",
        ),
        (
            &bytes,
            "\"bytes\":18446744073709551616",
            "not a manifest of format version 1",
        ),
        (&bytes, "\"bytes\":-1", "not a manifest of format version 1"),
        (
            "\"rows\":10",
            "\"rows\":1152921504606846976",
            "states 1152921504606846976 rows",
        ),
        (
            "\"results\":20",
            "\"results\":1152921504606846976",
            "do not add up to the 20 offsets",
        ),
        (
            "\"absent\":0",
            "\"absent\":18446744073709551615",
            "do not add up",
        ),
        ("\"end\":20", "\"end\":9223372036854775807", "do not add up"),
        ("\"end\":20", "\"end\":-20", "an offset cannot be negative"),
        (
            "\"sequence\":3",
            "\"sequence\":18446744073709551615",
            "does not follow from its base",
        ),
    ] {
        let copy = Copy::of(&original);
        copy.forge(from, to);
        copy.assert_damaged(why, ORDINARY);
    }
    // What a file might have is found to be wrong when it is looked at.
    let copy = Copy::of(&original);
    copy.forge(&bytes, "\"bytes\":1099511627776");
    let found = copy.verify(ORDINARY);
    assert!(found[0].contains("1099511627776 bytes"), "{found:#?}");
    copy.look(0, ORDINARY);
}

/// A manifest that agrees with itself and claims 2^60 events.
#[test]
fn a_history_that_was_never_there_is_refused() {
    let original = original();
    let copy = Copy::of(&original);
    let segment = newest_segment(&original);
    let whole = segment.replace("00000000000000000020-", "01152921504606846976-");
    assert_ne!(whole, segment);
    forge_manifest(&copy.newest, |body| {
        let body = body.replace(&segment, &whole);
        let body = body.replace("\"end\":20", "\"end\":1152921504606846976");
        let body = body.replace("\"results\":20", "\"results\":1152921504606846976");
        body.replace(
            "\"start\":10,\"end\":1152921504606846976,\"rows\":10",
            "\"start\":10,\"end\":1152921504606846976,\"rows\":1152921504606846966",
        )
        .replace(
            "\"counts\":{\"results\":10,",
            "\"counts\":{\"results\":1152921504606846966,",
        )
    });
    let store = copy.pipeline.store.path();
    fs::rename(store.join(&segment), store.join(&whole)).expect("a segment");
    let found = copy.verify(ORDINARY);
    assert!(
        found
            .iter()
            .any(|finding| finding.starts_with("wrong-count: "))
            && !found
                .iter()
                .any(|finding| finding.starts_with("manifest-damaged")),
        "{found:#?}"
    );
    copy.look(0, ORDINARY);
    let said = copy.run(4, ORDINARY).stderr;
    assert!(said.contains("1152921504606846976"), "{said}");
}

#[test]
fn a_newer_version_is_told_from_damage_whatever_else_it_says() {
    let original = original();
    for version in ["2", "18446744073709551615"] {
        let copy = Copy::of(&original);
        copy.forge(
            "\"format_version\":1",
            &format!("\"format_version\":{version}"),
        );
        let says = format!("format version {version} is newer than 1");
        let verify = copy.command(&["verify"]);
        let said = copy.ask(&verify, 4, ORDINARY).stderr;
        assert!(said.contains(&says), "{said}");
        for said in copy.look(4, ORDINARY) {
            assert!(said.stderr.contains(&says), "{}", said.stderr);
        }
        copy.run(4, ORDINARY);
    }
    for version in ["0", "-1", "18446744073709551616", "1.0", "\"1\"", "[1]"] {
        let copy = Copy::of(&original);
        copy.forge(
            "\"format_version\":1",
            &format!("\"format_version\":{version}"),
        );
        copy.assert_damaged("not a manifest", ORDINARY);
    }
}

#[test]
fn files_too_large_to_be_manifests_are_not_read() {
    for number in [3, 4] {
        let original = original();
        let copy = Copy::of(&original);
        // It takes no place on the disk.
        let file = File::create(copy.numbered(number)).expect("a writable folder");
        file.set_len(1 << 30).expect("a sparse file");
        let found = copy.verify(ORDINARY);
        let damaged = format!("manifest-damaged: manifest {number} ");
        assert!(
            found.iter().any(|found| found.starts_with(&damaged)),
            "{found:#?}"
        );
        copy.look(0, ORDINARY);
        copy.run(0, ORDINARY);
        // The next manifest passes over it, so it is history.
        store_more(&copy.pipeline, 5);
        copy.pipeline.check();
    }
}

#[test]
fn bombs_in_a_manifest_cost_no_more_than_their_size() {
    const SIZE: usize = 2 << 20;
    /// Beside what a command needs anyhow: the file, and what is made of it.
    const MEMORY: u64 = ORDINARY + 12 * SIZE as u64;
    let original = original();
    let gaps = "\"gaps\":[]";
    for (from, to, why) in [
        (
            gaps,
            format!("\"gaps\":{}", "[".repeat(SIZE)),
            "not a manifest of format",
        ),
        (
            gaps,
            format!(
                "\"gaps\":{}{}",
                "{\"a\":".repeat(SIZE / 5),
                "}".repeat(SIZE / 5)
            ),
            "not a manifest of format",
        ),
        (
            gaps,
            format!("\"gaps\":[{}0]", "0,".repeat(SIZE / 2)),
            "not a manifest of format",
        ),
        (gaps, format!("\"{}\":1", "x".repeat(SIZE)), "unknown field"),
        (
            "\"base\":{",
            format!("\"{}\":{{", "\\u0000".repeat(SIZE / 6)),
            "unknown field",
        ),
        (
            "\"skipped\":[]",
            format!(
                "\"skipped\":[{}{{\"sequence\":3,\"digest\":null}}]",
                "{\"sequence\":3,\"digest\":null},".repeat(SIZE / 28)
            ),
            "does not follow from its base",
        ),
    ] {
        let copy = Copy::of(&original);
        copy.forge(from, &to);
        copy.assert_damaged(why, MEMORY);
    }
    // A long text alone does no harm: it is a manifest, and that it was changed shows in what follows it.
    let copy = Copy::of(&original);
    copy.forge(
        "\"writer\":\"",
        &format!("\"writer\":\"{}", "x".repeat(SIZE)),
    );
    copy.look(0, MEMORY);
    let clean = copy.command(&["verify", "-o", "json"]);
    copy.ask(&clean, 0, MEMORY);
}

#[test]
fn a_file_with_an_absurd_number_is_named_and_refused() {
    let original = original();
    for number in [u64::MAX, 1 << 60, 1_000_000] {
        let copy = Copy::of(&original);
        let file = copy.numbered(number);
        fs::write(&file, "{}").expect("a writable folder");
        let found = copy.verify(ORDINARY);
        let damaged = format!("manifest-damaged: manifest {number} ");
        assert!(
            found.iter().any(|found| found.starts_with(&damaged)),
            "{found:#?}"
        );
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        for said in copy.look(4, ORDINARY) {
            assert!(said.stderr.contains(name), "{}", said.stderr);
        }
        let said = copy.run(4, ORDINARY).stderr;
        assert!(
            said.contains(name) && said.contains("move it out of the store"),
            "{said}"
        );
        // What the text says to do is the way out.
        fs::remove_file(&file).expect("a file");
        copy.run(0, ORDINARY);
        copy.pipeline.check();
    }
}
