//! snapback consumes events from a Kafka topic, calculates a result for each, publishes the results,
//! and checkpoints them with their offsets as Parquet files that can prove themselves.

pub mod calculation;
pub mod kafka;
pub mod model;
pub mod store;
