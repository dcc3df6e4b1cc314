//! `snapback.toml`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    error::ConfigError,
    key::{self, KAFKA_TABLE, Key},
};

/// At most so many edits away, a known key is offered for an unknown one.
const SIMILAR: usize = 3;

/// A read file: settings and librdkafka's properties, all as text.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    path: PathBuf,
    values: BTreeMap<&'static str, String>,
    properties: Vec<(String, String)>,
}

impl File {
    /// Reads the file; every key in it must be one of ours.
    pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        File::parse(path, &text)
    }

    /// See [`File::read`].
    pub(super) fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
        let table: toml::Table =
            text.parse()
                .map_err(|error: toml::de::Error| ConfigError::Syntax {
                    path: path.to_owned(),
                    message: error.to_string().trim_end().to_owned(),
                })?;
        let mut file = File {
            path: path.to_owned(),
            ..File::default()
        };
        for (name, value) in table {
            if name == KAFKA_TABLE {
                file.flatten("", value)?;
                continue;
            }
            let Some(known) = key::ALL.iter().find(|known| known.name == name) else {
                return Err(ConfigError::UnknownKey {
                    path: path.to_owned(),
                    nearest: nearest(&name),
                    key: name,
                });
            };
            if known.once {
                return Err(ConfigError::OnceInFile {
                    path: path.to_owned(),
                    key: name,
                });
            }
            let text = scalar(path, &name, &value)?;
            file.values.insert(known.name, text);
        }
        Ok(file)
    }

    /// The value of a setting and the file's path.
    pub(super) fn value(&self, key: Key) -> Option<(&str, &Path)> {
        self.values
            .get(key.name)
            .map(|text| (text.as_str(), self.path.as_path()))
    }

    /// librdkafka's properties: name, value, path.
    pub(super) fn properties(&self) -> impl Iterator<Item = (&str, &str, &Path)> {
        self.properties
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str(), self.path.as_path()))
    }

    /// `sasl.password = "x"` is a table in a table for TOML, and `"sasl.password" = "x"` is not.
    fn flatten(&mut self, name: &str, value: toml::Value) -> Result<(), ConfigError> {
        let toml::Value::Table(table) = value else {
            let name = if name.is_empty() { KAFKA_TABLE } else { name };
            let text = scalar(&self.path, name, &value)?;
            self.properties.push((name.to_owned(), text));
            return Ok(());
        };
        for (part, value) in table {
            let name = if name.is_empty() {
                part
            } else {
                format!("{name}.{part}")
            };
            self.flatten(&name, value)?;
        }
        Ok(())
    }
}

fn scalar(path: &Path, key: &str, value: &toml::Value) -> Result<String, ConfigError> {
    let found = match value {
        toml::Value::String(text) => return Ok(text.clone()),
        toml::Value::Integer(number) => return Ok(number.to_string()),
        toml::Value::Float(number) => return Ok(number.to_string()),
        toml::Value::Boolean(value) => return Ok(value.to_string()),
        toml::Value::Datetime(time) => return Ok(time.to_string()),
        toml::Value::Array(_) => "a list",
        toml::Value::Table(_) => "a table",
    };
    Err(ConfigError::Kind {
        path: path.to_owned(),
        key: key.to_owned(),
        found,
    })
}

fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let names = key::ALL.iter().map(|key| key.name).chain([KAFKA_TABLE]);
    names
        .map(|known| (strsim::damerau_levenshtein(&name, known), known))
        .filter(|(distance, _)| *distance <= SIMILAR)
        .min()
        .map(|(_, known)| known)
}
