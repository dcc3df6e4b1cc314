//! The program as its user calls it: snapback itself, or one with calculations of its own, which has all of snapback's
//! commands under its own name.

use clap::Command;

use crate::calculation;

/// What snapback itself is called.
const SNAPBACK: &str = "snapback";

/// A program with the commands of snapback.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    name: &'static str,
    version: &'static str,
    find: calculation::Find,
}

impl Program {
    /// snapback.
    pub(super) const SNAPBACK: Program = Program {
        name: SNAPBACK,
        version: env!("CARGO_PKG_VERSION"),
        find: calculation::builtin,
    };

    /// A program of this name and version (`env!("CARGO_BIN_NAME")`, `env!("CARGO_PKG_VERSION")`), with the calculations that
    /// `find` finds by the text of `--calculation`; see `examples/own_calculation.rs`.
    #[must_use]
    pub const fn new(
        name: &'static str,
        version: &'static str,
        find: calculation::Find,
    ) -> Program {
        Program {
            name,
            version,
            find,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Who finds its calculations.
    pub(super) fn find(&self) -> calculation::Find {
        self.find
    }

    /// Its command line, made of snapback's; examples call it by its name.
    pub(super) fn command(&self, command: Command) -> Command {
        if self.name == SNAPBACK {
            return command;
        }
        let version = format!(
            "{} (with snapback {})",
            self.version,
            Program::SNAPBACK.version
        );
        renamed(command, self.name)
            .name(self.name)
            .bin_name(self.name)
            .version(version)
    }
}

fn renamed(command: Command, name: &str) -> Command {
    let help = command.get_after_help().map(ToString::to_string);
    let help = help.map(|help| help.replace("snapback ", &format!("{name} ")));
    let command = match help {
        Some(help) => command.after_help(help),
        None => command,
    };
    command.mut_subcommands(|command| renamed(command, name))
}

/// There is no such command.
#[derive(Debug, thiserror::Error)]
#[error("there is no command {0:?}")]
pub(super) struct NoSuchCommand(pub(super) String);
