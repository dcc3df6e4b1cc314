//! The store as it is read without snapback, and what `verify` says about it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;
use snapback::store::{Store, StoreConfig, StoreUrl};

use super::{LIMIT, Outcomes, Pipeline, Place};
use crate::support::{python, snapback};

impl Pipeline {
    /// The store, as the library opens it.
    pub async fn open_store(&self) -> Store {
        let url: StoreUrl = self.store.url().parse().expect("a store");
        let mut config = StoreConfig::new(url);
        if let Place::Bucket { server, .. } = &self.store {
            config.s3_endpoint = Some(server.endpoint().to_owned());
            let env = self.env().into_iter();
            config.env = env.map(|(name, value)| (name.to_owned(), value)).collect();
        }
        Store::open(&config).await.expect("the store")
    }

    /// The report of `snapback verify`, which ends with this exit code.
    #[track_caller]
    pub fn verify(&self, code: i32) -> Value {
        self.verify_with(&[], code)
    }

    /// The report of `snapback verify` with flags, which ends with this exit code.
    #[track_caller]
    pub fn verify_with(&self, flags: &[&str], code: i32) -> Value {
        let finished = snapback(["verify", "-o", "json", "--events", &self.events])
            .args(flags)
            .args(self.store_args())
            .envs(self.env())
            .limit(LIMIT)
            .run()
            .expect_code(code);
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| {
            panic!("verify printed no report: {error}\n{}", finished.stdout)
        })
    }

    /// The same, compared with the topics.
    #[track_caller]
    pub fn verify_published(&self, code: i32) -> Value {
        let (level, topics) = (["--level", "published"], ["--brokers", &self.brokers]);
        let results = ["--results", &self.results];
        self.verify_with(&[level, topics, results].concat(), code)
    }

    /// The kinds of what `verify` finds, sorted; it ends with exit code 1.
    #[track_caller]
    pub fn findings(&self) -> BTreeSet<String> {
        let report = self.verify(1);
        let findings = report["findings"].as_array().expect("a list of findings");
        let kind = |finding: &Value| finding["kind"].as_str().expect("a kind").to_owned();
        findings.iter().map(kind).collect()
    }

    /// What DuckDB sees in the store: see `read_store.py`.
    #[track_caller]
    pub fn read_store(&self, expected: &Outcomes) -> Value {
        let mut results = "partition,kafka_offset,number\n".to_owned();
        for ((partition, offset), number) in &expected.results {
            writeln!(results, "{partition},{offset},{number}").expect("a string takes all");
        }
        let mut rejects = "partition,kafka_offset,payload\n".to_owned();
        for ((partition, offset), event) in &expected.rejects {
            let payload = event.payload.as_ref().map_or("null".to_owned(), |bytes| {
                format!("x{}", hex::encode(bytes))
            });
            writeln!(rejects, "{partition},{offset},{payload}").expect("a string takes all");
        }
        let mut program = python()
            .program(
                include_str!("../python/read_store.py"),
                &[&self.store.url(), &self.events],
            )
            .file("expected_results.csv", results)
            .file("expected_rejects.csv", rejects)
            .envs(self.env())
            .limit(LIMIT);
        if let Place::Bucket { server, .. } = &self.store {
            program = program.env("ENDPOINT", server.endpoint());
        }
        let printed = program.run().expect_code(0).stdout;
        serde_json::from_str(&printed).expect("read_store.py prints JSON")
    }

    /// The manifests of a partition on local disk, oldest first.
    #[track_caller]
    pub fn manifests(&self, partition: i32) -> Vec<PathBuf> {
        self.files("_manifests", partition)
    }

    /// The segments of a partition on local disk (`results`, `rejects`), in the order of their ranges.
    #[track_caller]
    pub fn segments(&self, kind: &str, partition: i32) -> Vec<PathBuf> {
        self.files(kind, partition)
    }

    #[track_caller]
    fn files(&self, kind: &str, partition: i32) -> Vec<PathBuf> {
        let folder = self.store.path().join(&self.events).join(kind);
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder.join(format!("partition={partition}")))
                .map(|entries| {
                    entries
                        .map(|entry| entry.expect("a folder's entry").path())
                        .collect()
                })
                .unwrap_or_default();
        files.sort();
        files
    }
}
