//! Every setting that a flag, the environment or the file can give, with its default.

/// A setting: `--commit-interval`, `SNAPBACK_COMMIT_INTERVAL`, `commit-interval = "100ms"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its name in the file; the flag's name without the dashes.
    pub name: &'static str,
    /// Its value when nobody gives one.
    pub default: Option<&'static str>,
    /// What `snapback config` says when it has no value.
    pub otherwise: &'static str,
    /// A decision for one start: only a flag can give it, because in a file it would be taken again and again.
    pub once: bool,
}

impl Key {
    const fn new(name: &'static str, default: &'static str) -> Key {
        Key {
            name,
            default: Some(default),
            otherwise: "",
            once: false,
        }
    }

    const fn without_default(name: &'static str, otherwise: &'static str) -> Key {
        Key {
            name,
            default: None,
            otherwise,
            once: false,
        }
    }

    const fn once(name: &'static str) -> Key {
        Key {
            name,
            default: None,
            otherwise: "none",
            once: true,
        }
    }

    /// `--commit-interval`
    #[must_use]
    pub fn flag(self) -> String {
        format!("--{}", self.name)
    }

    /// `SNAPBACK_COMMIT_INTERVAL`
    #[must_use]
    pub fn variable(self) -> String {
        format!(
            "SNAPBACK_{}",
            self.name.to_ascii_uppercase().replace('-', "_")
        )
    }
}

/// The Kafka brokers.
pub const BROKERS: Key = Key::new("brokers", "localhost:9092");
/// The events topic.
pub const EVENTS: Key = Key::new("events", "events");
/// The results topic.
pub const RESULTS: Key = Key::new("results", "results");
/// The dead-letter topic.
pub const REJECTS: Key = Key::without_default("rejects", "<events>.dlq");
/// The consumer group.
pub const GROUP: Key = Key::new("group", "recalc_group");
/// The store of the snapshots.
pub const STORE: Key = Key::new("store", "./snapshots");
/// The S3 server.
pub const S3_ENDPOINT: Key = Key::without_default("s3-endpoint", "Amazon's");
/// The event's fields as SQL columns.
pub const FIELDS: Key = Key::new("fields", "number BIGINT NOT NULL");
/// The calculation.
pub const CALCULATION: Key = Key::new("calculation", "square");
/// Which events are calculated.
pub const WHERE: Key = Key::without_default("where", "every event");
/// Which columns of a result its message holds.
pub const PUBLISH: Key = Key::without_default("publish", "every column");
/// What messages have of their events.
pub const CARRY: Key = Key::without_default("carry", "nothing");
/// What a calculation consists of.
pub const OF_CALCULATION: [Key; 5] = [CALCULATION, FIELDS, WHERE, PUBLISH, CARRY];
/// How data is written to stdout.
pub const OUTPUT: Key = Key::new("output", "table");
/// How log lines are written to stderr.
pub const LOG_FORMAT: Key = Key::new("log-format", "text");
/// How often an outcome may be published.
pub const DELIVERY: Key = Key::new("delivery", "exactly-once");
/// From a batch's first event to its commit.
pub const COMMIT_INTERVAL: Key = Key::new("commit-interval", "100ms");
/// From one snapshot of a partition to the next.
pub const SNAPSHOT_INTERVAL: Key = Key::new("snapshot-interval", "30s");
/// The memory of the whole process.
pub const MEMORY: Key = Key::new("memory", "256MiB");
/// What background work may read and write in a second.
pub const BACKGROUND_RATE: Key = Key::new("background-rate", "32MiB");
/// Worker threads.
pub const WORKERS: Key = Key::new("workers", "1");
/// The process's name in the group.
pub const INSTANCE: Key = Key::without_default("instance", "<host name>-<free slot>");
/// Where a new partition starts.
pub const START: Key = Key::new("start", "earliest");
/// End at the end of the topic.
pub const EXIT_AT_END: Key = Key::new("exit-at-end", "false");
/// Begin although nearly all events are rejects.
pub const ALLOW_REJECTS: Key = Key::new("allow-rejects", "false");
/// From the request to stop to the end.
pub const SHUTDOWN_TIMEOUT: Key = Key::new("shutdown-timeout", "25s");
/// Where the status is served.
pub const STATUS: Key = Key::new("status", "127.0.0.1:9464");
/// Make missing output topics.
pub const CREATE_TOPICS: Key = Key::new("create-topics", "true");
/// What becomes of stored history of another calculation.
pub const ON_NEW_CALCULATION: Key = Key::new("on-new-calculation", "keep");
/// What is done with what the scrub finds.
pub const SCRUB: Key = Key::new("scrub", "repair");
/// From one verification of a stored segment to the next.
pub const SCRUB_INTERVAL: Key = Key::new("scrub-interval", "1h");
/// Percent of one core for the scrub.
pub const SCRUB_PERCENT: Key = Key::new("scrub-percent", "1");
/// How long what the history does not need any more stays.
pub const KEEP: Key = Key::new("keep", "24h");
/// Losses to record.
pub const ACCEPT_LOSS: Key = Key::once("accept-loss");
/// Which side to believe.
pub const RESUME_FROM: Key = Key::once("resume-from");

/// All of them, in the order in which they are shown.
pub const ALL: &[Key] = &[
    BROKERS,
    EVENTS,
    RESULTS,
    REJECTS,
    GROUP,
    STORE,
    S3_ENDPOINT,
    FIELDS,
    CALCULATION,
    WHERE,
    PUBLISH,
    CARRY,
    DELIVERY,
    COMMIT_INTERVAL,
    SNAPSHOT_INTERVAL,
    MEMORY,
    BACKGROUND_RATE,
    WORKERS,
    INSTANCE,
    START,
    EXIT_AT_END,
    ALLOW_REJECTS,
    STATUS,
    SHUTDOWN_TIMEOUT,
    CREATE_TOPICS,
    ON_NEW_CALCULATION,
    SCRUB,
    SCRUB_INTERVAL,
    SCRUB_PERCENT,
    KEEP,
    ACCEPT_LOSS,
    RESUME_FROM,
    OUTPUT,
    LOG_FORMAT,
];

/// The table of the file that holds librdkafka's properties.
pub const KAFKA_TABLE: &str = "kafka";
/// The beginning of the environment variables that hold them: `SNAPBACK_KAFKA_SASL_PASSWORD` is `sasl.password`.
pub const KAFKA_VARIABLES: &str = "SNAPBACK_KAFKA_";
