//! The command line: one file per command, with its arguments and how its outcome is shown; no logic.
//!
//! In: what was typed. Each command turns its arguments into [`Flags`](crate::config::Flags), lets [`config`](crate::config)
//! validate them together with environment and file, calls the module that does the work, and renders what comes back:
//! data on stdout, everything else on stderr. Out: an [`Exit`]. Types of the argument parser do not leave this folder.

mod args;
mod backfill;
mod calculation;
mod compact;
mod completions;
mod config;
mod demo;
mod exit;
mod fields;
mod functions;
mod gc;
mod inspect;
mod interrupt;
mod lookup;
mod man;
mod open_files;
mod out;
mod produce;
mod program;
mod rate;
mod recalculate;
mod repair;
mod rewriting;
mod run;
mod session;
mod snapshots;
mod unread;
mod verify;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind};

pub use exit::Exit;
pub use program::Program;

use crate::{
    failpoint::{self, Point},
    telemetry,
};

const MORE: &str = "\
Settings can also be given as variables (SNAPBACK_COMMIT_INTERVAL=1s) or in snapback.toml
(commit-interval = \"1s\"); flags win over variables, variables over the file.
`snapback config` shows what applies, and from where.

Examples:
  snapback demo                                  the whole story, no server needed
  snapback produce --count 1000000               load random events into the topic `events`
  snapback fields --events orders                propose a declaration for events of your own
  snapback run                                   process them
  snapback verify                                prove what is stored";

/// The exit codes, and more.
fn after_help() -> String {
    let code = |exit: &Exit| format!("  {:<3}  {}\n", *exit as u8, exit.meaning());
    let codes: String = Exit::ALL.iter().map(code).collect();
    format!("Exit codes:\n{codes}\n{MORE}")
}

/// Kafka events to provable results: calculated once, published exactly once, checkpointed as Parquet with their offsets.
#[derive(Debug, Parser)]
#[command(name = "snapback", version, after_help = after_help(), subcommand_required = true, max_term_width = 100)]
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
    Fields(fields::FieldsArgs),
    Snapshots(snapshots::SnapshotsArgs),
    Lookup(lookup::LookupArgs),
    Inspect(inspect::InspectArgs),
    Verify(verify::VerifyArgs),
    Repair(repair::RepairArgs),
    Recalculate(recalculate::RecalculateArgs),
    Backfill(backfill::BackfillArgs),
    Compact(compact::CompactArgs),
    Gc(gc::GcArgs),
    Config(config::ConfigArgs),
    Calculation(calculation::CalculationCommandArgs),
    Functions(functions::FunctionsArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Parses, does what was asked for, and says how it ended.
pub fn main() -> Exit {
    run_program(&Program::SNAPBACK)
}

impl Program {
    /// Parses the command line, does what it asks for, and says how it ended.
    pub fn main(self) -> Exit {
        run_program(&self)
    }
}

fn run_program(program: &Program) -> Exit {
    if let Err(error) = open_files::allow() {
        return failed(&error.into());
    }
    failpoint::arm();
    failpoint::at(Point::Started);
    let parsed = program
        .command(Cli::command())
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let exit = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
                _ => Exit::Usage,
            };
            let printed = error.print();
            return match exit {
                Exit::Done => out::settle(exit, printed).unwrap_or_else(|error| failed(&error)),
                _ => exit,
            };
        }
    };
    dispatch(cli.command, program).unwrap_or_else(|error| failed(&error))
}

/// Says what went wrong.
fn failed(error: &anyhow::Error) -> Exit {
    // A text of several lines is ours, whatever else it quotes.
    let lines: Vec<_> = told(error)
        .lines()
        .map(|line| out::shown(line).into_owned())
        .collect();
    telemetry::say(&format!("error: {}", lines.join("\n")));
    Exit::of(error)
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

fn dispatch(command: Command, program: &Program) -> anyhow::Result<Exit> {
    // The others listen by themselves: they have something to finish.
    if !matches!(
        command,
        Command::Run(_) | Command::Demo(_) | Command::DemoBroker(_)
    ) {
        interrupt::end_at_once()?;
    }
    match command {
        Command::Config(args) => config::execute(&args, program),
        Command::Calculation(args) => calculation::execute(&args, program),
        Command::Functions(args) => functions::execute(&args),
        Command::Man(args) => man::execute(&args, program.command(Cli::command())),
        Command::Completions(args) => {
            completions::execute(&args, &mut program.command(Cli::command()))
        }
        Command::Demo(args) => demo::execute(&args),
        Command::DemoBroker(args) => demo::serve_broker(&args),
        Command::Run(args) => run::execute(&args, program),
        Command::Produce(args) => produce::execute(&args),
        Command::Fields(args) => fields::execute(&args),
        Command::Snapshots(args) => snapshots::execute(&args),
        Command::Lookup(args) => lookup::execute(&args),
        Command::Inspect(args) => inspect::execute(&args),
        Command::Verify(args) => verify::execute(&args, program),
        Command::Repair(args) => repair::execute(&args, program),
        Command::Compact(args) => compact::execute(&args, program),
        Command::Recalculate(args) => recalculate::execute(&args, program),
        Command::Backfill(args) => backfill::execute(&args, program),
        Command::Gc(args) => gc::execute(&args, program),
    }
}

#[cfg(test)]
mod tests;
