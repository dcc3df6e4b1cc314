//! snapback consumes events from a Kafka topic, calculates a result for each, publishes the results,
//! and checkpoints them with their offsets as Parquet files that can prove themselves.

/// The columns that calculations take and return.
pub use arrow_array;
/// The types of those columns.
pub use arrow_schema;

pub mod audit;
pub mod calculation;
pub mod cli;
pub mod config;
pub mod demo;
pub mod events;
pub mod failpoint;
pub mod format;
pub mod history;
pub mod kafka;
pub mod load;
pub mod model;
pub mod processor;
pub mod query;
pub mod recovery;
pub mod status;
pub mod store;
pub mod telemetry;
