//! One partition that a worker owns: where it stands between its assignment and its next snapshot.

use std::time::Instant;

use super::{
    outbox::Outbox,
    recalculation::{Lent, Recalculation},
    tally::Tally,
    view::Stored,
};
use crate::{
    format::Buffer,
    history::Chain,
    model::{Counts, Offset, Partition},
    recovery::{AcceptLoss, Commit, Facts, Head, Refusal, Replay},
};

/// Tells one ownership of a partition from the next, so that a report about an earlier one is not taken for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Epoch(pub u64);

/// What a worker does with a partition that it owns.
#[derive(Debug)]
pub(super) enum Phase {
    /// Facts are being gathered; nothing is fetched.
    Gathering,
    /// An accepted gap must be committed, then recorded, before the facts are gathered again.
    AcceptingLoss(AcceptLoss),
    /// Outcomes of this range were published before the restart: rebuild them, publish nothing.
    Replaying(Replay),
    /// What was replayed replaces outcomes that were published under another calculation: until it is stored, nothing is
    /// fetched or committed.
    Correcting,
    /// Events are processed and published.
    Running,
    /// Held: going on would lose or double something.
    Held(Box<Refusal>),
}

/// What is known of the number of outcomes that a replay gives, which must be the committed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// It shows at the end of the replay, and nothing is stored before.
    Pending,
    /// The memory does not hold all of the replay, so it is read once only to be counted: so many up to now.
    Counting(u64),
    /// It is right.
    Right,
}

/// An owned partition.
#[derive(Debug)]
pub(super) struct Owned {
    pub partition: Partition,
    pub epoch: Epoch,
    pub phase: Phase,
    /// Whether the consumer fetches it; a partition is assigned paused when its facts take long.
    pub fetching: bool,
    /// Where the consumer must start it again, as soon as no rebalance waits for an answer.
    pub start_at: Option<Offset>,
    /// Outcomes that no snapshot task has taken.
    pub buffer: Buffer,
    /// Outcomes since the origin, up to the start of `buffer`.
    pub outcomes_before: u64,
    /// Offsets recorded as lost since the origin.
    pub lost: u64,
    /// What the next commit must make durable although nothing is new: recovery decided it.
    pub must_commit: Option<Commit>,
    /// Whether what is replayed may be stored before its end.
    pub count: Count,
    /// What recovery knew, for a replay that does not give what was published.
    pub facts: Option<Box<Facts>>,
    /// Corrections on their way to the topics.
    pub outbox: Outbox,
    /// The newest manifest known.
    pub head: Option<Head>,
    /// What it says, for those who watch.
    pub stored: Option<Stored>,
    /// What the open transaction holds.
    pub sent: Sent,
    /// The chain, while no task holds it.
    pub chain: Option<Chain>,
    /// Set while a task holds the chain that is not a snapshot's.
    pub lent: Option<Lent>,
    /// How its stored history is brought under the running calculation.
    pub recalculation: Recalculation,
    /// Bytes of outcomes that a snapshot task holds.
    pub in_flight: usize,
    /// When the last snapshot was taken or found.
    pub last_snapshot: Instant,
    /// Aborted transactions in a row without progress.
    pub aborts: u32,
}

impl Owned {
    /// A partition just assigned, about which nothing is known.
    pub fn new(partition: Partition, epoch: Epoch) -> Owned {
        Owned {
            partition,
            epoch,
            phase: Phase::Gathering,
            fetching: false,
            start_at: None,
            buffer: Buffer::new(Offset::ZERO),
            outcomes_before: 0,
            lost: 0,
            must_commit: None,
            count: Count::Pending,
            facts: None,
            outbox: Outbox::default(),
            head: None,
            stored: None,
            sent: Sent::default(),
            chain: None,
            lent: None,
            recalculation: Recalculation::default(),
            in_flight: 0,
            last_snapshot: Instant::now(),
            aborts: 0,
        }
    }

    /// Outcomes since the origin, up to the end of the buffer.
    pub fn outcomes(&self) -> u64 {
        self.outcomes_before + self.buffer.counts().outcomes()
    }

    /// Bytes of outcomes held for it, in the buffer and by tasks.
    pub fn bytes(&self) -> usize {
        self.buffer.bytes() + self.in_flight + self.recalculation.memory()
    }

    /// Whether events are fetched and their outcomes kept.
    pub fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Replaying(_))
    }

    /// Takes the chain in, and with it what the newest manifest says.
    pub fn set_chain(&mut self, chain: Chain) {
        self.head = head_of(&chain);
        self.stored = stored_in(&chain);
        let newest = chain.newest().into_iter();
        self.outbox
            .refresh(newest.flat_map(|newest| &newest.segments));
        self.chain = Some(chain);
    }

    /// Whether it has outcomes that a snapshot may take. Those of a replay are what was published only if their number is
    /// right (I4): an offset that a compacted topic delivers no more must not be stored as one that it never delivered.
    pub fn keeps_outcomes(&self) -> bool {
        match self.phase {
            Phase::Running | Phase::Correcting => true,
            Phase::Replaying(_) => self.count == Count::Right,
            Phase::Gathering | Phase::AcceptingLoss(_) | Phase::Held(_) => false,
        }
    }

    /// Forgets the counts of what a snapshot task took from the front of the buffer.
    pub fn took(&mut self, counts: Counts, bytes: usize) {
        self.outcomes_before += counts.outcomes();
        self.in_flight = bytes;
        self.last_snapshot = Instant::now();
    }
}

/// Outcomes that are published when the open transaction is committed.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub results: u64,
    /// By reason.
    pub rejects: Tally,
}

/// What the newest manifest of a chain says.
fn stored_in(chain: &Chain) -> Option<Stored> {
    let newest = chain.newest()?;
    Some(Stored {
        sequence: newest.sequence,
        frontier: newest.end,
        outcomes: newest.counts.outcomes(),
        at: newest.created_at,
    })
}

/// The newest manifest of a chain, as commits name it.
fn head_of(chain: &Chain) -> Option<Head> {
    let (sequence, digest) = chain.tail().head()?;
    Some(Head { sequence, digest })
}
