//! The whole story in half a minute: produce, process, kill -9, recover, verify.
//!
//! In: [`Settings`]. Out: [`Scene`]s while it happens, and an [`Ending`] with the [`Account`]. The processor is the real one,
//! `snapback run` as a child process, and so is its death by SIGKILL. When to kill it, what it lost and whether all is well in
//! the end is decided from outside: by the group's committed offsets, the store, and a complete reading of all topics and
//! snapshots ([`check`]), never by what the processor says about itself.
//!
//! The embedded broker runs in a process of its own, because librdkafka's mock cluster lives in a client; it ends when its
//! standard input closes, so it cannot outlive the demo. It has no transactions: there the story is told at-least-once.

mod account;
mod broker;
mod child;
mod folder;
mod observe;
mod play;
mod processor;
mod producer;
mod readings;
mod scene;
mod snapshots;
mod stage;
mod topics;
mod verify;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use account::{Account, Check, Totals, account};
pub use broker::serve;
pub use folder::{Folder, FolderError};
pub use play::{check, play};
pub use readings::{Calculated, Letter, Outcome, PartitionReadings, Published, Readings, Stored};
pub use scene::{CatchUp, Ending, Loss, Progress, Scene};

use crate::{
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
    /// How many events a second are produced while the processor lives.
    pub rate: u64,
    /// Partitions of the events topic.
    pub partitions: u32,
    /// Where the random numbers start.
    pub seed: u64,
    /// Whether [`Scene::Pause`] is told before the checks.
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

/// Why the story broke off.
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
    #[error("the {role} ended by itself ({status}); its last words:\n{words}\n(all of them: {log})", log = .log.display())]
    Child {
        /// What it was.
        role: &'static str,
        /// How it ended.
        status: String,
        /// The end of its log.
        words: String,
        /// Its log.
        log: PathBuf,
    },
    /// Nothing happens any more.
    #[error("nothing has happened for {waited:?} while waiting for {what}; the processor's last words:\n{words}\n(all of them: {log})", log = .log.display())]
    Stalled {
        /// What was waited for.
        what: &'static str,
        /// How long.
        waited: Duration,
        /// The end of its log.
        words: String,
        /// Its log.
        log: PathBuf,
    },
    /// A topic is missing.
    #[error("the topic {topic:?} does not exist")]
    NoTopic {
        /// The topic.
        topic: String,
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
