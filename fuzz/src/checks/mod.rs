//! What must hold for any bytes at all. Each check panics when it does not.
//!
//! The fuzz targets call them with inputs of their own making; `tests/suite/fuzzed.rs` calls them with every
//! file of the kept corpus, so that `cargo test` holds what fuzzing has reached and found.

pub mod declaration;
pub mod event;
pub mod layout;
pub mod manifest;
pub mod metadata;
pub mod page;
pub mod segment;
