//! From text to typed values, each error with the value's origin.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use bytesize::ByteSize;

use super::{error::ConfigError, key::Key, layers::Layers, value::Value};
use crate::{
    model::{NotARange, OffsetRange, Partition},
    recovery::{ResumeFrom, Start},
};

impl Layers {
    /// The value of a setting that has a default.
    #[expect(
        clippy::expect_used,
        reason = "it is asked for settings with a default only"
    )]
    pub(super) fn text(&self, key: Key) -> Value {
        self.value(key)
            .expect("only settings with a default are asked for in this way")
    }

    /// A setting as what `parse` makes of it.
    pub(super) fn parsed<T, E: Display>(
        &self,
        key: Key,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        let value = self.text(key);
        parse(value.text.trim()).map_err(|reason| invalid(key, value, &reason))
    }

    pub(super) fn duration(
        &self,
        key: Key,
        bounds: RangeInclusive<Duration>,
    ) -> Result<Duration, ConfigError> {
        self.parsed(key, |text| {
            let duration = humantime::parse_duration(text)
                .map_err(|error| format!("{error}; write it like 100ms, 30s or 5m"))?;
            within(duration, &bounds, |bound| {
                humantime::format_duration(*bound).to_string()
            })
        })
    }

    pub(super) fn bytes(&self, key: Key, bounds: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        self.parsed(key, |text| {
            let bytes =
                ByteSize::from_str(text).map_err(|_| "write it like 256MiB or 1GB".to_owned())?;
            within(bytes.as_u64(), &bounds, |bound| {
                ByteSize(*bound).to_string()
            })
        })
    }

    pub(super) fn number(
        &self,
        key: Key,
        bounds: RangeInclusive<usize>,
    ) -> Result<usize, ConfigError> {
        self.parsed(key, |text| {
            let number = text.parse().map_err(|_| "it is a number".to_owned())?;
            within(number, &bounds, usize::to_string)
        })
    }

    pub(super) fn boolean(&self, key: Key) -> Result<bool, ConfigError> {
        self.parsed(key, |text| text.parse().map_err(|_| "it is true or false"))
    }

    pub(super) fn choice<T: Copy>(
        &self,
        key: Key,
        choices: &[(&str, T)],
    ) -> Result<T, ConfigError> {
        self.parsed(key, |text| {
            let found = choices.iter().find(|(name, _)| *name == text);
            found.map(|(_, choice)| *choice).ok_or_else(|| {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                format!("it is one of {}", names.join(", "))
            })
        })
    }
}

/// The error for a value of a setting.
pub(super) fn invalid(key: Key, value: Value, reason: &dyn Display) -> ConfigError {
    ConfigError::Invalid {
        setting: key.flag(),
        value: value.text,
        origin: value.source,
        reason: reason.to_string(),
    }
}

fn within<T: PartialOrd>(
    value: T,
    bounds: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    Err(format!(
        "it lies between {} and {}",
        show(bounds.start()),
        show(bounds.end())
    ))
}

/// `earliest`, `latest` or a time.
pub(super) fn start(text: &str) -> Result<Start, String> {
    match text {
        "earliest" => return Ok(Start::Earliest),
        "latest" => return Ok(Start::Latest),
        _ => {}
    }
    let day_only = text.len() == "2026-01-31".len();
    let time = if day_only {
        format!("{text} 00:00:00")
    } else {
        text.to_owned()
    };
    humantime::parse_rfc3339_weak(&time)
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .map(Start::Time)
        .ok_or_else(|| {
            "it is earliest, latest, or a time in UTC like 2026-01-31 or 2026-01-31T12:30:00Z"
                .to_owned()
        })
}

/// `frontier` or `committed`.
pub(super) fn resume_from(text: &str) -> Result<ResumeFrom, String> {
    [ResumeFrom::Frontier, ResumeFrom::Committed]
        .into_iter()
        .find(|side| side.as_str() == text)
        .ok_or_else(|| "it is frontier or committed".to_owned())
}

/// `3:1000-1200`: a partition and a half-open range.
pub(crate) fn loss(text: &str) -> Result<(Partition, OffsetRange), String> {
    let shape =
        || "write it as the refusal printed it: PARTITION:START-END, like 3:1000-1200".to_owned();
    let (partition, range) = text.split_once(':').ok_or_else(shape)?;
    let partition = partition
        .parse()
        .ok()
        .filter(|number| *number >= 0)
        .ok_or_else(shape)?;
    let range: OffsetRange = range.parse().map_err(|error| match error {
        NotARange::Shape => shape(),
        NotARange::Inverted(error) => error.to_string(),
    })?;
    if range.is_empty() {
        return Err("the range is empty".to_owned());
    }
    Ok((Partition(partition), range))
}

/// A topic's name as Kafka allows it.
pub(super) fn topic(text: &str) -> Result<String, &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty()
        || text.len() > 249
        || text == "."
        || text == ".."
        || !text.chars().all(allowed)
    {
        return Err("a topic's name has 1 to 249 letters, digits, dots, dashes and underscores");
    }
    Ok(text.to_owned())
}

/// A name for people and brokers: not empty, no control characters.
pub(super) fn name(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("it is empty or has control characters");
    }
    Ok(text.to_owned())
}

/// A name that can be a part of ids and file names.
pub(super) fn instance(text: &str) -> Result<String, &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > 100 || !text.chars().all(allowed) {
        return Err("it has 1 to 100 letters, digits, dots, dashes and underscores");
    }
    Ok(text.to_owned())
}

/// `off`, or `host:port` to listen at; port 0 is any free one.
pub(super) fn address(text: &str) -> Result<Option<String>, &'static str> {
    if text == "off" {
        return Ok(None);
    }
    let reason = "write it as HOST:PORT, like 127.0.0.1:9464 or 0.0.0.0:9464, or off";
    let (host, port) = text.rsplit_once(':').ok_or(reason)?;
    // An IPv6 address has colons of its own, and stands in brackets.
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let host_is_one = !host.is_empty() && (bracketed || !host.contains(':'));
    if !host_is_one || host.contains(char::is_whitespace) || port.parse::<u16>().is_err() {
        return Err(reason);
    }
    Ok(Some(text.to_owned()))
}

/// `host:port,host:port`
pub(super) fn brokers(text: &str) -> Result<String, &'static str> {
    let host = |part: &str| !part.trim().is_empty() && !part.trim().contains(char::is_whitespace);
    if text.split(',').all(host) {
        Ok(text.to_owned())
    } else {
        Err("write it as HOST:PORT[,HOST:PORT...]")
    }
}
