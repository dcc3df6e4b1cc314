//! What the demo is to show, where, and when it is to stop.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{DemoError, Task};

/// How long a question to the broker may take.
pub(super) const ASK: Duration = Duration::from_secs(15);

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
    /// What is calculated of them.
    pub task: Task,
    /// Whether stored files are damaged while the processor runs, instead of killing it.
    pub damage: bool,
    /// Whether [`Step::Pause`](super::Step::Pause) is reported before the checks.
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
