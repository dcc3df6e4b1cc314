//! `snapback recalculate`

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::{
    Exit,
    out::{self, shown},
    program::Program,
    rewriting::{
        Events, OpenPartition, Rewriting, RewritingArgs, closed_lines, each, stopped_lines,
    },
    session::{Session, progress_bar, runtime, stored},
};
use crate::{
    audit::{
        Difference, DifferencesFile, Different, Outdated, RecalculateError, each_difference,
        outdated,
    },
    config::{ConfigError, Output, key},
    format::{SegmentKind, UnreadPage},
    history::{
        Chain, CorrectionsProgress, Repair, Repaired, read_listed, seal_when_long, write_repair,
    },
    model::{OffsetRange, Partition},
};

const EXAMPLES: &str = "\
Without --apply it changes nothing, and counts what would be different under the given calculation and fields, which no
processor has to run yet. With --apply it stores that, one range after the other, and may be killed and started again at any
moment; the processor that owns a partition publishes what is different, once. Stop `snapback run` of the old calculation first.
Ends with 0 when all that was asked for is of this calculation, else with 1.

Examples:
  snapback recalculate --calculation 'square(amount)' --fields 'amount DECIMAL(12,2) NOT NULL'
  snapback recalculate --to differences.parquet --calculation 'number * number + 1'
  snapback recalculate --rejects --fields 'number DOUBLE NOT NULL'
  snapback recalculate --apply --partition 3 --offsets 0-50000 --fields 'number DOUBLE NOT NULL'";

/// Count what another calculation would change in stored history; with --apply, change it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RecalculateArgs {
    /// Store it
    #[arg(long)]
    apply: bool,
    /// Only ranges that have offsets in START-END (half-open)
    #[arg(long, value_name = "START-END")]
    offsets: Option<OffsetRange>,
    /// Only ranges that have rejects
    #[arg(long)]
    rejects: bool,
    /// Write all that is or would be different to FILE, as Parquet: partition, kafka_offset, was, is
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    rewriting: RewritingArgs,
}

impl RecalculateArgs {
    /// Whether a range was asked for.
    fn wants(&self, range: &Outdated) -> bool {
        let is_reject = |kind| kind == SegmentKind::Rejects;
        let mut kinds = range.segments.iter().map(|segment| segment.kind);
        (!self.rejects || kinds.any(is_reject))
            && self
                .offsets
                .is_none_or(|wanted| wanted.overlaps(range.range))
    }
}

/// What became of a partition, or would.
#[derive(Debug, Default, Serialize)]
struct Done {
    partition: i32,
    /// Ranges of another calculation.
    ranges: usize,
    /// Their outcomes.
    outcomes: u64,
    /// Those of them that are different.
    #[serde(flatten)]
    difference: Difference,
    /// The first of them, with both values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    examples: Vec<Different>,
    /// Ranges that stay as they are, and why.
    left: Vec<String>,
    /// How many of the ranges those are.
    #[serde(skip)]
    left_ranges: usize,
}

/// So many outcomes of a partition are shown with both values.
const EXAMPLES_SHOWN: usize = 3;

#[derive(Debug, Default, Serialize)]
struct Outcome {
    applied: bool,
    partitions: Vec<Done>,
    /// Partitions that cannot be read, and why.
    #[serde(rename = "unreadable", skip_serializing_if = "BTreeMap::is_empty")]
    closed: BTreeMap<Partition, String>,
    /// Partitions that could not be done, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    stopped: BTreeMap<Partition, String>,
    #[serde(skip)]
    failed: Option<Exit>,
}

/// Counts what would change, or changes it.
pub(super) fn execute(args: &RecalculateArgs, program: &Program) -> anyhow::Result<Exit> {
    let given = &args.rewriting;
    let session = Session::begin(&given.common, given.flags())?.of(program);
    let is_given = |key| session.layers.given(key).is_some();
    let given_any = key::OF_CALCULATION.into_iter().any(is_given);
    if !given_any {
        return Err(ConfigError::NotGiven {
            command: "recalculate",
            settings: "--calculation, --fields, --where, --publish or --carry",
            why: "the defaults would put everything under square(number). `snapback snapshots show PARTITION` says under what it is stored now",
        }
        .into());
    }
    let runtime = runtime()?;
    let stored = stored(&runtime, &session)?;
    let rewriting = Rewriting::new(&session, stored, "recalculate")?;
    let rewriting = rewriting.throttled(given.throttle());
    let outcome = runtime.block_on(recalculate(args, &rewriting))?;
    let done = |one: &Done| one.left.is_empty() && (outcome.applied || one.ranges == 0);
    let exit = match (outcome.failed, outcome.partitions.iter().all(done)) {
        (Some(exit), _) => exit,
        _ if !outcome.closed.is_empty() => Exit::Unreachable,
        (None, true) => Exit::Done,
        (None, false) => Exit::Findings,
    };
    let text = match session.output.output {
        Output::Json => serde_json::to_string(&outcome)?,
        Output::Table => text(&outcome),
    };
    out::end_with(exit, &text)
}

async fn recalculate(args: &RecalculateArgs, rewriting: &Rewriting) -> anyhow::Result<Outcome> {
    let chosen = rewriting.partitions(args.rewriting.partitions()).await?;
    let mut outcome = Outcome {
        applied: args.apply,
        closed: chosen.closed,
        ..Outcome::default()
    };
    let mut file = match &args.to {
        Some(path) => {
            let file = DifferencesFile::create(path);
            Some(file.with_context(|| format!("cannot write {}", path.display()))?)
        }
        None => None,
    };
    let each = each(chosen.readable, async |partition| {
        let given = Arc::clone(&rewriting.given);
        let open = rewriting.open(partition, given, Events::Perhaps).await?;
        one(args, open, &mut file).await
    });
    let each = each.await;
    outcome.partitions = each.done;
    (outcome.stopped, outcome.failed) = (each.stopped, each.failed);
    if let (Some(file), Some(path)) = (file, &args.to) {
        let closed = file.close();
        closed.with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(outcome)
}

/// Shows the first differences of a range, and writes all of them to the file, if there is one.
fn show_differences(
    chain: &Chain,
    repair: &Repair,
    examples: &mut Vec<Different>,
    file: &mut Option<DifferencesFile>,
) -> anyhow::Result<()> {
    if repair.files().corrections.is_none() || (file.is_none() && examples.len() >= EXAMPLES_SHOWN)
    {
        return Ok(());
    }
    let (topic, partition) = (chain.layout().topic(), chain.partition());
    each_difference(topic, partition, repair.files(), |different| {
        if examples.len() < EXAMPLES_SHOWN {
            examples.push(different.clone());
        }
        match file {
            Some(file) => Ok(file.add(partition, different)?),
            None => Ok(()),
        }
    })?;
    Ok(())
}

fn unread(page: &UnreadPage) -> String {
    format!(
        "offsets {}: its page cannot be read ({}); `snapback verify` says what to do",
        page.link.range,
        page.why()
    )
}

/// One partition, range by range.
async fn one(
    args: &RecalculateArgs,
    open: OpenPartition,
    file: &mut Option<DifferencesFile>,
) -> anyhow::Result<Done> {
    let OpenPartition {
        mut chain,
        recalculator,
    } = open;
    let newest = chain.newest().cloned();
    let newest = newest.context("the partition has no manifest")?;
    let newest = read_listed(chain.store(), chain.layout(), newest).await?;
    // Corrections that wait are published first, whatever comes after them.
    let all = CorrectionsProgress {
        sequence: newest.sequence.next(),
        rows: 0,
    };
    let ours = recalculator.evaluator.declaration();
    let mut ranges = outdated(&newest, &ours, Some(all));
    ranges.retain(|range| args.wants(range));
    let cut_off = chain.why_cut_off().filter(|_| args.apply);
    let (partition, throttle) = (chain.partition(), recalculator.throttle.clone());
    let mut left: Vec<Left> = Vec::new();
    let bar = progress_bar("recalculating {pos} of {len} outcomes [{wide_bar}] {eta}");
    bar.set_length(ranges.iter().map(Outdated::outcomes).sum());
    let mut done = Done {
        partition: partition.0,
        left: newest.unread().iter().map(unread).collect(),
        ..Done::default()
    };
    if let Some(why) = cut_off {
        done.ranges = ranges.len();
        for range in std::mem::take(&mut ranges) {
            Left::add(&mut left, &range, &why);
        }
    }
    for range in ranges {
        let place = format!("partition {partition}, offsets {}", range.range);
        done.ranges += 1;
        done.outcomes += range.outcomes();
        throttle.take(2 * range.bytes()).await;
        let recalculated = recalculator.recalculate(&chain, &range);
        let mut repair = match throttle.compute(recalculated).await {
            Ok(repair) => repair,
            Err(error) if error.is_retryable() => return Err(error).context(place),
            Err(error) => {
                Left::add(&mut left, &range, &error);
                continue;
            }
        };
        let difference = Difference::of(repair.files()).map_err(RecalculateError::from)?;
        show_differences(&chain, &repair, &mut done.examples, file)
            .with_context(|| place.clone())?;
        bar.inc(range.outcomes());
        if args.apply
            && write_repair(&mut chain, &mut repair)
                .await
                .context(place.clone())?
                == Repaired::Overtaken
        {
            let overtaken = "another edit has changed it meanwhile; run this command again";
            Left::add(&mut left, &range, &overtaken);
            continue;
        }
        if args.apply {
            seal_when_long(&mut chain).await.context(place)?;
        }
        done.difference.add(difference);
    }
    bar.finish_and_clear();
    done.left_ranges = left.iter().map(|one| one.parts).sum();
    done.left = left.iter().map(|one| one.text(done.partition)).collect();
    Ok(done)
}

/// What stays as it is: a range, or neighbours of one that is done part by part.
struct Left {
    range: OffsetRange,
    reason: String,
    is_silent: bool,
    parts: usize,
}

impl Left {
    fn add(left: &mut Vec<Left>, range: &Outdated, reason: &impl ToString) {
        let (is_silent, range) = (range.silent.is_some(), range.range);
        if let Some(last) = left.last_mut()
            && last.is_silent
            && is_silent
            && let Ok(both) = OffsetRange::new(last.range.start(), range.end())
            && last.range.end() == range.start()
        {
            last.range = both;
            last.parts += 1;
            return;
        }
        left.push(Left {
            range,
            reason: reason.to_string(),
            is_silent,
            parts: 1,
        });
    }

    fn text(&self, partition: i32) -> String {
        let (range, reason) = (self.range, &self.reason);
        match self.parts {
            1 => format!("partition {partition}, offsets {range}: {reason}"),
            parts => format!("partition {partition}, offsets {range}, in {parts} parts: {reason}"),
        }
    }
}

fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    for one in &outcome.partitions {
        let Difference {
            results,
            to_reject,
            to_result,
            reasons,
            to_filtered,
            from_filtered,
            first,
        } = one.difference;
        if one.ranges == 0 {
            text.push_str(&format!("partition {}: nothing to do\n", one.partition));
            continue;
        }
        text.push_str(&format!(
            "partition {}: {} ranges with {} outcomes; different: {results} results, {to_reject} results that become rejects, {to_result} rejects that become results, {reasons} reasons{}{}\n",
            one.partition,
            one.ranges,
            one.outcomes,
            match (to_filtered, from_filtered) {
                (0, 0) => String::new(),
                _ => format!(
                    ", {to_filtered} that become filtered, {from_filtered} that are filtered no more"
                ),
            },
            first.map(|first| format!("; the first at offset {first}")).unwrap_or_default(),
        ));
        for one in &one.examples {
            text.push_str(&format!(
                "  offset {}: {} becomes {}\n",
                one.offset,
                shown(&one.was),
                shown(&one.is)
            ));
        }
        for left in &one.left {
            text.push_str(&format!("  stays as it is: {}\n", shown(left)));
        }
    }
    text.push_str(&closed_lines(&outcome.closed));
    text.push_str(&stopped_lines(&outcome.stopped));
    let all = |count: fn(&Done) -> u64| outcome.partitions.iter().map(count).sum::<u64>();
    let different = all(|one| one.difference.all());
    text.push_str(&match (outcome.applied, all(|one| one.ranges as u64)) {
        (_, 0) if !outcome.closed.is_empty() => {
            "what can be read is of this calculation\n".to_owned()
        }
        (_, 0) => "all of it is of this calculation\n".to_owned(),
        (false, ranges) => format!(
            "plan: {ranges} ranges, {different} outcomes would be different; nothing was changed, --apply changes it\n"
        ),
        (true, ranges) => format!(
            "recalculated {} of {ranges} ranges, {different} outcomes are different: the processors that own the partitions publish them as corrections\n",
            ranges - all(|one| one.left_ranges as u64)
        ),
    });
    text
}
