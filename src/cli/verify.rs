//! `snapback verify`

use clap::{Args, ValueEnum};

use super::args::{CalculationArgs, Common, EventsArgs, StoreArgs};
use crate::config::Flags;

const EXAMPLES: &str = "\
Ends with 0 when everything holds, with 1 when there are findings. It needs no Kafka and changes nothing.

Examples:
  snapback verify                                recompute every result in ./snapshots
  snapback verify --level integrity --store s3://bucket/snapshots
  snapback verify --events orders --partition 3 --partition 5 -o json";

/// Prove what is stored: digests, counts, coverage, and every result recomputed from its inputs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct VerifyArgs {
    /// How much is checked; each level includes the ones before it
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Level::Semantic)]
    pub(super) level: Level,
    /// Only this partition; repeatable
    #[arg(long, value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) partition: Vec<i32>,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    calculation: CalculationArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Level {
    /// The chain, digests, row counts, order
    Integrity,
    /// Every offset accounted for, no overlap, no unexplained hole
    Coverage,
    /// Every result recomputed, every reject decoded again
    Semantic,
}

impl VerifyArgs {
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.events.collect(&mut flags);
        self.store.collect(&mut flags);
        self.calculation.collect(&mut flags);
        flags
    }
}
