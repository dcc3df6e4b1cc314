//! How much is verified.

use std::{fmt, str::FromStr};

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
