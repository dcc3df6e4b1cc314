//! What most commands begin with: configuration, logging, a runtime, the store.

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::args::Common;
use crate::{
    calculation,
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
        let layers = Layers::read(flags, environment())?;
        let output = config::output(&layers)?;
        telemetry::init(output.log_format, common.verbose);
        let unknown = layers.unknown_variables();
        if !unknown.is_empty() {
            tracing::warn!(
                "no setting is called {}; `snapback config` lists the settings and their variables",
                unknown.join(", ")
            );
        }
        Ok(Session { layers, output })
    }

    /// With the calculations that `find` knows.
    pub(super) fn with_calculations(self, find: calculation::Find) -> Session {
        Session {
            layers: self.layers.with_calculations(find),
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

/// The environment, as far as it is text.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
