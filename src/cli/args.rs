//! Groups of flags that several commands share. Values stay text here: they are validated in `config`, together with those
//! from environment and file, so a mistake reads the same wherever it was made.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Flags, key};

/// How a command writes, and where its configuration is.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output and configuration")]
pub(super) struct Common {
    /// Form of the data on stdout: table or json [default: table]
    #[arg(short, long, value_name = "FORM", value_parser = ["table", "json"], hide_possible_values = true)]
    output: Option<String>,
    /// More log lines on stderr; repeat for more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Form of the log lines: text or json [default: text]
    #[arg(long, value_name = "FORM", value_parser = ["text", "json"], hide_possible_values = true)]
    log_format: Option<String>,
    /// The configuration file [default: ./snapback.toml if there is one]
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
}

impl Common {
    pub(super) fn collect(&self, flags: &mut Flags) {
        flags.config(self.config.as_deref());
        flags.add(key::OUTPUT, self.output.as_deref());
        flags.add(key::LOG_FORMAT, self.log_format.as_deref());
    }
}

/// How to reach Kafka.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Kafka")]
pub(super) struct KafkaArgs {
    /// Brokers [default: localhost:9092]
    #[arg(long, value_name = "HOST:PORT,...")]
    pub(super) brokers: Option<String>,
    /// A property of librdkafka, as in kcat: -X security.protocol=SASL_SSL. Secrets are better given as
    /// SNAPBACK_KAFKA_SASL_PASSWORD or in the [kafka] table of snapback.toml
    #[arg(short = 'X', value_name = "KEY=VALUE")]
    properties: Vec<String>,
}

impl KafkaArgs {
    pub(super) fn collect(&self, flags: &mut Flags) {
        flags.add(key::BROKERS, self.brokers.as_deref());
        for argument in &self.properties {
            flags.property(argument);
        }
    }
}

/// The events topic.
#[derive(Clone, Debug, Args)]
pub(super) struct EventsArgs {
    /// Topic of the events [default: events]
    #[arg(long, value_name = "TOPIC", help_heading = "Pipeline")]
    events: Option<String>,
}

impl EventsArgs {
    pub(super) fn collect(&self, flags: &mut Flags) {
        flags.add(key::EVENTS, self.events.as_deref());
    }
}

/// The topics that outcomes go to.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Pipeline")]
pub(super) struct OutputTopicsArgs {
    /// Topic of the results [default: results]
    #[arg(long, value_name = "TOPIC")]
    results: Option<String>,
    /// Topic of events that cannot be decoded or calculated [default: <events>.dlq]
    #[arg(long, value_name = "TOPIC")]
    rejects: Option<String>,
}

impl OutputTopicsArgs {
    pub(super) fn collect(&self, flags: &mut Flags) {
        flags.add(key::RESULTS, self.results.as_deref());
        flags.add(key::REJECTS, self.rejects.as_deref());
    }
}

/// The topics that outcomes go to, and the group.
#[derive(Clone, Debug, Args)]
pub(super) struct PipelineArgs {
    #[command(flatten)]
    topics: OutputTopicsArgs,
    /// Consumer group [default: recalc_group]
    #[arg(long, value_name = "GROUP", help_heading = "Pipeline")]
    group: Option<String>,
}

impl PipelineArgs {
    pub(super) fn collect(&self, flags: &mut Flags) {
        self.topics.collect(flags);
        flags.add(key::GROUP, self.group.as_deref());
    }
}

/// Where the snapshots are.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Store")]
pub(super) struct StoreArgs {
    /// Where the snapshots are: a folder, or s3://bucket/prefix with the usual AWS_* variables [default: ./snapshots]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// An S3 server other than Amazon's: http://localhost:9000
    #[arg(long, value_name = "URL")]
    s3_endpoint: Option<String>,
}

impl StoreArgs {
    pub(super) fn collect(&self, flags: &mut Flags) {
        flags.add(key::STORE, self.store.as_deref());
        flags.add(key::S3_ENDPOINT, self.s3_endpoint.as_deref());
    }
}

/// What is calculated.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Calculation")]
pub(super) struct CalculationArgs {
    /// The event's fields as SQL columns: BIGINT, DOUBLE, DECIMAL(p,s), VARCHAR, BOOLEAN, TIMESTAMP, DATE, JSON, each with NOT NULL, FROM STRING or PATH "$.a.b" where needed [default: number BIGINT NOT NULL]
    #[arg(long, value_name = "COLUMNS")]
    fields: Option<String>,
    /// A SQL expression over the fields: price * quantity. `snapback functions` lists what it may use [default: square]
    #[arg(long, value_name = "EXPRESSION", allow_hyphen_values = true)]
    calculation: Option<String>,
    /// A SQL condition over the fields: quantity > 0. Events for which it is not true are filtered: counted, and neither
    /// stored nor published [default: every event is calculated]
    #[arg(long = "where", value_name = "CONDITION", allow_hyphen_values = true)]
    condition: Option<String>,
    /// Which fields and columns of the result a message holds: who, total. The snapshots hold all of them [default: all]
    #[arg(long, value_name = "COLUMN,...")]
    publish: Option<String>,
    /// What a result's message has of its event: key, timestamp, or both. The source, which is the key otherwise, stands in the header snapback-source then; headers cost about a fifth of the throughput [default: nothing]
    #[arg(long, value_name = "key,timestamp")]
    carry: Option<String>,
}

impl CalculationArgs {
    pub(super) fn collect(&self, flags: &mut Flags) {
        flags.add(key::FIELDS, self.fields.as_deref());
        flags.add(key::CALCULATION, self.calculation.as_deref());
        flags.add(key::WHERE, self.condition.as_deref());
        flags.add(key::PUBLISH, self.publish.as_deref());
        flags.add(key::CARRY, self.carry.as_deref());
    }
}
