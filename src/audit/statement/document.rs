//! A statement as a file: canonical JSON with a digest over all of it.

use serde_json::{Map, Value};

use super::{FORMAT, Statement};
use crate::model::{Digest, NotADigest};

const DIGEST: &str = "\"digest\":\"";
const END: &str = "\"\n}\n";

/// Why a file is not a statement that can be relied on.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// It is about another topic.
    #[error("it is about the topic {stated:?}, not about {given:?}: say --events {stated}")]
    OtherTopic {
        /// The one that it is about.
        stated: String,
        /// The one that was given.
        given: String,
    },
    /// It does not end with its digest.
    #[error("it does not end with its digest: it is no statement of snapback, or was cut short")]
    NotAStatement,
    /// The digest is no digest.
    #[error(transparent)]
    Digest(#[from] NotADigest),
    /// It was changed.
    #[error("its digest is {actual}, it states {stated}: it was changed since it was written")]
    Changed {
        /// The digest that it ends with.
        stated: Digest,
        /// That of the lines before.
        actual: Digest,
    },
    /// Its members are not those of a statement.
    #[error("its members are not those of a statement: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A newer program wrote it.
    #[error("it has the form {found}; this snapback knows {FORMAT}: use the one that wrote it")]
    Newer {
        /// Its form.
        found: u32,
    },
}

impl Statement {
    /// The file: members in alphabetical order, one line for each, and for each element of a list. The digest is over all
    /// lines but the last two, so that `head -n -2 FILE | sha256sum` gives what `jq -r .digest FILE` shows.
    ///
    /// # Panics
    /// Never: texts and numbers are JSON.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "texts and numbers under keys that are strings always serialise"
    )]
    pub fn encode(&self) -> String {
        let value = serde_json::to_value(self).expect("texts and numbers are JSON");
        let members = match value {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        let mut text = String::from("{\n");
        for (name, value) in members {
            text.push_str(&format!("{}:", Value::from(name)));
            match value {
                Value::Array(elements) => {
                    let lines: Vec<String> =
                        elements.iter().map(|one| format!("\n{one}")).collect();
                    text.push_str(&format!("[{}]", lines.join(",")));
                }
                value => text.push_str(&value.to_string()),
            }
            text.push_str(",\n");
        }
        let digest = Digest::of(text.as_bytes());
        text.push_str(&format!("{DIGEST}{digest}{END}"));
        text
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is none, was changed, or is of a newer form.
    pub fn decode(text: &str) -> Result<Statement, StatementError> {
        let rest = text.strip_suffix(END);
        let (body, digest) = rest
            .and_then(|rest| rest.rsplit_once(DIGEST))
            .ok_or(StatementError::NotAStatement)?;
        let (stated, actual): (Digest, _) = (digest.parse()?, Digest::of(body.as_bytes()));
        if stated != actual {
            return Err(StatementError::Changed { stated, actual });
        }
        let mut members: Map<String, Value> = serde_json::from_str(text)?;
        members.remove("digest");
        let found = members.get("format_version").and_then(Value::as_u64);
        if let Some(found) = found.and_then(|found| u32::try_from(found).ok())
            && found > FORMAT
        {
            return Err(StatementError::Newer { found });
        }
        Ok(serde_json::from_value(Value::Object(members))?)
    }
}
