//! Everything that fuzzing has kept, through the checks of its targets (`fuzz/src/checks`).

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/checks/mod.rs"]
mod checks;

/// Calls a check with every file that is kept for it.
#[track_caller]
fn hold(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let entries = fs::read_dir(&folder).expect("a kept corpus");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a folder's entry").path())
        .collect();
    files.sort();
    assert!(
        files.len() >= 5,
        "{} files in {}",
        files.len(),
        folder.display()
    );
    for file in files {
        let data = fs::read(&file).expect("a readable file");
        let held = std::panic::catch_unwind(|| check(&data));
        assert!(
            held.is_ok(),
            "{} does not hold for {}",
            target,
            file.display()
        );
    }
}

#[test]
fn events_hold_for_the_kept_corpus() {
    hold("event", checks::event::check);
}

#[test]
fn manifests_hold_for_the_kept_corpus() {
    hold("manifest", checks::manifest::check);
}

#[test]
fn pages_hold_for_the_kept_corpus() {
    hold("page", checks::page::check);
}

#[test]
fn names_hold_for_the_kept_corpus() {
    hold("layout", checks::layout::check);
}

#[test]
fn declarations_hold_for_the_kept_corpus() {
    hold("declaration", checks::declaration::check);
}

#[test]
fn commit_metadata_hold_for_the_kept_corpus() {
    hold("metadata", checks::metadata::check);
}

#[test]
fn segments_hold_for_the_kept_corpus() {
    hold("segment", checks::segment::check);
}
