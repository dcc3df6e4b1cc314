//! One pipeline as the outside sees it: topics, group and store of a test, and what must hold for them at rest.
//!
//! Nothing here asks snapback what it did, except [`Pipeline::verify`]: topics are read with a client of their own,
//! the store with DuckDB, and what the outcomes must be follows from the events alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::Finished;
use crate::support::{
    Program, Record, S3Server, committed, create_topic, eventually, kafka, produce, python,
    read_all, snapback, unique,
};

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

/// Where a store lies.
pub enum Place {
    /// The folder `name` in a temporary one, which may hold other stores beside it.
    Folder {
        root: Arc<tempfile::TempDir>,
        name: String,
    },
    Bucket {
        server: &'static S3Server,
        prefix: String,
    },
}

impl Place {
    /// A folder that does not exist yet.
    pub fn folder() -> Self {
        let root = tempfile::Builder::new()
            .prefix("snapback-test-store-")
            .tempdir()
            .expect("a folder for a store");
        let (root, name) = (Arc::new(root), "store".to_owned());
        Place::Folder { root, name }
    }

    /// Another place beside this one, of which nothing exists unless a store was made there.
    pub fn beside(&self, suffix: &str) -> Self {
        match self {
            Place::Folder { root, name } => {
                let (root, name) = (Arc::clone(root), format!("{name}{suffix}"));
                Place::Folder { root, name }
            }
            Place::Bucket { server, prefix } => {
                let prefix = format!("{prefix}{suffix}");
                Place::Bucket { server, prefix }
            }
        }
    }

    /// A copy of a store on local disk as it is now, beside it.
    #[track_caller]
    pub fn copy(&self) -> Self {
        let copy = self.beside("-copy");
        copy_folder(&self.path(), &copy.path()).expect("a copy of a folder");
        copy
    }

    /// An empty prefix of a server's bucket.
    pub fn bucket(server: &'static S3Server) -> Self {
        let prefix = server.new_prefix();
        Place::Bucket { server, prefix }
    }

    /// As in `--store`.
    pub fn url(&self) -> String {
        match self {
            Place::Folder { .. } => self.path().display().to_string(),
            Place::Bucket { server, prefix } => format!("s3://{}/{prefix}", server.bucket()),
        }
    }

    /// The folder of a store on local disk.
    #[track_caller]
    pub fn path(&self) -> PathBuf {
        match self {
            Place::Folder { root, name } => root.path().join(name),
            Place::Bucket { .. } => panic!("this store is not a folder"),
        }
    }
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

    /// The pipeline that a printed command begins: `-2` behind these names, the others as they are.
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

    /// Topics and store hold every event exactly once, and nothing else.
    #[track_caller]
    pub fn check(&self) {
        self.check_against(&self.expected(), Offsets::default());
    }

    /// Topics and store hold exactly these outcomes, each once.
    #[track_caller]
    pub fn check_against(&self, expected: &Outcomes, offsets: Offsets) {
        self.check_published(expected);
        self.check_stored(expected, offsets);
    }

    /// The results and dead-letter topics hold exactly these outcomes, each once.
    #[track_caller]
    pub fn check_published(&self, expected: &Outcomes) {
        self.check_published_with(expected, |_| true);
    }

    /// The same, where others have written into the results topic as well: `ours` tells which results count.
    #[track_caller]
    pub fn check_published_with(&self, expected: &Outcomes, ours: impl Fn(&Record) -> bool) {
        let results = read_all(&self.brokers, &self.results).into_iter();
        assert_equal(
            "published results",
            self.result_messages(expected),
            results.filter(|record| ours(record)).map(Message::from),
        );
        assert_equal(
            "dead letters",
            self.dead_letters(expected),
            read_all(&self.brokers, &self.rejects)
                .into_iter()
                .map(without_reason),
        );
    }

    /// The results and dead-letter topics hold exactly these outcomes, each at least once.
    #[track_caller]
    pub fn check_published_at_least_once(&self, expected: &Outcomes) {
        let once = |messages: BTreeSet<Message>| messages.into_iter();
        let published = read_all(&self.brokers, &self.results)
            .into_iter()
            .map(Message::from);
        assert_equal(
            "published results",
            self.result_messages(expected),
            once(published.collect()),
        );
        let letters = read_all(&self.brokers, &self.rejects)
            .into_iter()
            .map(without_reason);
        assert_equal(
            "dead letters",
            self.dead_letters(expected),
            once(letters.collect()),
        );
    }

    /// The store holds exactly these outcomes, each once: as DuckDB reads the plain glob, and as `verify` says.
    #[track_caller]
    pub fn check_stored(&self, expected: &Outcomes, offsets: Offsets) {
        let seen = self.read_store(expected);
        let nothing = json!([0, []]);
        for (kind, rows) in [
            ("results", expected.results.len()),
            ("rejects", expected.rejects.len()),
        ] {
            let as_expected =
                json!({"rows": rows, "twice": nothing, "missing": nothing, "unexpected": nothing});
            assert_eq!(
                seen[kind], as_expected,
                "stored {kind} as DuckDB reads them"
            );
        }
        assert_eq!(
            seen["wrong"],
            json!(0),
            "results that DuckDB calculates differently"
        );
        self.check_verified(expected, offsets);
    }

    /// `verify` is clean and counts exactly these outcomes.
    #[track_caller]
    pub fn check_verified(&self, expected: &Outcomes, Offsets { absent, lost }: Offsets) {
        let report = self.verify(0);
        let (results, rejects) = (expected.results.len() as u64, expected.rejects.len() as u64);
        let counts = json!({
            "clean": report["clean"], "offsets": report["offsets"], "results": report["results"],
            "rejects": report["rejects"], "absent": report["absent"], "lost": report["lost"],
        });
        let as_expected = json!({
            "clean": true, "offsets": results + rejects + absent + lost, "results": results,
            "rejects": rejects, "absent": absent, "lost": lost,
        });
        assert_eq!(counts, as_expected, "{report:#}");
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
                include_str!("python/read_store.py"),
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

    fn result_messages(&self, expected: &Outcomes) -> impl Iterator<Item = Message> {
        expected
            .results
            .iter()
            .map(|(source, number)| self.result_message(*source, *number))
    }

    fn dead_letters(&self, expected: &Outcomes) -> impl Iterator<Item = Message> {
        expected
            .rejects
            .values()
            .map(|event| self.dead_letter(event))
    }

    /// The message that publishes the result of an event.
    fn result_message(&self, (partition, offset): Source, number: i64) -> Message {
        let square = i128::from(number) * i128::from(number);
        Message {
            partition: Some(partition),
            key: Some(format!("{}/{partition}/{offset}", self.events)),
            payload: Some(format!(r#"{{"number":{number},"result":{square}}}"#)),
            headers: Vec::new(),
        }
    }

    /// What was published for each event, in the order of its topic, results first.
    #[track_caller]
    pub fn published(&self) -> BTreeMap<Source, Vec<Outcome>> {
        let mut published: BTreeMap<Source, Vec<Outcome>> = BTreeMap::new();
        for result in read_all(&self.brokers, &self.results) {
            let key = readable(result.key.expect("a result has a key"));
            let source = key.strip_prefix(&self.events).and_then(|rest| {
                let (partition, offset) = rest.strip_prefix('/')?.split_once('/')?;
                Some((partition.parse().ok()?, offset.parse().ok()?))
            });
            let source =
                source.unwrap_or_else(|| panic!("a result's key names its event, not {key}"));
            let value = readable(result.payload.expect("a result has a value"));
            published
                .entry(source)
                .or_default()
                .push(Outcome::Result(value));
        }
        for letter in read_all(&self.brokers, &self.rejects) {
            let number = |name| header(&letter, name).parse::<i64>().expect("a number");
            let partition = i32::try_from(number("snapback-partition")).expect("a partition");
            let reason = header(&letter, "snapback-reason");
            let code = reason
                .split(": ")
                .next()
                .expect("the first part")
                .to_owned();
            let source = (partition, number("snapback-offset"));
            published
                .entry(source)
                .or_default()
                .push(Outcome::Reject(code));
        }
        published
    }

    /// The message that publishes the reject of an event, but for its reason.
    fn dead_letter(&self, event: &Record) -> Message {
        let mut letter = Message::from(event.clone());
        letter.partition = None;
        let timestamp = event.timestamp.map(|timestamp| timestamp.to_string());
        for (name, value) in [
            ("topic", Some(self.events.clone())),
            ("partition", Some(event.partition.to_string())),
            ("offset", Some(event.offset.to_string())),
            ("timestamp", timestamp),
        ] {
            letter.headers.push((format!("snapback-{name}"), value));
        }
        letter
    }
}

/// Offsets without an outcome.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offsets {
    pub absent: u64,
    pub lost: u64,
}

/// What must have become of events: a number for each result, the whole event for each reject.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    pub results: BTreeMap<Source, i64>,
    pub rejects: BTreeMap<Source, Record>,
}

impl Outcomes {
    /// The outcomes of events under the default fields and calculation.
    pub fn of(events: impl IntoIterator<Item = Record>) -> Self {
        let mut outcomes = Self::default();
        for event in events {
            let source = (event.partition, event.offset);
            match number(event.payload.as_deref()) {
                Some(number) => drop(outcomes.results.insert(source, number)),
                None => drop(outcomes.rejects.insert(source, event)),
            }
        }
        outcomes
    }

    /// Only those of the events for which `keep` holds.
    pub fn only(mut self, keep: impl Fn(Source) -> bool) -> Self {
        self.results.retain(|source, _| keep(*source));
        self.rejects.retain(|source, _| keep(*source));
        self
    }
}

/// A published outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The value of the result message.
    Result(String),
    /// The code of the reject's reason.
    Reject(String),
}

/// The payload of a good event.
pub fn event(number: i64) -> Vec<u8> {
    format!(r#"{{"number": {number}}}"#).into_bytes()
}

/// The number of a payload that [`event`] made: stricter than JSON, so nothing malformed passes for good.
fn number(payload: Option<&[u8]>) -> Option<i64> {
    let text = str::from_utf8(payload?).ok()?;
    let digits = text.strip_prefix(r#"{"number": "#)?.strip_suffix('}')?;
    digits.parse().ok()
}

/// Payloads that are rejects under the default fields, a dozen ways; `None` is a tombstone.
pub const MALFORMED: [Option<&[u8]>; 12] = [
    None,
    Some(b""),
    Some(b"not json"),
    Some(b"{\"number\": 7"),
    Some(b"{\"number\": 7} 8"),
    Some(b"[7]"),
    Some(b"{\"number\": 1.5}"),
    Some(b"{\"number\": 1e3}"),
    Some(b"{\"number\": \"7\"}"),
    Some(b"{\"number\": 9223372036854775808}"),
    Some(b"{\"numbre\": 7}"),
    Some(b"{\"number\": \xff}"),
];

/// A message without what differs from run to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    partition: Option<i32>,
    key: Option<String>,
    payload: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

impl From<Record> for Message {
    fn from(record: Record) -> Self {
        Self {
            partition: Some(record.partition),
            key: record.key.map(readable),
            payload: record.payload.map(readable),
            headers: record
                .headers
                .into_iter()
                .map(|(name, value)| (name, value.map(readable)))
                .collect(),
        }
    }
}

/// A dead letter without its reason, which it must have, and without its partition, which is not promised.
#[track_caller]
fn without_reason(record: Record) -> Message {
    let mut letter = Message::from(record);
    letter.partition = None;
    let reasons = letter
        .headers
        .extract_if(.., |(name, _)| name == "snapback-reason");
    let reasons: Vec<_> = reasons.collect();
    let says_why =
        |reason: &Option<String>| reason.as_ref().is_some_and(|text| text.contains(": "));
    assert!(
        matches!(reasons.as_slice(), [(_, reason)] if says_why(reason)),
        "a dead letter has one reason, not {reasons:?}: {letter:?}"
    );
    letter
}

/// Bytes as text that differs whenever they do.
fn readable(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| format!("{:?}", error.as_bytes()))
}

/// Both hold the same, in whatever order, each as often; panics with the first differences.
#[track_caller]
fn assert_equal<T: Ord + Debug>(
    what: &str,
    expected: impl Iterator<Item = T>,
    found: impl Iterator<Item = T>,
) {
    let mut balance: BTreeMap<T, i64> = BTreeMap::new();
    let (mut wanted, mut seen) = (0, 0);
    for item in expected {
        *balance.entry(item).or_default() -= 1;
        wanted += 1;
    }
    for item in found {
        *balance.entry(item).or_default() += 1;
        seen += 1;
    }
    balance.retain(|_, count| *count != 0);
    let first: Vec<_> = balance.iter().take(5).collect();
    assert!(
        balance.is_empty(),
        "{what}: {seen} found, {wanted} expected, {} differ (-: missing, +: too many): {first:#?}",
        balance.len()
    );
}

/// The text of a message's header.
#[track_caller]
fn header(record: &Record, name: &str) -> String {
    let found = record.headers.iter().find(|(header, _)| header == name);
    let value = found.and_then(|(_, value)| value.clone());
    readable(value.unwrap_or_else(|| panic!("no header {name}: {record:?}")))
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
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

/// How many events are in the topic; they must not have been trimmed.
#[track_caller]
pub fn number_of_events(pipeline: &Pipeline) -> i64 {
    i64::try_from(read_all(&pipeline.brokers, &pipeline.events).len()).expect("a small number")
}

/// Waits until the group has committed that many events.
#[track_caller]
pub fn wait_until_committed(pipeline: &Pipeline, events: i64) {
    let what = format!("{events} committed events");
    eventually(LIMIT, &what, || {
        (committed_events(pipeline) >= events).then_some(())
    });
}

/// How far the group has come: the events that are committed, where the log has nothing else and was not trimmed.
#[track_caller]
pub fn committed_events(pipeline: &Pipeline) -> i64 {
    let committed = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    committed
        .into_values()
        .flatten()
        .map(|(offset, _)| offset)
        .sum()
}

/// Who committed the partitions last: each worker names itself in the metadata of its commits.
#[track_caller]
pub fn writers(pipeline: &Pipeline) -> BTreeSet<String> {
    let commits = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    let writer = |(_, metadata): (i64, String)| {
        let metadata: Value = serde_json::from_str(&metadata).expect("metadata of ours");
        metadata["by"].as_str().expect("a writer").to_owned()
    };
    commits.into_values().flatten().map(writer).collect()
}
