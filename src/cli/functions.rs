//! `snapback functions`

use clap::Args;

use super::{Exit, args::Common, out, session::Session};
use crate::{
    calculation::{Usable, usable},
    config::{Flags, Output},
};

const EXAMPLES: &str = "\
A calculation is an expression over the fields of an event. What is not listed is refused, with the reason.

Examples:
  snapback functions
  snapback functions -o json
  snapback run --fields 'price DECIMAL(12,2), quantity BIGINT' --calculation 'price * quantity'";

/// List the operators and functions that a calculation may use, each with its type and an example
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct FunctionsArgs {
    #[command(flatten)]
    common: Common,
}

pub(super) fn execute(args: &FunctionsArgs) -> anyhow::Result<Exit> {
    let mut flags = Flags::default();
    args.common.collect(&mut flags);
    let session = Session::begin(&args.common, flags)?;
    let text = match session.output.output {
        Output::Json => serde_json::to_string_pretty(&usable())?,
        Output::Table => usable().iter().map(entry).collect(),
    };
    out::end_with(Exit::Done, text.trim_end())
}

fn entry(usable: &Usable) -> String {
    let Usable {
        form,
        gives,
        does,
        example,
        value,
    } = usable;
    format!("{form}\n    {does}\n    gives {gives}\n    {example} is {value}\n")
}
