//! Whether what is stored is what it should be: `verify`, and the checks of a running processor.
//!
//! In flow a store, a topic's layout, and the running calculation; out flows a [`Report`] of
//! [`Finding`]s, each with its place and its remedy. Verifying changes nothing; only the last level asks Kafka.
//! Damage is never an error: an `Err` means that nothing could be said.
//!
//! [`Recalculator`] brings stored history of another calculation ([`outdated`]) under this one.
//!
//! Levels are cumulative ([`Level`]):
//! - **integrity**: every retained manifest, from the newest back, is what its base and its edit give (I2);
//!   every live segment is at its own path with its size, digest, rows and metadata, its offsets ascending.
//! - **coverage**: every offset has exactly one outcome or a record of its absence, counted from the rows
//!   themselves (I4). It does not rest on digests or counts, which a writer's mistake would have got right.
//! - **semantic**: every result is calculated again from the fields stored beside it, every reject decoded
//!   again from its payload, for segments of the running calculation.
//! - **published**: every stored outcome is in the output topics once and as it is stored, and so is every
//!   correction, as far as the topics still hold them ([`verify_published`], after [`verify`]).
//!
//! What the first three cannot see: an outcome that is gone together with its count *and* with a new record
//! of its absence, through the whole chain; or an append whose segments were taken out of every manifest
//! and which now reads as nothing but absent offsets. Such a store is consistent in itself; only Kafka
//! knows better.

mod chain;
mod check;
mod coverage;
mod error;
mod fetch;
mod finding;
mod folders;
mod groups;
mod inspect;
mod instructions;
mod partition;
mod published;
mod recalculate;
mod report;
mod rows;
mod semantic;
mod succession;
mod verify;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

pub use check::{Checked, check_segments};
pub use error::AuditError;
pub use finding::{Finding, FindingKind, Severity};
pub use published::{OutputTopics, Published, verify_published};
pub use recalculate::{Outdated, RecalculateError, Recalculator, ResultsTopic, outdated};
pub use report::Report;
pub use verify::{Options, Progress, verify};

/// How much is verified; each level includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Manifests and files are what they state.
    Integrity,
    /// Every offset has exactly one outcome or a record of its absence.
    Coverage,
    /// Every outcome is what the calculation gives.
    #[default]
    Semantic,
    /// Every outcome is in the output topics, once.
    Published,
}

impl Level {
    /// Every level.
    pub const ALL: [Level; 4] = [
        Level::Integrity,
        Level::Coverage,
        Level::Semantic,
        Level::Published,
    ];

    /// As it is typed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Integrity => "integrity",
            Level::Coverage => "coverage",
            Level::Semantic => "semantic",
            Level::Published => "published",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Text that is no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no level {0:?}; there are integrity, coverage, semantic and published")]
pub struct NotALevel(String);

impl FromStr for Level {
    type Err = NotALevel;

    fn from_str(text: &str) -> Result<Level, NotALevel> {
        let level = Level::ALL.into_iter().find(|level| level.as_str() == text);
        level.ok_or_else(|| NotALevel(text.to_owned()))
    }
}
