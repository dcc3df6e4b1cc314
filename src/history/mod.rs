//! The protocol on the store: one chain of manifests for each partition, written by compare-and-append.
//!
//! **In**: what one partition has committed ([`Pending`]), or a range that was calculated again ([`Repair`]).
//! **Out**: segments that a manifest lists, and the newest of the manifests as the store has it: read by recovery, audit
//! and query.
//!
//! - [`Chain`] creates a manifest if, and only if, nobody else has: what the store holds decides. [`load_tail`] reads where
//!   a chain ends.
//! - [`write_snapshot`] encodes, puts and appends, and makes room when another was faster ([`rebase`]).
//! - [`write_repair`] brings a repair in, unless another edit has changed the range (I6).
//! - [`give_up`] makes a gap of what can be had from nowhere any more, as an operator has accepted.
//! - [`choose_merge`] says which neighbours become one; bringing that in is like a repair. [`choose_seal`] says what becomes a
//!   page then, and [`write_seal`] makes it one.
//! - [`tidy`] brings the folders in line with the chain after a crash: what is whole is adopted, what is left over goes.
//! - [`collect`] takes away what the history does not need any more.
//! - [`read_listed`] reads the pages of a manifest, so that all that is live is known; nobody else does.
//! - [`open_segment`] reads a listed segment, however large, a row group in memory at a time.
//! - [`load_verified`] says when each segment was last verified.
//! - [`next_corrections`] says which corrections are to be published next.
//!
//! Kept here: segments are durable before a manifest lists them (I3); manifests follow each other without a fork (I4);
//! nothing that a manifest lists is ever deleted (I7). Times and random names come from a [`Clock`].

mod adopt;
mod attic;
mod chain;
mod clock;
mod compaction;
mod described;
mod folders;
mod gc;
mod giving_up;
mod listed;
mod next_corrections;
mod race;
mod repair;
mod seal;
mod segment_end;
mod segment_file;
mod tail;
mod tidy;
mod verified;
mod write;

pub use attic::{FetchError, Fetched, FoundAt, Restored, fetch_segment, restore_segment};
pub use chain::{Appended, Chain};
pub use clock::Clock;
pub use compaction::{
    CompactionPlan, MANY_SEGMENTS, Merge, MergeLimits, Obstacles, choose_merge, choose_seal,
    plan_merges,
};
pub use described::describe_segment;
pub use gc::{
    BlockedBy, Collected, Collection, NEWEST_KEPT, Walk, choice as gc_choice, collect,
    plan_collection,
};
pub use giving_up::{GivenUp, give_up};
pub use listed::{lists, load_page, read_all_listed, read_listed, read_listed_of};
pub use next_corrections::{CorrectionsProgress, PendingCorrections, next_corrections};
pub use race::{
    Holder, LISTED_WITHIN, Rebased, are_live, holder, is_never_listed, is_outside, is_overtaken,
    is_silent, may_list, rebase,
};
pub use repair::{Repair, Repaired, write_repair};
pub use seal::{Sealed, seal_when_long, write_seal};
pub use segment_end::{END, of_the_object, read_segment_end};
pub use segment_file::{ComparedSegment, LARGE, SegmentFile, open_segment};
pub use tail::{ChainError, ChainTail, Found, contains, list_manifests, load_manifest, load_tail};
pub use tidy::{Tidied, readopt, tidy};
pub use verified::load_verified;
pub use write::{Pending, SnapshotError, Written, write_snapshot};

#[cfg(test)]
mod simulation;
#[cfg(test)]
pub(crate) mod testing;
