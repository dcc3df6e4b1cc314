//! What there is to report, as it happens.

use std::{path::PathBuf, time::Duration};

use super::{CatchUp, Checked, Cluster, Damage, Pipeline, Task};

/// Something that has happened.
#[derive(Clone, Debug)]
pub enum Step {
    /// Folder, broker and topics are ready.
    Prepared {
        /// The folder.
        folder: PathBuf,
        /// The broker.
        cluster: Cluster,
        /// Its address.
        brokers: String,
        /// The names.
        pipeline: Pipeline,
        /// Partitions of the events topic.
        partitions: u32,
        /// Events to come.
        events: u64,
        /// Events a second.
        rate: u64,
    },
    /// The processor was started.
    Started {
        /// Whether it died before.
        again: bool,
        /// Its process.
        pid: u32,
        /// Its command line.
        command: String,
    },
    /// How far things are.
    Progress(Progress),
    /// The processor was killed.
    Killed {
        /// Its process.
        pid: u32,
        /// How far it was.
        progress: Progress,
        /// What its memory took with it.
        loss: Loss,
    },
    /// The rest of the events has arrived while nobody processed them.
    Waiting {
        /// Events that nobody has looked at.
        events: u64,
    },
    /// The processor says something; of lines that differ in numbers only, the first.
    Logged {
        /// Its level, when it has one.
        level: Option<String>,
        /// The line.
        text: String,
    },
    /// The restarted processor has committed something new.
    Recovered {
        /// Since it was started.
        after: Duration,
    },
    /// The processor has done everything and has ended by itself.
    Finished {
        /// Since it was started again.
        after: Duration,
        /// Lines that were left out because they differ in numbers only.
        similar: u64,
        /// Where all its lines are.
        log: PathBuf,
    },
    /// All outcomes are in snapshots; what follows is damage.
    Stored {
        /// How many.
        outcomes: u64,
    },
    /// Something that is stored was damaged.
    Damaged(Damage),
    /// The processor has mended it.
    Mended {
        /// Since it was damaged.
        after: Duration,
    },
    /// The processor has published a result again, as a correction.
    Corrected {
        /// The key of the result.
        key: String,
        /// All messages of that key, in their order.
        published: Vec<String>,
    },
    /// Time to damage something; the checks begin when the listener returns.
    Pause {
        /// The folder.
        folder: PathBuf,
    },
    /// Everything is read again, from outside.
    Checking,
}

/// How far things are; everything read from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Events produced.
    pub produced: u64,
    /// Events whose outcomes are published and committed.
    pub committed: u64,
    /// Events whose outcomes are in a snapshot.
    pub stored: u64,
    /// All events that there will be.
    pub total: u64,
}

/// What the processor's death took, and what it left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Outcomes in snapshots.
    pub stored: u64,
    /// Outcomes that were published and committed, but only in memory.
    pub in_memory: u64,
    /// Outcomes that were on their way: in the output topics, but not committed.
    pub unsettled: u64,
}

/// What the demo has shown.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What was checked and counted.
    pub checked: Checked,
    /// The names.
    pub pipeline: Pipeline,
    /// Whether no outcome may be published twice.
    pub exactly_once: bool,
    /// The processor's speed.
    pub catch_up: Option<CatchUp>,
    /// What was lost in memory and had to be replayed.
    pub loss: Loss,
    /// The folder.
    pub folder: PathBuf,
    /// What was calculated.
    pub task: Task,
}
