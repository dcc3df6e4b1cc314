//! What can be wrong with a configuration.

use std::path::PathBuf;

use super::value::Source;
use crate::{calculation::CalculationError, kafka::KafkaError};

/// A mistake in the configuration; all of them end the program with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that its setting cannot have.
    #[error(
        "{setting} cannot be {value:?}{}: {reason}",
        elsewhere(setting, origin)
    )]
    Invalid {
        /// The flag's name.
        setting: String,
        /// The value.
        value: String,
        /// Where it came from.
        origin: Source,
        /// What it may be.
        reason: String,
    },
    /// Two settings that must differ are the same.
    #[error("{first} and {second} are both {value:?}: give each a topic of its own")]
    SameTopic {
        /// A flag, and where its value came from.
        first: String,
        /// Another.
        second: String,
        /// Their value.
        value: String,
    },
    /// A setting without which a command would do what nobody asked for.
    #[error("{command} needs {settings}: {why}")]
    NotGiven {
        /// The command.
        command: &'static str,
        /// The settings.
        settings: &'static str,
        /// What their defaults would do.
        why: &'static str,
    },
    /// A credential that can be none.
    #[error(
        "{setting}{} has a line break or another control character inside; is it the right file, and its right line?",
        elsewhere(setting, origin)
    )]
    ControlCharacter {
        /// The variable or property.
        setting: String,
        /// Where it came from.
        origin: Source,
    },
    /// A variable whose bytes are no text.
    #[error("{variable} is not UTF-8; is it text, and in the right encoding?")]
    NotText {
        /// The variable.
        variable: String,
    },
    /// A key in the file that no setting has.
    #[error("{place}: there is no setting {key:?}{}", nearest.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default())]
    UnknownKey {
        /// The line.
        place: Source,
        /// The key.
        key: String,
        /// The most similar one.
        nearest: Option<&'static str>,
    },
    /// A decision for one start stands in the file.
    #[error("{place}: {key:?} is a decision for one start, not a setting; give it as --{key}")]
    OnceInFile {
        /// The line.
        place: Source,
        /// The key.
        key: String,
    },
    /// A value of a kind that no setting has.
    #[error("{place}: {key:?} must be a text, a number, true or false, not {found}")]
    Kind {
        /// The line.
        place: Source,
        /// The key.
        key: String,
        /// What it is.
        found: &'static str,
    },
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not TOML: {message}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where.
        message: String,
    },
    /// A librdkafka property that snapback owns, or that is none.
    #[error("{source}{}", elsewhere("-X", origin))]
    Property {
        /// Where it came from.
        origin: Source,
        /// Why.
        source: Box<KafkaError>,
    },
    /// The calculation or the condition cannot be made of these fields.
    #[error(
        "{setting} {text}{} with --fields {fields:?}{}: {source}",
        elsewhere(setting, origin),
        elsewhere("--fields", fields_origin)
    )]
    Calculation {
        /// `--calculation`, `--where` or `--publish`.
        setting: String,
        /// Its value.
        text: String,
        /// Where it came from.
        origin: Source,
        /// The fields.
        fields: String,
        /// Where they came from.
        fields_origin: Source,
        /// Why.
        source: Box<CalculationError>,
    },
}

/// Where a value came from, unless the message begins with it.
pub(super) fn elsewhere(setting: &str, origin: &Source) -> String {
    match origin {
        Source::Flag(name) | Source::Variable(name) if name == setting => String::new(),
        Source::Default => String::new(),
        origin => format!(" (from {origin})"),
    }
}
