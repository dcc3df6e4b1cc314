//! The store that comes with the sources, `snapshots/sample`: read from a fresh clone, without Kafka.

mod make;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::support::{Program, python, snapback};

/// What it holds: 208 offsets of two partitions.
const RESULTS: u64 = 198;
const REJECTS: u64 = 8;
const ABSENT: u64 = 2;

/// What docs/format.md promises to readers: one row per offset over the plain globs, exact results.
const QUERY: &str = r#"
import sys, duckdb
root = sys.argv[1]
results = f"read_parquet('{root}/results/partition=*/*.parquet', hive_partitioning=true)"
rejects = f"read_parquet('{root}/rejects/partition=*/*.parquet', hive_partitioning=true)"
print(*duckdb.sql(f"SELECT count(*), count(DISTINCT (partition, kafka_offset)) FROM {results}").fetchall()[0])
print(*duckdb.sql(f"SELECT count(*), count(DISTINCT (partition, kafka_offset)) FROM {rejects}").fetchall()[0])
print(*duckdb.sql(f"SELECT count(*) FROM {results} WHERE result <> number::DECIMAL(38,0) * number").fetchall()[0])
print(*duckdb.sql(f"SELECT count(*) FROM {results} JOIN {rejects} USING (partition, kafka_offset)").fetchall()[0])
for name, kind, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM {results}").fetchall(): print(name, kind)
for name, kind, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM {rejects}").fetchall(): print(name, kind)
"#;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sample() -> PathBuf {
    root().join("snapshots/sample")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the sources") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// A copy of the sample that a test may damage.
pub struct Copy(tempfile::TempDir);

/// Copies the sample into a store of its own.
pub fn copy() -> Copy {
    let store = tempfile::tempdir().expect("a temporary folder");
    for file in files_below(&sample()) {
        let name = file.strip_prefix(root().join("snapshots")).expect("below");
        let target = store.path().join(name);
        fs::create_dir_all(target.parent().expect("a folder")).expect("a writable folder");
        fs::copy(&file, target).expect("a readable file");
    }
    Copy(store)
}

impl Copy {
    /// As in `--store`.
    pub fn url(&self) -> &str {
        self.0.path().to_str().expect("a path that is text")
    }

    /// A file or folder of the topic.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join("sample").join(name)
    }

    /// Damages a segment of partition 0.
    pub fn flip_a_byte(&self) {
        let file = &files_below(&self.path("results/partition=0"))[0];
        let mut bytes = fs::read(file).expect("a segment");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).expect("a writable file");
    }

    /// `snapback COMMAND` on it.
    pub fn snapback(&self, command: &[&str]) -> Program {
        snapback(command).args(["--events", "sample", "--store", self.url()])
    }
}

fn manifests() -> Vec<PathBuf> {
    files_below(&sample().join("_manifests"))
}

#[test]
fn the_sample_is_clean_without_kafka() {
    let report = snapback(["verify", "--events", "sample", "-o", "json"])
        .current_dir(root())
        .run()
        .expect_code(0)
        .stdout;
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(
        report,
        json!({
            "clean": true, "partitions": 2, "offsets": RESULTS + REJECTS + ABSENT, "results": RESULTS,
            "rejects": REJECTS, "filtered": 0, "absent": ABSENT, "lost": 0, "not_compared": 0, "raw_timestamps": 0, "findings": [],
            "calculations": [{
                "fingerprint": "7b06d8c2c2ffab5a", "calculation": "square(number)",
                "fields": "number BIGINT NOT NULL", "results": "result DECIMAL(38,0) NOT NULL",
                "outcomes": RESULTS + REJECTS,
            }],
        })
    );
}

#[test]
fn the_sample_is_read_by_duckdb_over_the_plain_globs() {
    let folder = sample();
    let printed = python().run(QUERY, &[folder.to_str().expect("a path that is text")]);
    let expected = format!(
        "{RESULTS} {RESULTS}\n{REJECTS} {REJECTS}\n0\n0\n\
         kafka_offset BIGINT\nkafka_timestamp TIMESTAMP WITH TIME ZONE\nkafka_timestamp_raw BIGINT\nkey BLOB\nnumber BIGINT\n\
         result DECIMAL(38,0)\npartition BIGINT\n\
         kafka_offset BIGINT\nkafka_timestamp TIMESTAMP WITH TIME ZONE\nkafka_timestamp_raw BIGINT\nkey BLOB\npayload BLOB\n\
         reason VARCHAR\npartition BIGINT\n"
    );
    assert_eq!(printed, expected);
}

/// `head -n -2 FILE | sha256sum` gives what `jq -r .digest FILE` shows; and the same for each segment as a whole.
#[test]
fn the_digests_of_the_sample_can_be_checked_without_snapback() {
    let mut segments = 0;
    for path in manifests() {
        let text = fs::read_to_string(&path).expect("a manifest is text");
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        let body = &text[..ends[ends.len() - 3]];
        let manifest: Value = serde_json::from_str(&text).expect("a manifest is JSON");
        assert_eq!(
            manifest["digest"],
            digest(body.as_bytes()),
            "{}",
            path.display()
        );
        for segment in manifest["segments"].as_array().expect("a list") {
            let file = root()
                .join("snapshots")
                .join(segment["path"].as_str().expect("a path"));
            let bytes = fs::read(&file).expect("a listed segment is there");
            assert_eq!(segment["digest"], digest(&bytes), "{}", file.display());
            segments += 1;
        }
    }
    assert!(segments > 0);
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[test]
fn the_sample_is_small_and_has_several_snapshots_and_segments() {
    let bytes: u64 = files_below(&sample())
        .iter()
        .map(|path| path.metadata().expect("a file").len())
        .sum();
    assert!(bytes < 200_000, "{bytes}");
    assert_eq!(manifests().len(), 8);
    assert_eq!(files_below(&sample().join("results")).len(), 6);
    assert_eq!(files_below(&sample().join("rejects")).len(), 4);
}

#[test]
fn git_ignores_every_snapshot_but_the_sample() {
    // A checkout may have come without its history, but the rules apply all the same.
    let ignored = |path: &str| {
        let rules = fs::read_to_string(root().join(".gitignore")).expect("a file of the sources");
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join(".gitignore"), rules).expect("a writable folder");
        let git = |args: &[&str]| {
            Command::new("git")
                .args(args)
                .current_dir(folder.path())
                .output()
                .expect("git can be run")
                .status
                .code()
        };
        assert_eq!(git(&["init", "--quiet"]), Some(0));
        git(&["check-ignore", "--quiet", path]) == Some(0)
    };
    for path in [
        "snapshots/events/a",
        "snapshots/.staging/a",
        "snapshots/samples/a",
    ] {
        assert!(ignored(path), "{path}");
    }
    for path in [
        "snapshots/sample/a",
        "snapshots/sample/results/partition=0/a.parquet",
    ] {
        assert!(!ignored(path), "{path}");
    }
}
