//! What other threads tell a worker.

use std::time::Duration;

use super::{outbox::Loaded, partition::Epoch, recalculation::RangeOutcome};
use crate::{
    audit::Outdated,
    format::Segment,
    history::Chain,
    model::Partition,
    recovery::{Commit, Facts, Plan, Refusal},
};

/// An answer to work that a worker started; `epoch` tells whether it still concerns the partition as it is owned now.
#[derive(Debug)]
pub(super) enum Report {
    /// The facts of a partition are gathered and its plan is made.
    Planned {
        partition: Partition,
        epoch: Epoch,
        answer: Box<Planned>,
    },
    /// An accepted gap stands in the chain.
    LossRecorded { partition: Partition, epoch: Epoch },
    /// A snapshot ended; `written` are the segments that it added, none when another writer's covered it.
    Stored {
        partition: Partition,
        epoch: Epoch,
        chain: Box<Chain>,
        written: Vec<Segment>,
    },
    /// Corrections are in memory; `None` when they can never be read.
    CorrectionsLoaded {
        partition: Partition,
        epoch: Epoch,
        loaded: Option<Box<Loaded>>,
    },
    /// A range of another calculation was looked after.
    Recalculated {
        partition: Partition,
        epoch: Epoch,
        chain: Box<Chain>,
        range: Outdated,
        outcome: RangeOutcome,
        took: Duration,
    },
    /// The chain was looked at for others' manifests.
    Looked {
        partition: Partition,
        epoch: Epoch,
        chain: Box<Chain>,
    },
    /// A snapshot cannot be stored, ever: the chain is not what it was.
    NotStored {
        partition: Partition,
        epoch: Epoch,
        reason: String,
    },
}

/// What recovery decided.
#[derive(Debug)]
pub(super) enum Planned {
    /// Go on as the plan says; the chain has at least manifest 1.
    Go {
        plan: Plan,
        commit: Option<Commit>,
        chain: Box<Chain>,
        facts: Box<Facts>,
    },
    /// Hold the partition.
    Refused(Box<Refusal>),
}
