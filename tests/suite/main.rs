//! The integration tests: snapback seen from outside, against real servers.
//!
//! One binary, so that all tests share one broker and one object store of each kind. `support` starts
//! those servers on first use and holds what the tests have in common; every other module is a group of tests.

mod compose;
mod kafka;
mod servers;
mod store_conformance;
mod support;
