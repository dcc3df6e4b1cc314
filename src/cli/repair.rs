//! `snapback repair`

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Args;

use super::{
    Exit,
    args::{CalculationArgs, Common, EventsArgs, KafkaArgs, StoreArgs},
    out::{self, shown},
    program::Program,
    session::{Session, progress_bar, runtime, stored},
};
use crate::{
    audit::{
        self, Finding, Level, Mend, Mended, Options, Recalculator, RepairPlan, Report, Source,
    },
    calculation::Evaluator,
    config::{self, CalculationConfig, Flags, Output},
    format::{Identity, Layout},
    history::{Chain, Clock},
    kafka::{Admin, Connection},
    model::Partition,
    processor,
    store::Store,
};

const EXAMPLES: &str = "\
Without --apply it changes nothing, and says what it would do. Wrong values whose file is whole are calculated again from the
inputs stored beside them; files that are damaged or gone are made again from Kafka, exactly their offsets and exactly as many
outcomes. What was published otherwise is published once more as a correction, by the processor that owns the partition.
It may run beside `snapback run`. Ends with 0 when nothing is wrong or all of it was mended, else with 1.

Examples:
  snapback repair                                what is wrong in ./snapshots, and what can be done
  snapback repair --apply                        do it
  snapback repair --apply --store s3://bucket/snapshots --brokers kafka:9092 --partition 3";

/// How long a metadata question to the broker may take.
const ASK: Duration = Duration::from_secs(30);
/// How long Kafka may say nothing while a range is read.
const PATIENCE: Duration = Duration::from_secs(30);

/// Mend what `verify` finds wrong: from the stored inputs, or from Kafka
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RepairArgs {
    /// Do what the plan says
    #[arg(long)]
    apply: bool,
    /// Only this partition; repeatable
    #[arg(long, value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    calculation: CalculationArgs,
    #[command(flatten)]
    common: Common,
}

impl RepairArgs {
    fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.kafka.collect(&mut flags);
        self.events.collect(&mut flags);
        self.store.collect(&mut flags);
        self.calculation.collect(&mut flags);
        flags
    }
}

/// What came of the command, in numbers.
#[derive(Default, serde::Serialize)]
struct Outcome {
    /// Ranges that were mended, or, without `--apply`, can be.
    ranges: usize,
    /// Those that stay as they are, and why.
    left: Vec<String>,
    /// Corrections that wait for the owners of their partitions.
    corrections: u64,
    applied: bool,
}

/// Verifies, plans, and mends when asked to.
pub(super) fn execute(args: &RepairArgs, program: &Program) -> anyhow::Result<Exit> {
    let session = Session::begin(&args.common, args.flags())?.of(program);
    let runtime = runtime()?;
    let calculation = config::calculation(&session.layers)?;
    let connection = config::connection(&session.layers)?;
    let (store, layout) = stored(&runtime, &session)?;
    let options = Options {
        partitions: (!args.partition.is_empty())
            .then(|| args.partition.iter().copied().map(Partition).collect()),
        ..Options::default()
    };
    let report = runtime.block_on(verify(&store, &layout, &calculation, &options))?;
    let plan = runtime.block_on(audit::plan_repair(&store, &layout, &report))?;
    let outcome = match args.apply {
        true => {
            let mender = Mender {
                store: &store,
                layout: &layout,
                calculation: &calculation,
                connection: &connection,
            };
            runtime.block_on(mender.apply(&plan))?
        }
        false => Outcome {
            ranges: plan.mends.len(),
            left: plan.left.iter().map(ToString::to_string).collect(),
            ..Outcome::default()
        },
    };
    let exit = match outcome.left.is_empty() && (outcome.applied || outcome.ranges == 0) {
        true => Exit::Done,
        false => Exit::Findings,
    };
    let text = match session.output.output {
        Output::Json => serde_json::to_string(&outcome)?,
        Output::Table => text(&plan, &outcome),
    };
    out::end_with(exit, &text)
}

async fn verify(
    store: &Store,
    layout: &Layout,
    calculation: &CalculationConfig,
    options: &Options,
) -> anyhow::Result<Report> {
    let bar = progress_bar("verifying {bytes} of {total_bytes} [{wide_bar}] {eta}");
    let progress = |progress: audit::Progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.bytes);
    };
    let (fields, square) = (&calculation.fields, &calculation.calculation);
    let level = Level::Semantic;
    let report = audit::verify(store, layout, level, fields, square, options, &progress).await?;
    bar.finish_and_clear();
    Ok(report)
}

/// Acts on a plan.
struct Mender<'c> {
    store: &'c Store,
    layout: &'c Layout,
    calculation: &'c CalculationConfig,
    connection: &'c Connection,
}

impl Mender<'_> {
    async fn apply(&self, plan: &RepairPlan) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome {
            left: plan.left.iter().map(ToString::to_string).collect(),
            applied: true,
            ..Outcome::default()
        };
        let mut open: Option<(Chain, Recalculator)> = None;
        for mend in &plan.mends {
            let same = |(chain, _): &(Chain, Recalculator)| chain.partition() == mend.partition;
            let (chain, recalculator) = match open.take().filter(same) {
                Some(open) => open,
                None => self.open(mend.partition).await?,
            };
            let (chain, recalculator) = open.insert((chain, recalculator));
            let mended = audit::mend(recalculator, &self.calculation.calculation, chain, mend);
            let place = place(mend);
            match mended.await.with_context(|| place.clone())? {
                Mended::Done { rows, corrections } => {
                    tracing::info!("{place}: mended, {rows} outcomes, {corrections} corrections");
                    outcome.ranges += 1;
                    outcome.corrections += corrections;
                }
                Mended::Overtaken => outcome.left.push(format!(
                    "{place}: another edit has changed it meanwhile; run this command again"
                )),
                Mended::Left(why) => outcome.left.push(format!("{place}: {why}")),
            }
        }
        Ok(outcome)
    }

    /// The chain of a partition, and what recalculates it, if Kafka is where it came from.
    async fn open(&self, partition: Partition) -> anyhow::Result<(Chain, Recalculator)> {
        let CalculationConfig {
            fields,
            calculation,
            ..
        } = self.calculation;
        let evaluator = Evaluator::new(fields.clone(), Arc::clone(calculation))?;
        let identity = Identity {
            topic: self.layout.topic().to_owned(),
            partition,
            calculation: evaluator.calculation_text(),
            fingerprint: evaluator.fingerprint().clone(),
            fields: evaluator.fields().to_string(),
            writer: format!("snapback {} repair", env!("CARGO_PKG_VERSION")),
        };
        let chain = Chain::load(self.store.clone(), identity, Clock::system()).await?;
        let newest = chain.newest().context("the partition has no manifest")?;
        let pipeline = newest.pipeline.clone();
        let connection = self.connection.clone();
        // The client waits for its broker.
        let asking = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
            let admin = Admin::connect(&connection, ASK)?;
            audit::is_its_source(&pipeline, &admin)?;
            Ok(processor::results_topic(&admin, &pipeline.results_topic))
        });
        let recalculator = Recalculator {
            evaluator: Arc::new(evaluator),
            results: asking.await??,
            events: self.connection.clone(),
            patience: PATIENCE,
        };
        Ok((chain, recalculator))
    }
}

fn place(mend: &Mend) -> String {
    format!("partition {}, offsets {}", mend.partition, mend.range.range)
}

fn text(plan: &RepairPlan, outcome: &Outcome) -> String {
    let mut text = String::new();
    for mend in &plan.mends {
        let from = match mend.source {
            Source::Attic => "put back from the attic",
            Source::StoredInputs => "calculated again from the stored inputs",
            Source::Kafka => "made again from the events in Kafka",
        };
        text.push_str(&format!("{}: {from}\n", place(mend)));
        for finding in &mend.findings {
            text.push_str(&format!("  {}\n", shown(&what(finding))));
        }
    }
    for left in &outcome.left {
        text.push_str(&format!("not mended: {}\n", shown(left)));
    }
    let ranges = outcome.ranges;
    text.push_str(&match (outcome.applied, ranges + outcome.left.len()) {
        (_, 0) => "nothing to mend\n".to_owned(),
        (false, _) => format!(
            "plan: {ranges} ranges can be mended, {} findings cannot; nothing was changed, --apply mends\n",
            outcome.left.len()
        ),
        (true, _) => format!(
            "mended {ranges} ranges, {} stay as they are; {}\n",
            outcome.left.len(),
            match outcome.corrections {
                0 => "nothing has to be published again".to_owned(),
                count => format!(
                    "{count} corrections wait for the owners of their partitions: a running processor publishes them, else the next `snapback run`"
                ),
            }
        ),
    });
    text
}

/// A finding without what to do about it: that is being done.
fn what(finding: &Finding) -> String {
    format!("{}: {}", finding.kind, finding.detail)
}
