//! A calculation as a store declares it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Carry, Fingerprint};
use crate::events::{Field, Fields};

/// What a fingerprint stands for, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// The fingerprint.
    pub fingerprint: Fingerprint,
    /// The calculation, as in `--calculation`.
    pub calculation: String,
    /// The condition of `--where`, in its canonical form; `None` when every event is taken.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The event's fields, as in `--fields`.
    pub fields: String,
    /// The columns of its results, written as fields are: `result DECIMAL(38,0) NOT NULL`.
    pub results: String,
    /// The columns that messages hold, as in `--publish`, in the order of the results; `None` when they hold all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<String>,
    /// What messages have of their events, as in `--carry`; `None` when nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry: Option<String>,
}

impl Declaration {
    /// The longest, in bytes of its texts: longer ones are neither written nor read.
    pub const MAX_BYTES: usize = 256 << 10;

    /// The columns of its results that are not snapback's own, each with its type; `None` when they cannot be read.
    #[must_use]
    pub fn columns(&self) -> Option<Vec<(String, String)>> {
        let fields = Fields::parse(&self.fields).ok()?;
        let results = Fields::parse_results(&self.results).ok()?;
        let columns = fields.iter().chain(results.iter());
        let column = |field: &Field| (field.name.clone(), field.data_type.to_string());
        Some(columns.map(column).collect())
    }

    /// Whether messages have the keys of their events.
    #[must_use]
    pub fn carries_keys(&self) -> bool {
        let carry = self.carry.as_deref().map(Carry::parse);
        carry.is_some_and(|carry| carry.is_ok_and(Carry::key))
    }

    /// Whether the other leaves out the same events: it has the same condition over the same fields.
    #[must_use]
    pub fn takes_the_same(&self, other: &Declaration) -> bool {
        self.condition == other.condition && self.fields == other.fields
    }

    /// The bytes of its texts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let optional = [&self.condition, &self.publish, &self.carry];
        let optional = optional.into_iter().flatten();
        let optional: usize = optional.map(String::len).sum();
        self.calculation.len() + optional + self.fields.len() + self.results.len()
    }
}

/// For people: `square(number) where number > 0 on number BIGINT NOT NULL`.
impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.calculation)?;
        if let Some(condition) = &self.condition {
            write!(f, " where {condition}")?;
        }
        write!(f, " on {}", self.fields)?;
        if let Some(publish) = &self.publish {
            write!(f, ", publishing {publish}")?;
        }
        if let Some(carry) = &self.carry {
            write!(f, ", carrying {carry}")?;
        }
        Ok(())
    }
}
