//! What happens around the assignments of the group: joining it, facts and plans for new partitions, names that were ours before, and
//! partitions that nobody has, transactions of others that hold partitions up.

mod arrival;
pub mod former;
pub mod joining;
mod open_transactions;
mod prepare;
mod silence;
pub mod unowned;

pub use arrival::{Wanted, gather_and_plan};
