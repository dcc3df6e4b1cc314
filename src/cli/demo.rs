//! `snapback demo`: its arguments, and what it shows.

mod paint;
mod printer;
mod summary;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    Exit,
    args::{Common, KafkaArgs},
    out,
    produce::share,
    session::{Session, runtime},
};
use crate::{
    config::{self, Flags, Output},
    demo::{Cluster, Interrupt, Settings, Summary, Task, run, serve},
};
use paint::Paint;
use printer::Printer;

const EXAMPLES: &str = "\
Without --brokers it starts a broker of its own, which has no transactions: results may be
published twice, and it says how many were. On a real broker it is exactly once. It leaves
./snapback-demo behind; the next demo replaces it. In the end everything is checked from outside,
by reading all topics and snapshots again; exit code 1 if anything is wrong.

Examples:
  snapback demo
  snapback demo --pause-before-checks            damage a file while it waits: the checks find it
  snapback demo --damage                         the second story: damage is mended while it runs
  snapback demo --calculation 'number % 10 AS digit, sha256(CAST(number AS VARCHAR)) AS mask'
  snapback demo --calculation '100000 div number' --where 'number >= 0'
  snapback demo --brokers localhost:9092
  snapback demo --count 1000000";

/// The whole story: produce, process, kill, recover, verify; no server needed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DemoArgs {
    /// How many events
    #[arg(long, value_name = "COUNT", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000))]
    count: u64,
    /// Which share of them is malformed, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.001, value_parser = share)]
    malformed: f64,
    /// Where the random numbers start
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// The folder to leave behind; only one that a demo made is replaced
    #[arg(long, value_name = "PATH", default_value = "./snapback-demo")]
    dir: PathBuf,
    /// Wait for Enter before the checks: damage a file in the meantime, and see it found
    #[arg(long)]
    pause_before_checks: bool,
    /// Calculate this of each `number` instead of its square: SQL, as for `snapback run`
    #[arg(long, value_name = "SQL", value_parser = calculation, conflicts_with = "damage", allow_hyphen_values = true)]
    calculation: Option<String>,
    /// Leave out all events but those for which this is true
    #[arg(long = "where", value_name = "SQL", value_parser = condition, conflicts_with = "damage", allow_hyphen_values = true)]
    condition: Option<String>,
    /// Damage stored files while the processor runs, instead of killing it: it finds and mends them by itself
    #[arg(long, conflicts_with = "pause_before_checks")]
    damage: bool,
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    common: Common,
}

/// Serve the demo's embedded broker until standard input ends
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  snapback demo-broker events=8")]
pub(super) struct DemoBrokerArgs {
    /// Topics
    #[arg(value_name = "NAME=PARTITIONS", value_parser = topic)]
    topics: Vec<(String, i32)>,
}

fn topic(text: &str) -> Result<(String, i32), String> {
    let (name, partitions) = text.split_once('=').ok_or("expected NAME=PARTITIONS")?;
    let partitions = partitions.parse().map_err(|error| format!("{error}"))?;
    Ok((name.to_owned(), partitions))
}

fn calculation(text: &str) -> Result<String, String> {
    checked(text, |text| Task {
        calculation: Some(text),
        condition: None,
    })
}

fn condition(text: &str) -> Result<String, String> {
    checked(text, |text| Task {
        calculation: None,
        condition: Some(text),
    })
}

fn checked(text: &str, task: impl Fn(String) -> Task) -> Result<String, String> {
    task(text.to_owned()).check().map(|()| text.to_owned())
}

/// Partitions of the events topic.
const PARTITIONS: u32 = 8;
/// In how many seconds the events would be produced, were the processor not killed half way.
const SECONDS: u64 = 4;

impl DemoArgs {
    fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.kafka.collect(&mut flags);
        flags
    }

    fn settings(&self, session: &Session) -> anyhow::Result<Settings> {
        let cluster = match &self.kafka.brokers {
            None => Cluster::Embedded,
            Some(_) => Cluster::Existing {
                brokers: config::connection(&session.layers)?.brokers().to_owned(),
                properties: session
                    .layers
                    .properties()?
                    .into_iter()
                    .map(|(name, value)| (name, value.text))
                    .collect(),
                unique: format!("{:08x}", rand::random::<u32>()),
            },
        };
        Ok(Settings {
            program: std::env::current_exe().context("cannot find the program itself")?,
            folder: self.dir.clone(),
            cluster,
            events: self.count,
            malformed: self.malformed,
            rate: self.count / SECONDS,
            partitions: PARTITIONS,
            seed: self.seed,
            task: Task {
                calculation: self.calculation.clone(),
                condition: self.condition.clone(),
            },
            damage: self.damage,
            pause: self.pause_before_checks,
        })
    }
}

pub(super) fn execute(args: &DemoArgs) -> anyhow::Result<Exit> {
    let session = Session::begin(&args.common, args.flags())?;
    let settings = args.settings(&session)?;
    let interrupt = Interrupt::default();
    let runtime = runtime()?;
    raise_on_signals(&runtime, &interrupt)?;
    let mut printer = Printer::new(interrupt.clone());
    let summary = run(&settings, runtime.handle(), &interrupt, &mut |step| {
        printer.print(step)
    });
    printer.clear();
    let summary = summary?;
    let text = match session.output.output {
        Output::Json => summary::json(&summary)?,
        Output::Table => shown(&summary),
    };
    let exit = match summary.checked.holds() {
        true => Exit::Done,
        false => Exit::Findings,
    };
    out::end_with(exit, &text)
}

fn shown(summary: &Summary) -> String {
    let paint = Paint::new(io::stdout().is_terminal());
    let checks = &summary.checked.checks;
    let mut text = format!(
        "{}\n{}\n",
        summary::checks(checks, paint),
        summary::table(summary)
    );
    if summary.checked.holds() {
        text.push_str(&summary::suggestions(summary));
    } else {
        let failed = checks.iter().filter(|check| !check.passed()).count();
        let verdict = format!("{failed} of {} checks failed, see above.", checks.len());
        text.push_str(&paint.bad(&verdict));
        text.push('\n');
    }
    text
}

pub(super) fn serve_broker(args: &DemoBrokerArgs) -> anyhow::Result<Exit> {
    let topics = args
        .topics
        .iter()
        .map(|(name, count)| (name.as_str(), *count));
    serve(&topics.collect::<Vec<_>>(), io::stdin(), io::stdout())?;
    Ok(Exit::Done)
}

/// Ctrl-C, a closed terminal, a polite kill: the child processes must not be left behind.
fn raise_on_signals(
    runtime: &tokio::runtime::Runtime,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let _context = runtime.enter();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind).context("cannot listen to signals")?;
        let interrupt = interrupt.clone();
        runtime.spawn(async move {
            if signals.recv().await.is_some() {
                interrupt.raise();
            }
        });
    }
    Ok(())
}
