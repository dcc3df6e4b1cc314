//! The running system: workers that turn events into published results, and keepers that turn them into stored snapshots.
//!
//! In: a validated [`RunConfig`](crate::config::RunConfig), an open store, a request to [`Stop`]. Out: a [`Summary`], or the
//! reason why it could not go on.
//!
//! ```text
//!  Kafka ──> WORKER (thread)  fetch, decode, calculate, publish, commit      knows: consumer, producer, what is uncommitted
//!               │  committed outcomes, in order;    ▲  what is stored, corrections to publish
//!               ▼  how far corrections are          │
//!            KEEPER (task, one per owned partition)  encode, store, append   knows: the partition's chain, the store
//! ```
//!
//! - `worker`: one thread that shares nothing with the others: one group member, one producer. It keeps I5 (results,
//!   rejects and offsets become visible together).
//! - `keeper`: owns the chain of one partition for as long as the partition is owned. It keeps I1 (a snapshot covers only
//!   what is committed) by construction: it never sees anything else.
//! - `partition`: one owned partition as a state machine, pure.
//! - `group`: what happens around assignments: facts and plans for new partitions, names that were ours before, partitions
//!   that nobody has.
//! - `watch`: what others may see of all that, on a [`Board`].
//!
//! The coordinator, on the caller's thread, watches the workers and decides when the work is done. `memory` divides
//! `--memory` once (I8); consumption pauses when it is used.

mod carried_times;
mod connect;
mod coordinator;
mod error;
mod group;
mod holds;
mod instance;
mod keeper;
mod limits;
mod memory;
mod mixed_types;
mod namesake;
mod new_pipeline;
mod outages;
mod panics;
mod partition;
mod report;
mod rights;
mod rules;
mod seats;
mod shared;
mod stop;
mod store_side;
mod store_wait;
mod targets;
mod watch;
mod worker;

pub use connect::open_store;
pub use coordinator::{Summary, run};
pub use error::{ProcessorError, WorkerError};
pub use instance::{Instance, InstanceError};
pub use keeper::{LoneEnd, LoneKeeper, LoneSettings};
pub use limits::{results_topic, untold_results_topic};
pub use memory::Budget;
pub(crate) use panics::{panic_message, start_task};
pub use partition::BooksError;
pub use stop::Stop;
pub use watch::{
    About, Board, Counters, HeldView, Moment, PartitionView, PhaseView, ProcessView, Reason,
    RemovedView, ScrubView, Stored, Tally, TroubleView, WorkerView, Written,
};
