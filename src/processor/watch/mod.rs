//! What others may see of a running processor: plain values, put on a [`Board`] by those who know them.

pub(super) mod board;
mod findings;
mod progress;
mod scrubbing;
mod scrubs;
mod tally;
mod view;
mod written;

pub use board::Board;
pub(super) use board::Trouble;
pub(super) use findings::{Findings, is_about};
pub(super) use progress::{Progress, WorkerProgress};
pub(super) use scrubbing::Scrubbing;
pub use scrubs::ScrubView;
pub use tally::Tally;
pub use view::{
    About, Counters, HeldView, Moment, PartitionView, PhaseView, ProcessView, Reason, RemovedView,
    Stored, TroubleView, WorkerView,
};
pub use written::Written;
