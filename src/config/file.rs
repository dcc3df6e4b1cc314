//! `snapback.toml`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{
    clean,
    error::ConfigError,
    key::{self, KAFKA_TABLE, Key},
    value::{Source, Value},
};

/// At most so many edits away, a known key is offered for an unknown one.
const SIMILAR: usize = 3;

/// A read file: settings and librdkafka's properties, all as text.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    values: BTreeMap<&'static str, Value>,
    properties: BTreeMap<String, Value>,
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
        let syntax = |error: toml::de::Error| ConfigError::Syntax {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        };
        let table: toml::Table = text.parse().map_err(syntax)?;
        let lines = Lines::of(path, text).map_err(syntax)?;
        let mut file = File::default();
        for (name, value) in table {
            let place = lines.place(&name);
            if name == KAFKA_TABLE {
                file.flatten("", value, &lines)?;
                continue;
            }
            let Some(known) = key::ALL.iter().find(|known| known.name == name) else {
                return Err(ConfigError::UnknownKey {
                    place,
                    nearest: nearest(&name),
                    key: name,
                });
            };
            if known.once {
                return Err(ConfigError::OnceInFile { place, key: name });
            }
            let value = scalar(place, &name, &value)?;
            file.values.insert(known.name, value);
        }
        Ok(file)
    }

    /// Leaves out the ends of lines that values have.
    pub(super) fn clean(&mut self, warnings: &mut Vec<String>) {
        let values = self.values.iter_mut().map(|(name, value)| (*name, value));
        let properties = self.properties.iter_mut();
        for (name, value) in values.chain(properties.map(|(name, value)| (name.as_str(), value))) {
            let text = std::mem::take(&mut value.text);
            value.text = clean::without_line_end(name, text, warnings);
        }
    }

    /// The value of a setting.
    pub(super) fn value(&self, key: Key) -> Option<Value> {
        self.values.get(key.name).cloned()
    }

    /// librdkafka's properties by their names.
    pub(super) fn properties(&self) -> BTreeMap<String, Value> {
        self.properties.clone()
    }

    /// `sasl.password = "x"` is a table in a table for TOML, and `"sasl.password" = "x"` is not.
    fn flatten(
        &mut self,
        name: &str,
        value: toml::Value,
        lines: &Lines,
    ) -> Result<(), ConfigError> {
        let toml::Value::Table(table) = value else {
            let (name, place) = match name {
                "" => (KAFKA_TABLE, lines.place(KAFKA_TABLE)),
                name => (name, lines.place(&format!("{KAFKA_TABLE}.{name}"))),
            };
            let value = scalar(place, name, &value)?;
            self.properties.insert(name.to_owned(), value);
            return Ok(());
        };
        for (part, value) in table {
            let name = if name.is_empty() {
                part
            } else {
                format!("{name}.{part}")
            };
            self.flatten(&name, value, lines)?;
        }
        Ok(())
    }
}

fn scalar(place: Source, key: &str, value: &toml::Value) -> Result<Value, ConfigError> {
    let text = match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(value) => Ok(value.to_string()),
        toml::Value::Datetime(time) => Ok(time.to_string()),
        toml::Value::Array(_) => Err("a list"),
        toml::Value::Table(_) => Err("a table"),
    };
    match text {
        Ok(text) => Ok(Value {
            text,
            source: place,
        }),
        Err(found) => Err(ConfigError::Kind {
            place,
            key: key.to_owned(),
            found,
        }),
    }
}

/// In which line each key stands.
struct Lines {
    path: PathBuf,
    /// By the key with the tables around it, `kafka.sasl.password`.
    numbers: BTreeMap<String, usize>,
}

impl Lines {
    fn of(path: &Path, text: &str) -> Result<Lines, toml::de::Error> {
        let mut lines = Lines {
            path: path.to_owned(),
            numbers: BTreeMap::new(),
        };
        let table = DeTable::parse(text)?;
        lines.note("", text, table.get_ref());
        Ok(lines)
    }

    fn note(&mut self, around: &str, text: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = match around {
                "" => key.get_ref().to_string(),
                around => format!("{around}.{}", key.get_ref()),
            };
            if let DeValue::Table(table) = value.get_ref() {
                self.note(&name, text, table);
            }
            let before = text.get(..key.span().start).unwrap_or_default();
            let number = before.matches('\n').count() + 1;
            self.numbers.insert(name, number);
        }
    }

    fn place(&self, name: &str) -> Source {
        Source::File {
            path: self.path.clone(),
            line: self.numbers.get(name).copied().unwrap_or(1),
        }
    }
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
