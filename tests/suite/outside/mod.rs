//! One pipeline as the outside sees it: topics, group and store of a test, and what must hold for them at rest.
//!
//! Nothing here asks snapback what it did, except [`Pipeline::verify`]: topics are read with a client of their own,
//! the store with DuckDB, and what the outcomes must be follows from the events alone.

mod checks;
mod commits;
mod messages;
mod outcomes;
mod place;
mod stored;

pub use commits::{committed_events, number_of_events, wait_until_committed, writers};
pub use messages::Outcome;
pub use outcomes::{MALFORMED, Offsets, Outcomes, event};
pub use place::Place;

use std::path::Path;
use std::time::Duration;

use crate::support::process::Finished;
use crate::support::{Program, create_topic, kafka, produce, read_all, snapback, unique};

/// How long one run of snapback may take in these tests; seconds are usual, on a busy machine more.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Partition and offset of an event.
pub type Source = (i32, i64);

/// The topics, the group and the store of one test. The output topics are not made by it.
pub struct Pipeline {
    pub brokers: String,
    pub events: String,
    pub results: String,
    pub rejects: String,
    pub group: String,
    pub store: Place,
}

impl Pipeline {
    /// A pipeline of the shared broker with a store in `store`; the events topic exists and is empty.
    #[track_caller]
    pub fn new(partitions: i32, store: Place) -> Self {
        let pipeline = Self::without_events_topic(store);
        create_topic(&pipeline.brokers, &pipeline.events, partitions);
        pipeline
    }

    /// A pipeline of the shared broker of which nothing exists yet.
    #[track_caller]
    pub fn without_events_topic(store: Place) -> Self {
        let events = unique("events");
        Self {
            brokers: kafka().brokers().to_owned(),
            results: unique("results"),
            rejects: format!("{events}.dlq"),
            group: unique("group"),
            events,
            store,
        }
    }

    /// The same pipeline, but for its store.
    pub fn with_store(&self, store: Place) -> Self {
        Self {
            brokers: self.brokers.clone(),
            events: self.events.clone(),
            results: self.results.clone(),
            rejects: self.rejects.clone(),
            group: self.group.clone(),
            store,
        }
    }

    /// The pipeline that a printed command begins: `-2` after these names, the others as they are.
    pub fn fresh(&self, names: &[&str]) -> Self {
        let other = |name, value: &String| {
            let suffix = if names.contains(&name) { "-2" } else { "" };
            format!("{value}{suffix}")
        };
        let suffix = if names.contains(&"store") { "-2" } else { "" };
        Self {
            group: other("group", &self.group),
            results: other("results", &self.results),
            ..self.with_store(self.store.beside(suffix))
        }
    }

    /// Flags that say where the store is.
    pub fn store_args(&self) -> Vec<String> {
        let mut args = vec!["--store".to_owned(), self.store.url()];
        if let Place::Bucket { server, .. } = &self.store {
            args.extend(["--s3-endpoint".to_owned(), server.endpoint().to_owned()]);
        }
        args
    }

    /// What a program needs in its environment to reach the store.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        match &self.store {
            Place::Folder { .. } => Vec::new(),
            Place::Bucket { server, .. } => server.env(),
        }
    }

    /// `snapback run` on this pipeline.
    pub fn run(&self) -> Program {
        snapback(["run"])
            .args(["--brokers", &self.brokers, "--events", &self.events])
            .args(["--results", &self.results, "--group", &self.group])
            .args(self.store_args())
            .envs(self.env())
            .limit(LIMIT)
    }

    /// `snapback run --exit-at-end` on this pipeline.
    pub fn run_to_end(&self) -> Program {
        self.run().arg("--exit-at-end")
    }

    /// Writes events without keys into one partition.
    #[track_caller]
    pub fn send<P: Into<Vec<u8>>>(&self, partition: i32, payloads: impl IntoIterator<Item = P>) {
        let records = payloads
            .into_iter()
            .map(|payload| (Some(partition), None, Some(payload.into())));
        produce(&self.brokers, &self.events, records);
    }

    /// Writes `{"number": n}` for each number into one partition.
    #[track_caller]
    pub fn send_numbers(&self, partition: i32, numbers: impl IntoIterator<Item = i64>) {
        self.send(partition, numbers.into_iter().map(event));
    }

    /// The outcomes that the events still in their topic must have.
    #[track_caller]
    pub fn expected(&self) -> Outcomes {
        Outcomes::of(read_all(&self.brokers, &self.events))
    }
}

/// So many numbers that hardly become smaller when they are encoded.
pub fn scattered(count: i64) -> impl Iterator<Item = i64> {
    (0..count).map(|number| number.wrapping_mul(0x1e37_79b9_7f4a_7c15))
}

/// The commands that a program printed for its user to run, each on a line of its own.
pub fn printed_commands(finished: &Finished) -> Vec<String> {
    let lines = finished.stderr.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with("snapback "))
        .map(str::to_owned)
        .collect()
}

/// A command as it was printed, in a shell, as its user runs it.
pub fn in_a_shell(command: &str) -> Program {
    let binary = Path::new(env!("CARGO_BIN_EXE_snapback"));
    let mut path = binary.parent().expect("a folder").as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    Program::new("sh")
        .args(["-c", command])
        .env("PATH", path)
        .limit(LIMIT)
}
