//! The parts that several commands share.

use std::{fmt, sync::Arc};

use super::{
    clean,
    error::{ConfigError, elsewhere},
    key::{self, Key},
    layers::Layers,
    parse,
    value::{Source, Value},
};
use crate::{
    calculation::{
        Calculation, CalculationError, Calculations, Carry, Condition, Evaluator, Find, Publish,
    },
    events::Fields,
    kafka::Connection,
    store::{StoreConfig, StoreUrl},
};

/// The name under which brokers see our connections.
const CLIENT_ID: &str = "snapback";

/// The topics and the group; all valid names, the three topics different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineConfig {
    /// The events topic.
    pub events: String,
    /// The results topic.
    pub results: String,
    /// The dead-letter topic.
    pub rejects: String,
    /// The consumer group.
    pub group: String,
}

/// Fields and a calculation that can be made of them.
#[derive(Clone)]
pub struct CalculationConfig {
    /// The event's fields.
    pub fields: Fields,
    /// The calculation.
    pub calculation: Arc<dyn Calculation>,
    /// Which events are calculated; `None` for all.
    pub condition: Option<Condition>,
    /// Which columns messages hold; `None` for all.
    pub publish: Option<Publish>,
    /// What messages have of their events.
    pub carry: Carry,
    /// Who finds others by their text.
    pub find: Find,
}

impl CalculationConfig {
    /// All that this program can calculate.
    ///
    /// # Errors
    /// When the calculation cannot be made of the fields.
    pub fn known(&self) -> Result<Calculations, CalculationError> {
        Ok(Calculations::new(self.find).with(Arc::new(self.evaluator()?)))
    }

    /// What makes outcomes of events.
    ///
    /// # Errors
    /// When the calculation cannot be made of the fields.
    pub fn evaluator(&self) -> Result<Evaluator, CalculationError> {
        let evaluator = Evaluator::new(self.fields.clone(), Arc::clone(&self.calculation))?;
        let evaluator = evaluator.with_condition(self.condition.as_ref())?;
        let evaluator = evaluator.with_publish(self.publish.as_ref())?;
        Ok(evaluator.with_carry(self.carry))
    }
}

impl fmt::Debug for CalculationConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalculationConfig")
            .field("fields", &self.fields.to_string())
            .field("calculation", &self.calculation.name())
            .field("condition", &self.condition)
            .field("publish", &self.publish)
            .field("carry", &self.carry)
            .finish()
    }
}

/// How data is written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// How log lines are written to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How a command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// Data.
    pub output: Output,
    /// Log lines.
    pub log_format: LogFormat,
}

/// How to reach Kafka.
///
/// # Errors
/// When the brokers cannot be such, or a property is snapback's own.
pub fn connection(layers: &Layers) -> Result<Connection, ConfigError> {
    let brokers = layers.parsed(key::BROKERS, parse::brokers)?;
    let mut properties = Vec::new();
    for (
        name,
        Value {
            text,
            source: origin,
        },
    ) in layers.properties()?
    {
        if Connection::is_credential(&name) {
            clean::check_credential(&name, &text, origin.clone())?;
        }
        let property = vec![(name, text)];
        // One at a time, so that the error can say where it came from.
        Connection::new(&brokers, property.clone(), CLIENT_ID).map_err(|source| {
            ConfigError::Property {
                origin,
                source: Box::new(source),
            }
        })?;
        properties.extend(property);
    }
    let refused = |origin: Source| {
        move |source| ConfigError::Property {
            origin,
            source: Box::new(source),
        }
    };
    let connection = Connection::new(&brokers, properties, CLIENT_ID)
        .map_err(refused(Source::Flag("-X".to_owned())))?;
    let authentication =
        |name: &String| name.starts_with("sasl.mechanism") || name.as_str() == "security.protocol";
    let mut given = layers
        .properties()?
        .into_iter()
        .filter(|(name, _)| authentication(name));
    let origin = given
        .next()
        .map_or(Source::Default, |(_, value)| value.source);
    connection.check_mechanism().map_err(refused(origin))?;
    Ok(connection)
}

/// The events topic, for commands that need no other.
///
/// # Errors
/// When the name is none.
pub fn events(layers: &Layers) -> Result<String, ConfigError> {
    layers.parsed(key::EVENTS, parse::topic)
}

/// The topic of the dead letters: as it is named, else that of the events with `.dlq`.
///
/// # Errors
/// When it cannot be the name of a topic.
pub fn rejects_topic(layers: &Layers) -> Result<String, ConfigError> {
    match layers.value(key::REJECTS) {
        Some(value) => {
            parse::topic(&value.text).map_err(|reason| parse::invalid(key::REJECTS, value, &reason))
        }
        None => {
            let events = layers.parsed(key::EVENTS, parse::topic)?;
            let value = Value {
                text: format!("{events}.dlq"),
                source: Source::Default,
            };
            parse::topic(&value.text).map_err(|reason| parse::invalid(key::REJECTS, value, &reason))
        }
    }
}

/// The topics and the group.
///
/// # Errors
/// When a name cannot be one, or two topics are the same.
pub fn pipeline(layers: &Layers) -> Result<PipelineConfig, ConfigError> {
    let events = layers.parsed(key::EVENTS, parse::topic)?;
    let results = layers.parsed(key::RESULTS, parse::topic)?;
    let rejects = rejects_topic(layers)?;
    let group = layers.parsed(key::GROUP, parse::name)?;
    let topics = [
        (key::EVENTS, &events),
        (key::RESULTS, &results),
        (key::REJECTS, &rejects),
    ];
    for (n, (first, value)) in topics.into_iter().enumerate() {
        let same = |(_, other): &&(Key, &String)| *other == value;
        if let Some((second, _)) = topics[n + 1..].iter().find(same) {
            let named = |key: Key| {
                let origin = layers
                    .value(key)
                    .map_or(Source::Default, |value| value.source);
                format!("{}{}", key.flag(), elsewhere(&key.flag(), &origin))
            };
            return Err(ConfigError::SameTopic {
                first: named(first),
                second: named(*second),
                value: value.clone(),
            });
        }
    }
    Ok(PipelineConfig {
        events,
        results,
        rejects,
        group,
    })
}

/// Where the snapshots are; with the `AWS_*` variables of the environment.
///
/// # Errors
/// When it is neither a folder nor a bucket.
pub fn store(layers: &Layers) -> Result<StoreConfig, ConfigError> {
    let url: StoreUrl = layers.parsed(key::STORE, str::parse::<StoreUrl>)?;
    let s3_endpoint = layers.value(key::S3_ENDPOINT).map(|value| value.text);
    let env = layers.aws();
    if let StoreUrl::S3 { .. } = &url {
        for (name, text) in &env {
            clean::check_credential(name, text, Source::Variable(name.clone()))?;
        }
    }
    Ok(StoreConfig {
        url,
        s3_endpoint,
        env,
    })
}

/// The fields, the calculation over them, the condition, and what is published.
///
/// # Errors
/// When one of them cannot be read, or the calculation or the condition cannot be made of these fields.
pub fn calculation(layers: &Layers) -> Result<CalculationConfig, ConfigError> {
    let fields = layers.parsed(key::FIELDS, Fields::parse)?;
    let calculation = layers.parsed(key::CALCULATION, layers.calculations())?;
    let refused = |setting: Key, given: Value, source: CalculationError| ConfigError::Calculation {
        setting: setting.flag(),
        text: given.text,
        origin: given.source,
        fields: fields.to_string(),
        fields_origin: layers.text(key::FIELDS).source,
        source: Box::new(source),
    };
    calculation
        .output(&fields.schema())
        .map_err(|source| refused(key::CALCULATION, layers.text(key::CALCULATION), source))?;
    let condition = match layers.value(key::WHERE) {
        None => None,
        Some(given) => {
            let condition = Condition::parse(&given.text)
                .map_err(|reason| parse::invalid(key::WHERE, given.clone(), &reason))?;
            condition
                .check(&fields.schema())
                .map_err(|source| refused(key::WHERE, given, source.into()))?;
            Some(condition)
        }
    };
    let given = layers.value(key::PUBLISH);
    let publish = given.as_ref().map(|given| {
        Publish::parse(&given.text)
            .map_err(|reason| parse::invalid(key::PUBLISH, given.clone(), &reason))
    });
    let carry = layers.value(key::CARRY).map(|given| {
        Carry::parse(&given.text).map_err(|reason| parse::invalid(key::CARRY, given, &reason))
    });
    let config = CalculationConfig {
        carry: carry.transpose()?.unwrap_or_default(),
        publish: publish.transpose()?,
        calculation,
        condition,
        find: layers.calculations(),
        fields: fields.clone(),
    };
    if let (Some(given), Err(source)) = (given, config.evaluator()) {
        let (setting, given) = match source {
            CalculationError::Publish(_) => (key::PUBLISH, given),
            _ => (key::CALCULATION, layers.text(key::CALCULATION)),
        };
        return Err(refused(setting, given, source));
    }
    Ok(config)
}

/// How a command writes.
///
/// # Errors
/// When a format is unknown.
pub fn output(layers: &Layers) -> Result<OutputConfig, ConfigError> {
    let output = layers.choice(
        key::OUTPUT,
        &[("table", Output::Table), ("json", Output::Json)],
    )?;
    let log_format = layers.choice(
        key::LOG_FORMAT,
        &[("text", LogFormat::Text), ("json", LogFormat::Json)],
    )?;
    Ok(OutputConfig { output, log_format })
}
