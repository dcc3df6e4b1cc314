//! Real small stores, damaged in every way that a level claims to see.

mod calculations;
mod consistent;
mod damage;
pub(super) mod fixture;
pub(super) mod forging;
mod in_parts;
mod lost_rows;
mod paged;
pub(super) mod rows;
mod silence;
mod single;
mod whole;
