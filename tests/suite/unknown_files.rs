//! What lies in a store and is not ours: it hides nothing, and is named as what it is.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::outside::{Offsets, Pipeline, Place};
use crate::sample::{self, Copy};
use crate::support::{python, s3};

/// What people and programs leave beside segments, below `results/`, and a word of what each is.
const STRANGERS: [(&str, &str); 9] = [
    ("_SUCCESS", "Spark"),
    (".DS_Store", "file manager"),
    ("_delta_log/00000000000000000000.json", "Delta"),
    (
        "_delta_log/00000000000000000010.checkpoint.parquet",
        "Delta",
    ),
    ("partition=0/_SUCCESS", "Spark"),
    ("partition=0/.DS_Store", "file manager"),
    ("partition=0/notes.txt~", "editor"),
    ("partition=0/.a.parquet.crc", "Hadoop"),
    ("partition=1/README", "not written by snapback"),
];

fn put(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
    fs::write(path, content).expect("a writable folder");
}

pub fn verified(store: &Copy, code: i32) -> Value {
    let finished = store.snapback(&["verify", "-o", "json"]).run();
    let finished = finished.expect_code(code);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

#[test]
fn files_of_others_harm_neither_verify_nor_readers_and_are_named() {
    let store = sample::copy();
    for (name, _) in STRANGERS {
        put(&store.path("results").join(name), "not of ours");
    }
    let finished = store.snapback(&["verify"]).run().expect_code(0);
    for (name, what) in STRANGERS {
        let line = finished.stdout.lines().find(|line| {
            line.starts_with("left alone: ") && line.contains(&format!("results/{name}:"))
        });
        let line = line.unwrap_or_else(|| panic!("{name} is not in {}", finished.stdout));
        assert!(line.contains(what), "{line}");
    }
    assert_eq!(
        finished.stdout.matches("left alone").count(),
        STRANGERS.len()
    );
    let report = verified(&store, 0);
    assert_eq!(report["findings"], json!([]));
    assert_eq!(
        report["unknown_files"].as_array().expect("a list").len(),
        STRANGERS.len()
    );
    store.snapback(&["snapshots"]).run().expect_code(0);
    let query = "import sys, duckdb\nprint(duckdb.sql(f\"SELECT count(*) FROM read_parquet('{sys.argv[1]}/results/partition=*/*.parquet', hive_partitioning=true)\").fetchall()[0][0])";
    let folder = store.path("");
    assert_eq!(
        python().run(query, &[folder.to_str().expect("text")]),
        "198\n"
    );
}

#[test]
fn a_parquet_file_that_a_plain_glob_reads_is_a_finding() {
    let store = sample::copy();
    let own = fs::read_dir(store.path("results/partition=0")).expect("a folder");
    let own = own
        .map(|entry| entry.expect("a file").path())
        .next()
        .expect("a segment");
    fs::copy(&own, own.with_file_name("copy.parquet")).expect("a copy");
    let report = verified(&store, 1);
    assert_eq!(report["findings"][0]["kind"], "orphan", "{report:#}");
}

#[test]
fn names_that_cannot_be_ours_are_left_out_and_said_once() {
    let store = sample::copy();
    let folders = ["results/partition=1", "_manifests/partition=1", "rejects"];
    let names: [&[u8]; 6] = [
        b"not \xff UTF-8.parquet",
        b"tab\there.json",
        b"line\nend.parquet",
        b"esc\x1b[2J.parquet",
        b"del\x7f.json",
        b"a#b.parquet",
    ];
    for folder in folders {
        for name in names {
            let path = store.path(folder).join(OsStr::from_bytes(name));
            fs::write(path, "x").expect("a writable folder");
        }
    }
    // A folder that leads back to itself.
    symlink("..", store.path("results/partition=1/up")).expect("a link");
    // Four of the names are among the files that a plain glob reads.
    for (command, code) in [
        (&["verify"][..], 1),
        (&["snapshots"], 0),
        (&["snapshots", "show", "1"], 0),
    ] {
        let finished = store.snapback(command).run().expect_code(code);
        let said: Vec<&str> = finished.stderr.lines().collect();
        let harmful = |c: char| c.is_control() && c != '\n';
        assert!(!finished.stderr.contains(harmful), "{:?}", finished.stderr);
        assert!(!finished.stdout.contains(harmful), "{:?}", finished.stdout);
        for word in ["UTF-8", "tab", "line", "esc", "del", "a#b"] {
            let count = said
                .iter()
                .filter(|line| line.contains(word) && line.contains("_manifests/partition=1"))
                .count();
            assert_eq!(count, 1, "{command:?}: {word} in {said:#?}");
        }
    }
}

/// What a plain glob reads, or fails at, must not be called clean.
#[test]
fn what_a_plain_glob_takes_for_ours_is_a_finding() {
    let rows = "import sys, duckdb\nprint(duckdb.sql(f\"SELECT count(*) FROM read_parquet('{sys.argv[1]}/results/partition=*/*.parquet')\").fetchall()[0][0])";
    let own = |store: &Copy| {
        let folder = fs::read_dir(store.path("results/partition=0")).expect("a folder");
        let mut files = folder.map(|entry| entry.expect("a file").path());
        files.next().expect("a segment")
    };
    let places: [&[u8]; 7] = [
        b"results/partition=0.bak/x.parquet",
        b"results/partition=00/x.parquet",
        b"results/partition=x/x.parquet",
        b"results/partition=1/esc\x1b[2J.parquet",
        b"results/partition=1/a#b.parquet",
        b"results/partition=1/line\nend.parquet",
        b"results/partition=1#/x.parquet",
    ];
    for place in places {
        let store = sample::copy();
        let to = store.path("").join(OsStr::from_bytes(place));
        fs::create_dir_all(to.parent().expect("a folder")).expect("a writable folder");
        fs::copy(own(&store), &to).expect("a copy");
        let folder = store.path("");
        let counted = python().run(rows, &[folder.to_str().expect("text")]);
        assert_ne!(counted, "198\n", "{}", to.display());
        let report = verified(&store, 1);
        let findings = report["findings"].as_array().expect("a list");
        assert_eq!(findings.len(), 1, "{report:#}");
        assert_eq!(findings[0]["kind"], "orphan");
        let detail = findings[0]["detail"].as_str().expect("a text");
        assert!(detail.contains("but a plain glob reads it"), "{detail}");
        assert!(!detail.contains(char::is_control), "{detail:?}");
    }
}

#[test]
fn a_processor_goes_on_beside_files_of_others() {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(0, 0..20);
    pipeline.send_numbers(1, 0..20);
    pipeline.run_to_end().run().expect_code(0);
    let topic = pipeline.store.path().join(&pipeline.events);
    for (name, _) in STRANGERS {
        put(&topic.join("results").join(name), "not of ours");
    }
    let odd = OsStr::from_bytes(b"esc\x1b[2J\xff");
    fs::write(topic.join("results/partition=0").join(odd), "x").expect("a writable folder");
    fs::write(topic.join("_manifests/partition=1").join(odd), "x").expect("a writable folder");
    pipeline.send_numbers(0, 20..40);
    pipeline.send_numbers(1, 20..40);
    let finished = pipeline.run_to_end().run().expect_code(0);
    assert_eq!(
        finished.stderr.matches("esc").count(),
        2,
        "{}",
        finished.stderr
    );
    for (name, _) in STRANGERS {
        assert!(topic.join("results").join(name).exists(), "{name}");
    }
    pipeline.check_stored(&pipeline.expected(), Offsets::default());
}

#[test]
fn folder_markers_of_a_bucket_harm_nobody() {
    let pipeline = Pipeline::new(1, Place::bucket(s3()));
    pipeline.send_numbers(0, 0..20);
    pipeline.run_to_end().run().expect_code(0);
    let folder = format!("{}/{}", pipeline.store.url(), pipeline.events);
    let prefix = folder
        .strip_prefix(&format!("s3://{}/", s3().bucket()))
        .expect("in it");
    let script = "import sys, pyarrow.fs as fs\n\
        s3 = fs.S3FileSystem(endpoint_override=sys.argv[1], scheme='http', access_key=sys.argv[2], secret_key=sys.argv[3], region='us-east-1')\n\
        for place in sys.argv[4:]: s3.create_dir(place, recursive=False)\n";
    let at = |place: &str| format!("{}/{prefix}{place}", s3().bucket());
    let places = [
        "",
        "/results",
        "/results/partition=0",
        "/_manifests/partition=0",
    ]
    .map(at);
    let endpoint = s3().endpoint().trim_start_matches("http://");
    let mut args = vec![endpoint, s3().access_key(), s3().secret_key()];
    args.extend(places.iter().map(String::as_str));
    python().run(script, &args);
    pipeline.send_numbers(0, 20..40);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.check();
}
