//! `snapback completions`

use clap::Args;
use clap_complete::{Shell, generate};

use super::{Exit, Program, out};

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

pub(super) fn execute(args: &CompletionsArgs, program: &Program) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    generate(
        args.shell,
        &mut program.command(),
        program.name(),
        &mut script,
    );
    out::end_with(Exit::Done, &String::from_utf8(script)?)
}
