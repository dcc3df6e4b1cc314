//! What a worker does with a partition that it has just been given.
//!
//! In: [`Facts`] (what the store, the group and the log say about one partition, as plain values) and a [`Policy`]
//! (what the operator allowed). Out: a [`Decision`]: one [`Plan`], what to commit first, and notes for people.
//! [`plan`] is pure and total: no I/O, no clock, no panic; its rows are tried in the order of the protocol.
//! When it cannot go on without losing or doubling something it returns a [`Refusal`], which explains itself and prints
//! the command that resolves it, rebuilt from the [`Invocation`].
//!
//! Invariants it keeps: I1 (`frontier <= committed`: nothing is planned that would let a manifest cover what is not
//! committed), I2 (whatever is appended next starts at the frontier) and I4 (what will never be read becomes a recorded
//! gap, and only after an operator named exactly that range).
//!
//! [`CommitMetadata`] is what every commit carries, so that the next owner knows whose commit it was and what it holds.

mod chain_facts;
mod counts;
mod decision;
mod explain;
mod facts;
mod first_bind;
mod gather;
mod identity;
mod invocation;
mod judgement;
mod losses;
mod metadata;
mod notes;
mod plan;
mod refusal;
mod remedies;
mod seen;
mod settle;
#[cfg(test)]
mod tests;

pub use counts::{Expected, OutcomeCounts, Replayed};
pub use decision::{AcceptLoss, Commit, Decision, LossReason, Plan, Replay};
pub use explain::{another, report};
pub use facts::{
    ChainFacts, Committed, Damage, Facts, GoodChain, LogFacts, Policy, RefusedEvent, ResumeFrom,
    Start, UnreadableEvents,
};
pub use gather::{GatherError, Gathered, Gatherer, Step};
pub use invocation::Invocation;
pub use metadata::{Authored, CommitMetadata, Head, Limits, MAX_METADATA_BYTES};
pub use plan::plan;
pub use refusal::{Cause, Difference, IdentityPart, Published, Refusal, Remedy};
pub use settle::{Settled, settle};
