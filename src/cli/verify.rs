//! `snapback verify`

use std::io::Write as _;

use clap::{Args, ValueEnum};

use super::{
    Exit,
    args::{CalculationArgs, Common, EventsArgs, StoreArgs},
    session::{Session, progress_bar, runtime, stored},
};
use crate::{
    audit::{self, Options, Report},
    calculation,
    config::{self, Flags, Output},
    model::Partition,
};

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

impl From<Level> for audit::Level {
    fn from(level: Level) -> audit::Level {
        match level {
            Level::Integrity => audit::Level::Integrity,
            Level::Coverage => audit::Level::Coverage,
            Level::Semantic => audit::Level::Semantic,
        }
    }
}

/// Verifies and shows what was found.
pub(super) fn execute(args: &VerifyArgs, find: calculation::Find) -> anyhow::Result<Exit> {
    let session = Session::begin(&args.common, args.flags())?.with_calculations(find);
    let calculation = config::calculation(&session.layers)?;
    let runtime = runtime()?;
    let (store, layout) = stored(&runtime, &session)?;
    let options = Options {
        partitions: (!args.partition.is_empty())
            .then(|| args.partition.iter().copied().map(Partition).collect()),
        ..Options::default()
    };
    let bar = progress_bar("verifying {bytes} of {total_bytes} [{wide_bar}] {eta}");
    let report = runtime.block_on(audit::verify(
        &store,
        &layout,
        args.level.into(),
        &calculation.fields,
        &calculation.calculation,
        &options,
        &|progress| {
            bar.set_length(progress.total_bytes);
            bar.set_position(progress.bytes);
        },
    ))?;
    bar.finish_and_clear();
    let mut out = std::io::stdout().lock();
    match session.output.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        Output::Table => write!(out, "{}", text(&report))?,
    }
    Ok(if report.clean {
        Exit::Done
    } else {
        Exit::Findings
    })
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&format!(
            "{}: partition {}, offsets {}-{}{}\n  {}\n  {}\n",
            finding.kind,
            finding.partition,
            finding.start,
            finding.end,
            finding
                .segment
                .as_ref()
                .map(|segment| format!(", {segment}"))
                .unwrap_or_default(),
            finding.detail,
            finding.remedy
        ));
    }
    text.push_str(&format!(
        "{}: {} partitions, {} offsets = {} results + {} rejects + {} absent + {} lost; {} findings\n",
        if report.clean { "clean" } else { "NOT clean" },
        report.partitions,
        report.offsets,
        report.results,
        report.rejects,
        report.absent,
        report.lost,
        report.findings.len()
    ));
    text
}
