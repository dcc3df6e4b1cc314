//! Topics: whether they exist, how they are configured, and new ones.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{NewTopic, ResourceSpecifier, TopicReplication},
    consumer::Consumer,
    error::{KafkaError as NativeError, RDKafkaErrorCode as Code},
};

use super::Admin;
use crate::kafka::{
    error::{Failure, KafkaError},
    raw,
};

/// How often the brokers are asked whether they have heard of a new topic.
const NEWS: Duration = Duration::from_millis(20);

/// A topic as the brokers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// How many partitions it has.
    pub partitions: u32,
    /// How many brokers hold each partition, of that which the fewest hold.
    pub replicas: u32,
    /// Its id, which a topic created anew under the same name does not share; `None` from a broker without ids.
    pub id: Option<String>,
}

impl Admin {
    /// A topic, or `None` when it does not exist.
    ///
    /// # Errors
    /// When no broker answers, or we may not know about the topic.
    pub fn topic(&self, name: &str) -> Result<Option<Topic>, KafkaError> {
        let doing = format!("describe the topic {name:?}");
        let metadata = self.ask(&self.stable, &doing, |consumer, timeout| {
            consumer.fetch_metadata(Some(name), timeout)
        })?;
        let Some(found) = metadata.topics().iter().find(|topic| topic.name() == name) else {
            return Ok(None);
        };
        match found.error().map(Code::from) {
            None => {}
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => return Ok(None),
            Some(code) => return Err(self.failed(&self.stable, &doing, Failure::of(code))),
        }
        let partitions = u32::try_from(found.partitions().len()).unwrap_or(u32::MAX);
        let replicas = found.partitions().iter().map(|one| one.replicas().len());
        let replicas = u32::try_from(replicas.min().unwrap_or_default()).unwrap_or(u32::MAX);
        if self.is_mock() {
            return Ok(Some(Topic {
                partitions,
                replicas,
                id: None,
            }));
        }
        match raw::topic_id(&self.stable, name, self.timeout) {
            Ok(id) => Ok(Some(Topic {
                partitions,
                replicas,
                id,
            })),
            // Another broker than the one that answered first, which has not heard of it yet, or any more.
            Err(failure) if failure.code == Code::UnknownTopicOrPartition => Ok(None),
            Err(failure) => Err(self.failed(&self.stable, &doing, failure)),
        }
    }

    /// Creates a topic with the cluster's usual replication; says whether it did (`false`: it exists). The controller tells
    /// the brokers after it has answered: returns when they know the topic.
    ///
    /// # Errors
    /// When no broker answers, the controller refuses, or the brokers do not hear of the topic in time.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: u32,
        configs: &[(&str, &str)],
    ) -> Result<bool, KafkaError> {
        let doing = format!("create the topic {name:?}");
        let count = i32::try_from(partitions).unwrap_or(i32::MAX);
        let topic = NewTopic::new(name, count, TopicReplication::Fixed(-1));
        let topic = configs
            .iter()
            .fold(topic, |topic, (key, value)| topic.set(key, value));
        let client = self.admin_client()?;
        let answers = wait(client.create_topics([&topic], &self.options()));
        let answers = answers.map_err(|error| self.failed(&self.stable, &doing, error))?;
        let created = match answers.into_iter().next() {
            None | Some(Ok(_)) => true,
            Some(Err((_, Code::TopicAlreadyExists))) => false,
            Some(Err((_, code))) => {
                return Err(self.failed(&self.stable, &doing, Failure::of(code)));
            }
        };
        let deadline = Instant::now() + self.timeout;
        while self.topic(name)?.is_none() {
            if Instant::now() >= deadline {
                let unknown = Failure::of(Code::UnknownTopicOrPartition);
                return Err(self.failed(&self.stable, &doing, unknown));
            }
            thread::sleep(NEWS);
        }
        Ok(created)
    }

    /// The value of a topic's configuration, such as `max.message.bytes`; `None` from a broker that does not tell.
    ///
    /// # Errors
    /// When no broker answers, or we may not know.
    pub fn topic_config(&self, name: &str, key: &str) -> Result<Option<String>, KafkaError> {
        let [value] = self.topic_configs(name, [key])?;
        Ok(value)
    }

    /// Several of them, with one question.
    ///
    /// # Errors
    /// As [`topic_config`](Admin::topic_config).
    pub fn topic_configs<const N: usize>(
        &self,
        name: &str,
        keys: [&str; N],
    ) -> Result<[Option<String>; N], KafkaError> {
        let untold = || [const { None }; N];
        if self.is_mock() {
            return Ok(untold());
        }
        let doing = format!("describe the configuration of topic {name:?}");
        let client = self.admin_client()?;
        let answers =
            wait(client.describe_configs([&ResourceSpecifier::Topic(name)], &self.options()));
        let answers = match answers {
            Err(NativeError::AdminOp(Code::UnsupportedFeature)) => return Ok(untold()),
            other => other.map_err(|error| self.failed(&self.stable, &doing, error))?,
        };
        match answers.into_iter().next() {
            None | Some(Err(Code::UnsupportedFeature)) => Ok(untold()),
            Some(Ok(resource)) => {
                Ok(keys.map(|key| resource.get(key).and_then(|entry| entry.value.clone())))
            }
            Some(Err(code)) => Err(self.failed(&self.stable, &doing, Failure::of(code))),
        }
    }
}

/// Waits for a future that another thread completes.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = TaskContext::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}
