//! Whether the results of the running calculation fit the columns of what is stored: a store at rest never holds one column in
//! two types, since readers of the whole store would read wrong numbers, or fail.

use std::time::Duration;

use super::{
    ProcessorError,
    panics::start_task,
    watch::{Board, Reason},
};
use crate::{
    calculation::Declaration,
    config::{OnNewCalculation, RunConfig},
    format::{Layout, MixedColumn},
    query::{QueryError, column_types},
    recovery::another,
    store::Store,
};

/// How often it is looked whether the history has been rewritten.
const LOOK: Duration = Duration::from_secs(2);

/// What is stored, and what is about to be added to it.
#[derive(Clone)]
pub struct ColumnCheck {
    pub store: Store,
    pub layout: Layout,
    pub ours: Declaration,
}

impl ColumnCheck {
    /// Refuses results that would give a stored column another type. Where the history is to be rewritten, that is shown as
    /// long as it is not.
    pub fn at_start(
        self,
        settings: &RunConfig,
        board: &Board,
        runtime: &tokio::runtime::Handle,
    ) -> Result<(), ProcessorError> {
        let mixed = match runtime.block_on(self.mixed()) {
            Ok(mixed) => mixed,
            // Each partition is looked at again before anything of it is published.
            Err(error) => {
                tracing::warn!("the types of what is stored are not known: {error}");
                return Ok(());
            }
        };
        if mixed.is_empty() {
            return Ok(());
        }
        if settings.on_new_calculation == OnNewCalculation::Keep {
            let text = refusal(&mixed, &self.ours, settings);
            return Err(ProcessorError::MixedTypes { text });
        }
        let text = shown(&mixed);
        tracing::warn!("{text}");
        let trouble = board.trouble(&[]);
        trouble.is(Reason::MixedTypes, text);
        let watched = async move {
            loop {
                tokio::time::sleep(LOOK).await;
                match self.mixed().await {
                    Ok(mixed) if mixed.is_empty() => break,
                    Ok(mixed) => trouble.is(Reason::MixedTypes, shown(&mixed)),
                    Err(error) => {
                        tracing::debug!("the types of what is stored are not known: {error}")
                    }
                }
            }
            trouble.is_over();
            tracing::info!("the stored history is rewritten: every column has one type");
        };
        start_task(runtime, watched, |message| {
            tracing::error!(
                "a defect of this program: what looks at the types of what is stored panicked: {message}; the history is rewritten all the same"
            );
        });
        Ok(())
    }

    /// The columns that have, or would have, more than one type.
    async fn mixed(&self) -> Result<Vec<MixedColumn>, QueryError> {
        let types = column_types(&self.store, &self.layout).await?;
        Ok(types.mixed_with(&self.ours))
    }
}

fn list(mixed: &[MixedColumn]) -> String {
    let mixed: Vec<String> = mixed.iter().map(ToString::to_string).collect();
    mixed.join("; ")
}

fn shown(mixed: &[MixedColumn]) -> String {
    format!(
        "mixed types until the history is rewritten: {} of what is stored. Readers of all of it read wrong numbers, or fail",
        list(mixed)
    )
}

fn refusal(mixed: &[MixedColumn], ours: &Declaration, settings: &RunConfig) -> String {
    let columns: Vec<String> = ours
        .columns()
        .unwrap_or_default()
        .into_iter()
        .filter(|(column, _)| mixed.iter().any(|mixed| mixed.column == *column))
        .map(|(column, data_type)| format!("{column} {data_type}"))
        .collect();
    let again = settings
        .invocation
        .clone()
        .without("--resume-from")
        .without("--accept-loss");
    let rewrite = again.clone().set("--on-new-calculation", "recalculate");
    let fresh = again
        .set("--store", another(&settings.store.url.to_string()))
        .set("--group", another(&settings.pipeline.group))
        .set("--results", another(&settings.pipeline.results));
    format!(
        "refused: {} of what is stored; new results would have {}. Readers of all of it would read wrong numbers (DuckDB, in silence) or fail. Nothing was changed.\n\
         \nRewrite what is stored, and publish what changes:\n  {rewrite}\n\
         \nOr begin a new history beside this one, with a store, a group and a results topic of its own:\n  {fresh}\n\
         \nOr declare a field of another name.",
        list(mixed),
        columns.join(", "),
    )
}
