//! `snapback produce`

use std::path::PathBuf;

use clap::Args;

use super::args::{Common, EventsArgs, KafkaArgs};
use crate::config::Flags;

const EXAMPLES: &str = "\
Examples:
  snapback produce --count 1000000               random numbers: {\"number\": 7}
  snapback produce --count 1000 --malformed 0.01 --seed 7
  snapback produce --file events.jsonl           one event a line
  seq 1 10 | sed 's/.*/{\"number\":&}/' | snapback produce --file -";

/// Load events into a topic: random numbers, or the lines of a file
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ProduceArgs {
    /// How many random events
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1000,
        conflicts_with = "file"
    )]
    pub(super) count: u64,
    /// Where the random numbers start; the same seed gives the same events
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        conflicts_with = "file"
    )]
    pub(super) seed: u64,
    /// Which share of the random events is malformed, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, conflicts_with = "file")]
    pub(super) malformed: f64,
    /// A file with one event a line; - is stdin
    #[arg(long, value_name = "PATH")]
    pub(super) file: Option<PathBuf>,
    /// Partitions of the topic, if it has to be created
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) partitions: u32,
    /// At most so many events a second [default: as fast as possible]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) rate: Option<u64>,
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

impl ProduceArgs {
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.kafka.collect(&mut flags);
        self.events.collect(&mut flags);
        flags
    }
}

/// A number from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text
        .parse::<f64>()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "it is a number from 0 to 1".to_owned())
}
