//! The layers of the configuration and their order.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    error::ConfigError,
    file,
    key::{self, KAFKA_VARIABLES, Key},
    value::{Source, Value},
};
use crate::{calculation, kafka::Connection, recovery::Invocation};

/// The file that is read when it is there and `--config` names no other.
const DEFAULT_FILE: &str = "snapback.toml";

/// What the command line said, as text; made by `cli`.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    config: Option<PathBuf>,
    values: Vec<(Key, String)>,
    properties: Vec<String>,
}

impl Flags {
    /// What `--config` said.
    pub fn config(&mut self, path: Option<&Path>) {
        self.config = path.map(Path::to_owned);
    }

    /// A flag and its value, when it was typed. A flag may come several times.
    pub fn add(&mut self, key: Key, value: Option<&str>) {
        self.values
            .extend(value.map(|value| (key, value.to_owned())));
    }

    /// A switch, when it was typed.
    pub fn switch(&mut self, key: Key, on: bool) {
        self.add(key, on.then_some("true"));
    }

    /// A `-X` argument.
    pub fn property(&mut self, argument: &str) {
        self.properties.push(argument.to_owned());
    }

    /// How `command` was started, for commands to print; secrets are left out.
    #[must_use]
    pub fn invocation(&self, command: &str) -> Invocation {
        let mut invocation = Invocation::new(command);
        if let Some(path) = &self.config {
            invocation = invocation.with("--config", path.display().to_string());
        }
        for argument in &self.properties {
            invocation = match argument.split_once('=') {
                Some((name, _)) if Connection::is_secret(name) => {
                    invocation.with("-X", format!("{name}=..."))
                }
                _ => invocation.with("-X", argument),
            };
        }
        for (key, value) in &self.values {
            invocation = if *key == key::EXIT_AT_END {
                invocation.with_switch(&key.flag())
            } else {
                invocation.with(&key.flag(), value)
            };
        }
        invocation
    }
}

/// The variable that names the file.
const CONFIG_VARIABLE: &str = "SNAPBACK_CONFIG";

/// Everything that was said, in order.
#[derive(Clone, Debug)]
pub struct Layers {
    flags: Flags,
    environment: BTreeMap<String, String>,
    file: file::File,
    calculations: calculation::Find,
}

impl Layers {
    /// Puts flags, environment and file in order. The file is that of `--config`, of `SNAPBACK_CONFIG`, or
    /// `./snapback.toml` if there is one.
    ///
    /// # Errors
    /// When the file cannot be read or has keys that no setting has.
    pub fn read(
        flags: Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Layers, ConfigError> {
        let environment: BTreeMap<String, String> = environment.into_iter().collect();
        let named = flags
            .config
            .clone()
            .or_else(|| environment.get(CONFIG_VARIABLE).map(PathBuf::from));
        let file = match named {
            Some(path) => file::File::read(&path)?,
            None if Path::new(DEFAULT_FILE).exists() => file::File::read(Path::new(DEFAULT_FILE))?,
            None => file::File::default(),
        };
        Ok(Layers {
            flags,
            environment,
            file,
            calculations: calculation::builtin,
        })
    }

    /// The same, with the calculations that `find` knows instead of the built-in ones.
    #[must_use]
    pub fn with_calculations(self, find: calculation::Find) -> Layers {
        Layers {
            calculations: find,
            ..self
        }
    }

    /// Who finds the calculation that `--calculation` names.
    pub(super) fn calculations(&self) -> calculation::Find {
        self.calculations
    }

    /// What the environment holds under the names of the usual `AWS_*` variables.
    #[must_use]
    pub fn aws(&self) -> Vec<(String, String)> {
        let ours = self
            .environment
            .iter()
            .filter(|(name, _)| name.starts_with("AWS_"));
        ours.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// How `command` was started.
    #[must_use]
    pub fn invocation(&self, command: &str) -> Invocation {
        self.flags.invocation(command)
    }

    /// The value of a setting; `None` when nobody gave one and it has no default.
    #[must_use]
    pub fn value(&self, key: Key) -> Option<Value> {
        self.given(key).or_else(|| {
            Some(Value {
                text: key.default?.to_owned(),
                source: Source::Default,
            })
        })
    }

    /// The value of a setting, unless it is the default.
    #[must_use]
    pub fn given(&self, key: Key) -> Option<Value> {
        if let Some(value) = self.flag_values(key).pop() {
            return Some(value);
        }
        if key.once {
            return None;
        }
        // An empty variable counts as none: that is how compose files and units leave one out.
        if let Some(text) = self
            .environment
            .get(&key.variable())
            .filter(|text| !text.is_empty())
        {
            return Some(Value {
                text: text.clone(),
                source: Source::Variable(key.variable()),
            });
        }
        let (text, path) = self.file.value(key)?;
        Some(Value {
            text: text.to_owned(),
            source: Source::File(path.to_owned()),
        })
    }

    /// All values of a flag that may be given several times.
    #[must_use]
    pub fn flag_values(&self, key: Key) -> Vec<Value> {
        let typed = self.flags.values.iter().filter(|(typed, _)| *typed == key);
        typed
            .map(|(_, text)| Value {
                text: text.clone(),
                source: Source::Flag(key.flag()),
            })
            .collect()
    }

    /// Variables that look like settings and are none, in order: mistyped, perhaps, or set for something else.
    #[must_use]
    pub fn unknown_variables(&self) -> Vec<&str> {
        let ours = |name: &str| {
            name.starts_with(key::KAFKA_VARIABLES)
                || name == CONFIG_VARIABLE
                || key::ALL.iter().any(|key| key.variable() == name)
        };
        let names = self.environment.keys().map(String::as_str);
        names
            .filter(|name| name.starts_with("SNAPBACK_") && !ours(name))
            .collect()
    }

    /// librdkafka's properties: the file's table, `SNAPBACK_KAFKA_*`, then `-X`; later ones win.
    ///
    /// # Errors
    /// When a `-X` has no `=`.
    pub fn properties(&self) -> Result<BTreeMap<String, Value>, ConfigError> {
        let mut properties = BTreeMap::new();
        for (name, text, path) in self.file.properties() {
            let value = Value {
                text: text.to_owned(),
                source: Source::File(path.to_owned()),
            };
            properties.insert(name.to_owned(), value);
        }
        for (variable, text) in &self.environment {
            if let Some(name) = variable
                .strip_prefix(KAFKA_VARIABLES)
                .filter(|name| !name.is_empty())
            {
                let name = name.to_ascii_lowercase().replace('_', ".");
                let value = Value {
                    text: text.clone(),
                    source: Source::Variable(variable.clone()),
                };
                properties.insert(name, value);
            }
        }
        let source = Source::Flag("-X".to_owned());
        for argument in &self.flags.properties {
            let (name, text) =
                Connection::parse_property(argument).map_err(|error| ConfigError::Property {
                    origin: source.clone(),
                    source: Box::new(error),
                })?;
            properties.insert(
                name,
                Value {
                    text,
                    source: source.clone(),
                },
            );
        }
        Ok(properties)
    }
}
