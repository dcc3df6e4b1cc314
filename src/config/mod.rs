//! The configuration: from what was typed, exported or written to values that cannot be wrong.
//!
//! In: [`Flags`] (what the command line said, as text), the environment, and `snapback.toml`. [`Layers`] puts them in order:
//! flags, then `SNAPBACK_*`, then the file, then the defaults in [`key`]. Out: the validated types ([`RunConfig`] and its
//! parts), made of the product's own types, so that code after them needs no check. Every error names the value and
//! where it came from. [`effective`] shows each value with its source, secrets redacted.
//!
//! Nothing here knows the argument parser; nothing below `cli`, `demo` and `processor` knows this module.

mod clean;
mod effective;
mod error;
mod file;
pub mod key;
mod layers;
mod parse;
mod parts;
mod run;
mod value;

#[cfg(test)]
mod tests;

pub use clean::text_of;
pub use effective::{Effective, effective};
pub use error::ConfigError;
pub use key::Key;
pub use layers::{Flags, Layers};
pub(crate) use parse::loss;
pub use parts::{
    CalculationConfig, LogFormat, Output, OutputConfig, PipelineConfig, calculation, connection,
    events, output, pipeline, rejects_topic, store,
};
pub use run::{
    Delivery, OnNewCalculation, RunConfig, Scrub, ScrubConfig, StatusAddress, delivery, keep,
};
pub use value::{Source, Value};
