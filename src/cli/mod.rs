//! The command line: one file per command, with its arguments and how its outcome is shown; no logic.
//!
//! In: what was typed. Each command turns its arguments into [`Flags`](crate::config::Flags), lets [`config`](crate::config)
//! validate them together with environment and file, calls the module that does the work, and renders what comes back:
//! data on stdout, everything else on stderr. Out: an [`Exit`]. Types of the argument parser do not leave this folder.

mod args;
mod completions;
mod config;
mod demo;
mod exit;
mod produce;
mod run;
mod snapshots;
mod verify;

#[cfg(test)]
mod tests;

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::{
    config::{Flags, Layers, OutputConfig},
    telemetry,
};
use args::Common;
pub use exit::Exit;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    findings: a check found something wrong, or a plan has something to do
  2    usage or configuration
  3    broker or store unreachable
  4    refused to protect data; the text says what would be lost or doubled, and how to resolve it
  5    fenced: a newer process has our name
  130  interrupted

Every flag can also be given as a variable (SNAPBACK_COMMIT_INTERVAL=1s) or in snapback.toml (commit-interval = \"1s\");
flags win over variables, variables over the file. `snapback config` shows what applies, and from where.

Examples:
  snapback demo                                  the whole story, no server needed
  snapback produce --count 1000000               load random events into the topic `events`
  snapback run                                   process them
  snapback verify                                prove what is stored";

/// Kafka events to provable results: calculated once, published exactly once, checkpointed as Parquet with their offsets.
#[derive(Debug, Parser)]
#[command(name = "snapback", version, after_help = EXIT_CODES, subcommand_required = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    #[command(hide = true)]
    DemoBroker(demo::DemoBrokerArgs),
    Run(run::RunArgs),
    Produce(produce::ProduceArgs),
    Snapshots(snapshots::SnapshotsArgs),
    Verify(verify::VerifyArgs),
    Config(config::ConfigArgs),
    Completions(completions::CompletionsArgs),
}

/// What a command starts from: the layers of its configuration and how it writes; logging has begun.
#[derive(Debug)]
struct Session {
    layers: Layers,
    output: OutputConfig,
}

impl Session {
    fn begin(common: &Common, flags: Flags) -> anyhow::Result<Session> {
        let layers = Layers::read(flags, environment())?;
        let output = crate::config::output(&layers)?;
        telemetry::init(output.log_format, common.verbose);
        Ok(Session { layers, output })
    }
}

/// Parses, does what was asked for, and says how it ended.
#[must_use]
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // stdout may be closed; there is nobody to tell then.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
                _ => Exit::Usage,
            };
        }
    };
    dispatch(cli.command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Exit::of(&error)
    })
}

fn dispatch(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Config(args) => config::execute(&args),
        Command::Completions(args) => completions::execute(&args),
        Command::Demo(args) => demo::execute(&args),
        Command::DemoBroker(args) => demo::serve_broker(&args),
        Command::Run(args) => unwired(&args.common, args.flags()),
        Command::Produce(args) => produce::execute(&args),
        Command::Snapshots(args) => {
            let place = args.command.place();
            unwired(&place.common, place.flags())
        }
        Command::Verify(args) => unwired(&args.common, args.flags()),
    }
}

/// The configuration is read; the engine is wired when its branch is merged.
fn unwired(common: &Common, flags: Flags) -> anyhow::Result<Exit> {
    Session::begin(common, flags)?;
    anyhow::bail!("this build does not have that command yet")
}

/// The environment, as far as it is text.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
