//! `snapback backfill`

use std::{collections::BTreeMap, sync::Arc};

use clap::Args;
use serde::Serialize;

use super::{
    Exit,
    out::{self, shown},
    program::Program,
    rewriting::{Events, Rewriting, RewritingArgs, closed_lines},
    session::{Session, progress_bar, runtime, stored},
};
use crate::{
    audit::{self, BackfillPlan, Fill, Unfilled},
    calculation::{Declaration, Evaluator},
    config::Output,
    format::Manifest,
    history::load_tail,
    model::{Counts, OffsetRange, Partition},
};

const EXAMPLES: &str = "\
What the history of a partition does not have is read from Kafka, calculated as the history has it on record, and stored: the
accepted gaps, and everything before its origin, where `--start latest` or another consumer had left it. Outcomes of gaps are
published, as corrections with a revision, once, by the processor that owns the partition; those before the origin only with
--publish-before-origin. Without --apply it changes nothing, and says what it would do. It may run beside `snapback run`.
Ends with 0 when nothing is missing that Kafka has, else with 1.

Examples:
  snapback backfill                              what is missing in ./snapshots, and what of it Kafka has
  snapback backfill --apply                      fetch it
  snapback backfill --apply --partition 3 --offsets 1000-1200 --max-rate 16MiB";

/// Fetch from Kafka what the stored history does not have: accepted gaps, and what lies before its origin
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BackfillArgs {
    /// Do what the plan says
    #[arg(long)]
    apply: bool,
    /// Only offsets in START-END (half-open)
    #[arg(long, value_name = "START-END")]
    offsets: Option<OffsetRange>,
    /// Also publish what lies before the origin, as corrections: whoever processed it before may have published it already
    #[arg(long)]
    publish_before_origin: bool,
    #[command(flatten)]
    rewriting: RewritingArgs,
}

/// A range, and why it is not there.
#[derive(Debug, Serialize)]
struct Missing {
    start: i64,
    end: i64,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip)]
    is_published: bool,
}

impl Missing {
    fn of(fill: &Fill, publishes_past: bool) -> Missing {
        Missing {
            start: fill.range.start().get(),
            end: fill.range.end().get(),
            what: fill.lack.to_string(),
            why: None,
            is_published: fill.is_published(publishes_past),
        }
    }

    fn left(unfilled: &Unfilled) -> Missing {
        Missing {
            start: unfilled.range.start().get(),
            end: unfilled.range.end().get(),
            what: unfilled.lack.to_string(),
            why: Some(unfilled.why.clone()),
            is_published: false,
        }
    }
}

/// What became of a partition, or would.
#[derive(Debug, Serialize)]
struct Done {
    partition: i32,
    /// The calculation.
    calculation: String,
    /// What Kafka has of what is missing.
    ranges: Vec<Missing>,
    /// What it has not, and what could not be filled.
    left: Vec<Missing>,
    /// What the offsets that were filled are now.
    filled: Counts,
    /// Outcomes that wait to be published.
    corrections: u64,
    /// Parts that could have been filled, and were not.
    #[serde(skip)]
    failed: usize,
}

#[derive(Debug, Default, Serialize)]
struct Outcome {
    applied: bool,
    partitions: Vec<Done>,
    /// Partitions that cannot be read, and why.
    #[serde(rename = "unreadable", skip_serializing_if = "BTreeMap::is_empty")]
    closed: BTreeMap<Partition, String>,
}

/// Plans, and fills when asked to.
pub(super) fn execute(args: &BackfillArgs, program: &Program) -> anyhow::Result<Exit> {
    let given = &args.rewriting;
    let session = Session::begin(&given.common, given.flags())?.of(program);
    let runtime = runtime()?;
    let rewriting = Rewriting::new(&session, stored(&runtime, &session)?, "backfill")?;
    let rewriting = rewriting.throttled(given.throttle());
    let outcome = runtime.block_on(backfill(args, &rewriting))?;
    let done = |one: &Done| one.failed == 0 && (outcome.applied || one.ranges.is_empty());
    let exit = match outcome.partitions.iter().all(done) {
        _ if !outcome.closed.is_empty() => Exit::Unreachable,
        true => Exit::Done,
        false => Exit::Findings,
    };
    let text = match session.output.output {
        Output::Json => serde_json::to_string(&outcome)?,
        Output::Table => text(&outcome),
    };
    out::end_with(exit, &text)
}

async fn backfill(args: &BackfillArgs, rewriting: &Rewriting) -> anyhow::Result<Outcome> {
    let chosen = rewriting.partitions(args.rewriting.partitions()).await?;
    let mut outcome = Outcome {
        applied: args.apply,
        closed: chosen.closed,
        ..Outcome::default()
    };
    let mut manifests = Vec::new();
    for partition in chosen.readable {
        let tail = load_tail(&rewriting.store, &rewriting.layout, partition).await?;
        manifests.extend(tail.newest);
    }
    let readable = audit::readable_events(&rewriting.connection, &manifests).await?;
    for newest in &manifests {
        let empty = OffsetRange::empty(newest.end);
        let readable = readable.get(&newest.partition).copied().unwrap_or(empty);
        let plan = BackfillPlan::of(newest, readable, args.offsets);
        outcome
            .partitions
            .push(one(args, rewriting, newest, plan).await?);
    }
    Ok(outcome)
}

/// The calculation that the history has on record, the newest where there are several; the given one where nothing is stored.
fn recorded(rewriting: &Rewriting, newest: &Manifest) -> Result<Arc<Evaluator>, String> {
    let segments = newest.open.segments.iter();
    let segments = segments.map(|segment| (segment.range.end(), Ok(&segment.fingerprint)));
    let silent = newest.open.silent.iter();
    let silent = silent.filter_map(|one| Some((one.range.end(), Ok(one.fingerprint.as_ref()?))));
    let pages = newest.pages.iter().filter_map(|page| {
        let mut all = page.results.keys();
        let of = match (all.next()?, all.next()) {
            (one, None) => Ok(one),
            (_, Some(_)) => Err(page.range),
        };
        Some((page.range.end(), of))
    });
    let last = segments.chain(silent).chain(pages).max_by_key(|one| one.0);
    let declared = match last {
        None => None,
        Some((_, Ok(fingerprint))) => newest.declaration(fingerprint),
        Some((_, Err(range))) => {
            return Err(format!(
                "the newest outcomes, {range}, are of several calculations; snapback recalculate --apply makes them one"
            ));
        }
    };
    let Some(declared) = declared else {
        return Ok(Arc::clone(&rewriting.given));
    };
    let found = rewriting.calculations.evaluator(declared);
    found.map_err(|why| format!("it is of {declared}, which this program cannot calculate: {why}"))
}

/// One partition, range by range.
async fn one(
    args: &BackfillArgs,
    rewriting: &Rewriting,
    newest: &Manifest,
    plan: BackfillPlan,
) -> anyhow::Result<Done> {
    let partition = newest.partition;
    let evaluator = recorded(rewriting, newest);
    let declaration = evaluator.as_ref().ok().map(|one| one.declaration());
    let missing = |fill| Missing::of(fill, args.publish_before_origin);
    let mut done = Done {
        partition: partition.0,
        calculation: declaration
            .as_ref()
            .map(Declaration::to_string)
            .unwrap_or_default(),
        ranges: plan.fills.iter().map(missing).collect(),
        left: plan.left.iter().map(Missing::left).collect(),
        filled: Counts::default(),
        corrections: 0,
        failed: 0,
    };
    let leave = |done: &mut Done, fill: &Fill, range: OffsetRange, why: String| {
        done.failed += 1;
        done.left.push(Missing::left(&Unfilled {
            partition,
            range,
            lack: fill.lack,
            why,
        }));
    };
    let evaluator = match evaluator {
        Ok(evaluator) => evaluator,
        Err(why) => {
            for fill in &plan.fills {
                leave(&mut done, fill, fill.range, why.clone());
            }
            return Ok(done);
        }
    };
    if !args.apply || plan.fills.is_empty() {
        return Ok(done);
    }
    let mut open = rewriting
        .open(partition, evaluator, Events::Perhaps)
        .await?;
    if let Some(why) = open.chain.why_cut_off() {
        for fill in &plan.fills {
            leave(&mut done, fill, fill.range, why.clone());
        }
        return Ok(done);
    }
    let bar = progress_bar("filling {pos} of {len} offsets [{wide_bar}] {eta}");
    bar.set_length(plan.fills.iter().map(|fill| fill.range.len()).sum());
    for fill in &plan.fills {
        let publishes = fill.is_published(args.publish_before_origin);
        let progress = |offsets| bar.inc(offsets);
        let filled = audit::fill(
            &open.recalculator,
            &rewriting.calculations,
            &mut open.chain,
            (fill, publishes),
            &rewriting.throttle,
            &progress,
        );
        let filled = filled.await?;
        done.filled = done.filled + filled.counts;
        done.corrections += filled.corrections;
        for (range, why) in filled.left {
            leave(&mut done, fill, range, why);
        }
    }
    bar.finish_and_clear();
    Ok(done)
}

fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    for one in &outcome.partitions {
        for missing in &one.ranges {
            text.push_str(&format!(
                "partition {}, offsets {}-{}: {}, from Kafka under {}; {}\n",
                one.partition,
                missing.start,
                missing.end,
                missing.what,
                shown(&one.calculation),
                match missing.is_published {
                    true => "published as corrections",
                    false => "not published",
                }
            ));
        }
        for missing in &one.left {
            text.push_str(&format!(
                "stays missing: partition {}, offsets {}-{}: {}: {}\n",
                one.partition,
                missing.start,
                missing.end,
                missing.what,
                shown(missing.why.as_deref().unwrap_or_default())
            ));
        }
    }
    text.push_str(&closed_lines(&outcome.closed));
    let ranges: usize = outcome.partitions.iter().map(|one| one.ranges.len()).sum();
    let filled: Counts = outcome.partitions.iter().map(|one| one.filled).sum();
    let corrections: u64 = outcome.partitions.iter().map(|one| one.corrections).sum();
    text.push_str(&match (outcome.applied, ranges) {
        (_, 0) => "nothing is missing that Kafka has\n".to_owned(),
        (false, _) => format!(
            "plan: {ranges} ranges can be filled from Kafka; nothing was changed, --apply fills them\n"
        ),
        (true, _) => format!(
            "filled {} offsets: {} results, {} rejects, {} filtered, {} absent; {}\n",
            filled.offsets(),
            filled.results,
            filled.rejects,
            filled.filtered,
            filled.absent,
            match corrections {
                0 => "nothing has to be published".to_owned(),
                count => format!(
                    "{count} corrections wait for the owners of their partitions: a running processor publishes them, else the next `snapback run`"
                ),
            }
        ),
    });
    text
}
