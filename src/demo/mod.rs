//! Produce, process, kill -9, recover, verify: the demo.
//!
//! In: [`Settings`]. Out: a [`Step`] for everything that happens, and a [`Summary`] with what was [`Checked`]. The processor
//! is the real one, `snapback run` as a child process, and it is killed by SIGKILL. When to kill it, what it lost and whether
//! all is well in the end is decided from outside: by the group's committed offsets, the store, a complete reading of all
//! topics, and `verify --level published` ([`check`]), never by what the processor says about itself.
//!
//! The calculation and the condition may be the user's own ([`Task`]); then what must become of each event is calculated from
//! the events topic once more.
//!
//! With `damage` the story is another: stored files are damaged while the processor runs, which finds and mends them.
//!
//! The embedded broker runs in a process of its own, because librdkafka's mock cluster lives in a client; it ends when its
//! standard input closes, so it cannot outlive the demo. It has no transactions: with it, delivery is at-least-once.

mod broker;
mod checks;
mod child;
mod damage;
mod damaged;
mod error;
mod folder;
mod mending;
mod observe;
mod processor;
mod producer;
mod settings;
mod setup;
mod step;
mod steps;
mod task;
mod topics;

pub use broker::serve;
pub use checks::{Check, Checked, Facts, Totals, check, judge};
pub use damaged::Damage;
pub use error::DemoError;
pub use folder::{Folder, FolderError};
pub use settings::{Cluster, Interrupt, Pipeline, Settings};
pub use step::{Loss, Progress, Step, Summary};
pub use steps::run;
pub use task::Task;
pub use topics::{CatchUp, EventsRead, OutputsRead};
