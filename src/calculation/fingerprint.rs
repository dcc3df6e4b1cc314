//! What could change an outcome, as 16 digits.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use super::{Calculation, sql::Filter};
use crate::events::Fields;

/// The version of the decoder: raised whenever any payload is decoded to another outcome than before.
pub(super) const DECODER_VERSION: u32 = 1;

const DIGITS: usize = 16;

/// The identity of a calculation on declared fields: equal fingerprints give equal outcomes.
///
/// The first 16 hexadecimal digits of a SHA-256 over the calculation's name, version and parameters, the
/// fields, the decoder's version and the columns of the results. The binary is not part of it.
///
/// With a condition they are those over the fingerprint without it, the version of what evaluates it, and its canonical
/// text. Where messages hold some columns only, they are those over the fingerprint of all that, and the names of these columns;
/// where they carry something of their events, over the fingerprint of all that, and what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

/// Text that is not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint (expected 16 lower-case hexadecimal digits): {0:?}")]
pub struct NotAFingerprint(String);

impl Fingerprint {
    /// The fingerprint of `calculation` on `fields`, whose results have the columns `results`.
    pub(super) fn new(
        calculation: &dyn Calculation,
        parameters: &str,
        fields: &Fields,
        results: &str,
    ) -> Fingerprint {
        Fingerprint::over(&[
            calculation.name(),
            &calculation.version().to_string(),
            parameters,
            &fields.to_string(),
            &DECODER_VERSION.to_string(),
            results,
        ])
    }

    /// The fingerprint of the same for those events alone that pass `condition`.
    pub(super) fn under(&self, condition: &Filter) -> Fingerprint {
        let version = condition.version().to_string();
        Fingerprint::over(&[&self.0, "where", &version, condition.text()])
    }

    /// The fingerprint of the same whose messages hold the columns `publish` alone.
    pub(super) fn publishing(&self, publish: &str) -> Fingerprint {
        Fingerprint::over(&[&self.0, "publish", publish])
    }

    /// The fingerprint of the same whose messages carry `carry` of their events.
    pub(super) fn carrying(&self, carry: &str) -> Fingerprint {
        Fingerprint::over(&[&self.0, "carry", carry])
    }

    fn over(parts: &[&str]) -> Fingerprint {
        let mut hash = Sha256::new();
        for part in parts {
            // The length goes first, so that no two lists of parts run together into the same bytes.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut digits = hex::encode(hash.finalize());
        digits.truncate(DIGITS);
        Fingerprint(digits)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Fingerprint, NotAFingerprint> {
        let digits =
            text.len() == DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if digits {
            Ok(Fingerprint(text.to_owned()))
        } else {
            Err(NotAFingerprint(text.chars().take(64).collect()))
        }
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{
        super::{Evaluator, builtin},
        *,
    };

    fn of(fields: &str, calculation: &str) -> Fingerprint {
        let fields = Fields::parse(fields).unwrap();
        let evaluator = Evaluator::new(fields, builtin(calculation).unwrap()).unwrap();
        evaluator.fingerprint().clone()
    }

    #[test]
    fn the_default_calculation_keeps_its_fingerprint_in_every_release() {
        // It is stored in every snapshot: if this changes, every stored result is recalculated.
        assert_eq!(
            of("number BIGINT NOT NULL", "square").as_str(),
            "7b06d8c2c2ffab5a"
        );
    }

    #[test]
    fn the_same_calculation_has_the_same_fingerprint_however_it_is_written() {
        let one = of("number BIGINT NOT NULL", "square");
        assert_eq!(one, of("\"number\"  bigint not null", "square( number )"));
    }

    #[test]
    fn another_field_type_or_parameter_is_another_fingerprint() {
        let all: BTreeSet<_> = [
            of("number BIGINT NOT NULL", "square"),
            of("number BIGINT", "square"),
            of("number DOUBLE", "square"),
            of("n BIGINT", "square"),
            of("n BIGINT, m BIGINT", "square(n)"),
            of("n BIGINT, m BIGINT", "square(m)"),
            of("m BIGINT, n BIGINT", "square(m)"),
        ]
        .into();
        assert_eq!(all.len(), 7);
    }

    #[test]
    fn a_fingerprint_is_read_back_and_other_text_is_not() {
        let one = of("number BIGINT", "square");
        let json = serde_json::to_string(&one).unwrap();
        assert_eq!(json, format!("\"{one}\""));
        assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), one);
        for text in [
            "",
            "0123456789abcde",
            "0123456789ABCDEF",
            "0123456789abcdef0",
            "é123456789abcde",
        ] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }
}
