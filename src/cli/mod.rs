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
mod interrupt;
mod produce;
mod run;
mod session;
mod snapshots;
mod verify;

use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};

pub use exit::Exit;

use crate::{
    calculation,
    failpoint::{self, Point},
};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    findings: a check found something wrong, or a plan has something to do
  2    usage or configuration
  3    broker or store unreachable
  4    refused to protect data; the text says what would be lost or doubled, and what resolves it
  5    fenced: a newer process has our name
  130  interrupted

Settings can also be given as variables (SNAPBACK_COMMIT_INTERVAL=1s) or in snapback.toml
(commit-interval = \"1s\"); flags win over variables, variables over the file.
`snapback config` shows what applies, and from where.

Examples:
  snapback demo                                  the whole story, no server needed
  snapback produce --count 1000000               load random events into the topic `events`
  snapback run                                   process them
  snapback verify                                prove what is stored";

/// Kafka events to provable results: calculated once, published exactly once, checkpointed as Parquet with their offsets.
#[derive(Debug, Parser)]
#[command(name = "snapback", version, after_help = EXIT_CODES, subcommand_required = true, max_term_width = 100)]
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

/// Parses, does what was asked for, and says how it ended.
pub fn main() -> Exit {
    main_with(calculation::builtin)
}

/// The same with calculations of the user's own, which `find` finds by the text of `--calculation`; see
/// `examples/own_calculation.rs`.
pub fn main_with(find: calculation::Find) -> Exit {
    failpoint::arm();
    failpoint::at(Point::Started);
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
    dispatch(cli.command, find).unwrap_or_else(|error| {
        let closed = error.downcast_ref::<std::io::Error>();
        if closed.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
            // Whoever read our output has read enough: `snapback snapshots list | head`.
            return Exit::Done;
        }
        eprintln!("error: {}", told(&error));
        Exit::of(&error)
    })
}

/// An error and its causes; those that its text contains already are left out.
fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match (text.is_empty(), text.contains(&cause)) {
            (true, _) => cause,
            (false, true) => text,
            (false, false) => format!("{text}: {cause}"),
        }
    })
}

fn dispatch(command: Command, find: calculation::Find) -> anyhow::Result<Exit> {
    match command {
        Command::Config(args) => config::execute(&args, find),
        Command::Completions(args) => completions::execute(&args, &mut Cli::command()),
        Command::Demo(args) => demo::execute(&args),
        Command::DemoBroker(args) => demo::serve_broker(&args),
        Command::Run(args) => run::execute(&args, find),
        Command::Produce(args) => produce::execute(&args),
        Command::Snapshots(args) => snapshots::execute(&args),
        Command::Verify(args) => verify::execute(&args, find),
    }
}

#[cfg(test)]
mod tests;
