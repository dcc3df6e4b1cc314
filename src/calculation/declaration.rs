//! A calculation as a store declares it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Fingerprint;

/// What a fingerprint stands for, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// The fingerprint.
    pub fingerprint: Fingerprint,
    /// The calculation, as in `--calculation`.
    pub calculation: String,
    /// The event's fields, as in `--fields`.
    pub fields: String,
    /// The columns of its results, written as fields are: `result DECIMAL(38,0) NOT NULL`.
    pub results: String,
}

impl Declaration {
    /// The longest, in bytes of its texts: longer ones are neither written nor read.
    pub const MAX_BYTES: usize = 256 << 10;

    /// The bytes of its texts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.calculation.len() + self.fields.len() + self.results.len()
    }
}

/// For people: `square(number) on number BIGINT NOT NULL`.
impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.calculation, self.fields)
    }
}
