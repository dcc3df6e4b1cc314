//! What most commands begin with: configuration, logging, a runtime, the store.

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::{args::Common, program::Program};
use crate::{
    config::{self, Flags, Layers, OutputConfig},
    format::Layout,
    store::{Store, StoreUrl},
    telemetry,
};

/// What a command starts from: the layers of its configuration and how it writes; logging has begun.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) layers: Layers,
    pub(super) output: OutputConfig,
}

impl Session {
    pub(super) fn begin(common: &Common, flags: Flags) -> anyhow::Result<Session> {
        let environment = config::text_of(std::env::vars_os())?;
        let layers = Layers::read(flags, environment)?;
        let output = config::output(&layers)?;
        telemetry::init(output.log_format, common.verbose);
        for warning in layers.warnings() {
            tracing::warn!("{warning}");
        }
        Ok(Session { layers, output })
    }

    /// With the calculations that the program knows, and its name in the commands that are printed.
    pub(super) fn of(self, program: &Program) -> Session {
        let layers = self.layers.with_calculations(program.find());
        Session {
            layers: layers.with_program(program.name()),
            ..self
        }
    }
}

/// The threads on which store work runs, beside the workers.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// The store that is configured, which must be there already, and its folders for the events topic.
pub(super) fn stored(
    runtime: &tokio::runtime::Runtime,
    session: &Session,
) -> anyhow::Result<(Store, Layout)> {
    let config = config::store(&session.layers)?;
    if let StoreUrl::Local(folder) = &config.url
        && !folder.is_dir()
    {
        return Err(MissingStore(folder.display().to_string()).into());
    }
    let topic = config::events(&session.layers)?;
    let layout = Layout::new(&topic)?;
    Ok((runtime.block_on(Store::open(&config))?, layout))
}

/// A folder that is to be read is not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no folder {0}; check --store")]
pub(super) struct MissingStore(String);

/// A bar on stderr when that is a terminal, else nothing.
#[expect(clippy::expect_used, reason = "templates are constants of this folder")]
pub(super) fn progress_bar(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template)
        .expect("the templates in this folder are valid")
        .progress_chars("=> ");
    // The default target draws on stderr, and only on a terminal.
    ProgressBar::new(0).with_style(style)
}
