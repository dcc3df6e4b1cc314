//! What the tests stand on: real servers, a Python with its packages, and the snapback binary as a child.
//!
//! The shared servers are started by the first test that asks for one and live as long as the test process.
//! Tests keep apart by names of their own: `unique` topics and groups, `new_prefix` in the bucket. A test that
//! kills or reconfigures a server starts a private one, which ends with its value.

mod blocking;
mod cache;
mod certificates;
mod heavy;
#[allow(dead_code, reason = "not all benches make history")]
pub mod history;
mod http;
mod kafka;
mod memory;
mod port;
pub mod process;
pub mod proxy;
mod python;
mod s3;
mod seed;
mod server;
mod topics;
mod wait;

pub use blocking::block_on;
#[allow(unused_imports, reason = "the soak has no use for it")]
pub use certificates::Certificates;
pub use heavy::heavy;
#[allow(unused_imports, reason = "not all benches make history")]
pub use history::MadeHistory;
pub use http::Status;
pub use kafka::{Kafka, kafka};
#[allow(unused_imports, reason = "only the soak uses it")]
pub use memory::resident_memory;
pub use port::Port;
pub use process::{Program, snapback};
pub use python::{Python, python, spark};
pub use s3::{S3Server, s3};
pub use seed::{seed, sweeps};
pub use topics::{
    Record, add_partitions, commit_as_stranger, commit_with_metadata, committed, create_topic,
    create_topic_with, delete_group, delete_records, delete_topic, has_no_members,
    has_open_transaction, produce, produce_one_batch, produce_with_headers, read_all,
    set_topic_config, unique,
};
pub use wait::{eventually, eventually_ok};
