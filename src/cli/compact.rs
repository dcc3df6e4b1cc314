//! `snapback compact`

use std::collections::BTreeMap;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::{
    Exit,
    out::{self, shown},
    program::Program,
    rewriting::{Rewriting, RewritingArgs, closed_lines, each, stopped_lines},
    session::{Session, runtime, stored},
};
use crate::{
    audit::Compactor,
    config::Output,
    format::Manifest,
    history::{Chain, MergeLimits, Obstacles, plan_merges},
    model::Partition,
};

const EXAMPLES: &str = "\
Without --apply it changes nothing, and says what it would merge. With it, neighbouring segments of one calculation become one,
after every byte and value of them is verified, and before they give way the new file is read back. Outcomes stay as they are; what
is damaged is left alone and named. A running processor does the same by itself; this may run beside it.
Of 64 segments or more that nothing joins any more, a page is made: manifests list it instead of them, and stay small.
Ends with 0 when nothing is left to do, else with 1.

Examples:
  snapback compact                               what would be merged in ./snapshots
  snapback compact --apply                       merge it
  snapback compact --apply --store s3://bucket/snapshots --partition 3";

/// Merge small segments of stored history into few large ones
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompactArgs {
    /// Do what the plan says
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    rewriting: RewritingArgs,
}

/// What became of a partition, or would.
#[derive(Debug, Default, Serialize)]
struct Done {
    partition: i32,
    /// Merges that were made, or would be.
    merges: usize,
    /// Pages that were made of segments which nothing joins any more, or would be.
    pages: usize,
    /// The live segments of results and rejects before.
    segments_before: usize,
    /// And after.
    segments_after: usize,
    /// What stays as it is although it could be merged, and why.
    left: Vec<String>,
}

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

/// Plans merges, or makes them.
pub(super) fn execute(args: &CompactArgs, program: &Program) -> anyhow::Result<Exit> {
    let given = &args.rewriting;
    let session = Session::begin(&given.common, given.flags())?.of(program);
    let runtime = runtime()?;
    let stored = stored(&runtime, &session)?;
    let rewriting = Rewriting::new(&session, stored, "compact")?;
    let compactor = Compactor {
        calculations: rewriting.calculations.clone(),
        invocation: session.layers.invocation("compact"),
        throttle: given.throttle(),
    };
    let outcome = runtime.block_on(compact(args, &rewriting, &compactor))?;
    let is_done =
        |one: &Done| one.left.is_empty() && (outcome.applied || one.merges + one.pages == 0);
    let exit = match (outcome.failed, outcome.partitions.iter().all(is_done)) {
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

async fn compact(
    args: &CompactArgs,
    rewriting: &Rewriting,
    compactor: &Compactor,
) -> anyhow::Result<Outcome> {
    let chosen = rewriting.partitions(args.rewriting.partitions()).await?;
    let mut outcome = Outcome {
        applied: args.apply,
        closed: chosen.closed,
        ..Outcome::default()
    };
    let each = each(chosen.readable, async |partition| {
        let chain = rewriting
            .chain(partition, rewriting.given.declaration())
            .await?;
        match args.apply {
            true => merge(chain, compactor).await,
            false => plan(&chain),
        }
    });
    let each = each.await;
    outcome.partitions = each.done;
    (outcome.stopped, outcome.failed) = (each.stopped, each.failed);
    Ok(outcome)
}

/// The live segments of results and rejects, those in pages among them, with the corrections in pages.
fn live_segments(chain: &Chain) -> usize {
    let of = |newest: &Manifest| {
        let in_pages: u64 = newest.pages.iter().map(|page| page.files).sum();
        newest.open.segments.len() + usize::try_from(in_pages).unwrap_or(usize::MAX)
    };
    chain.newest().map_or(0, of)
}

fn plan(chain: &Chain) -> anyhow::Result<Done> {
    let newest = chain.newest().context("the partition has no manifest")?;
    let plan = plan_merges(newest, MergeLimits::LARGEST);
    let segments_before = live_segments(chain);
    Ok(Done {
        partition: chain.partition().0,
        merges: plan.merges,
        pages: plan.pages,
        segments_before,
        segments_after: segments_before - plan.merged_segments,
        left: Vec::new(),
    })
}

async fn merge(mut chain: Chain, compactor: &Compactor) -> anyhow::Result<Done> {
    let mut done = Done {
        partition: chain.partition().0,
        segments_before: live_segments(&chain),
        ..Done::default()
    };
    if let Some(why) = chain.why_cut_off() {
        done.left.push(why);
        done.segments_after = done.segments_before;
        return Ok(done);
    }
    let partition = chain.partition();
    let settled = compactor
        .settle(&mut chain, &mut Obstacles::default(), true)
        .await;
    let settled = settled.with_context(|| format!("partition {partition}"))?;
    done.merges = settled.merges;
    done.pages = settled.pages;
    done.left = settled.left;
    done.segments_after = live_segments(&chain);
    Ok(done)
}

fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    for one in &outcome.partitions {
        let Done {
            partition,
            merges,
            pages,
            segments_before,
            segments_after,
            ..
        } = one;
        text.push_str(&format!(
            "partition {partition}: {segments_before} segments, {segments_after} after {merges} merges"
        ));
        text.push_str(&match pages {
            0 => "\n".to_owned(),
            1 => ", 1 page\n".to_owned(),
            pages => format!(", {pages} pages\n"),
        });
        for left in &one.left {
            text.push_str(&format!("  not merged: {}\n", shown(left)));
        }
    }
    text.push_str(&closed_lines(&outcome.closed));
    text.push_str(&stopped_lines(&outcome.stopped));
    let edits: usize = outcome
        .partitions
        .iter()
        .map(|one| one.merges + one.pages)
        .sum();
    text.push_str(match (outcome.applied, edits) {
        (_, 0) => "nothing to merge\n",
        (false, _) => "a plan: nothing was changed, --apply merges\n",
        (true, _) => "merged; outcomes are as they were\n",
    });
    text
}
