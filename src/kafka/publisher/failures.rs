//! What a publisher's client reports, turned into errors that say what may be done.

use std::time::Duration;

use rdkafka::{
    error::{KafkaError as NativeError, RDKafkaErrorCode as Code},
    producer::Producer,
};

use super::Publisher;
use crate::kafka::{
    codes::is_passing,
    error::{Disposition, Failure, PublishError},
};

impl Publisher {
    pub(super) fn refused(
        &self,
        topic: &str,
        partition: i32,
        code: Code,
        waited: Duration,
    ) -> PublishError {
        let (publisher, topic) = (self.name.clone(), topic.to_owned());
        if code == Code::QueueFull {
            let why = self.last_trouble();
            return PublishError::Full {
                publisher,
                topic,
                partition,
                waited,
                why,
            };
        }
        let source = self.underlying(Failure::of(code));
        PublishError::Refused {
            publisher,
            topic,
            partition,
            source,
        }
    }

    pub(super) fn undelivered(&self) -> Option<PublishError> {
        let undelivered = self.producer.context().take_undelivered();
        let (topic, partition, source) = undelivered.first?;
        let (publisher, count) = (self.name.clone(), undelivered.count);
        let source = self.underlying(source);
        let in_transaction = self.transactional;
        Some(PublishError::Undelivered {
            publisher,
            count,
            topic,
            partition,
            source,
            in_transaction,
        })
    }

    /// A message that a broker refused says more than the call that fails for it. Purged ones say less.
    pub(super) fn rather_refused(&self, error: PublishError) -> PublishError {
        let refused = self.undelivered();
        let refused = refused.filter(|undelivered| !undelivered.is_purged());
        match error.disposition() {
            Disposition::Abort => refused.unwrap_or(error),
            _ => error,
        }
    }

    /// The reason for "fatal".
    pub(super) fn underlying(&self, failure: Failure) -> Failure {
        match self.producer.client().fatal_error() {
            Some((code, text)) => Failure {
                code,
                text,
                fatal: true,
                ..failure
            },
            None => failure,
        }
    }

    pub(super) fn transaction(
        &self,
        doing: &'static str,
        result: Result<(), NativeError>,
    ) -> Result<(), PublishError> {
        result.map_err(|error| self.failed(doing, error.into()))
    }

    pub(super) fn failed(&self, doing: &'static str, failure: Failure) -> PublishError {
        let why = self.last_trouble().filter(|_| is_passing(failure.code));
        let source = self.underlying(failure);
        PublishError::Transaction {
            publisher: self.name.clone(),
            doing,
            why,
            source,
        }
    }
}
