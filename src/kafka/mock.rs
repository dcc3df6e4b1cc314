//! A broker inside this process, for the demo.

use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer};

use super::{
    connection::Connection,
    context::Context,
    error::{Failure, KafkaError},
    raw,
};

/// A Kafka broker inside this process, good enough for a demo: it keeps everything in memory (at most 5 MiB and 100,000
/// batches per partition, older ones are dropped silently), it commits group offsets, and it **discards** what a
/// transaction does: neither offsets nor aborts count. It ends with this value.
pub struct MockBroker {
    host: BaseProducer<Context>,
    bootstrap: String,
}

impl MockBroker {
    /// Starts a broker with these topics: names and partition counts.
    ///
    /// # Errors
    /// When the client that hosts it or a topic cannot be created.
    pub fn start(topics: &[(&str, i32)]) -> Result<MockBroker, KafkaError> {
        let connection = Connection::new("", Vec::new(), "snapback-mock")?;
        let context = Context::new("mock broker");
        let host: BaseProducer<Context> =
            connection.client(&[], &[("test.mock.num.brokers", "1")], context)?;
        raw::hurry_groups(host.client());
        let call = |doing: String, source: Failure| KafkaError::Call {
            doing,
            why: None,
            source,
        };
        let bootstrap = raw::mock_bootstrap(host.client());
        let (Some(bootstrap), Some(cluster)) = (bootstrap, host.client().mock_cluster()) else {
            return Err(KafkaError::Client {
                reason: "it hosts no mock cluster".to_owned(),
            });
        };
        for (topic, partitions) in topics {
            cluster
                .create_topic(topic, *partitions, 1)
                .map_err(|error| call(format!("create the mock topic {topic:?}"), error.into()))?;
        }
        drop(cluster);
        host.poll(Duration::ZERO);
        Ok(MockBroker { host, bootstrap })
    }

    /// Where it listens: `host:port`.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap
    }

    /// Serves the broker's own log; not needed for it to work.
    pub fn poll(&self) {
        self.host.poll(Duration::ZERO);
    }
}
