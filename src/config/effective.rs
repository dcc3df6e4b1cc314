//! The effective configuration, for `snapback config`.

use serde::Serialize;

use super::{
    error::ConfigError,
    key,
    layers::Layers,
    run::RunConfig,
    value::{Source, Value},
};
use crate::kafka::Connection;

/// What is shown instead of a secret.
const REDACTED: &str = "(secret)";

/// One setting as it applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// Its name; `kafka.` before librdkafka's properties.
    pub setting: String,
    /// Its value; `None` when it has none.
    pub value: Option<String>,
    /// Where it came from.
    pub source: String,
}

/// Every setting with its value and source, secrets redacted.
///
/// # Errors
/// When a value cannot be: what `run` would refuse, this does too.
pub fn effective(layers: &Layers) -> Result<Vec<Effective>, ConfigError> {
    let run = RunConfig::new(layers)?;
    super::output(layers)?;
    let mut settings = Vec::new();
    for key in key::ALL {
        let several = layers.flag_values(*key);
        let value = if several.len() > 1 {
            let texts: Vec<String> = several.into_iter().map(|value| value.text).collect();
            Some(Value {
                text: texts.join(", "),
                source: Source::Flag(key.flag()),
            })
        } else {
            layers.value(*key)
        };
        let (value, source) = match value {
            Some(value) => (Some(value.text), value.source.to_string()),
            None if *key == key::REJECTS => {
                (Some(run.pipeline.rejects.clone()), "default".to_owned())
            }
            None if key.once => continue,
            None => (None, format!("default: {}", key.otherwise)),
        };
        settings.push(Effective {
            setting: key.name.to_owned(),
            value,
            source,
        });
    }
    for (name, value) in layers.properties()? {
        let text = if Connection::is_secret(&name) {
            REDACTED.to_owned()
        } else {
            value.text
        };
        settings.push(Effective {
            setting: format!("{}.{name}", key::KAFKA_TABLE),
            value: Some(text),
            source: value.source.to_string(),
        });
    }
    for (name, text) in layers.aws() {
        let open = [
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_S3",
            "AWS_PROFILE",
            "AWS_CA_BUNDLE",
            "NO_PROXY",
            "no_proxy",
        ];
        let text = if open.contains(&name.as_str()) {
            text
        } else {
            REDACTED.to_owned()
        };
        settings.push(Effective {
            setting: name.clone(),
            value: Some(text),
            source: name,
        });
    }
    Ok(settings)
}
