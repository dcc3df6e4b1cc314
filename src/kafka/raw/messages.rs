//! Fetched messages, and the queues that they come from.

use std::{
    ffi::c_void,
    ptr::{self, NonNull},
    sync::Arc,
    time::Duration,
};

use rdkafka::{
    bindings as sys, consumer::Consumer, error::RDKafkaErrorCode as Code, types::RDKafkaRespErr,
};

use super::{Client, Queue, bytes, c_string, millis, order::Order, text};
use crate::{
    kafka::{error::Failure, fault::Trouble, source::Signal},
    model::{Event, Offset},
};

/// One partition's own queue of fetched messages.
pub(in crate::kafka) struct PartitionQueue {
    queue: Queue,
    client: Client,
    _signal: Arc<Signal>,
}

impl PartitionQueue {
    /// Takes the partition's messages out of the consumer's queue; `signal` is raised when the first one comes.
    pub(in crate::kafka) fn split(
        client: &Client,
        topic: &str,
        partition: i32,
        signal: &Arc<Signal>,
    ) -> Result<PartitionQueue, Failure> {
        unsafe extern "C" fn raise(_: *mut sys::rd_kafka_t, signal: *mut c_void) {
            // SAFETY: `signal` is the `Signal` that the queue's owner holds until it has switched this callback off.
            unsafe { &*signal.cast::<Signal>() }.raise();
        }
        let topic = c_string(topic)?;
        // SAFETY: the client is alive and the topic is NUL-terminated.
        let queue = Queue::of(unsafe {
            sys::rd_kafka_queue_get_partition(
                client.client().native_ptr(),
                topic.as_ptr(),
                partition,
            )
        });
        let queue = queue.ok_or_else(|| Failure::of(Code::UnknownPartition))?;
        // SAFETY: the queue is alive; the signal is held by the value returned, which switches the callback off when dropped.
        unsafe {
            sys::rd_kafka_queue_forward(queue.0.as_ptr(), ptr::null_mut());
            let signal = Arc::as_ptr(signal).cast_mut().cast();
            sys::rd_kafka_queue_cb_event_enable(queue.0.as_ptr(), Some(raise), signal);
        }
        Ok(PartitionQueue {
            queue,
            client: client.clone(),
            _signal: signal.clone(),
        })
    }

    /// Up to `max` messages that are here already.
    pub(in crate::kafka) fn take(&self, max: usize) -> Messages {
        Messages::fill(&self.client, max, |room| {
            // SAFETY: the queue is alive, and there is room for `max` pointers.
            unsafe { sys::rd_kafka_consume_batch_queue(self.queue.0.as_ptr(), 0, room, max) }
        })
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        // SAFETY: the queue is alive; once this returns the callback is not running and will not run again.
        unsafe { sys::rd_kafka_queue_cb_event_enable(self.queue.0.as_ptr(), None, ptr::null_mut()) }
    }
}

/// A message that is ours.
#[repr(transparent)]
struct MessagePointer(NonNull<sys::rd_kafka_message_t>);

/// Messages of one partition; destroyed on drop.
pub(in crate::kafka) struct Messages {
    messages: Vec<MessagePointer>,
    _client: Client,
}

// SAFETY: librdkafka's messages may be read and destroyed on any thread.
unsafe impl Send for Messages {}
// SAFETY: shared references only read the messages, which nobody writes.
unsafe impl Sync for Messages {}

impl Messages {
    /// `fill` writes up to `max` pointers and says how many.
    fn fill(
        client: &Client,
        max: usize,
        fill: impl FnOnce(*mut *mut sys::rd_kafka_message_t) -> isize,
    ) -> Messages {
        let mut messages: Vec<MessagePointer> = Vec::with_capacity(max);
        let count = usize::try_from(fill(messages.as_mut_ptr().cast())).unwrap_or(0);
        debug_assert!(count <= max);
        // SAFETY: librdkafka has written `count` (at most `max`) pointers, none of them null, and they are ours.
        unsafe { messages.set_len(count) };
        Messages {
            messages,
            _client: client.clone(),
        }
    }

    pub(in crate::kafka) fn len(&self) -> usize {
        self.messages.len()
    }

    fn message(pointer: &MessagePointer) -> &sys::rd_kafka_message_t {
        // SAFETY: the message is alive until it is destroyed in `drop` or `remove`, which need `&mut self`.
        unsafe { pointer.0.as_ref() }
    }

    pub(in crate::kafka) fn offset(&self, index: usize) -> Option<i64> {
        self.messages
            .get(index)
            .map(|pointer| Self::message(pointer).offset)
    }

    /// The offset after the last one.
    pub(in crate::kafka) fn end(&self) -> Option<Offset> {
        let last = self.messages.last()?;
        Offset::new(Self::message(last).offset).map(|last| last.plus(1))
    }

    /// Whether these are only events, in order, and lie in `order`.
    pub(in crate::kafka) fn are_clean(&self, order: Order) -> bool {
        let mut next = order.next;
        let in_order = self.messages.iter().map(Self::message).all(|message| {
            let clean =
                message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && message.offset >= next;
            next = message.offset + 1;
            clean
        });
        in_order && order.end.is_none_or(|end| next <= end)
    }

    /// Takes out messages that were delivered before, and everything from the first error on, or from the first that may have
    /// a wrong offset on.
    pub(in crate::kafka) fn clean(&mut self, order: Order) -> Option<Trouble> {
        let messages = self.messages.iter().map(Self::message);
        let read = messages.map_while(|message| {
            let is_event = message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
            is_event.then_some(message.offset)
        });
        let broken = order.broken_by(read);
        if let Some(broken) = &broken {
            let offset = |pointer: &MessagePointer| Self::message(pointer).offset;
            let right = self
                .messages
                .iter()
                .position(|one| offset(one) >= broken.from);
            self.keep(right.unwrap_or(0));
        }
        let (mut next, mut trouble) = (order.next, None);
        self.messages.retain(|pointer| {
            let message = Self::message(pointer);
            let keep = if trouble.is_some() {
                false
            } else if message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                message.offset >= next
            } else {
                trouble = Some(Trouble {
                    code: message.err.into(),
                    // SAFETY: the message is alive.
                    text: text(unsafe { sys::rd_kafka_message_errstr(message) })
                        .unwrap_or_default(),
                    offset: message.offset,
                    until: None,
                });
                false
            };
            if keep {
                next = message.offset + 1;
            } else {
                // SAFETY: the message is ours and leaves the vector here.
                unsafe { sys::rd_kafka_message_destroy(pointer.0.as_ptr()) }
            }
            keep
        });
        broken.map(Trouble::from).or(trouble)
    }

    /// Drops the messages from `end` on.
    pub(in crate::kafka) fn truncate(&mut self, end: i64) {
        self.keep(
            self.messages
                .partition_point(|pointer| Self::message(pointer).offset < end),
        );
    }

    /// Drops all but the first `count`.
    fn keep(&mut self, count: usize) {
        for pointer in self.messages.drain(count..) {
            // SAFETY: the message is ours and leaves the vector here.
            unsafe { sys::rd_kafka_message_destroy(pointer.0.as_ptr()) }
        }
    }

    pub(in crate::kafka) fn events(&self) -> impl ExactSizeIterator<Item = Event<'_>> + Clone {
        self.messages.iter().map(|pointer| {
            let message = Self::message(pointer);
            let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            // SAFETY: the message is alive.
            let time = unsafe { sys::rd_kafka_message_timestamp(message, &raw mut kind) };
            // SAFETY: both point into the message for as long as it lives, or are null.
            let (key, payload) = unsafe {
                (
                    bytes(message.key, message.key_len),
                    bytes(message.payload, message.len),
                )
            };
            Event {
                offset: Offset::new(message.offset).unwrap_or(Offset::ZERO),
                timestamp: (time >= 0).then_some(time),
                key,
                payload,
            }
        })
    }

    /// `None` when there are headers, but the client does not read them: it takes at most 100,000.
    pub(in crate::kafka) fn headers(&self, index: usize) -> Option<Vec<(String, Option<Vec<u8>>)>> {
        let mut found = Vec::new();
        let Some(pointer) = self.messages.get(index) else {
            return Some(found);
        };
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive; its headers belong to it and are only read here.
        unsafe {
            match sys::rd_kafka_message_headers(pointer.0.as_ptr(), &raw mut headers) {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
                RDKafkaRespErr::RD_KAFKA_RESP_ERR__NOENT => return Some(found),
                _ => return None,
            }
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            while sys::rd_kafka_header_get_all(
                headers,
                found.len(),
                &raw mut name,
                &raw mut value,
                &raw mut size,
            ) == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
            {
                let value = bytes(value, size).map(<[u8]>::to_vec);
                found.push((text(name).unwrap_or_default(), value));
            }
        }
        Some(found)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        for pointer in self.messages.drain(..) {
            // SAFETY: the message is ours and leaves the vector here.
            unsafe { sys::rd_kafka_message_destroy(pointer.0.as_ptr()) }
        }
    }
}

/// One partition read from a given offset without any group.
pub(in crate::kafka) struct RangeReader {
    topic: NonNull<sys::rd_kafka_topic_t>,
    partition: i32,
    client: Client,
}

impl RangeReader {
    pub(in crate::kafka) fn start(
        client: &Client,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<RangeReader, Failure> {
        let name = c_string(topic)?;
        let handle = client.client().native_ptr();
        // SAFETY: the client is alive and the name NUL-terminated; the topic handle is destroyed in `drop`.
        let topic = unsafe { sys::rd_kafka_topic_new(handle, name.as_ptr(), ptr::null_mut()) };
        let topic = NonNull::new(topic).ok_or_else(last_error)?;
        // SAFETY: the topic is alive.
        if unsafe { sys::rd_kafka_consume_start(topic.as_ptr(), partition, offset) } != 0 {
            let failure = last_error();
            // SAFETY: the handle is ours and is not used again.
            unsafe { sys::rd_kafka_topic_destroy(topic.as_ptr()) };
            return Err(failure);
        }
        Ok(RangeReader {
            topic,
            partition,
            client: client.clone(),
        })
    }

    /// Up to `max` messages, waiting for the first.
    pub(in crate::kafka) fn take(&self, max: usize, timeout: Duration) -> Messages {
        Messages::fill(&self.client, max, |room| {
            let timeout = millis(timeout);
            // SAFETY: the topic is alive, and there is room for `max` pointers.
            unsafe {
                sys::rd_kafka_consume_batch(self.topic.as_ptr(), self.partition, timeout, room, max)
            }
        })
    }
}

impl Drop for RangeReader {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used again; the client is still held.
        unsafe {
            sys::rd_kafka_consume_stop(self.topic.as_ptr(), self.partition);
            sys::rd_kafka_topic_destroy(self.topic.as_ptr());
        }
    }
}

fn last_error() -> Failure {
    // SAFETY: reads librdkafka's thread-local error.
    Failure::of(unsafe { sys::rd_kafka_last_error() }.into())
}
