//! Publishing in batches, and offsets in a transaction.

use std::{ptr, ptr::NonNull, time::Duration};

use rdkafka::{
    TopicPartitionList, bindings as sys,
    error::RDKafkaErrorCode as Code,
    producer::{Producer, ThreadedProducer},
    types::RDKafkaRespErr,
};

use super::{Membership, c_string, millis, outcome};
use crate::kafka::{context::Context, error::Failure, record::Record};

type Client = ThreadedProducer<Context>;

/// A topic to publish to.
pub(in crate::kafka) struct TopicHandle {
    topic: NonNull<sys::rd_kafka_topic_t>,
    _client: Client,
}

// SAFETY: librdkafka's topic handles may be used from any thread.
unsafe impl Send for TopicHandle {}

impl TopicHandle {
    pub(in crate::kafka) fn new(client: &Client, topic: &str) -> Result<TopicHandle, Failure> {
        let name = c_string(topic)?;
        let handle = client.client().native_ptr();
        // SAFETY: the client is alive and the name NUL-terminated; the handle is destroyed in `drop`.
        let topic = unsafe { sys::rd_kafka_topic_new(handle, name.as_ptr(), ptr::null_mut()) };
        let topic = NonNull::new(topic).ok_or_else(|| Failure::of(Code::InvalidTopic))?;
        Ok(TopicHandle {
            topic,
            _client: client.clone(),
        })
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used again; the client is still held.
        unsafe { sys::rd_kafka_topic_destroy(self.topic.as_ptr()) }
    }
}

/// Messages on their way into the client's queue; reused.
#[derive(Default)]
pub(in crate::kafka) struct Outgoing(Vec<sys::rd_kafka_message_t>);

// SAFETY: the pointers in it are used only within `send`, which clears them.
unsafe impl Send for Outgoing {}

impl Outgoing {
    /// Copies `records` into the client's queue, in order. `full` is asked whether to try the refused ones again.
    pub(in crate::kafka) fn send<'a>(
        &mut self,
        topic: &TopicHandle,
        partition: i32,
        records: impl Iterator<Item = Record<'a>>,
        mut full: impl FnMut() -> bool,
    ) -> Result<(), Code> {
        self.0.clear();
        self.0.extend(records.map(|record| {
            let (key, key_len) = raw(record.key);
            let (payload, len) = raw(record.payload);
            sys::rd_kafka_message_t {
                err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
                rkt: ptr::null_mut(),
                partition,
                payload,
                len,
                key,
                key_len,
                offset: 0,
                _private: ptr::null_mut(),
            }
        }));
        while !self.0.is_empty() {
            let count = i32::try_from(self.0.len()).unwrap_or(i32::MAX);
            // SAFETY: the topic and `count` messages are alive; F_COPY copies their bytes, which `records` borrows for
            // 'a, before the call returns.
            let taken = unsafe {
                sys::rd_kafka_produce_batch(
                    topic.topic.as_ptr(),
                    partition,
                    sys::RD_KAFKA_MSG_F_COPY,
                    self.0.as_mut_ptr(),
                    count,
                )
            };
            if taken == count {
                self.0.drain(..taken.unsigned_abs() as usize);
                continue;
            }
            self.0
                .retain(|message| message.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
            let refused = self.0.iter().map(|message| Code::from(message.err));
            if let Some(code) = refused.into_iter().find(|code| *code != Code::QueueFull) {
                self.0.clear();
                return Err(code);
            }
            if !full() {
                self.0.clear();
                return Err(Code::QueueFull);
            }
        }
        Ok(())
    }
}

fn raw(bytes: Option<&[u8]>) -> (*mut std::ffi::c_void, usize) {
    bytes.map_or((ptr::null_mut(), 0), |bytes| {
        (bytes.as_ptr().cast_mut().cast(), bytes.len())
    })
}

/// Waits until nothing is in the client's queue or on its way.
pub(in crate::kafka) fn flush(client: &Client, timeout: Duration) -> Result<(), Code> {
    // SAFETY: the client is alive.
    match unsafe { sys::rd_kafka_flush(client.client().native_ptr(), millis(timeout)) } {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(error.into()),
    }
}

/// Makes `offsets` part of the open transaction, as the group member that `membership` describes.
pub(in crate::kafka) fn send_offsets(
    client: &Client,
    offsets: &TopicPartitionList,
    membership: &Membership,
    timeout: Duration,
) -> Result<(), Failure> {
    // SAFETY: client, offsets and membership are alive.
    outcome(unsafe {
        sys::rd_kafka_send_offsets_to_transaction(
            client.client().native_ptr(),
            offsets.ptr(),
            membership.pointer(),
            millis(timeout),
        )
    })
}
