//! What of its event a result's message has as well: `--carry`.

use std::fmt;

/// What messages of results carry of their events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carry {
    key: bool,
    timestamp: bool,
}

/// A text that does not say what messages carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarryError {
    /// It says nothing.
    #[error(
        "it names nothing; a message can carry its event's key, its timestamp, or both: key,timestamp"
    )]
    Empty,
    /// Something that messages do not carry.
    #[error(
        "{0:?} is not carried; a message can carry its event's key, its timestamp, or both: key,timestamp"
    )]
    Unknown(String),
    /// One is there twice.
    #[error("it names {0} twice")]
    Twice(&'static str),
}

const KEY: &str = "key";
const TIMESTAMP: &str = "timestamp";

impl Carry {
    /// What a text says: `key`, `timestamp` or both, separated by a comma.
    ///
    /// # Errors
    /// When it is no such list.
    pub fn parse(text: &str) -> Result<Carry, CarryError> {
        let mut carry = Carry::default();
        for name in text.split(',').map(str::trim) {
            let (place, name) = match name.to_ascii_lowercase().as_str() {
                KEY => (&mut carry.key, KEY),
                TIMESTAMP => (&mut carry.timestamp, TIMESTAMP),
                "" if text.trim().is_empty() => return Err(CarryError::Empty),
                _ => return Err(CarryError::Unknown(name.to_owned())),
            };
            if std::mem::replace(place, true) {
                return Err(CarryError::Twice(name));
            }
        }
        Ok(carry)
    }

    /// Whether a message has its event's key.
    #[must_use]
    pub const fn key(self) -> bool {
        self.key
    }

    /// Whether a message has its event's timestamp.
    #[must_use]
    pub const fn timestamp(self) -> bool {
        self.timestamp
    }

    /// Whether messages carry anything.
    #[must_use]
    pub const fn any(self) -> bool {
        self.key || self.timestamp
    }
}

/// As a store declares it; reading it gives the same.
impl fmt::Display for Carry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.key, self.timestamp) {
            (true, true) => "key, timestamp",
            (true, false) => KEY,
            (false, true) => TIMESTAMP,
            (false, false) => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_is_read_in_any_order_and_written_in_one() {
        for (text, expected) in [
            ("key", "key"),
            ("Timestamp", "timestamp"),
            ("key,timestamp", "key, timestamp"),
            (" timestamp , KEY ", "key, timestamp"),
        ] {
            let carry = Carry::parse(text).unwrap();
            assert_eq!(carry.to_string(), expected);
            assert_eq!(Carry::parse(expected), Ok(carry), "again");
        }
        assert!(!Carry::default().any());
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, part) in [
            ("", "it names nothing"),
            ("key,", "\"\" is not carried"),
            ("key,key", "names key twice"),
            ("headers", "\"headers\" is not carried"),
            ("key timestamp", "\"key timestamp\" is not carried"),
        ] {
            let error = Carry::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
