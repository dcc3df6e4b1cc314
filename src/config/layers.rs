//! The layers of the configuration and their order.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    clean,
    error::ConfigError,
    file,
    key::{self, KAFKA_VARIABLES, Key},
    value::{Source, Value},
};
use crate::{calculation, kafka::Connection, recovery::Invocation, store::PROXY_VARIABLES};

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
            invocation = if [key::EXIT_AT_END, key::ALLOW_REJECTS].contains(key) {
                invocation.with_switch(&key.flag())
            } else {
                invocation.with(&key.flag(), value)
            };
        }
        invocation
    }
}

/// The property of librdkafka that a variable stands for.
fn property_of(variable: &str) -> Option<String> {
    let name = variable.strip_prefix(KAFKA_VARIABLES)?;
    let name = name.to_ascii_lowercase().replace('_', ".");
    Connection::is_property(&name).then_some(name)
}

/// The variable that names the file.
const CONFIG_VARIABLE: &str = "SNAPBACK_CONFIG";

/// Everything that was said, in order.
#[derive(Clone, Debug)]
pub struct Layers {
    flags: Flags,
    /// None is empty.
    environment: BTreeMap<String, String>,
    file: file::File,
    calculations: calculation::Find,
    program: &'static str,
    warnings: Vec<String>,
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
        let mut warnings = Vec::new();
        let environment = clean::environment(environment, &mut warnings);
        let named = flags
            .config
            .clone()
            .or_else(|| environment.get(CONFIG_VARIABLE).map(PathBuf::from));
        let mut flags = flags;
        for argument in &mut flags.properties {
            let (name, _) = argument.split_once('=').unwrap_or_default();
            let name = format!("-X {name}");
            *argument = clean::without_line_end(&name, std::mem::take(argument), &mut warnings);
        }
        let mut file = match named {
            Some(path) => file::File::read(&path)?,
            None if Path::new(DEFAULT_FILE).exists() => file::File::read(Path::new(DEFAULT_FILE))?,
            None => file::File::default(),
        };
        file.clean(&mut warnings);
        let mut layers = Layers {
            flags,
            environment,
            file,
            calculations: calculation::builtin,
            program: "snapback",
            warnings,
        };
        layers.warn_of_variables();
        Ok(layers)
    }

    /// The same, with the calculations that `find` knows instead of the built-in ones.
    #[must_use]
    pub fn with_calculations(self, find: calculation::Find) -> Layers {
        Layers {
            calculations: find,
            ..self
        }
    }

    /// The same, for a program of this name.
    #[must_use]
    pub fn with_program(self, program: &'static str) -> Layers {
        Layers { program, ..self }
    }

    /// Who finds the calculation that `--calculation` names.
    pub(super) fn calculations(&self) -> calculation::Find {
        self.calculations
    }

    /// What the environment holds under the names of the usual `AWS_*` variables, and of proxies.
    #[must_use]
    pub fn aws(&self) -> Vec<(String, String)> {
        let ours = self.environment.iter().filter(|(name, _)| {
            name.starts_with("AWS_") || PROXY_VARIABLES.contains(&name.as_str())
        });
        ours.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// How `command` was started.
    #[must_use]
    pub fn invocation(&self, command: &str) -> Invocation {
        self.flags.invocation(command).of_program(self.program)
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
        if let Some(text) = self.environment.get(&key.variable()) {
            return Some(Value {
                text: text.clone(),
                source: Source::Variable(key.variable()),
            });
        }
        self.file.value(key)
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

    /// What was understood, but was probably meant otherwise: for the log, as soon as there is one.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn warn_of_variables(&mut self) {
        let mut warnings = Vec::new();
        for key in key::ALL.iter().filter(|key| key.once) {
            if self.environment.contains_key(&key.variable()) {
                warnings.push(format!(
                    "{} is not read: it is a decision for one start, not a setting; give it as {}",
                    key.variable(),
                    key.flag()
                ));
            }
        }
        let unknown = self.unknown_variables();
        if !unknown.is_empty() {
            warnings.push(format!(
                "no setting is called {}; `snapback config` lists the settings and their variables",
                unknown.join(", ")
            ));
        }
        self.warnings.extend(warnings);
    }

    /// Variables that look like settings and are none, in order: mistyped, perhaps, or set for something else, as
    /// Kubernetes does for its services.
    #[must_use]
    pub fn unknown_variables(&self) -> Vec<&str> {
        let ours = |name: &str| {
            property_of(name).is_some()
                || name == CONFIG_VARIABLE
                || key::ALL.iter().any(|key| key.variable() == name)
        };
        let names = self.environment.keys().map(String::as_str);
        names
            .filter(|name| name.starts_with("SNAPBACK_") && !ours(name))
            .collect()
    }

    /// librdkafka's properties: the file's table, `SNAPBACK_KAFKA_*`, then `-X`; later ones win. A variable of whose name
    /// librdkafka has no property is not ours.
    ///
    /// # Errors
    /// When a `-X` has no `=`.
    pub fn properties(&self) -> Result<BTreeMap<String, Value>, ConfigError> {
        let mut properties = self.file.properties();
        for (variable, text) in &self.environment {
            if let Some(name) = property_of(variable) {
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
