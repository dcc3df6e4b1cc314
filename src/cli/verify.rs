//! `snapback verify`

mod text;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::Utc;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    Exit,
    args::{CalculationArgs, Common, EventsArgs, KafkaArgs, OutputTopicsArgs, StoreArgs},
    out::{self, shown},
    program::Program,
    session::{Session, progress_bar, runtime, stored},
    unread::unread_text,
};
use crate::{
    audit::{self, Comparison, Options, OutputTopics, Report, Scope, Statement, StatementError},
    config::{self, ConfigError, Delivery, Flags, Output, key},
    model::Partition,
    query,
};
use text::text;

const EXAMPLES: &str = "\
Ends with 0 when everything holds, with 1 when there are findings, with 3 when something could not be read: it is named, and everything
else is verified. It changes nothing. Only the level published and --kafka need Kafka: the one reads the results and the dead letters,
and compares them with what is stored; the other reads events again.

Examples:
  snapback verify                                recompute every result in ./snapshots
  snapback verify --level integrity --store s3://bucket/snapshots
  snapback verify --level published --brokers kafka:9092
  snapback verify --kafka --brokers kafka:9092   also prove that filtered events were rightly left out
  snapback verify --fields 'n DOUBLE'            also name what was written under others
  snapback verify --events orders --partition 3 --partition 5 -o json
  snapback verify --statement orders.json        state for others what was verified, when it is clean
  snapback verify --against orders.json          elsewhere, later: are these still exactly the outcomes that were stated?";

/// Prove what is stored: digests, counts, coverage, and every result recomputed from its inputs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct VerifyArgs {
    /// How much is checked; each level includes the ones before it
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Level::Semantic)]
    pub(super) level: Level,
    /// Also read the events again that have no row: were filtered ones rightly left out, and is nothing where nothing should be?
    #[arg(long = "kafka")]
    reread: bool,
    /// Only this partition; repeatable
    #[arg(long, value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) partition: Vec<i32>,
    /// Of --level published: how the processor ran; at-least-once publishes some outcomes twice [default: exactly-once]
    #[arg(long, value_name = "MODE", value_parser = ["exactly-once", "at-least-once"], hide_possible_values = true)]
    delivery: Option<String>,
    /// Write to FILE what was verified, with a digest of the outcomes of each 1,000,000 offsets; only when all is clean
    #[arg(long, value_name = "FILE")]
    statement: Option<PathBuf>,
    /// Compare the store with what a statement says, and name the offsets whose outcomes are others now
    #[arg(long, value_name = "FILE", conflicts_with = "statement")]
    against: Option<PathBuf>,
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    topics: OutputTopicsArgs,
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
    /// Every outcome in the results or the dead-letter topic, once, as it is stored
    Published,
}

impl VerifyArgs {
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        flags.add(key::DELIVERY, self.delivery.as_deref());
        self.kafka.collect(&mut flags);
        self.events.collect(&mut flags);
        self.topics.collect(&mut flags);
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
            Level::Published => audit::Level::Published,
        }
    }
}

/// Verifies and shows what was found.
pub(super) fn execute(args: &VerifyArgs, program: &Program) -> anyhow::Result<Exit> {
    let session = Session::begin(&args.common, args.flags())?.of(program);
    let topics = match args.level {
        Level::Published => Some(topics(&session)?),
        Level::Integrity | Level::Coverage | Level::Semantic => None,
    };
    let events = args.reread.then(|| config::connection(&session.layers));
    let events = events.transpose()?;
    let runtime = runtime()?;
    let calculation = match config::calculation(&session.layers) {
        Ok(calculation) => calculation,
        Err(error) => return Err(with_origin(error, &runtime, &session)),
    };
    let (store, layout) = stored(&runtime, &session)?;
    let is_given = |key| session.layers.given(key).is_some();
    let given = key::OF_CALCULATION.into_iter().any(is_given);
    let calculations = calculation.known()?;
    let options = Options {
        given: given.then(|| calculations.running()).flatten(),
        invocation: session.layers.invocation("verify"),
        partitions: (!args.partition.is_empty())
            .then(|| args.partition.iter().copied().map(Partition).collect()),
        ..Options::default()
    };
    let against = args.against.as_deref().map(read_statement).transpose()?;
    if let Some(other) = against.as_ref().filter(|one| one.topic() != layout.topic()) {
        let (stated, given) = (other.topic().to_owned(), layout.topic().to_owned());
        return Err(StatementError::OtherTopic { stated, given }.into());
    }
    let scope = match &args.statement {
        Some(_) => {
            let scope = Scope::of(&store, &layout, options.partitions.as_ref());
            runtime.block_on(scope)?
        }
        None => None,
    };
    let bar = progress_bar("verifying {bytes} of {total_bytes} [{wide_bar}] {eta}");
    let report = runtime.block_on(audit::verify(
        &store,
        &layout,
        args.level.into(),
        &calculations,
        &options,
        &|progress| {
            bar.set_length(progress.total_bytes);
            bar.set_position(progress.bytes);
        },
    ))?;
    bar.finish_and_clear();
    let report = match topics {
        None => report,
        Some(topics) => {
            let bar = progress_bar("reading {pos} of {len} messages [{wide_bar}] {eta}");
            let progress = |read, total| {
                bar.set_length(total);
                bar.set_position(read);
            };
            let compared =
                audit::verify_published(&store, &layout, &topics, &options, report, &progress);
            let report = runtime.block_on(compared)?;
            bar.finish_and_clear();
            report
        }
    };
    let report = match events {
        Some(connection) => {
            let bar = progress_bar("reading {pos} of {len} events [{wide_bar}] {eta}");
            let progress = |read, total| {
                bar.set_length(total);
                bar.set_position(read);
            };
            let place = (&store, &layout);
            let read = audit::verify_events(
                place,
                &connection,
                &calculations,
                &options,
                report,
                &progress,
            );
            let report = runtime.block_on(read)?;
            bar.finish_and_clear();
            report
        }
        None => report,
    };
    let mut said = Said::default();
    if let (Some(path), Some(scope)) = (&args.statement, scope) {
        said.stated = match report.clean {
            true => {
                let level = args.level.into();
                let place = (&store, &layout);
                let statement = Statement::of(scope, &report, level, Utc::now(), place);
                let statement = runtime.block_on(statement)?;
                std::fs::write(path, statement.encode())
                    .map_err(StatementError::from)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                Some(statement.summary())
            }
            false => None,
        };
    }
    if let Some(statement) = &against {
        let compared = runtime.block_on(audit::compare(statement, &store, &layout))?;
        said.compared = Some(compared);
    }
    let exit = said.exit(&report);
    let text = match session.output.output {
        Output::Json => serde_json::to_string(&Document {
            report: &report,
            against: said.compared.as_ref(),
        })?,
        Output::Table => text(&report, &store) + &said.text(args),
    };
    out::end_with(exit, &text)
}

/// The document of `-o json`.
#[derive(Serialize)]
struct Document<'d> {
    #[serde(flatten)]
    report: &'d Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<&'d Comparison>,
}

/// What was said about statements.
#[derive(Default)]
struct Said {
    /// The one that was written.
    stated: Option<String>,
    /// The one that the store was compared with.
    compared: Option<Comparison>,
}

impl Said {
    /// What could not be checked goes before what was found: another verification can say more.
    fn exit(&self, report: &Report) -> Exit {
        let compared = self.compared.as_ref();
        // What of the store cannot be read, verifying has found.
        let unread = compared.is_some_and(|one| !one.unread.is_empty()) && report.clean;
        match compared.is_none_or(|one| one.changed.is_empty()) {
            _ if unread || !report.unread.is_empty() => Exit::Unreachable,
            true if report.clean => Exit::Done,
            _ => Exit::Findings,
        }
    }

    fn text(&self, args: &VerifyArgs) -> String {
        let mut text = String::new();
        if let Some(path) = &args.statement {
            let path = path.display().to_string();
            text.push_str(&match &self.stated {
                Some(summary) => format!("stated in {}: {}\n", shown(&path), shown(summary)),
                None => format!(
                    "{} is not written: what is stored is not clean, or was not read whole\n",
                    shown(&path)
                ),
            });
        }
        let Some(compared) = &self.compared else {
            return text;
        };
        for changed in &compared.changed {
            text.push_str(&format!(
                "not as stated: partition {}, offsets {}-{}\n  {}\n",
                changed.partition,
                changed.start,
                changed.end,
                shown(&changed.detail)
            ));
        }
        for unread in &compared.unread {
            text.push_str(&unread_text(unread));
        }
        text.push_str(&format!(
            "{} of {} blocks with {} outcomes are as stated at {}\n",
            compared
                .blocks
                .saturating_sub(compared.changed.len() as u64),
            compared.blocks,
            compared.outcomes,
            shown(&compared.written_at)
        ));
        text
    }
}

fn read_statement(path: &Path) -> anyhow::Result<Statement> {
    let text = std::fs::read_to_string(path).map_err(StatementError::from);
    let statement = text.and_then(|text| Statement::decode(&text));
    statement.with_context(|| format!("{} is no statement", path.display()))
}

/// An error about the calculation, with what the store says of the one that made it: this program may not have it.
fn with_origin(
    error: ConfigError,
    runtime: &tokio::runtime::Runtime,
    session: &Session,
) -> anyhow::Error {
    let origin = stored(runtime, session).and_then(|(store, layout)| {
        let listing = runtime.block_on(query::list(&store, &layout))?;
        let first = listing.partitions.first().context("nothing is stored")?;
        Ok(runtime.block_on(query::show(&store, &layout, first.partition, None))?)
    });
    match origin {
        Ok(stored) => {
            let text = format!(
                "{error}\nThe store was last written by {} with --calculation {:?} --fields {:?}: a program that has this calculation verifies it",
                shown(&stored.writer),
                stored.calculation,
                stored.fields,
            );
            anyhow::Error::new(error).context(text)
        }
        // It is no reason for another error that there is nothing to say.
        Err(_) => error.into(),
    }
}

/// Where outcomes are published.
fn topics(session: &Session) -> anyhow::Result<OutputTopics> {
    let pipeline = config::pipeline(&session.layers)?;
    Ok(OutputTopics {
        connection: config::connection(&session.layers)?,
        results: pipeline.results,
        rejects: pipeline.rejects,
        is_rejects_default: session.layers.value(key::REJECTS).is_none(),
        at_least_once: config::delivery(&session.layers)? == Delivery::AtLeastOnce,
    })
}
