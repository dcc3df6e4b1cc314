//! `snapback repair`

mod losses;
pub(super) mod no_such_loss;
mod outcome;
mod ranges;
mod rescue;
mod text;

use std::collections::BTreeSet;

use clap::Args;

use super::{
    Exit, out,
    program::Program,
    rewriting::{Rewriting, RewritingArgs},
    session::{Session, progress_bar, runtime, stored},
};
use crate::{
    audit::{self, Level, Mended, Options, OutputTopics, PageMended, RepairPlan, Report},
    config::{self, Output, key},
    model::{OffsetRange, Partition},
};
use losses::{Losses, Lost, place};
use outcome::Outcome;
use ranges::{Opened, one};
use text::text;

const EXAMPLES: &str = "\
Without --apply it changes nothing, and says what it would do. Wrong values whose file is whole are calculated again from the
inputs stored beside them; files that are damaged or gone are made again from Kafka, exactly their offsets and exactly as many
outcomes; where Kafka has lost the events, from the results topic and the dead letters, as far as these prove themselves.
Manifests that cannot be used are let go where a newer one accounts for everything; what a damaged newest one added is appended again
from its segments. What was published otherwise is published once more as a correction, by the processor that owns the partition.
What none of them holds any more stays as it is, and the text names the command that records it as lost: a gap, for good.
It may run beside `snapback run`. Ends with 0 when nothing is wrong or all of it was mended, else with 1.

Examples:
  snapback repair                                what is wrong in ./snapshots, and what can be done
  snapback repair --apply                        do it
  snapback repair --apply --store s3://bucket/snapshots --brokers kafka:9092 --partition 3
  snapback repair --accept-loss 0:1000-1200 --apply   what nothing has any more becomes a gap";

/// Mend what `verify` finds wrong: from the stored inputs, from Kafka, or from what was published
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RepairArgs {
    /// Do what the plan says
    #[arg(long)]
    apply: bool,
    /// Also mend what `verify --kafka` finds: events that were filtered and should not have been
    #[arg(long = "kafka")]
    reread: bool,
    /// Record this range as lost if Kafka does not hold its events any more: exactly as the refusal printed it; repeatable
    #[arg(long, value_name = "PARTITION:START-END", value_parser = config::loss)]
    accept_loss: Vec<(Partition, OffsetRange)>,
    /// Topic of the dead letters: from them, and from the results topic, comes what Kafka has lost of the events [default: <events>.dlq]
    #[arg(long, value_name = "TOPIC", help_heading = "Pipeline")]
    rejects: Option<String>,
    #[command(flatten)]
    rewriting: RewritingArgs,
}

/// Verifies, plans, and mends when asked to.
pub(super) fn execute(args: &RepairArgs, program: &Program) -> anyhow::Result<Exit> {
    let given = &args.rewriting;
    let mut flags = given.flags();
    flags.add(key::REJECTS, args.rejects.as_deref());
    let session = Session::begin(&given.common, flags)?.of(program);
    let runtime = runtime()?;
    let rewriting = Rewriting::new(&session, stored(&runtime, &session)?, "repair")?;
    let rewriting = rewriting.throttled(given.throttle());
    let options = Options {
        partitions: given.partitions(),
        invocation: session.layers.invocation("repair"),
        ..Options::default()
    };
    let report = runtime.block_on(verify(&rewriting, &options))?;
    let report = match args.reread {
        true => runtime.block_on(reread(&rewriting, &options, report))?,
        false => report,
    };
    let (store, layout) = (&rewriting.store, &rewriting.layout);
    let plan = runtime.block_on(audit::plan_repair(store, layout, &report))?;
    let (accepted, invocation) = (&args.accept_loss, options.invocation);
    losses::among(accepted, given.partitions().as_ref())?;
    let losses = Losses::of(accepted, invocation, &rewriting, &plan);
    let losses = runtime.block_on(losses)?;
    let topics = OutputTopics {
        connection: rewriting.connection.clone(),
        // The store says which it is.
        results: String::new(),
        rejects: config::rejects_topic(&session.layers)?,
        is_rejects_default: session.layers.value(key::REJECTS).is_none(),
        at_least_once: false,
    };
    let mut outcome = match args.apply {
        true => {
            let work = apply(&rewriting, &topics, &plan, &losses);
            runtime.block_on(work)?
        }
        false => {
            let rescued = runtime.block_on(rescue::plan(&rewriting, &topics, &plan));
            let cannot = rescue::left(&rescued, &plan, &losses);
            let left = plan.left.iter().map(ToString::to_string);
            Outcome {
                ranges: plan.mends.len() - cannot.len(),
                manifests: plan.manifests.len(),
                pages: plan.pages.len(),
                left: left.chain(cannot).collect(),
                rescued,
                ..Outcome::default()
            }
        }
    };
    outcome.unread = report.unread;
    let planned = outcome.ranges + outcome.manifests + outcome.pages;
    let is_done = outcome.left.is_empty() && (outcome.applied || planned == 0);
    let exit = match outcome.failed {
        Some(exit) => exit,
        None if !plan.closed.is_empty() || !outcome.unread.is_empty() => Exit::Unreachable,
        None if is_done => Exit::Done,
        None => Exit::Findings,
    };
    let text = match session.output.output {
        Output::Json => serde_json::to_string(&outcome)?,
        Output::Table => text(&plan, &losses, &outcome),
    };
    out::end_with(exit, &text)
}

async fn verify(rewriting: &Rewriting, options: &Options) -> anyhow::Result<Report> {
    let bar = progress_bar("verifying {bytes} of {total_bytes} [{wide_bar}] {eta}");
    let progress = |progress: audit::Progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.bytes);
    };
    let report = audit::verify(
        &rewriting.store,
        &rewriting.layout,
        Level::Semantic,
        &rewriting.calculations,
        options,
        &progress,
    )
    .await?;
    bar.finish_and_clear();
    Ok(report)
}

/// Finds what only the events show.
async fn reread(
    rewriting: &Rewriting,
    options: &Options,
    report: Report,
) -> anyhow::Result<Report> {
    let bar = progress_bar("reading {pos} of {len} events [{wide_bar}] {eta}");
    let progress = |read, total| {
        bar.set_length(total);
        bar.set_position(read);
    };
    let place = (&rewriting.store, &rewriting.layout);
    let (connection, calculations) = (&rewriting.connection, &rewriting.calculations);
    let read =
        audit::verify_events(place, connection, calculations, options, report, &progress).await?;
    bar.finish_and_clear();
    Ok(read)
}

async fn apply(
    rewriting: &Rewriting,
    topics: &OutputTopics,
    plan: &RepairPlan,
    losses: &Losses,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome {
        left: plan.left.iter().map(ToString::to_string).collect(),
        applied: true,
        ..Outcome::default()
    };
    for finding in &plan.pages {
        let path = finding.segment.as_deref().unwrap_or_default();
        let place = format!("partition {}, page {path}", finding.partition);
        let (store, layout) = (&rewriting.store, &rewriting.layout);
        match audit::mend_page(store, layout, finding.partition, path).await {
            Ok(PageMended::Done(_)) => outcome.pages += 1,
            Ok(PageMended::Left(why)) => outcome.left.push(format!("{place}: {why}")),
            Err(error) => {
                let error = anyhow::Error::from(error);
                outcome.left.push(format!("{place}: {error:#}"));
                outcome.failed.get_or_insert(Exit::of(&error));
            }
        }
    }
    // Where what the newest manifests added is not found again, an edit would hide that it is missing.
    let mut held = BTreeSet::new();
    let is_held = "not tried: first, what the newest manifests added has to be found or replayed";
    for mend in &plan.manifests {
        let place = format!("manifests of partition {}", mend.partition);
        if held.contains(&mend.partition) {
            outcome.left.push(format!("{place}: {is_held}"));
            continue;
        }
        let before = outcome.left.len();
        let done = async {
            let mut chain = rewriting
                .chain(mend.partition, mend.declaration.clone())
                .await?;
            anyhow::Ok(audit::mend_manifests(&mut chain, mend).await?)
        };
        match done.await {
            Ok(Mended::Done { rows, .. }) => {
                tracing::info!("{place}: mended, {rows} offsets are accounted for again");
                outcome.manifests += 1;
            }
            Ok(Mended::Overtaken) => outcome.left.push(format!(
                "{place}: another edit came first; run this command again"
            )),
            Ok(Mended::Left(why) | Mended::Gone(why)) => {
                outcome.left.push(format!("{place}: {why}"));
            }
            Ok(Mended::Lost { .. }) => {}
            Err(error) => {
                tracing::error!("{place}: {error:#}");
                outcome.left.push(format!("{place}: {error:#}"));
                outcome.failed.get_or_insert(Exit::of(&error));
            }
        }
        if outcome.left.len() > before {
            held.insert(mend.partition);
        }
    }
    let throttle = &rewriting.throttle;
    let mut last: Option<Opened> = None;
    // Where Kafka did not answer once, nobody waits for it again.
    let mut unreachable = BTreeSet::new();
    for mend in &plan.mends {
        let place = place(mend);
        let key = (mend.partition, mend.source);
        if held.contains(&mend.partition) {
            outcome.left.push(format!("{place}: {is_held}"));
            continue;
        }
        if unreachable.contains(&key) {
            outcome.left.push(format!("{place}: not tried after that"));
            continue;
        }
        throttle.take(2 * mend.range.bytes()).await;
        match throttle
            .compute(one((rewriting, topics), &mut last, losses, mend))
            .await
        {
            Ok((Mended::Done { rows, corrections }, _, rescued)) => {
                outcome.rescued.extend(rescued);
                tracing::info!("{place}: mended, {rows} outcomes, {corrections} corrections");
                outcome.ranges += 1;
                outcome.corrections += corrections;
            }
            Ok((Mended::Overtaken, ..)) => outcome.left.push(format!(
                "{place}: another edit has changed it meanwhile; run this command again"
            )),
            Ok((Mended::Left(why) | Mended::Gone(why), exit, _)) => {
                outcome.left.push(format!("{place}: {why}"));
                outcome.failed = outcome.failed.or(exit);
            }
            Ok((
                Mended::Lost {
                    lost,
                    kept,
                    corrections,
                },
                _,
                rescued,
            )) => {
                outcome.rescued.extend(rescued);
                let count = lost.len();
                tracing::warn!("{place}: {count} offsets recorded as lost, as the operator said");
                outcome.lost.push(Lost::of(mend.partition, lost, kept));
                outcome.corrections += corrections;
            }
            Err(error) => {
                tracing::error!("{place}: {error:#}");
                outcome.left.push(format!("{place}: {error:#}"));
                outcome.failed.get_or_insert(Exit::of(&error));
                unreachable.insert(key);
            }
        }
    }
    for (partition, gap) in losses.gaps() {
        let place = format!("partition {partition}, offsets {}", gap.range);
        match ranges::finish(rewriting, *partition, gap).await {
            Ok(Some(Mended::Lost {
                lost,
                kept,
                corrections,
            })) => {
                outcome.lost.push(Lost::of(*partition, lost, kept));
                outcome.corrections += corrections;
            }
            Ok(Some(Mended::Left(why))) => outcome.left.push(format!("{place}: {why}")),
            Ok(None) => outcome.lost.push(Lost::of(*partition, gap.range, None)),
            Ok(Some(_)) => outcome.left.push(format!(
                "{place}: another edit has changed it meanwhile; run this command again"
            )),
            Err(error) => {
                tracing::error!("{place}: {error:#}");
                outcome.left.push(format!("{place}: {error:#}"));
                outcome.failed.get_or_insert(Exit::of(&error));
            }
        }
    }
    Ok(outcome)
}
