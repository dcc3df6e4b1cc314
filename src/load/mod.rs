//! Loading events into a topic: for `produce` and for the demo.
//!
//! In: where events come from ([`Events`]: random [`Numbers`], or the [`Lines`] of a file) and where they go ([`Loader`]).
//! Out: [`Loaded`], what every in-sync replica has acknowledged. Events go round robin over the partitions, a run of
//! neighbours at a time, so that each partition gets large batches and none lags.
//!
//! Some of the numbers can be malformed on purpose, in the ways of [`Malformed`]. [`Content::of`] tells from a payload alone
//! what was meant, without the code that processes events: the demo checks that code against it.

mod chunk;
mod content;
mod lines;
mod loader;
mod malformed;
mod numbers;
mod topic;

pub use chunk::Chunk;
pub use content::Content;
pub use lines::{Lines, LinesError};
pub use loader::{LoadError, Loaded, Loader};
pub use malformed::Malformed;
pub use numbers::{Numbers, USUAL};
pub use topic::ensure_topic;

/// Where events come from.
pub trait Events {
    /// Adds at most `most` events to `chunk`; none means that there are no more.
    ///
    /// # Errors
    /// When the next event cannot be read.
    fn fill(&mut self, chunk: &mut Chunk, most: usize) -> Result<(), LinesError>;
}
