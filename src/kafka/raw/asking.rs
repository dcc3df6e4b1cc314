//! Questions to a client or a broker.

use std::{ffi::c_char, ptr, ptr::NonNull, time::Duration};

use rdkafka::{
    ClientContext, TopicPartitionList, bindings as sys,
    client::Client as AnyClient,
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode as Code,
    producer::{Producer, ThreadedProducer},
    types::RDKafkaRespErr,
};

use super::{Queue, QueueEvent, c_string, text};
use crate::kafka::{context::Context, error::Failure};

/// Who a consumer is in its group.
pub(in crate::kafka) struct Membership(NonNull<sys::rd_kafka_consumer_group_metadata_t>);

impl Membership {
    /// `None` unless the consumer is a member now: with generation -1 or without a member id the broker fences nothing.
    pub(in crate::kafka) fn of(consumer: &BaseConsumer<Context>) -> Option<Membership> {
        // SAFETY: the client is alive; the metadata is ours and destroyed in `drop`.
        let pointer =
            unsafe { sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr()) };
        let membership = Membership(NonNull::new(pointer)?);
        // SAFETY: the metadata is alive.
        let generation = unsafe { sys::rd_kafka_consumer_group_metadata_generation_id(pointer) };
        (generation >= 0 && !membership.id().is_empty()).then_some(membership)
    }

    /// The id that the group gave to this member.
    pub(in crate::kafka) fn id(&self) -> String {
        // SAFETY: the metadata is alive.
        text(unsafe { sys::rd_kafka_consumer_group_metadata_member_id(self.pointer()) })
            .unwrap_or_default()
    }

    pub(super) fn pointer(&self) -> *const sys::rd_kafka_consumer_group_metadata_t {
        self.0.as_ptr()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // SAFETY: the metadata is ours, once.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}

/// The offset after the last message that was taken, markers and aborted messages passed; `None` before the first.
pub(in crate::kafka) fn position(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: i32,
) -> Option<i64> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(topic, partition);
    // SAFETY: client and list are alive.
    unsafe { sys::rd_kafka_position(consumer.client().native_ptr(), list.ptr()) };
    let element = list.find_partition(topic, partition)?;
    element.error().ok()?;
    match element.offset() {
        rdkafka::Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

/// Where the log ended when the client last fetched from it; no question to the broker. `None` before the first fetch.
pub(in crate::kafka) fn log_end(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: i32,
) -> Option<i64> {
    let topic = c_string(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client is alive, the text and the two numbers live until the call returns.
    let code = unsafe {
        sys::rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            topic.as_ptr(),
            partition,
            &raw mut low,
            &raw mut high,
        )
    };
    (code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

/// Commits `offsets` and waits for the answer.
pub(in crate::kafka) fn commit(
    consumer: &BaseConsumer<Context>,
    offsets: &TopicPartitionList,
    timeout: Duration,
) -> Result<(), Failure> {
    let handle = consumer.client().native_ptr();
    // SAFETY: the client is alive; the queue is destroyed by `Queue`.
    let queue = Queue::of(unsafe { sys::rd_kafka_queue_new(handle) });
    let queue = queue.ok_or_else(|| Failure::of(Code::CriticalSystemResource))?;
    // SAFETY: client, offsets and queue are alive; without a callback the answer becomes an event in the queue.
    let sent = unsafe {
        sys::rd_kafka_commit_queue(
            handle,
            offsets.ptr(),
            queue.0.as_ptr(),
            None,
            ptr::null_mut(),
        )
    };
    check(sent)?;
    let event = queue
        .wait(timeout)
        .ok_or_else(|| Failure::of(Code::OperationTimedOut))?;
    check(event.error())
}

/// The id of `topic`; `None` when there is no such topic or the broker knows no ids.
pub(in crate::kafka) fn topic_id(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    timeout: Duration,
) -> Result<Option<String>, Failure> {
    // SAFETY: the question holds the client.
    let question = unsafe { TopicQuestion::ask(consumer.client().native_ptr(), consumer, topic) }?;
    question.answer(timeout)
}

/// A question for a topic's id, on its way to a broker.
pub(in crate::kafka) struct TopicQuestion<C> {
    queue: Queue,
    _client: C,
}

impl TopicQuestion<ThreadedProducer<Context>> {
    pub(in crate::kafka) fn of_producer(
        client: &ThreadedProducer<Context>,
        topic: &str,
    ) -> Result<Self, Failure> {
        // SAFETY: the question holds the client.
        unsafe { TopicQuestion::ask(client.client().native_ptr(), client.clone(), topic) }
    }
}

impl<C> TopicQuestion<C> {
    /// # Safety
    /// `handle` is that of `client`.
    unsafe fn ask(handle: *mut sys::rd_kafka_t, client: C, topic: &str) -> Result<Self, Failure> {
        struct Collection(*mut sys::rd_kafka_TopicCollection_t);
        impl Drop for Collection {
            fn drop(&mut self) {
                // SAFETY: ours, once.
                unsafe { sys::rd_kafka_TopicCollection_destroy(self.0) }
            }
        }
        let name = c_string(topic)?;
        let mut names: [*const c_char; 1] = [name.as_ptr()];
        // SAFETY: the client is alive; the call copies what it is given, which is destroyed once, after it.
        unsafe {
            let collection = Collection(sys::rd_kafka_TopicCollection_of_topic_names(
                names.as_mut_ptr(),
                1,
            ));
            let queue = Queue::of(sys::rd_kafka_queue_new(handle))
                .ok_or_else(|| Failure::of(Code::CriticalSystemResource))?;
            sys::rd_kafka_DescribeTopics(handle, collection.0, ptr::null(), queue.0.as_ptr());
            Ok(TopicQuestion {
                queue,
                _client: client,
            })
        }
    }

    /// Waits for the answer: `None` when there is no such topic or the broker knows no ids. After a time-out it may still come.
    pub(in crate::kafka) fn answer(&self, timeout: Duration) -> Result<Option<String>, Failure> {
        let event = self
            .queue
            .wait(timeout)
            .ok_or_else(|| Failure::of(Code::OperationTimedOut))?;
        if event.error() == RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE {
            return Ok(None);
        }
        check(event.error())?;
        // SAFETY: the description belongs to the event, which outlives the reading of it.
        unsafe {
            let result = sys::rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
            let mut count = 0;
            let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            if topics.is_null() || count == 0 {
                return Ok(None);
            }
            match Code::from(sys::rd_kafka_error_code(
                sys::rd_kafka_TopicDescription_error(*topics),
            )) {
                Code::NoError => {}
                Code::UnknownTopicOrPartition => return Ok(None),
                other => return Err(Failure::of(other)),
            }
            let id = sys::rd_kafka_TopicDescription_topic_id(*topics);
            // A broker without ids answers with zeros.
            let known = !id.is_null()
                && (sys::rd_kafka_Uuid_most_significant_bits(id) != 0
                    || sys::rd_kafka_Uuid_least_significant_bits(id) != 0);
            let id = known
                .then(|| text(sys::rd_kafka_Uuid_base64str(id)))
                .flatten();
            // As Kafka's own tools write it: the alphabet that is safe in URLs.
            Ok(id.map(|id| id.replace('+', "-").replace('/', "_")))
        }
    }
}

impl QueueEvent {
    pub(super) fn error(&self) -> RDKafkaRespErr {
        // SAFETY: the event is alive.
        unsafe { sys::rd_kafka_event_error(self.0.as_ptr()) }
    }
}

pub(super) fn check(error: RDKafkaRespErr) -> Result<(), Failure> {
    match error {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(Failure::of(error.into())),
    }
}

/// The addresses of the mock cluster that `client` hosts.
pub(in crate::kafka) fn mock_bootstrap<C: ClientContext>(client: &AnyClient<C>) -> Option<String> {
    // SAFETY: the client is alive and owns the cluster.
    unsafe {
        let cluster = sys::rd_kafka_handle_mock_cluster(client.native_ptr());
        (!cluster.is_null())
            .then(|| text(sys::rd_kafka_mock_cluster_bootstraps(cluster)))
            .flatten()
    }
}

/// Lets groups of the mock cluster that `client` hosts start without the usual delay of 3 s.
pub(in crate::kafka) fn hurry_groups<C: ClientContext>(client: &AnyClient<C>) {
    // SAFETY: the client is alive and owns the cluster.
    unsafe {
        let cluster = sys::rd_kafka_handle_mock_cluster(client.native_ptr());
        if !cluster.is_null() {
            sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
        }
    }
}
