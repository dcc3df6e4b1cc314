//! The command line: arguments in, text and an exit code out.

pub mod demo;
mod failure;
pub mod produce;

pub use failure::Failure;
