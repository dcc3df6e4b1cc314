//! `snapback completions`

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::{Exit, out};

const EXAMPLES: &str = "\
Examples:
  snapback completions bash > ~/.local/share/bash-completion/completions/snapback
  snapback completions zsh > ~/.zfunc/_snapback
  snapback completions fish > ~/.config/fish/completions/snapback.fish";

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompletionsArgs {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

/// Prints the script for `program`.
pub(super) fn execute(args: &CompletionsArgs, program: &mut Command) -> anyhow::Result<Exit> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, program, name, &mut script);
    out::end_with(Exit::Done, &String::from_utf8(script)?)
}
