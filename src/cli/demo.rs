//! `snapback demo`

use clap::Args;

use super::{
    args::{Common, KafkaArgs},
    produce::share,
};
use crate::config::Flags;

const EXAMPLES: &str = "\
Without --brokers it starts a broker of its own, which has no transactions: results may be published twice, and it says how
many were. On a real broker it is exactly once. It leaves ./snapback-demo behind; the next demo replaces it.

Examples:
  snapback demo
  snapback demo --brokers localhost:9092
  snapback demo --count 1000000";

/// The whole story: produce, process, kill, recover, verify; no server needed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DemoArgs {
    /// How many events
    #[arg(long, value_name = "COUNT", default_value_t = 200_000)]
    pub(super) count: u64,
    /// Which share of them is malformed, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.001, value_parser = share)]
    pub(super) malformed: f64,
    /// Where the random numbers start
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(super) seed: u64,
    #[command(flatten)]
    pub(super) kafka: KafkaArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

impl DemoArgs {
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.kafka.collect(&mut flags);
        flags
    }
}
