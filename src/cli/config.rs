//! `snapback config`

use clap::Args;
use comfy_table::{Table, presets};

use super::{Exit, out, program::Program, run::RunArgs, session::Session};
use crate::config::{self, Output};

const EXAMPLES: &str = "\
Takes the flags of `run`, to see what they would come to. A wrong value is an error here as there.

Examples:
  snapback config
  snapback config -o json
  SNAPBACK_GROUP=other snapback config --store s3://bucket/snapshots

A snapback.toml:
  brokers = \"kafka-1:9092,kafka-2:9092\"
  store = \"s3://bucket/snapshots\"
  snapshot-interval = \"1m\"
  [kafka]
  security.protocol = \"SASL_SSL\"";

/// Show the effective configuration, and where each value comes from; secrets are not shown
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ConfigArgs {
    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn execute(args: &ConfigArgs, program: &Program) -> anyhow::Result<Exit> {
    let session = Session::begin(&args.run.common, args.run.flags())?.of(program);
    let settings = config::effective(&session.layers)?;
    let text = match session.output.output {
        Output::Json => serde_json::to_string_pretty(&settings)?,
        Output::Table => {
            let mut table = Table::new();
            table
                .load_preset(presets::NOTHING)
                .set_header(["setting", "value", "source"]);
            for setting in settings {
                let value = setting.value.unwrap_or_default();
                table.add_row([setting.setting, value, setting.source]);
            }
            table.trim_fmt()
        }
    };
    out::end_with(Exit::Done, &text)
}
