//! `snapback run`

use clap::Args;

use super::args::{CalculationArgs, Common, EventsArgs, KafkaArgs, PipelineArgs, StoreArgs};
use crate::config::{Flags, key};

const EXAMPLES: &str = "\
Ctrl-C or SIGTERM finishes the transaction, takes a snapshot, verifies it and ends with 0; a second one aborts.

Examples:
  snapback run                                   localhost:9092, topic events, group recalc_group, ./snapshots
  snapback run --brokers kafka:9092 --store s3://bucket/snapshots --s3-endpoint http://minio:9000
  snapback run --exit-at-end                     process what is there, then end: batch use
  snapback run --fields 'price DECIMAL(10,2) NOT NULL, note VARCHAR' --calculation 'square(price)'
  snapback run --delivery at-least-once          for brokers without transactions
  snapback run --accept-loss 3:1000-1200         record events as lost that Kafka no longer has, once";

/// Process events: calculate, publish, take snapshots; after a crash, recover
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArgs {
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    calculation: CalculationArgs,
    #[command(flatten)]
    processor: ProcessorArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

impl RunArgs {
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.kafka.collect(&mut flags);
        self.events.collect(&mut flags);
        self.pipeline.collect(&mut flags);
        self.store.collect(&mut flags);
        self.calculation.collect(&mut flags);
        self.processor.collect(&mut flags);
        flags
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Processor")]
pub(super) struct ProcessorArgs {
    /// exactly-once, or at-least-once [default: exactly-once]
    #[arg(long, value_name = "MODE", value_parser = ["exactly-once", "at-least-once"], hide_possible_values = true)]
    delivery: Option<String>,
    /// How long results wait for their commit [default: 100ms]
    #[arg(long, value_name = "DURATION")]
    commit_interval: Option<String>,
    /// How long outcomes wait for their snapshot [default: 30s]
    #[arg(long, value_name = "DURATION")]
    snapshot_interval: Option<String>,
    /// Memory of the process, Kafka's queues included [default: 256MiB]
    #[arg(long, value_name = "BYTES")]
    memory: Option<String>,
    /// Worker threads, each a member of the group [default: 1]
    #[arg(long, value_name = "COUNT")]
    workers: Option<String>,
    /// Name of this process in the group; must survive a restart [default: the host's name and a free slot]
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Where a partition starts that has no committed offset: earliest, latest, or a UTC time [default: earliest]
    #[arg(long, value_name = "WHERE")]
    start: Option<String>,
    /// End when everything is committed and stored that the topic holds at start
    #[arg(long)]
    exit_at_end: bool,
    /// Time for the last snapshot and its verification when asked to stop [default: 25s]
    #[arg(long, value_name = "DURATION")]
    shutdown_timeout: Option<String>,
    /// Make missing output topics: true or false [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = ["true", "false"], hide_possible_values = true)]
    create_topics: Option<String>,
    /// Record this range of a partition as lost; exactly as a refusal printed it; repeatable
    #[arg(long, value_name = "P:START-END")]
    accept_loss: Vec<String>,
    /// Where store and group disagree, as a refusal explained: frontier or committed
    #[arg(long, value_name = "SIDE", value_parser = ["frontier", "committed"], hide_possible_values = true)]
    resume_from: Option<String>,
}

impl ProcessorArgs {
    pub(super) fn collect(&self, flags: &mut Flags) {
        flags.add(key::DELIVERY, self.delivery.as_deref());
        flags.add(key::COMMIT_INTERVAL, self.commit_interval.as_deref());
        flags.add(key::SNAPSHOT_INTERVAL, self.snapshot_interval.as_deref());
        flags.add(key::MEMORY, self.memory.as_deref());
        flags.add(key::WORKERS, self.workers.as_deref());
        flags.add(key::INSTANCE, self.instance.as_deref());
        flags.add(key::START, self.start.as_deref());
        flags.switch(key::EXIT_AT_END, self.exit_at_end);
        flags.add(key::SHUTDOWN_TIMEOUT, self.shutdown_timeout.as_deref());
        flags.add(key::CREATE_TOPICS, self.create_topics.as_deref());
        for loss in &self.accept_loss {
            flags.add(key::ACCEPT_LOSS, Some(loss));
        }
        flags.add(key::RESUME_FROM, self.resume_from.as_deref());
    }
}
