//! `snapback snapshots`

use bytesize::ByteSize;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::{
    Exit,
    args::{Common, EventsArgs, StoreArgs},
    out::{self, shown},
    session::{Session, runtime, stored},
};
use crate::{
    config::{Flags, Output},
    model::{Partition, Sequence},
    query::{self, Listing, PartitionEntry, SegmentEntry, Shown},
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
            let snapshot = runtime.block_on(query::show(
                &store,
                &layout,
                Partition(args.partition),
                args.sequence.map(Sequence),
            ))?;
            print(output, &snapshot, show_text)
        }
        Some(SnapshotsCommand::List(_)) | None => {
            let listing = runtime.block_on(query::list(&store, &layout))?;
            print(output, &listing, list_text)
        }
    }
}

fn print<T: Serialize>(
    output: Output,
    value: &T,
    text: impl Fn(&T) -> String,
) -> anyhow::Result<Exit> {
    let text = match output {
        Output::Json => serde_json::to_string(value)?,
        Output::Table => text(value),
    };
    out::end_with(Exit::Done, &text)
}

fn list_text(listing: &Listing) -> String {
    let mut names = vec![
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
    ];
    // Only who uses --where needs the column.
    let filters = listing.partitions.iter().any(|entry| entry.filtered > 0);
    if filters {
        names.insert(4, "filtered");
    }
    let mut table = table(&names);
    for entry in &listing.partitions {
        let mut row = row(entry);
        if filters {
            row.insert(4, entry.filtered.to_string());
        }
        table.add_row(row);
    }
    let mut text = format!("{} in {}\n{table}", listing.topic, listing.store);
    for mixed in &listing.mixed_types {
        text.push_str(&format!(
            "\nMIXED TYPES: {}: readers of all of it read wrong numbers, or fail; snapback verify says what to do",
            out::shown(mixed)
        ));
    }
    for (partition, why) in &listing.why {
        text.push_str(&format!(
            "\npartition {partition}: {}; snapback verify says what to do",
            out::shown(why)
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

fn show_text(snapshot: &Shown) -> String {
    let mut facts = table(&["partition", &snapshot.entry.partition.to_string()]);
    for (name, value) in [
        ("topic", snapshot.topic.clone()),
        ("store", snapshot.store.clone()),
        ("manifest", snapshot.entry.manifest.to_string()),
        ("digest", snapshot.digest.to_string()),
        ("edit", snapshot.edit.to_owned()),
        ("written", snapshot.entry.created_at.to_rfc3339()),
        ("writer", snapshot.writer.clone()),
        ("group", snapshot.group.clone()),
        ("results topic", snapshot.results_topic.clone()),
        ("calculation", snapshot.calculation.clone()),
        ("fields", snapshot.fields.clone()),
        (
            "offsets",
            format!("{}-{}", snapshot.entry.origin, snapshot.entry.end),
        ),
        ("results", snapshot.entry.results.to_string()),
        ("rejects", snapshot.entry.rejects.to_string()),
        ("filtered", snapshot.entry.filtered.to_string()),
        ("absent", snapshot.entry.absent.to_string()),
        ("lost", snapshot.entry.lost.to_string()),
    ] {
        facts.add_row(vec![name.to_owned(), shown(&value).into_owned()]);
    }
    let mut segments = table(&["segment", "rows", "bytes", "calculation", "last scrubbed"]);
    for segment in &snapshot.segment_list {
        segments.add_row(vec![
            shown(&segment.path).into_owned(),
            segment.rows.to_string(),
            ByteSize(segment.bytes).to_string(),
            segment.fingerprint.clone(),
            verified(segment),
        ]);
    }
    let mut text = format!("{facts}\n\n{segments}");
    for gap in &snapshot.gap_list {
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

/// When the scrub last verified a segment, as far as that is known.
fn verified(segment: &SegmentEntry) -> String {
    let Some(at) = segment.verified_at else {
        return "-".to_owned();
    };
    let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    match segment.verified_findings {
        0 => at,
        1 => format!("{at} (1 finding)"),
        count => format!("{at} ({count} findings)"),
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        format::SegmentKind,
        model::{Digest, Offset},
    };

    #[test]
    fn a_segment_that_was_found_damaged_does_not_look_verified() {
        let shown = |verified_at: Option<&str>, verified_findings| {
            verified(&SegmentEntry {
                path: "a".to_owned(),
                kind: SegmentKind::Results,
                start: Offset::ZERO,
                end: Offset::ZERO,
                rows: 0,
                bytes: 0,
                digest: Digest::of(b""),
                fingerprint: String::new(),
                verified_at: verified_at.map(|at| at.parse().unwrap()),
                verified_findings,
            })
        };
        let at = "2026-11-28T08:00:00Z";
        assert_eq!(shown(None, 0), "-");
        assert_eq!(shown(Some(at), 0), at);
        assert_eq!(shown(Some(at), 1), format!("{at} (1 finding)"));
        assert_eq!(shown(Some(at), 2), format!("{at} (2 findings)"));
    }
}
