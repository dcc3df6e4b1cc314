//! What is to be compacted, and then sealed: a pure choice among the segments of one manifest.
//!
//! Neighbours become one by size: 8 to 32 of about the same size at a time, so that each row is written a few times, however
//! long the history is. What nothing can join any more, and a partition at rest, are merged in twos. A segment that is
//! nearly as large as one may be stays as it is. What is left where nothing can join it any more becomes a page.

mod merges;
mod plan;
mod runs;
mod seals;
mod silence;
mod stretches;

pub use merges::{MANY_SEGMENTS, Merge, choose_merge};
pub use plan::{CompactionPlan, plan_merges};
pub use runs::{MergeLimits, Obstacles};
pub use seals::choose_seal;
pub(super) use silence::is_overfull;

#[cfg(test)]
mod tests;
