//! `snapback gc`

use std::collections::BTreeSet;

use chrono::TimeDelta;
use clap::Args;
use indicatif::HumanBytes;

use super::{
    Exit,
    args::{Common, EventsArgs, StoreArgs},
    out::{self, shown},
    program::Program,
    rewriting::chosen,
    session::{Session, runtime, stored},
};
use crate::{
    config::{self, Flags, Output, key},
    format::Layout,
    history::{
        BlockedBy, Chain, ChainError, Clock, NEWEST_KEPT, Walk, collect, load_tail, plan_collection,
    },
    model::{Partition, Sequence},
    query::{self, QueryError, TopicError},
    store::Store,
};

const EXAMPLES: &str = "\
Without --apply it changes nothing, and says what it would do. Old manifests go, files that only those list, and files that no
manifest has listed since a collection noted them --keep ago. What stays: everything that is live, the newest 100 manifests of a
partition, those that are younger than --keep, and those from the last commit's on. `snapback run` does the same once an hour; this
may run beside it. While a manifest that stays cannot be read, nothing of its partition is deleted. Ends with 0 when there was
nothing to do or all of it was done, else with 1.

Examples:
  snapback gc                                    what can go from ./snapshots
  snapback gc --apply                            delete it
  snapback gc --apply --keep 7d --store s3://bucket/snapshots --partition 3";

/// Delete what the history does not need any more: old manifests, and files that none lists
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct GcArgs {
    /// Do what the plan says
    #[arg(long)]
    apply: bool,
    /// How long manifests stay, and files that none lists: at least 6h [default: 24h]
    #[arg(long, value_name = "DURATION")]
    keep: Option<String>,
    /// Only this partition; repeatable
    #[arg(long, value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    common: Common,
}

/// What came of the command; `manifests`, `files` and `bytes` are what was deleted or, without `--apply`, can be.
#[derive(Default, serde::Serialize)]
struct Outcome {
    applied: bool,
    manifests: u64,
    files: u64,
    bytes: u64,
    /// Files that no manifest lists, which stay until they have been noted for long enough.
    noted: u64,
    partitions: Vec<OfPartition>,
    #[serde(skip)]
    failed: Option<Exit>,
}

#[derive(serde::Serialize)]
struct OfPartition {
    partition: Partition,
    manifests: u64,
    files: u64,
    bytes: u64,
    noted: u64,
    /// The number that the history is to begin with from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<Sequence>,
    /// Why nothing of it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
}

impl GcArgs {
    fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        flags.add(key::KEEP, self.keep.as_deref());
        self.events.collect(&mut flags);
        self.store.collect(&mut flags);
        flags
    }
}

/// Plans, and deletes when asked to.
pub(super) fn execute(args: &GcArgs, program: &Program) -> anyhow::Result<Exit> {
    let session = Session::begin(&args.common, args.flags())?.of(program);
    let keep = config::keep(&session.layers)?;
    let keep = TimeDelta::from_std(keep)?;
    let runtime = runtime()?;
    let (store, layout) = stored(&runtime, &session)?;
    let outcome = runtime.block_on(async {
        let partitions = partitions(args, &store, &layout).await?;
        let mut outcome = Outcome {
            applied: args.apply,
            ..Outcome::default()
        };
        for partition in partitions {
            let done = one(&store, &layout, partition, keep, args.apply).await;
            outcome.add(partition, done);
        }
        anyhow::Ok(outcome)
    })?;
    let is_stopped = outcome.partitions.iter().any(|one| one.stopped.is_some());
    let is_planned = !outcome.applied && outcome.partitions.iter().any(OfPartition::is_due);
    let exit = match outcome.failed {
        Some(exit) => exit,
        None if is_stopped || is_planned => Exit::Findings,
        None => Exit::Done,
    };
    let text = match session.output.output {
        Output::Json => serde_json::to_string(&outcome)?,
        Output::Table => outcome.text(),
    };
    out::end_with(exit, &text)
}

async fn partitions(
    args: &GcArgs,
    store: &Store,
    layout: &Layout,
) -> anyhow::Result<BTreeSet<Partition>> {
    let there: BTreeSet<Partition> = query::manifests(store, layout).await?.into_keys().collect();
    if there.is_empty() {
        return Err(QueryError::from(TopicError::missing(store, layout).await?).into());
    }
    let asked = args.partition.iter().copied().map(Partition);
    let wanted = (!args.partition.is_empty()).then(|| asked.collect());
    Ok(chosen(layout, there, wanted)?)
}

async fn one(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    keep: TimeDelta,
    apply: bool,
) -> Result<OfPartition, ChainError> {
    let writer = format!("snapback {} gc", env!("CARGO_PKG_VERSION"));
    let stopped = |by: Option<BlockedBy>| {
        let location = store.locate(&by?.path(layout, partition));
        Some(format!(
            "{location} cannot be read; `snapback verify` says what to do"
        ))
    };
    let mut of = OfPartition::new(partition);
    let tail = load_tail(store, layout, partition).await?;
    if tail.newest.is_none() {
        of.stopped = Some(format!(
            "none of the manifests in {} can be read; `snapback verify` says what to do",
            store.locate(&layout.manifests(partition))
        ));
    }
    let clock = Clock::system();
    let chain = Chain::of_caretaker(store, layout, partition, tail, writer, clock);
    let Some(mut chain) = chain else {
        return Ok(of);
    };
    let mut walk = Walk::default();
    let planned = plan_collection(&mut chain, &mut walk, keep).await?;
    of.oldest = planned.raises.last().copied();
    if !apply {
        return Ok(OfPartition {
            manifests: planned.manifests,
            files: planned.files,
            bytes: planned.bytes,
            noted: planned.noted,
            stopped: stopped(planned.blocked),
            ..of
        });
    }
    if let Some(why) = chain.why_cut_off() {
        of.stopped = Some(why);
        of.oldest = None;
        return Ok(of);
    }
    let done = collect(&mut chain, &mut walk, keep, u64::MAX).await?;
    Ok(OfPartition {
        manifests: done.manifests,
        files: done.files,
        bytes: done.bytes,
        noted: done.noted,
        stopped: stopped(done.blocked),
        ..of
    })
}

impl OfPartition {
    fn new(partition: Partition) -> OfPartition {
        OfPartition {
            partition,
            manifests: 0,
            files: 0,
            bytes: 0,
            noted: 0,
            oldest: None,
            stopped: None,
        }
    }

    fn is_due(&self) -> bool {
        self.oldest.is_some() || self.manifests + self.files > 0
    }

    fn text(&self, applied: bool) -> String {
        let OfPartition {
            partition,
            manifests,
            files,
            bytes,
            noted,
            ..
        } = self;
        let verb = if applied { "deleted" } else { "can go" };
        let size = HumanBytes(*bytes);
        let mut text = format!(
            "partition {partition}: {verb} {manifests} manifests, {files} segments, {size}"
        );
        if let Some(oldest) = self.oldest {
            text.push_str(&format!("; its history begins with manifest {oldest}"));
            if *manifests == 0 {
                text.push_str(&format!(
                    ", and what lies before can go after {NEWEST_KEPT} more manifests, or an hour without one"
                ));
            }
        }
        if *noted > 0 {
            text.push_str(&format!(
                "; {noted} segments that no manifest lists are noted, and go if that is still so --keep after"
            ));
        }
        if let Some(stopped) = &self.stopped {
            text.push_str(&format!("; stopped: {}", shown(stopped)));
        }
        text + "\n"
    }
}

impl Outcome {
    fn add(&mut self, partition: Partition, done: Result<OfPartition, ChainError>) {
        let one = done.unwrap_or_else(|error| {
            let stopped = Some(error.to_string());
            self.failed.get_or_insert(Exit::of(&error.into()));
            OfPartition {
                stopped,
                ..OfPartition::new(partition)
            }
        });
        self.manifests += one.manifests;
        self.files += one.files;
        self.bytes += one.bytes;
        self.noted += one.noted;
        self.partitions.push(one);
    }

    fn text(&self) -> String {
        let said = |one: &&OfPartition| one.is_due() || one.noted > 0 || one.stopped.is_some();
        let parts = self.partitions.iter().filter(said);
        let mut text: String = parts.map(|one| one.text(self.applied)).collect();
        let Outcome {
            manifests, files, ..
        } = self;
        let size = HumanBytes(self.bytes);
        text.push_str(&match (self.applied, text.is_empty()) {
            (_, true) => "nothing to delete\n".to_owned(),
            (true, _) => format!("deleted {manifests} manifests and {files} segments, {size}\n"),
            (false, _) => format!(
                "plan: {manifests} manifests and {files} segments can go, {size}; nothing was changed, --apply deletes\n"
            ),
        });
        text
    }
}
