//! What recovery and keepers tell a worker.

use std::sync::mpsc::Sender;

use super::{
    partition::{Epoch, Loaded, Newest},
    seats::Seat,
};
use crate::{
    format::Segment,
    history::Chain,
    model::Partition,
    recovery::{Commit, Facts, Plan, Refusal},
};

/// News of a partition; `epoch` tells whether they still concern it as it is owned now.
#[derive(Debug)]
pub struct Report {
    pub partition: Partition,
    pub epoch: Epoch,
    pub news: News,
}

/// What has happened.
#[derive(Debug)]
pub enum News {
    /// The facts are gathered and the plan is made.
    Planned(Box<Planned>),
    /// What gathers its facts and plans has panicked.
    GatheringDied { message: String },
    /// An accepted gap stands in the chain.
    LossRecorded,
    /// A snapshot is stored; `written` are the segments that it added, none when another writer's covered it.
    Stored {
        newest: Newest,
        written: Vec<Segment>,
    },
    /// A range of so many outcomes is under the running calculation.
    Recalculated {
        newest: Newest,
        written: Vec<Segment>,
        outcomes: u64,
    },
    /// Others stand in the place of these segments: they are no part of the history any more.
    Replaced(Vec<Segment>),
    /// These segments were read back, and are right.
    Verified(Vec<Segment>),
    /// The chain was looked at: others may have added to it.
    Looked { newest: Newest },
    /// Corrections are in memory; `None` when they can never be read.
    CorrectionsLoaded(Option<Box<Loaded>>),
    /// The keeper has ended.
    Ended(Ending),
}

/// How a keeper ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it was told to; `unsaved` when committed outcomes could not be stored in time.
    Left { unsaved: bool },
    /// What it holds cannot be stored, ever: the chain is not what it was.
    Failed { reason: String },
    /// It panicked.
    Died { message: String },
}

/// What recovery decided.
#[derive(Debug)]
pub enum Planned {
    /// Go on as the plan says; the chain has at least manifest 1.
    Go {
        plan: Plan,
        commit: Option<Commit>,
        facts: Box<Facts>,
        station: Station,
    },
    /// Hold the partition.
    Refused(Box<Refusal>),
}

/// What a keeper begins with.
#[derive(Debug)]
pub struct Station {
    pub chain: Box<Chain>,
    pub seat: Seat,
}

/// Tells the worker about one ownership of a partition.
#[derive(Clone, Debug)]
pub struct Reporter {
    pub sender: Sender<Report>,
    pub partition: Partition,
    pub epoch: Epoch,
}

impl Reporter {
    /// A worker that has ended listens no more; the next start finds out by itself.
    pub fn tell(&self, news: News) {
        let report = Report {
            partition: self.partition,
            epoch: self.epoch,
            news,
        };
        let _ = self.sender.send(report);
    }
}
