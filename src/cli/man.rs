//! `snapback man`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_mangen::Man;

use super::{Exit, out, program::NoSuchCommand};

const EXAMPLES: &str = "\
Examples:
  snapback man > snapback.1                      to be read with: man ./snapback.1
  snapback man run > snapback-run.1              the page of one command
  snapback man --to ~/.local/share/man/man1      all pages, for man snapback, man snapback-run";

/// Print the manual page of the program or of a command, or write all of them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ManArgs {
    /// The command whose page it is, such as: run, snapshots show
    #[arg(value_name = "COMMAND", conflicts_with = "to")]
    command: Vec<String>,
    /// Write a page for every command into this folder
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

/// Prints or writes the pages of `command`.
pub(super) fn execute(args: &ManArgs, mut command: Command) -> anyhow::Result<Exit> {
    command.build();
    if let Some(folder) = &args.to {
        let unwritable = || format!("cannot write the pages to {}", folder.display());
        std::fs::create_dir_all(folder).with_context(unwritable)?;
        clap_mangen::generate_to(command, folder).with_context(unwritable)?;
        return Ok(Exit::Done);
    }
    let page = Man::new(named(&command, &args.command)?.clone());
    let mut text = Vec::new();
    page.render(&mut text)?;
    out::end_with(Exit::Done, &String::from_utf8(text)?)
}

/// The command that these words name.
fn named<'c>(root: &'c Command, words: &[String]) -> Result<&'c Command, NoSuchCommand> {
    words.iter().try_fold(root, |command, word| {
        let found = command.find_subcommand(word);
        found.ok_or_else(|| NoSuchCommand(words.join(" ")))
    })
}
