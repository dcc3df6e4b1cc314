//! The shape of the code: data flows down a list of modules, and imports only point down it; inside a module no files
//! import each other in a circle.

mod circles;
mod imports;
mod tokens;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the top down. A module may use those below it.
const LAYERS: [&str; 19] = [
    "main",
    "cli",
    "demo",
    "load",
    "status",
    "processor",
    "telemetry",
    "config",
    "audit",
    "query",
    "recovery",
    "history",
    "format",
    "kafka",
    "store",
    "calculation",
    "events",
    "failpoint",
    "model",
];

fn source_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            source_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// What stands between commas, up to the brace that ends the list.
fn elements(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&list[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The modules that follow `crate::` in `text`, also those in braces.
fn imported(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, path) in text.match_indices("crate::") {
        let rest = &text[at + path.len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => elements(list),
            None => vec![rest],
        };
        for name in names {
            let name = name.trim_start();
            let end = name.find(|c: char| !c.is_ascii_lowercase() && c != '_');
            let name = &name[..end.unwrap_or(name.len())];
            if LAYERS.contains(&name) {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

#[test]
fn imports_only_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    let place = |module: &str| LAYERS.iter().position(|layer| *layer == module);
    let (mut wrong, mut imports) = (Vec::new(), 0);
    for file in files {
        let path = file.strip_prefix(&root).expect("below src");
        let top = path.iter().next().expect("a name").to_string_lossy();
        let module = top.trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let own = place(module).unwrap_or_else(|| panic!("{module} has no place in the list"));
        let text = fs::read_to_string(&file).expect("text");
        for used in imported(&text) {
            imports += 1;
            if place(&used).is_some_and(|used| used < own) {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(imports > 100, "only {imports} imports were found");
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::model::Offset; use crate::{\n    kafka::{Admin, config::X},\n    store,\n}; crate::audit::verify()";
    let found: Vec<_> = imported(text).into_iter().collect();
    assert_eq!(found, ["audit", "kafka", "model", "store"]);
}

/// A file that is longer holds two ideas, the second of which has no name yet.
const MOST_LINES: usize = 400;

#[test]
fn no_file_is_longer_than_what_can_be_read_at_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "examples", "fuzz/src"] {
        source_files(&root.join(folder), &mut files);
    }
    assert!(files.len() > 500, "only {} files were found", files.len());
    let long = files.iter().filter_map(|file| {
        let text = fs::read_to_string(file).expect("text");
        let path = file.strip_prefix(root).expect("below the root");
        (text.lines().count() > MOST_LINES).then(|| path.to_string_lossy().into_owned())
    });
    let long: Vec<String> = long.collect();
    assert!(long.is_empty(), "more than {MOST_LINES} lines: {long:#?}");
}

/// The names of stored columns that are no words of English, so that they cannot stand in the code by chance.
const COLUMNS: [&str; 8] = [
    "kafka_offset",
    "kafka_timestamp",
    "old_kind",
    "old_message",
    "old_reason",
    "new_kind",
    "old_fingerprint",
    "new_fingerprint",
];

#[test]
fn the_names_of_stored_columns_stand_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    // Tests, and the demo's own look at the store, say from outside what the names must be.
    let is_witness = |file: &Path| {
        let path = file
            .strip_prefix(&root)
            .expect("below src")
            .to_string_lossy();
        path.contains("tests") || path.starts_with("format/golden") || path.starts_with("demo/")
    };
    let mut found = BTreeSet::new();
    for file in files.iter().filter(|file| !is_witness(file)) {
        let text = fs::read_to_string(file).expect("text");
        let code = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .expect("a first part");
        if COLUMNS
            .iter()
            .any(|name| code.contains(&format!("\"{name}\"")))
        {
            found.insert(file.strip_prefix(&root).expect("below src").to_owned());
        }
    }
    assert_eq!(found, BTreeSet::from([PathBuf::from("events/columns.rs")]));
}

/// The files outside of `events/` that read JSON: documents of our own, never what an event holds.
const READERS_OF_JSON: [&str; 7] = [
    "audit/statement/document.rs",
    "demo/child.rs",
    "format/codec.rs",
    "format/codec/page.rs",
    "format/verified.rs",
    "history/gc/notes.rs",
    "recovery/metadata.rs",
];

#[test]
fn how_payloads_are_written_is_known_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    let (mut readers, mut formats) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        let path = file.strip_prefix(&root).expect("below src");
        let path = path.to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).expect("text");
        let code = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .expect("a first part");
        let is_test = ["tests", "golden.rs", "corpus.rs"]
            .iter()
            .any(|part| path.contains(part));
        let reads = [
            "serde_json::from_",
            "serde_json::Deserializer",
            "Scanner::new",
        ];
        if !is_test && reads.iter().any(|reads| code.contains(reads)) {
            readers.insert(path.clone());
        }
        if !is_test && code.replace("LogFormat::Json", "").contains("Format::Json") {
            formats.insert(path);
        }
    }
    let outside = readers.iter().filter(|path| !path.starts_with("events/"));
    let outside: Vec<&str> = outside.map(String::as_str).collect();
    assert_eq!(outside, READERS_OF_JSON);
    assert!(
        readers
            .iter()
            .any(|path| path.starts_with("events/decode/json/"))
    );
    let elsewhere: Vec<_> = formats
        .iter()
        .filter(|path| !path.starts_with("events/"))
        .collect();
    assert!(
        elsewhere.is_empty(),
        "{elsewhere:?} choose the format by its name"
    );
}
