//! What happens around the assignments of the group: facts and plans for new partitions, names that were ours before, and
//! partitions that nobody has.

mod arrival;
pub mod former;
pub mod unowned;

pub use arrival::{Wanted, gather_and_plan};
