//! What a store need not keep: old manifests, files that only those list, and files that no manifest lists.
//!
//! **In**: a partition's chain and folders. **Out**: an edit that says where its history begins from now on (`oldest`), and,
//! for what earlier edits have said, deletions. What may go is chosen by pure functions ([`choice`]); it is then deleted files
//! first, manifests from the lowest up, so that a collection that dies leaves what the next one needs to go on.
//!
//! Kept here: nothing that a retained manifest lists is deleted (I7); while one of them cannot be read, nothing is.

mod blocked_by;
pub mod choice;
mod collect;
mod files;
mod notes;
mod walk;

pub use blocked_by::BlockedBy;
pub use choice::NEWEST_KEPT;
pub use collect::{Collected, Collection, collect, plan_collection};
pub use walk::Walk;
