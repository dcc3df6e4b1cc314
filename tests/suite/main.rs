//! The integration tests: snapback seen from outside, against real servers.
//!
//! One binary, so that all tests share one broker and one object store of each kind. `support` starts
//! those servers on first use, `outside` is a pipeline under test and what must hold for it; every other module is a
//! group of tests.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a test measured"
)]

mod a_long_history;
mod a_worker_that_hangs;
mod added_partitions;
mod another_host;
mod backfill;
mod broker_trouble;
mod calculations;
mod carry;
mod cli;
mod compaction;
mod compose;
mod corpus;
mod corrections;
mod costs;
mod crash;
mod crash_points;
mod damaged_log;
mod declarations;
mod demo;
mod documents;
mod exit_codes;
mod filtered;
mod from_script;
mod fuzzed;
mod hostile;
mod inspect;
mod joining;
mod kafka;
mod keepers;
mod limits;
mod log_readers;
mod lookup;
mod mixed_types;
mod oracle;
mod outside;
mod pages;
mod power;
mod produce;
mod protocol;
mod publish;
mod published;
mod rebalances;
mod recalculation;
mod recovery;
mod refused_messages;
mod repair;
mod rights;
mod run;
mod sample;
mod servers;
mod several_columns;
mod shape;
mod signals;
mod slow_to_join;
mod sql;
mod status;
mod store_conformance;
mod store_tls;
mod store_trouble;
mod support;
mod timestamps;
mod unknown_files;
mod unreadable;
mod verify_memory;
mod zombies;
