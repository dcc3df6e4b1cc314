//! `snapback calculation`

pub(super) mod no_query;

use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};

use no_query::NoQuery;

use super::{
    Exit,
    args::{CalculationArgs, Common, EventsArgs, StoreArgs},
    out,
    program::Program,
    session::Session,
};
use crate::{
    calculation::{Declaration, Engine, Evaluator},
    config::{self, Flags, Output},
    format::{Layout, SegmentKind},
};

const EXAMPLES: &str = "\
With --sql, prints a query over the stored results that gives every row that is not what the engine computes
from the same inputs. No rows: the results are proven, without snapback.

Examples:
  snapback calculation --fields 'price DECIMAL(12,2), quantity BIGINT' --calculation 'price * quantity'
  snapback calculation --sql duckdb
  snapback calculation --sql spark > differing.sql";

/// Show how a calculation is understood, or the query with which DuckDB or Spark proves its stored results
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CalculationCommandArgs {
    /// Print the query that gives the stored results that differ, in the words of this engine
    #[arg(long, value_name = "ENGINE")]
    sql: Option<EngineName>,
    #[command(flatten)]
    calculation: CalculationArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineName {
    #[value(name = "duckdb")]
    DuckDb,
    Spark,
}

impl From<EngineName> for Engine {
    fn from(name: EngineName) -> Engine {
        match name {
            EngineName::DuckDb => Engine::DuckDb,
            EngineName::Spark => Engine::Spark,
        }
    }
}

impl CalculationCommandArgs {
    fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.calculation.collect(&mut flags);
        self.events.collect(&mut flags);
        self.store.collect(&mut flags);
        flags
    }
}

pub(super) fn execute(args: &CalculationCommandArgs, program: &Program) -> anyhow::Result<Exit> {
    let session = Session::begin(&args.common, args.flags())?.of(program);
    let config = config::calculation(&session.layers)?;
    let evaluator = config.evaluator()?;
    let text = match (args.sql, session.output.output) {
        (Some(engine), _) => query(&session, &evaluator, engine.into())?,
        (None, Output::Json) => serde_json::to_string_pretty(&evaluator.declaration())?,
        (None, Output::Table) => shown(&evaluator.declaration()),
    };
    out::end_with(Exit::Done, &text)
}

/// The query over the configured store.
fn query(session: &Session, evaluator: &Evaluator, engine: Engine) -> anyhow::Result<String> {
    let layout = Layout::new(&config::events(&session.layers)?)?;
    let root = config::store(&session.layers)?.url.to_string();
    let files = layout.glob(&root, SegmentKind::Results);
    let query = evaluator.proof(engine, &files);
    Ok(query.ok_or_else(|| NoQuery(evaluator.calculation_text()))?)
}

fn shown(declaration: &Declaration) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.add_row(["calculation", &declaration.calculation]);
    if let Some(condition) = &declaration.condition {
        table.add_row(["where", condition]);
    }
    table.add_row(["fields", &declaration.fields]);
    table.add_row(["results", &declaration.results]);
    if let Some(publish) = &declaration.publish {
        table.add_row(["publish", publish]);
    }
    if let Some(carry) = &declaration.carry {
        table.add_row(["carry", carry]);
    }
    table.add_row(["fingerprint", declaration.fingerprint.as_str()]);
    table.trim_fmt()
}
