//! The phases of an owned partition, each with what it needs.

use crate::recovery::{AcceptLoss, Facts, Refusal, Replay};

/// What a worker does with a partition that it owns.
#[derive(Debug)]
pub enum Phase {
    /// Facts are being gathered; nothing is fetched.
    Gathering,
    /// An accepted gap must be committed, then recorded, before the facts are gathered again.
    AcceptingLoss(AcceptLoss),
    /// Outcomes of a range were published before the restart: rebuild them, publish nothing.
    Replaying(Box<Replaying>),
    /// What follows is decided otherwise than what is committed: by another calculation than the one that published what was
    /// replayed, by other limits of the output topics, or by somebody who is asked about an event. Until everything committed is stored, nothing is fetched or
    /// committed, so that no replay has to know two deciders.
    Storing,
    /// Events are processed and published.
    Running,
    /// Held: going on would lose or double something.
    Held(Box<Refusal>),
}

/// A replay under way.
#[derive(Debug)]
pub struct Replaying {
    /// What is replayed.
    pub replay: Replay,
    /// Whether what is replayed may be stored before its end.
    pub count: Count,
    /// What recovery knew, for a replay that does not give what was published.
    pub facts: Facts,
}

/// What is known of the number of outcomes that a replay gives, which must be the committed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// It shows at the end of the replay, and nothing is stored before.
    Pending,
    /// The memory does not hold all of the replay, so it is read once only to be counted: so many up to now.
    Counting(u64),
    /// It is right.
    Right,
}
