//! Text from outside as it is meant: without the line's end that `echo secret | base64` and files bring along.

use std::{collections::BTreeMap, ffi::OsString};

use super::{error::ConfigError, key, value::Source};
use crate::store::PROXY_VARIABLES;

/// The variables that are text. Those of others that are none concern nobody.
///
/// # Errors
/// When one of ours is none: left out, it would be missed as a wrong password or the like.
pub fn text_of(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut found = Vec::new();
    for (name, value) in variables {
        let Ok(name) = name.into_string() else {
            continue;
        };
        match value.into_string() {
            Ok(value) => found.push((name, value)),
            Err(_) if is_ours(&name) => return Err(ConfigError::NotText { variable: name }),
            Err(_) => {}
        }
    }
    Ok(found)
}

/// Whether a variable may say something to this program.
fn is_ours(name: &str) -> bool {
    ["SNAPBACK_", "AWS_"]
        .iter()
        .any(|begin| name.starts_with(begin))
        || PROXY_VARIABLES.contains(&name)
}

/// The environment without empty variables, which is how compose files and units leave one out; what was taken away from a
/// value of ours is said in `warnings`.
pub(super) fn environment(
    given: impl IntoIterator<Item = (String, String)>,
    warnings: &mut Vec<String>,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for (name, text) in given {
        let text = match is_ours(&name) {
            true => without_line_end(&name, text, warnings),
            false => text,
        };
        if !text.is_empty() {
            environment.insert(name, text);
        }
    }
    environment
}

/// The text without a line's end; a PEM has one rightly, and a SQL text of several lines has one without being wrong.
pub(super) fn without_line_end(name: &str, text: String, warnings: &mut Vec<String>) -> String {
    let end = text.trim_end_matches(['\r', '\n']).len();
    if end == text.len() || name.to_ascii_lowercase().contains("pem") {
        return text;
    }
    let text_of_lines = [key::CALCULATION, key::WHERE, key::FIELDS];
    if text_of_lines
        .iter()
        .any(|key| name == key.name || name == key.variable())
    {
        return text[..end].to_owned();
    }
    warnings.push(format!(
        "the value of {name} ends with a line break, which is left out: where it comes from, something writes a line instead of a value (echo -n writes none)"
    ));
    text[..end].to_owned()
}

/// A value that goes into a protocol as it is: it may not have a line break or the like inside.
pub(super) fn check_credential(name: &str, text: &str, origin: Source) -> Result<(), ConfigError> {
    match text.chars().any(char::is_control) {
        true => Err(ConfigError::ControlCharacter {
            setting: name.to_owned(),
            origin,
        }),
        false => Ok(()),
    }
}
