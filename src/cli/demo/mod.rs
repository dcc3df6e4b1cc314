//! `snapback demo`: arguments, and the story as text.

mod ending;
mod paint;
mod teller;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
};

use clap::Args;
use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};

use super::Failure;
use crate::{
    demo::{Cluster, DemoError, Interrupt, Settings, play, serve},
    kafka::Connection,
};
use paint::Paint;
use teller::Teller;

/// Show the whole story: produce, process, kill -9, recover, verify, query
///
/// Starts a broker (an embedded one, so that no server is needed), produces events, some of them malformed, processes them with
/// `snapback run`, kills that process half way with SIGKILL, starts it again, and then checks from outside that every event has
/// exactly one outcome and every result is right. Exit code 1 if not.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  snapback demo
  snapback demo --pause-before-checks          damage a file in the meantime: the checks find it
  snapback demo --brokers localhost:9092       on a real broker, exactly-once")]
pub struct DemoArgs {
    /// Use these brokers, with topics and a group of new names, instead of the embedded one
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// A property of the Kafka client, as in kcat; repeatable (with --brokers)
    #[arg(short = 'X', value_name = "KEY=VALUE", requires = "brokers")]
    properties: Vec<String>,
    /// The folder to leave the snapshots in; one that an earlier demo left is replaced
    #[arg(long, value_name = "FOLDER", default_value = "./snapback-demo")]
    dir: PathBuf,
    /// How many events
    #[arg(long, value_name = "COUNT", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000))]
    events: u64,
    /// Where the random numbers start: the same seed gives the same events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Wait for Enter before the checks: damage a file of the folder in the meantime, and see it found
    #[arg(long)]
    pause_before_checks: bool,
}

/// Serve an embedded broker for the demo: topics as NAME=PARTITIONS, until standard input ends
#[derive(Args, Clone, Debug)]
pub struct DemoBrokerArgs {
    #[arg(value_name = "NAME=PARTITIONS", value_parser = topic)]
    topics: Vec<(String, i32)>,
}

fn topic(text: &str) -> Result<(String, i32), String> {
    let (name, partitions) = text.split_once('=').ok_or("expected NAME=PARTITIONS")?;
    let partitions = partitions.parse().map_err(|error| format!("{error}"))?;
    Ok((name.to_owned(), partitions))
}

/// The share of malformed events.
const MALFORMED: f64 = 0.001;
/// Partitions of the events topic.
const PARTITIONS: u32 = 8;
/// In how many seconds the events would be produced, were the processor not killed half way.
const SECONDS: u64 = 4;

/// Runs `snapback demo`; returns the exit code.
///
/// # Errors
/// When the story breaks off.
pub async fn run(args: DemoArgs) -> Result<u8, Failure> {
    let settings = settings(args)?;
    let interrupt = Interrupt::default();
    raise_on_signals(interrupt.clone())?;
    let runtime = Handle::current();
    let played = tokio::task::spawn_blocking(move || {
        let mut teller = Teller::new(interrupt.clone());
        let ending = play(&settings, &runtime, &interrupt, &mut |scene| teller.tell(scene));
        teller.clear();
        ending
    });
    let ending = played
        .await
        .map_err(|error| Failure::new(1, error))?
        .map_err(|error| Failure::new(exit_code(&error), error))?;

    let paint = Paint::new(io::stdout().is_terminal());
    let holds = ending.account.holds();
    let mut text = ending::checks(&ending.account.checks, paint);
    text.push('\n');
    text.push_str(&ending::table(&ending));
    text.push('\n');
    if holds {
        text.push_str(&ending::suggestions(&ending));
    } else {
        let failed = ending.account.checks.iter().filter(|check| !check.passed()).count();
        text.push_str(&paint.bad(&format!("{failed} of {} checks failed, see above.", ending.account.checks.len())));
        text.push('\n');
    }
    // A reader that went away (`| head`) is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(u8::from(!holds))
}

/// Runs the hidden `snapback demo-broker`.
///
/// # Errors
/// When the broker cannot be started.
pub fn serve_broker(args: &DemoBrokerArgs) -> Result<u8, Failure> {
    let topics: Vec<(&str, i32)> = args.topics.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    serve(&topics, io::stdin(), io::stdout()).map_err(|error| Failure::new(1, error))?;
    Ok(0)
}

fn settings(args: DemoArgs) -> Result<Settings, Failure> {
    let cluster = match args.brokers {
        None => Cluster::Embedded,
        Some(brokers) => Cluster::Existing {
            brokers,
            properties: args
                .properties
                .iter()
                .map(|property| Connection::parse_property(property))
                .collect::<Result<_, _>>()
                .map_err(|error| Failure::new(2, error))?,
            unique: format!("{:08x}", rand::random::<u32>()),
        },
    };
    Ok(Settings {
        program: std::env::current_exe().map_err(|error| Failure::new(1, error))?,
        folder: args.dir,
        cluster,
        events: args.events,
        malformed: MALFORMED,
        rate: args.events / SECONDS,
        partitions: PARTITIONS,
        seed: args.seed,
        pause: args.pause_before_checks,
    })
}

/// Ctrl-C, a closed terminal, or a polite kill: the children must not be left behind.
fn raise_on_signals(interrupt: Interrupt) -> Result<(), Failure> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind).map_err(|error| Failure::new(1, error))?;
        let interrupt = interrupt.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                interrupt.raise();
            }
        });
    }
    Ok(())
}

fn exit_code(error: &DemoError) -> u8 {
    match error {
        DemoError::Folder(_) => 2,
        DemoError::Interrupted => 130,
        DemoError::Kafka(error) if error.is_transient() => 3,
        DemoError::Store(_) => 3,
        _ => 1,
    }
}
