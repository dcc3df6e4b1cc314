//! What the table answers.

use super::{
    counts::{Expected, OutcomeCounts},
    metadata::Limits,
    refusal::Refusal,
};
use crate::{
    calculation::{Carry, Fingerprint},
    model::{Offset, OffsetRange},
};

/// What to do, in this order: bind the partition to the store if the plan says so, make the commit, act on the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub plan: Plan,
    /// What to commit, with metadata of ours, before anything is published or appended (but after manifest 1 of
    /// [`Plan::Start`], [`Plan::Adopt`] and [`AcceptLoss::bind`]). It makes what was decided here durable, so that the next
    /// start needs none of the operator's flags. `None`: what is committed is right, or must not be touched yet.
    pub commit: Option<Commit>,
    /// For people: what is unusual, and flags that were not needed. They do not name the partition.
    pub notes: Vec<String>,
}

/// See [`Decision::commit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The offset to commit; below the committed one only where an operator said so.
    pub offset: Offset,
    /// The cumulative outcomes that its metadata names.
    pub outcomes: u64,
}

/// What a worker does with a partition that it has just been given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing is stored or committed: bind the partition to the store with manifest 1 at `at`, and consume from there.
    Start {
        /// Origin and position.
        at: Offset,
    },
    /// Somebody else got this far: bind with manifest 1 at `at`, and consume from there.
    Adopt {
        /// Origin and position.
        at: Offset,
    },
    /// Store and group agree: consume from `at`.
    Continue {
        /// Frontier and position.
        at: Offset,
        /// Outcomes from the origin to `at`.
        outcomes: u64,
    },
    /// Read again what was published but not yet in a snapshot, publishing nothing; then consume from its end.
    Replay(Replay),
    /// Record a range as lost, then gather the facts and plan again.
    AcceptLoss(AcceptLoss),
    /// Consume and publish from the frontier although more may have been published: an operator said so.
    Republish {
        /// Frontier and position.
        at: Offset,
        /// Outcomes from the origin to `at`.
        outcomes: u64,
    },
    /// Hold the partition.
    Refuse(Box<Refusal>),
}

/// See [`Plan::Replay`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// `[frontier, committed)`; all of it is in the log.
    pub range: OffsetRange,
    /// How many outcomes it must give. When it does not, set [`Facts::replayed`](super::Facts::replayed) and plan again.
    pub expected: Expected,
    /// Outcomes from the origin to the range's start; what the replay gives comes on top.
    pub at_start: OutcomeCounts,
    /// What decided the outcomes that were published, and decides them again. `None` when another calculation than the
    /// published one decides.
    pub limits: Option<Limits>,
    /// The calculation under which the range was published, when it is not ours: what is rebuilt are corrections, and they
    /// must be in a snapshot before the next commit, which names our calculation.
    pub replaces: Option<Fingerprint>,
    /// What the published messages of the range carry of their events, when ours carry something else: they stay as they are. The
    /// range must be in a snapshot before the next commit, which names our calculation.
    pub carried: Option<Carry>,
}

impl Replay {
    /// Whether what it rebuilds must be stored before anything is committed.
    #[must_use]
    pub const fn stores_first(&self) -> bool {
        self.replaces.is_some() || self.carried.is_some()
    }
}

/// See [`Plan::AcceptLoss`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptLoss {
    /// What is lost; starts at the frontier.
    pub range: OffsetRange,
    /// Why.
    pub reason: LossReason,
    /// There is no manifest yet: bind the partition with manifest 1 at the range's start first.
    pub bind: bool,
}

/// Why a range will never be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LossReason {
    /// It is gone from Kafka.
    Expired,
    /// Somebody else handled it.
    Foreign,
    /// Reading it again does not give what was published.
    Changed,
    /// The log holds it, and it cannot be read.
    Unreadable,
    /// No broker takes what would be published of it.
    Refused,
}
