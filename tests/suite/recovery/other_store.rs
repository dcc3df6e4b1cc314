//! The store is newer than the program, older than the group, or cannot be read: refused.

use super::*;

/// The same pipeline with a copy of its store, which has since gone on from 20 to 50.
fn older_copy(pipeline: &Pipeline) -> Pipeline {
    let older = pipeline.with_store(pipeline.store.copy());
    store_more(pipeline, 15);
    // A commit names the newest manifest before it: only from here on does one name a manifest that the copy lacks.
    store_more(pipeline, 15);
    older
}

#[test]
fn a_newer_manifest_is_refused() {
    let pipeline = stored(20);
    let manifest = newest_manifest(&pipeline);
    let original = fs::read(&manifest).expect("a manifest");
    forge_manifest(&manifest, |body| {
        body.replacen("\"format_version\":1", "\"format_version\":3", 1)
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
