//! `snapback snapshots`

use std::io::Write as _;

use bytesize::ByteSize;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::{
    Exit,
    args::{Common, EventsArgs, StoreArgs},
    session::{Session, runtime, stored},
};
use crate::{
    config::{Flags, Output},
    model::{Partition, Sequence},
    query::{self, Listing, PartitionEntry, Shown},
};

const EXAMPLES: &str = "\
Examples:
  snapback snapshots                             the partitions of `events` in ./snapshots
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
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct SnapshotsArgs {
    /// Without one: list.
    #[command(subcommand)]
    pub(super) command: Option<SnapshotsCommand>,
    #[command(flatten)]
    list: ListArgs,
}

impl SnapshotsArgs {
    pub(super) fn place(&self) -> &PlaceArgs {
        match &self.command {
            None => &self.list.place,
            Some(SnapshotsCommand::List(args)) => &args.place,
            Some(SnapshotsCommand::Show(args)) => &args.place,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotsCommand {
    List(ListArgs),
    Show(ShowArgs),
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

/// Lists, or shows one partition.
pub(super) fn execute(args: &SnapshotsArgs) -> anyhow::Result<Exit> {
    let place = args.place();
    let session = Session::begin(&place.common, place.flags())?;
    let runtime = runtime()?;
    let (store, layout) = stored(&runtime, &session)?;
    let output = session.output.output;
    match &args.command {
        Some(SnapshotsCommand::Show(args)) => {
            let shown = runtime.block_on(query::show(
                &store,
                &layout,
                Partition(args.partition),
                args.sequence.map(Sequence),
            ))?;
            print(output, &shown, show_text)?;
        }
        Some(SnapshotsCommand::List(_)) | None => {
            let listing = runtime.block_on(query::list(&store, &layout))?;
            print(output, &listing, list_text)?;
        }
    }
    Ok(Exit::Done)
}

fn print<T: Serialize>(
    output: Output,
    value: &T,
    text: impl Fn(&T) -> String,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(value)?)?,
        Output::Table => writeln!(out, "{}", text(value))?,
    }
    Ok(())
}

fn list_text(listing: &Listing) -> String {
    let mut table = table(&[
        "partition",
        "offsets",
        "results",
        "rejects",
        "absent",
        "lost",
        "segments",
        "bytes",
        "manifest",
        "age",
    ]);
    for entry in &listing.partitions {
        table.add_row(row(entry));
    }
    let mut text = format!("{} in {}\n{table}", listing.topic, listing.store);
    for partition in &listing.unreadable {
        text.push_str(&format!(
            "\npartition {partition}: none of its manifests can be read; snapback verify says why"
        ));
    }
    for entry in listing
        .partitions
        .iter()
        .filter(|entry| !entry.damaged.is_empty())
    {
        let numbers: Vec<String> = entry.damaged.iter().map(Sequence::to_string).collect();
        text.push_str(&format!(
            "\npartition {}: newer manifests cannot be read: {}",
            entry.partition,
            numbers.join(", ")
        ));
    }
    text
}

fn row(entry: &PartitionEntry) -> Vec<String> {
    vec![
        entry.partition.to_string(),
        format!("{}-{}", entry.origin, entry.end),
        entry.results.to_string(),
        entry.rejects.to_string(),
        entry.absent.to_string(),
        entry.lost.to_string(),
        entry.segments.to_string(),
        ByteSize(entry.bytes).to_string(),
        entry.manifest.to_string(),
        age(entry.created_at),
    ]
}

fn age(created_at: DateTime<Utc>) -> String {
    let seconds = (Utc::now() - created_at).num_seconds().max(0);
    let age = std::time::Duration::from_secs(seconds.unsigned_abs());
    humantime::format_duration(age).to_string()
}

fn show_text(shown: &Shown) -> String {
    let mut facts = table(&["partition", &shown.entry.partition.to_string()]);
    for (name, value) in [
        ("topic", shown.topic.clone()),
        ("store", shown.store.clone()),
        ("manifest", shown.entry.manifest.to_string()),
        ("digest", shown.digest.to_string()),
        ("edit", shown.edit.to_owned()),
        ("written", shown.entry.created_at.to_rfc3339()),
        ("writer", shown.writer.clone()),
        ("group", shown.group.clone()),
        ("results topic", shown.results_topic.clone()),
        ("calculation", shown.calculation.clone()),
        ("fields", shown.fields.clone()),
        (
            "offsets",
            format!("{}-{}", shown.entry.origin, shown.entry.end),
        ),
        ("results", shown.entry.results.to_string()),
        ("rejects", shown.entry.rejects.to_string()),
        ("absent", shown.entry.absent.to_string()),
        ("lost", shown.entry.lost.to_string()),
    ] {
        facts.add_row(vec![name.to_owned(), value]);
    }
    let mut segments = table(&["segment", "rows", "bytes", "calculation"]);
    for segment in &shown.segment_list {
        segments.add_row(vec![
            segment.path.clone(),
            segment.rows.to_string(),
            ByteSize(segment.bytes).to_string(),
            segment.fingerprint.clone(),
        ]);
    }
    let mut text = format!("{facts}\n\n{segments}");
    for gap in &shown.gap_list {
        text.push_str(&format!(
            "\ngap {}-{}: {}, accepted {}",
            gap.start,
            gap.end,
            gap.reason,
            gap.accepted_at.to_rfc3339()
        ));
    }
    text
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table
}
