//! How to reach a cluster, and which of librdkafka's properties are whose.

mod mechanism;

use std::{fmt, time::Duration};

use rdkafka::{
    ClientConfig,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::KafkaError as NativeError,
    types::RDKafkaConfRes,
};

use super::{context::Context, error::KafkaError};

/// How to reach a cluster: its brokers, and what the user adds to snapback's own client properties.
#[derive(Clone)]
pub struct Connection {
    brokers: String,
    properties: Vec<(String, String)>,
    client_id: String,
}

/// Properties that snapback sets itself, with what to use instead. A trailing `*` stands for any ending.
const OWNED: &[(&str, &str)] = &[
    ("acks", "use --delivery"),
    (
        "auto.commit.*",
        "snapback commits offsets with the results that they belong to (--commit-interval)",
    ),
    ("auto.offset.reset", "use --start"),
    ("bootstrap.servers", "use --brokers"),
    (
        "check.crcs",
        "snapback always checks them: without, damaged bytes of a log become results that look right",
    ),
    (
        "delivery.report.*",
        "snapback decides which delivery reports it needs",
    ),
    (
        "enable.auto.commit",
        "snapback commits offsets with the results that they belong to (--commit-interval)",
    ),
    (
        "enable.auto.offset.store",
        "snapback commits offsets with the results that they belong to (--commit-interval)",
    ),
    ("enable.idempotence", "use --delivery"),
    (
        "enable.partition.eof",
        "snapback finds the end of a partition itself (--exit-at-end)",
    ),
    ("fetch.max.bytes", "use --memory"),
    ("fetch.message.max.bytes", "use --memory"),
    ("group.id", "use --group"),
    ("group.instance.id", "use --instance"),
    ("group.protocol", "snapback needs the classic protocol"),
    (
        "group.remote.assignor",
        "snapback needs the classic protocol",
    ),
    ("isolation.level", "snapback reads committed events only"),
    ("max.partition.fetch.bytes", "use --memory"),
    ("metadata.broker.list", "use --brokers"),
    (
        "offset.store.*",
        "snapback commits offsets with the results that they belong to (--commit-interval)",
    ),
    (
        "partition.assignment.strategy",
        "snapback needs cooperative-sticky",
    ),
    ("queue.buffering.*", "use --memory"),
    ("queued.*", "use --memory"),
    ("request.required.acks", "use --delivery"),
    ("transactional.id", "use --instance"),
];

impl Connection {
    /// A connection to `brokers` (`host:port,host:port`) with the user's additional `properties`, under the name
    /// `client_id`.
    ///
    /// # Errors
    /// When a property is snapback's own ([`KafkaError::OwnedProperty`]).
    pub fn new(
        brokers: &str,
        properties: Vec<(String, String)>,
        client_id: &str,
    ) -> Result<Connection, KafkaError> {
        for (property, _) in &properties {
            if let Some(instead) = owned(property) {
                return Err(KafkaError::OwnedProperty {
                    property: property.clone(),
                    instead,
                });
            }
        }
        let connection = Connection {
            brokers: brokers.to_owned(),
            properties,
            client_id: client_id.to_owned(),
        };
        for (property, value) in &connection.properties {
            let mut alone = ClientConfig::new();
            let refused = alone.set(property, value).create_native_config().err();
            if let Some(error) = refused {
                return Err(connection.creation(&error));
            }
        }
        Ok(connection)
    }

    /// Whether librdkafka has a property of this name.
    #[must_use]
    pub fn is_property(name: &str) -> bool {
        let mut alone = ClientConfig::new();
        let refused = alone.set(name, "").create_native_config().err();
        !matches!(
            refused,
            Some(NativeError::ClientConfig(
                RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN,
                ..
            ))
        )
    }

    /// Whether a property's value is a word that a broker is to know.
    #[must_use]
    pub fn is_credential(property: &str) -> bool {
        ["sasl.username", "sasl.password", "ssl.key.password"].contains(&property)
            || property.ends_with("client.secret")
    }

    /// A `-X` argument, `key=value`.
    ///
    /// # Errors
    /// When it has no `=` or no key.
    pub fn parse_property(argument: &str) -> Result<(String, String), KafkaError> {
        match argument.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok((key.trim().to_owned(), value.to_owned()))
            }
            _ => Err(KafkaError::NotAProperty {
                begin: argument.chars().take(16).collect(),
            }),
        }
    }

    /// Whether the value of a property may be a secret, and must not be shown.
    #[must_use]
    pub fn is_secret(property: &str) -> bool {
        [
            "password",
            "secret",
            "pem",
            "jaas",
            "token",
            "oauthbearer.config",
            "client.assertion",
        ]
        .iter()
        .any(|part| property.contains(part))
    }

    /// The brokers as they were given.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The value that the user gave for a property (the last one counts).
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        let found = self.properties.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The user's value for a property that is a time in milliseconds.
    #[must_use]
    pub fn milliseconds(&self, name: &str) -> Option<Duration> {
        let value = self.property(name)?.parse().ok()?;
        Some(Duration::from_millis(value))
    }

    /// Makes a client. `defaults` give way to the user's properties, `fixed` do not.
    pub(super) fn client<T: FromClientConfigAndContext<Context>>(
        &self,
        defaults: &[(&str, &str)],
        fixed: &[(&str, &str)],
        context: Context,
    ) -> Result<T, KafkaError> {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Info);
        config.set("client.id", &self.client_id);
        // The only word about a peer that hangs up; see `Context::log`.
        config.set("log.connection.close", "true");
        for (key, value) in defaults {
            config.set(*key, *value);
        }
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config.set("check.crcs", "true");
        for (key, value) in fixed {
            config.set(*key, *value);
        }
        config
            .create_with_context(context)
            .map_err(|error| self.creation(&error))
    }

    fn creation(&self, error: &NativeError) -> KafkaError {
        match error {
            NativeError::ClientConfig(_, reason, property, value) => KafkaError::Property {
                property: property.clone(),
                reason: self.conceal(&reason.replace(value.as_str(), "...")),
            },
            NativeError::ClientCreation(reason) => KafkaError::Client {
                reason: self.conceal(reason),
            },
            other => KafkaError::Client {
                reason: self.conceal(&other.to_string()),
            },
        }
    }

    /// `text` without the values of properties that might be secrets.
    fn conceal(&self, text: &str) -> String {
        let secrets = self
            .properties
            .iter()
            .filter(|(key, value)| Connection::is_secret(key) && !value.is_empty());
        secrets.fold(text.to_owned(), |text, (_, value)| {
            text.replace(value.as_str(), "...")
        })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self
            .properties
            .iter()
            .map(|(key, _)| key.as_str())
            .collect();
        f.debug_struct("Connection")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("properties", &keys)
            .finish()
    }
}

fn owned(property: &str) -> Option<&'static str> {
    let found = OWNED.iter().find(|(name, _)| match name.strip_suffix('*') {
        Some(begin) => property.starts_with(begin),
        None => property == *name,
    });
    found.map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::consumer::BaseConsumer;

    fn connection(properties: &[(&str, &str)]) -> Result<Connection, KafkaError> {
        let properties = properties
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect();
        Connection::new("127.0.0.1:1", properties, "test")
    }

    fn client(properties: &[(&str, &str)]) -> Result<BaseConsumer<Context>, KafkaError> {
        connection(properties)?.client(
            &[("session.timeout.ms", "10000")],
            &[],
            Context::new("test"),
        )
    }

    #[test]
    fn a_property_that_snapback_sets_is_refused_with_the_flag_to_use() {
        for (property, flag) in [
            ("group.id", "--group"),
            ("bootstrap.servers", "--brokers"),
            ("group.instance.id", "--instance"),
            ("transactional.id", "--instance"),
            ("auto.offset.reset", "--start"),
            ("enable.idempotence", "--delivery"),
            ("queued.max.messages.kbytes", "--memory"),
            ("queue.buffering.max.messages", "--memory"),
            ("check.crcs", "damaged bytes"),
        ] {
            let error = connection(&[(property, "x")]).unwrap_err().to_string();
            assert!(error.contains(property) && error.contains(flag), "{error}");
        }
        for property in [
            "isolation.level",
            "group.protocol",
            "partition.assignment.strategy",
        ] {
            assert!(matches!(
                connection(&[(property, "x")]),
                Err(KafkaError::OwnedProperty { .. })
            ));
        }
    }

    #[test]
    fn timeouts_compression_and_security_are_the_users() {
        client(&[
            ("session.timeout.ms", "6000"),
            ("transaction.timeout.ms", "20000"),
            ("linger.ms", "20"),
            ("compression.type", "zstd"),
            ("socket.timeout.ms", "5000"),
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "u"),
            ("sasl.password", "p"),
        ])
        .unwrap();
    }

    #[test]
    fn an_unknown_property_is_refused_by_its_name_and_without_its_value() {
        let error = client(&[("sasl.pasword", "hunter2")])
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("sasl.pasword"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn an_invalid_value_is_refused_with_librdkafkas_reason() {
        let error = client(&[("session.timeout.ms", "soon")])
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("session.timeout.ms"), "{error}");
    }

    #[test]
    fn a_missing_certificate_is_named() {
        let error = client(&[
            ("security.protocol", "ssl"),
            ("ssl.ca.location", "/nowhere/ca.pem"),
        ]);
        assert!(error.err().unwrap().to_string().contains("ssl.ca.location"));
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let text = format!("{:?}", connection(&[("sasl.password", "hunter2")]).unwrap());
        assert!(
            text.contains("sasl.password") && !text.contains("hunter2"),
            "{text}"
        );
    }

    #[test]
    fn an_argument_without_an_equals_sign_is_refused_without_showing_much_of_it() {
        assert_eq!(
            Connection::parse_property("ssl.key.password=a=b").unwrap(),
            ("ssl.key.password".to_owned(), "a=b".to_owned())
        );
        let error = Connection::parse_property("sasl.password hunter2")
            .unwrap_err()
            .to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
