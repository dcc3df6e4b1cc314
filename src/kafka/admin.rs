//! Questions about a cluster, its topics and its groups.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context as TaskContext, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError as NativeError, RDKafkaErrorCode as Code},
};

use super::{
    connection::Connection,
    context::Context,
    error::{Failure, KafkaError, is_definite},
    raw,
};
use crate::model::{Offset, Partition};

/// How often the brokers are asked whether they have heard of a new topic.
const NEWS: Duration = Duration::from_millis(20);

/// A topic as the brokers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// How many partitions it has.
    pub partitions: u32,
    /// Its id, which a topic created anew under the same name does not share; `None` from a broker without ids.
    pub id: Option<String>,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The oldest offset in the log.
    pub start: Offset,
    /// The offset that a reader of committed messages can come to: no open transaction begins below it.
    pub stable_end: Offset,
    /// The offset that the next message gets.
    pub end: Offset,
}

/// An offset that a group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset.
    pub offset: Offset,
    /// The metadata committed with it, possibly empty.
    pub metadata: String,
}

/// Asks a cluster; joins nothing. Every call blocks, for about the time-out at most.
pub struct Admin {
    connection: Connection,
    stable: BaseConsumer<Context>,
    latest: BaseConsumer<Context>,
    /// Who asks for committed offsets, and of which group; kept, because it has found that group's coordinator.
    asker: Mutex<Option<(String, Arc<BaseConsumer<Context>>)>>,
    /// Who creates topics and reads configurations; made when first needed.
    administrator: OnceLock<AdminClient<Context>>,
    timeout: Duration,
}

impl Admin {
    /// Connects, and waits until a broker answers.
    ///
    /// # Errors
    /// When no broker answers within `timeout`, which bounds the later calls as well.
    pub fn connect(connection: &Connection, timeout: Duration) -> Result<Admin, KafkaError> {
        let asking =
            |level| connection.client(&[], &[("isolation.level", level)], Context::new("admin"));
        let (stable, latest) = (asking("read_committed")?, asking("read_uncommitted")?);
        let admin = Admin {
            connection: connection.clone(),
            stable,
            latest,
            asker: Mutex::default(),
            administrator: OnceLock::new(),
            timeout,
        };
        admin.ask(&admin.stable, "connect", |consumer, timeout| {
            consumer.fetch_metadata(Some("__snapback_probe"), timeout)
        })?;
        Ok(admin)
    }

    /// The cluster's id; `None` from a broker that has none.
    #[must_use]
    pub fn cluster_id(&self) -> Option<String> {
        self.stable
            .client()
            .fetch_cluster_id(self.timeout)
            .filter(|id| !id.is_empty())
    }

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
        if self.is_mock() {
            return Ok(Some(Topic {
                partitions,
                id: None,
            }));
        }
        match raw::topic_id(&self.stable, name, self.timeout) {
            Ok(id) => Ok(Some(Topic { partitions, id })),
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
        if self.is_mock() {
            return Ok(None);
        }
        let doing = format!("describe the configuration of topic {name:?}");
        let client = self.admin_client()?;
        let answers =
            wait(client.describe_configs([&ResourceSpecifier::Topic(name)], &self.options()));
        let answers = match answers {
            Err(NativeError::AdminOp(Code::UnsupportedFeature)) => return Ok(None),
            other => other.map_err(|error| self.failed(&self.stable, &doing, error))?,
        };
        match answers.into_iter().next() {
            None | Some(Err(Code::UnsupportedFeature)) => Ok(None),
            Some(Ok(resource)) => Ok(resource.get(key).and_then(|entry| entry.value.clone())),
            Some(Err(code)) => Err(self.failed(&self.stable, &doing, Failure::of(code))),
        }
    }

    /// Where a partition begins and ends.
    ///
    /// # Errors
    /// When no broker answers or there is no such partition.
    pub fn watermarks(&self, topic: &str, partition: Partition) -> Result<Watermarks, KafkaError> {
        let doing = format!("find the ends of {topic:?} partition {partition}");
        let ends = |consumer| {
            let (start, end) = self.ask(consumer, &doing, |consumer, timeout| {
                consumer.fetch_watermarks(topic, partition.0, timeout)
            })?;
            Ok::<_, KafkaError>((offset_or_zero(start), offset_or_zero(end)))
        };
        // The stable end first: it never lies above an end asked for later.
        let (start, stable_end) = ends(&self.stable)?;
        let (_, end) = ends(&self.latest)?;
        Ok(Watermarks {
            start,
            stable_end,
            end,
        })
    }

    /// What `group` has committed for the topic's partitions; `None` where it has committed nothing.
    ///
    /// # Errors
    /// [`KafkaError::OpenTransaction`] when a transaction that commits offsets is still open after the time-out.
    pub fn committed(
        &self,
        group: &str,
        topic: &str,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, Option<Committed>>, KafkaError> {
        let doing = format!("read the committed offsets of group {group:?} in {topic:?}");
        let consumer = self.asker(group)?;
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            asked.add_partition(topic, partition.0);
        }
        let answer = match consumer.committed_offsets(asked, self.timeout) {
            Err(NativeError::MetadataFetch(Code::OperationTimedOut)) => {
                // The group's coordinator did not answer: is anybody there?
                self.ask(&self.stable, &doing, |consumer, timeout| {
                    consumer.fetch_metadata(Some(topic), timeout)
                })?;
                let (group, topic) = (group.to_owned(), topic.to_owned());
                return Err(KafkaError::OpenTransaction { group, topic });
            }
            other => other.map_err(|error| self.failed(&consumer, &doing, error))?,
        };
        let mut found = BTreeMap::new();
        for element in answer.elements() {
            element
                .error()
                .map_err(|error| self.failed(&consumer, &doing, error))?;
            let committed = match element.offset() {
                rdkafka::Offset::Offset(offset) => Offset::new(offset).map(|offset| Committed {
                    offset,
                    metadata: element.metadata().to_owned(),
                }),
                _ => None,
            };
            found.insert(Partition(element.partition()), committed);
        }
        Ok(found)
    }

    fn asker(&self, group: &str) -> Result<Arc<BaseConsumer<Context>>, KafkaError> {
        let mut kept = self.asker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, asker)) = &*kept
            && of == group
        {
            return Ok(Arc::clone(asker));
        }
        let fixed = [
            ("group.id", group),
            ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
        ];
        let asker = self.connection.client(&[], &fixed, Context::new("admin"))?;
        let asker = Arc::new(asker);
        *kept = Some((group.to_owned(), Arc::clone(&asker)));
        Ok(asker)
    }

    /// The first offset of each partition whose message is not older than `timestamp` (milliseconds since the epoch);
    /// `None` where there is no such message.
    ///
    /// # Errors
    /// When no broker answers or there is no such partition.
    pub fn offsets_for_time(
        &self,
        topic: &str,
        partitions: &[Partition],
        timestamp: i64,
    ) -> Result<BTreeMap<Partition, Option<Offset>>, KafkaError> {
        let doing = format!("find offsets by time in {topic:?}");
        let answer = self.ask(&self.stable, &doing, |consumer, timeout| {
            let mut asked = TopicPartitionList::with_capacity(partitions.len());
            for partition in partitions {
                let at = rdkafka::Offset::Offset(timestamp.max(0));
                asked.add_partition_offset(topic, partition.0, at)?;
            }
            consumer.offsets_for_times(asked, timeout)
        })?;
        let mut found = BTreeMap::new();
        for element in answer.elements() {
            element
                .error()
                .map_err(|error| self.failed(&self.stable, &doing, error))?;
            let offset = match element.offset() {
                rdkafka::Offset::Offset(offset) => Offset::new(offset),
                _ => None,
            };
            found.insert(Partition(element.partition()), offset);
        }
        Ok(found)
    }

    /// Asks until there is an answer or the time is over. The reasons for silence come through the client's events, so
    /// it stops in between to serve them.
    pub(super) fn ask<T>(
        &self,
        consumer: &BaseConsumer<Context>,
        doing: &str,
        mut question: impl FnMut(&BaseConsumer<Context>, Duration) -> Result<T, NativeError>,
    ) -> Result<T, KafkaError> {
        let deadline = Instant::now() + self.timeout;
        let mut slice = Duration::from_millis(250);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match question(consumer, slice.min(left).max(Duration::from_millis(1))) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            serve(consumer);
            let silent = matches!(
                error.rdkafka_error_code(),
                Some(Code::BrokerTransportFailure | Code::OperationTimedOut | Code::AllBrokersDown)
            );
            let hopeless = consumer
                .context()
                .last_error()
                .is_some_and(|(code, _)| is_definite(code));
            if !silent || hopeless || Instant::now() >= deadline {
                return Err(self.failed(consumer, doing, error));
            }
            slice *= 2;
        }
    }

    fn failed(
        &self,
        consumer: &BaseConsumer<Context>,
        doing: &str,
        failure: impl Into<Failure>,
    ) -> KafkaError {
        serve(consumer);
        consumer
            .context()
            .failed(self.connection.brokers(), doing, failure)
    }

    /// Whether this is librdkafka's mock cluster: it names a controller that is none of its brokers, so questions for the
    /// controller are never answered.
    pub(super) fn client(&self) -> &BaseConsumer<Context> {
        &self.stable
    }

    pub(super) fn is_mock(&self) -> bool {
        self.cluster_id()
            .is_some_and(|id| id.starts_with("mockCluster"))
    }

    fn admin_client(&self) -> Result<&AdminClient<Context>, KafkaError> {
        if let Some(made) = self.administrator.get() {
            return Ok(made);
        }
        let made = self.connection.client(&[], &[], Context::new("admin"))?;
        Ok(self.administrator.get_or_init(|| made))
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new()
            .request_timeout(Some(self.timeout))
            .operation_timeout(Some(self.timeout))
    }
}

/// Hands the client's waiting events to its context.
pub(super) fn serve(consumer: &BaseConsumer<Context>) {
    while consumer.poll(Duration::ZERO).is_some() || raw::waiting(consumer) > 0 {}
}

fn offset_or_zero(offset: i64) -> Offset {
    Offset::new(offset).unwrap_or(Offset::ZERO)
}

/// Waits for a future that another thread completes.
fn wait<T>(future: impl Future<Output = T>) -> T {
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
