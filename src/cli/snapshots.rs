//! `snapback snapshots`

use clap::{Args, Subcommand};

use super::args::{Common, EventsArgs, StoreArgs};
use crate::config::Flags;

const EXAMPLES: &str = "\
Examples:
  snapback snapshots list                        all partitions of the topic `events` in ./snapshots
  snapback snapshots list --events orders --store s3://bucket/snapshots -o json
  snapback snapshots show 3                      partition 3: its ranges, segments and gaps";

const LIST_EXAMPLES: &str = "\
Examples:
  snapback snapshots list
  snapback snapshots list --events orders --store s3://bucket/snapshots -o json";

const SHOW_EXAMPLES: &str = "\
Examples:
  snapback snapshots show 3                      the newest snapshot of partition 3
  snapback snapshots show 3 --sequence 12        an earlier one
  snapback snapshots show 3 -o json";

/// What is stored: partitions, ranges, rows, gaps, segments
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(super) struct SnapshotsArgs {
    #[command(subcommand)]
    pub(super) command: SnapshotsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotsCommand {
    List(ListArgs),
    Show(ShowArgs),
}

impl SnapshotsCommand {
    pub(super) fn place(&self) -> &PlaceArgs {
        match self {
            SnapshotsCommand::List(args) => &args.place,
            SnapshotsCommand::Show(args) => &args.place,
        }
    }
}

/// List the partitions with their newest snapshots
#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) place: PlaceArgs,
}

/// Show one partition's snapshot
#[derive(Debug, Args)]
#[command(after_help = SHOW_EXAMPLES)]
pub(super) struct ShowArgs {
    /// The partition
    #[arg(value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) partition: i32,
    /// An earlier snapshot by its number [default: the newest]
    #[arg(long, value_name = "NUMBER")]
    pub(super) sequence: Option<u64>,
    #[command(flatten)]
    pub(super) place: PlaceArgs,
}

/// Where the snapshots of a topic are.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

impl PlaceArgs {
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.events.collect(&mut flags);
        self.store.collect(&mut flags);
        flags
    }
}
