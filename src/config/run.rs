//! What `snapback run` needs.

use std::{fmt, num::NonZeroU64, time::Duration};

use super::{
    error::ConfigError,
    key,
    layers::Layers,
    parse,
    parts::{self, CalculationConfig, PipelineConfig},
};
use crate::{
    kafka::Connection,
    recovery::{Invocation, Policy},
    store::StoreConfig,
};

const MIB: u64 = 1024 * 1024;

/// How often an outcome may reach the output topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Results, rejects and offsets in one transaction.
    ExactlyOnce,
    /// Acknowledged, then committed: a crash publishes some again.
    AtLeastOnce,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Delivery::ExactlyOnce => "exactly-once",
            Delivery::AtLeastOnce => "at-least-once",
        })
    }
}

/// What becomes of stored history that is of another calculation than the running one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnNewCalculation {
    /// It stays as it is.
    Keep,
    /// It is brought under the running one, and what changes is published as corrections.
    Recalculate,
}

/// What is done with what the scrub finds wrong in stored history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrub {
    /// What can safely be mended is; the rest is shown.
    Repair,
    /// It is shown.
    Report,
    /// Stored history is not verified.
    Off,
}

/// How stored history is verified beside everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubConfig {
    /// What is done with findings.
    pub mode: Scrub,
    /// From one verification of a segment to the next; 1 s to 90 days.
    pub every: Duration,
    /// Percent of one core, for all partitions of the process; 1 to 50.
    pub percent: u32,
}

/// Where the status is served over HTTP: `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusAddress {
    /// Nowhere.
    Off,
    /// Nobody chose: there, if it can be had.
    Default(String),
    /// Somebody chose it.
    Chosen(String),
}

/// Everything that the processor needs, validated.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// How to reach Kafka.
    pub connection: Connection,
    /// The topics and the group.
    pub pipeline: PipelineConfig,
    /// Where the snapshots are.
    pub store: StoreConfig,
    /// Fields and calculation.
    pub calculation: CalculationConfig,
    /// How often an outcome may be published.
    pub delivery: Delivery,
    /// From a transaction's first event to its commit; 1 ms to 5 s, well below the transaction timeout.
    pub commit_interval: Duration,
    /// From one snapshot of a partition to the next; 100 ms to a day.
    pub snapshot_interval: Duration,
    /// Bytes for the whole process; at least 64 MiB.
    pub memory: u64,
    /// Bytes that background work of the whole process reads and writes in a second; at least 64 KiB.
    pub background_rate: NonZeroU64,
    /// Worker threads; 1 to 256.
    pub workers: usize,
    /// The process's name in the group; `None`: host name and a free slot.
    pub instance: Option<String>,
    /// What the operator decided for this start.
    pub policy: Policy,
    /// End at the end of the topic.
    pub exit_at_end: bool,
    /// Begin although nearly all events of the topic are rejects.
    pub allow_rejects: bool,
    /// Where the status is served.
    pub status: StatusAddress,
    /// From the request to stop to the end; 1 s to an hour.
    pub shutdown_timeout: Duration,
    /// Make missing output topics.
    pub create_topics: bool,
    /// What becomes of stored history of another calculation.
    pub on_new_calculation: OnNewCalculation,
    /// How stored history is verified beside everything else.
    pub scrub: ScrubConfig,
    /// How long old manifests, and files that no manifest lists, stay; 6 hours to ten years.
    pub keep: Duration,
    /// How the program was started.
    pub invocation: Invocation,
}

impl RunConfig {
    /// Validates everything that `run` needs.
    ///
    /// # Errors
    /// The first value that cannot be.
    pub fn new(layers: &Layers) -> Result<RunConfig, ConfigError> {
        let on_new_calculation = [
            ("keep", OnNewCalculation::Keep),
            ("recalculate", OnNewCalculation::Recalculate),
        ];
        let commits = Duration::from_millis(1)..=Duration::from_secs(5);
        let snapshots = Duration::from_millis(100)..=Duration::from_secs(24 * 60 * 60);
        let shutdown = Duration::from_secs(1)..=Duration::from_secs(60 * 60);
        Ok(RunConfig {
            connection: parts::connection(layers)?,
            pipeline: parts::pipeline(layers)?,
            store: parts::store(layers)?,
            calculation: parts::calculation(layers)?,
            delivery: delivery(layers)?,
            commit_interval: layers.duration(key::COMMIT_INTERVAL, commits)?,
            snapshot_interval: layers.duration(key::SNAPSHOT_INTERVAL, snapshots)?,
            memory: layers.bytes(key::MEMORY, 64 * MIB..=1024 * 1024 * MIB)?,
            background_rate: background_rate(layers)?,
            workers: layers.number(key::WORKERS, 1..=256)?,
            instance: instance(layers)?,
            policy: policy(layers)?,
            exit_at_end: layers.boolean(key::EXIT_AT_END)?,
            allow_rejects: layers.boolean(key::ALLOW_REJECTS)?,
            status: status(layers)?,
            shutdown_timeout: layers.duration(key::SHUTDOWN_TIMEOUT, shutdown)?,
            create_topics: layers.boolean(key::CREATE_TOPICS)?,
            on_new_calculation: layers.choice(key::ON_NEW_CALCULATION, &on_new_calculation)?,
            scrub: scrub(layers)?,
            keep: keep(layers)?,
            invocation: layers.invocation("run"),
        })
    }
}

/// How long old manifests, and files that no manifest lists, stay.
///
/// # Errors
/// When it is less than six hours: what a process has put may be on its way into a manifest.
pub fn keep(layers: &Layers) -> Result<Duration, ConfigError> {
    let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
    layers.duration(key::KEEP, hours(6)..=hours(10 * 365 * 24))
}

/// How often an outcome may be published.
///
/// # Errors
/// When it is none of the two.
pub fn delivery(layers: &Layers) -> Result<Delivery, ConfigError> {
    let modes = [
        ("exactly-once", Delivery::ExactlyOnce),
        ("at-least-once", Delivery::AtLeastOnce),
    ];
    layers.choice(key::DELIVERY, &modes)
}

fn background_rate(layers: &Layers) -> Result<NonZeroU64, ConfigError> {
    let bytes = layers.bytes(key::BACKGROUND_RATE, MIB / 16..=1024 * 1024 * MIB)?;
    Ok(NonZeroU64::new(bytes).unwrap_or(NonZeroU64::MIN))
}

fn scrub(layers: &Layers) -> Result<ScrubConfig, ConfigError> {
    let modes = [
        ("repair", Scrub::Repair),
        ("report", Scrub::Report),
        ("off", Scrub::Off),
    ];
    let intervals = Duration::from_secs(1)..=Duration::from_secs(90 * 24 * 60 * 60);
    let percent = layers.number(key::SCRUB_PERCENT, 1..=50)?;
    Ok(ScrubConfig {
        mode: layers.choice(key::SCRUB, &modes)?,
        every: layers.duration(key::SCRUB_INTERVAL, intervals)?,
        percent: u32::try_from(percent).unwrap_or(1),
    })
}

fn instance(layers: &Layers) -> Result<Option<String>, ConfigError> {
    let Some(value) = layers.value(key::INSTANCE) else {
        return Ok(None);
    };
    match parse::instance(&value.text) {
        Ok(instance) => Ok(Some(instance)),
        Err(reason) => Err(parse::invalid(key::INSTANCE, value, &reason)),
    }
}

fn status(layers: &Layers) -> Result<StatusAddress, ConfigError> {
    let address = layers.parsed(key::STATUS, parse::address)?;
    Ok(match address {
        None => StatusAddress::Off,
        Some(address) if layers.given(key::STATUS).is_some() => StatusAddress::Chosen(address),
        Some(address) => StatusAddress::Default(address),
    })
}

fn policy(layers: &Layers) -> Result<Policy, ConfigError> {
    let mut accept_loss = Vec::new();
    for value in layers.flag_values(key::ACCEPT_LOSS) {
        let loss = parse::loss(&value.text);
        accept_loss.push(loss.map_err(|reason| parse::invalid(key::ACCEPT_LOSS, value, &reason))?);
    }
    let resume_from = match layers.value(key::RESUME_FROM) {
        None => None,
        Some(value) => match parse::resume_from(&value.text) {
            Ok(side) => Some(side),
            Err(reason) => return Err(parse::invalid(key::RESUME_FROM, value, &reason)),
        },
    };
    Ok(Policy {
        start: layers.parsed(key::START, parse::start)?,
        resume_from,
        accept_loss,
    })
}
