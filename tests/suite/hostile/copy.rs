//! A copy of a store, to be tampered with, and every command that reads manifests.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::outside::{LIMIT, Pipeline};
use crate::recovery::{forge_manifest, store_more, stored};
use crate::support::process::{Finished, Program};
use crate::support::{python, snapback};

/// What a command may need in a debug build while manifests are of ordinary size, in bytes.
pub const ORDINARY: u64 = 128 << 20;

/// A store with three manifests: bound, ten events, ten more.
pub fn original() -> Pipeline {
    let pipeline = stored(10);
    store_more(&pipeline, 10);
    assert_eq!(pipeline.manifests(0).len(), 3);
    pipeline
}

/// A copy of a store, which is gone with this value.
pub struct Copy {
    pub pipeline: Pipeline,
    pub newest: PathBuf,
}

impl Copy {
    pub fn of(original: &Pipeline) -> Self {
        let pipeline = original.with_store(original.store.copy());
        let newest = pipeline.manifests(0).pop().expect("a manifest");
        Self { pipeline, newest }
    }

    /// The place of a manifest with any number.
    pub fn numbered(&self, number: u64) -> PathBuf {
        self.newest.with_file_name(format!("{number:020}.json"))
    }

    /// Replaces a text in the newest manifest, whose digest is put right.
    #[track_caller]
    pub fn forge(&self, from: &str, to: &str) {
        forge_manifest(&self.newest, |body| {
            assert!(body.contains(from), "{from:?} is not in {body}");
            body.replace(from, to)
        });
    }

    /// The program ends with this code, without a panic, within this memory.
    #[track_caller]
    pub fn ask(&self, program: &Program, code: i32, memory: u64) -> Finished {
        let line = program.line();
        let line: Vec<&str> = line
            .iter()
            .map(|part| part.to_str().expect("a command in UTF-8"))
            .collect();
        let finished = python()
            .program(include_str!("../python/peak.py"), &line)
            .limit(LIMIT)
            .run()
            .expect_code(code);
        assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
        let mut said = finished.stderr.lines();
        let peak = said.find_map(|line| line.strip_prefix("peak bytes: "));
        let peak: u64 = peak.and_then(|bytes| bytes.parse().ok()).expect("a size");
        assert!(peak < memory, "{} MiB for {line:?}", peak >> 20);
        finished
    }

    pub fn command(&self, words: &[&str]) -> Program {
        snapback(words)
            .args(["--events", &self.pipeline.events])
            .args(self.pipeline.store_args())
    }

    /// What `verify` finds, as `kind: detail`.
    #[track_caller]
    pub fn verify(&self, memory: u64) -> Vec<String> {
        let finished = self.ask(&self.command(&["verify", "-o", "json"]), 1, memory);
        let report: Value = serde_json::from_str(&finished.stdout).expect("a report");
        let findings = report["findings"].as_array().expect("a list");
        let text =
            |finding: &Value, member: &str| finding[member].as_str().expect("a text").to_owned();
        findings
            .iter()
            .map(|finding| format!("{}: {}", text(finding, "kind"), text(finding, "detail")))
            .collect()
    }

    /// `snapshots list` and `snapshots show` end with these codes.
    #[track_caller]
    pub fn look(&self, code: i32, memory: u64) -> [Finished; 2] {
        let list = self.command(&["snapshots", "list", "-o", "json"]);
        let show = self.command(&["snapshots", "show", "0"]);
        [self.ask(&list, code, memory), self.ask(&show, code, memory)]
    }

    /// `run` ends with this code.
    #[track_caller]
    pub fn run(&self, code: i32, memory: u64) -> Finished {
        self.ask(&self.pipeline.run_to_end(), code, memory)
    }

    /// `verify` finds the newest manifest damaged, for this reason; the others see the one before.
    #[track_caller]
    pub fn assert_damaged(&self, why: &str, memory: u64) {
        let found = self.verify(memory);
        let damaged = |found: &&String| found.starts_with("manifest-damaged: ");
        let damaged: Vec<&String> = found.iter().filter(damaged).collect();
        assert!(
            matches!(damaged.as_slice(), [one] if one.contains(why)),
            "{why:?}: {found:#?}"
        );
        let [list, show] = self.look(0, memory);
        let list: Value = serde_json::from_str(&list.stdout).expect("a listing");
        assert_eq!(list["partitions"][0]["end"], 10, "{list:#}");
        let show = show.stdout;
        assert!(
            !show.contains("passwd") && !show.contains("canary"),
            "{show}"
        );
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // A test that fails has reasons of its own to report.
        let _ = fs::remove_dir_all(self.pipeline.store.path());
    }
}

/// The path of the segment that the newest manifest added.
pub fn newest_segment(pipeline: &Pipeline) -> String {
    let file = pipeline.segments("results", 0).pop().expect("a segment");
    let path = file.strip_prefix(pipeline.store.path());
    let path = path.expect("a path in the store").to_str();
    path.expect("a path in UTF-8").to_owned()
}
