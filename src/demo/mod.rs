//! Produce, process, kill -9, recover, verify: the demo.
//!
//! In: [`Settings`]. Out: a [`Step`] for everything that happens, and a [`Summary`] with what was [`Checked`]. The processor
//! is the real one, `snapback run` as a child process, and it is killed by SIGKILL. When to kill it, what it lost and whether
//! all is well in the end is decided from outside: by the group's committed offsets, the store, a complete reading of all
//! topics, and `verify --level published` ([`check`]), never by what the processor says about itself.
//!
//! The embedded broker runs in a process of its own, because librdkafka's mock cluster lives in a client; it ends when its
//! standard input closes, so it cannot outlive the demo. It has no transactions: with it, delivery is at-least-once.

mod broker;
mod checks;
mod child;
mod folder;
mod observe;
mod processor;
mod producer;
mod setup;
mod step;
mod steps;
mod topics;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use broker::serve;
pub use checks::{Check, Checked, Facts, Totals, check, judge};
pub use folder::{Folder, FolderError};
pub use step::{Loss, Progress, Step, Summary};
pub use steps::run;
pub use topics::{CatchUp, EventsRead, OutputsRead};

use crate::{
    audit::AuditError,
    format::LayoutError,
    history::ChainError,
    kafka::{KafkaError, PublishError},
    load::LoadError,
    store::StoreError,
};

/// What the demo shows.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program to run as processor and as broker: this one.
    pub program: PathBuf,
    /// The folder to leave behind.
    pub folder: PathBuf,
    /// The broker.
    pub cluster: Cluster,
    /// How many events.
    pub events: u64,
    /// Which share of them is malformed, 0 to 1.
    pub malformed: f64,
    /// How many events a second are produced while the processor runs.
    pub rate: u64,
    /// Partitions of the events topic.
    pub partitions: u32,
    /// Where the random numbers start.
    pub seed: u64,
    /// Whether [`Step::Pause`] is reported before the checks.
    pub pause: bool,
}

/// Where the topics are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cluster {
    /// In a process that the demo starts.
    Embedded,
    /// On brokers that exist, in topics of a name that nobody else has.
    Existing {
        /// `host:port,host:port`.
        brokers: String,
        /// Client properties (`-X`).
        properties: Vec<(String, String)>,
        /// Tells this demo's topics and group from any other's.
        unique: String,
    },
}

/// The names of the demo's topics and group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// The events topic.
    pub events: String,
    /// The results topic.
    pub results: String,
    /// The dead-letter topic.
    pub rejects: String,
    /// The consumer group.
    pub group: String,
}

impl Pipeline {
    /// The default names, or with `unique` in them.
    #[must_use]
    pub fn named(unique: Option<&str>) -> Pipeline {
        let (before, group) = match unique {
            None => (String::new(), "recalc_group".to_owned()),
            Some(unique) => (
                format!("snapback-demo-{unique}."),
                format!("snapback-demo-{unique}"),
            ),
        };
        Pipeline {
            events: format!("{before}events"),
            results: format!("{before}results"),
            rejects: format!("{before}events.dlq"),
            group,
        }
    }
}

/// A request to stop, from a signal; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn check(&self) -> Result<(), DemoError> {
        if self.is_raised() {
            return Err(DemoError::Interrupted);
        }
        Ok(())
    }
}

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A child process could not be started.
    #[error("cannot start {program} as the {role}: {source}")]
    Start {
        /// The program.
        program: PathBuf,
        /// What it was to be.
        role: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A child process cannot be waited for or killed, or its log cannot be written.
    #[error("cannot watch the {role}: {source}")]
    Watch {
        /// What it is.
        role: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A child process ended when it should not have.
    #[error("the {role} ended by itself ({status}); the end of its log:\n{lines}\n(all of it: {log})", log = .log.display())]
    Child {
        /// What it was.
        role: &'static str,
        /// How it ended.
        status: String,
        /// The end of its log.
        lines: String,
        /// Its log.
        log: PathBuf,
    },
    /// Nothing happens any more.
    #[error("nothing has happened for {waited:?} while waiting for {what}; the end of the processor's log:\n{lines}\n(all of it: {log})", log = .log.display())]
    Stalled {
        /// What was waited for.
        what: &'static str,
        /// How long.
        waited: Duration,
        /// The end of its log.
        lines: String,
        /// Its log.
        log: PathBuf,
    },
    /// The events could not be produced.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The producer cannot be made.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Kafka cannot be asked.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The store or the topics cannot be verified.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The manifests cannot be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The events topic cannot be a folder.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}
