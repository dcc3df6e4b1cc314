//! The calls to librdkafka that `rdkafka` does not offer. All `unsafe` of the crate is in here.
//!
//! Everything that points into a client holds that client: nothing here outlives what it was made from.
#![allow(unsafe_code)]

mod asking;
mod messages;
mod order;
mod producing;
mod stable;

use std::{
    ffi::{CStr, CString, c_char, c_void},
    ptr::NonNull,
    slice,
    sync::Arc,
    time::Duration,
};

use rdkafka::{
    bindings as sys,
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode as Code,
};

pub(super) use asking::{
    Membership, TopicQuestion, commit, hurry_groups, log_end, mock_bootstrap, position, topic_id,
};
pub(super) use messages::{Messages, PartitionQueue, RangeReader};
pub(super) use order::Order;
pub(super) use producing::{Outgoing, TopicHandle, flush, send_offsets};
pub(super) use stable::{GroupOffset, group_offsets};

use super::{context::Context, error::Failure};

type Client = Arc<BaseConsumer<Context>>;

fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

fn text(pointer: *const c_char) -> Option<String> {
    // SAFETY: librdkafka's strings are null or NUL-terminated and live at least as long as the call that copies them.
    (!pointer.is_null()).then(|| {
        unsafe { CStr::from_ptr(pointer) }
            .to_string_lossy()
            .into_owned()
    })
}

fn c_string(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure::of(Code::InvalidArgument))
}

/// Copies and frees an error object; null is success.
fn outcome(error: *mut sys::rd_kafka_error_t) -> Result<(), Failure> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: a non-null error object is ours to read and to destroy, once.
    unsafe {
        let failure = Failure {
            code: sys::rd_kafka_error_code(error).into(),
            text: text(sys::rd_kafka_error_string(error)).unwrap_or_default(),
            fatal: sys::rd_kafka_error_is_fatal(error) != 0,
            retriable: sys::rd_kafka_error_is_retriable(error) != 0,
            requires_abort: sys::rd_kafka_error_txn_requires_abort(error) != 0,
        };
        sys::rd_kafka_error_destroy(error);
        Err(failure)
    }
}

/// A queue handle.
struct Queue(NonNull<sys::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}

impl Queue {
    fn of(pointer: *mut sys::rd_kafka_queue_t) -> Option<Queue> {
        NonNull::new(pointer).map(Queue)
    }

    fn wait(&self, timeout: Duration) -> Option<QueueEvent> {
        // SAFETY: the queue is alive; the event is ours.
        NonNull::new(unsafe { sys::rd_kafka_queue_poll(self.0.as_ptr(), millis(timeout)) })
            .map(QueueEvent)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the handle is ours; librdkafka keeps the queue itself as long as it needs it.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

struct QueueEvent(NonNull<sys::rd_kafka_event_t>);

impl Drop for QueueEvent {
    fn drop(&mut self) {
        // SAFETY: the event is ours, once.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

/// How many events wait in the consumer's own queue (without a group: in the client's).
pub(super) fn waiting(consumer: &BaseConsumer<Context>) -> usize {
    let client = consumer.client().native_ptr();
    // SAFETY: the client is alive; the handles are destroyed by `Queue`.
    let queue = Queue::of(unsafe { sys::rd_kafka_queue_get_consumer(client) })
        .or_else(|| Queue::of(unsafe { sys::rd_kafka_queue_get_main(client) }));
    // SAFETY: the queue is alive.
    queue.map_or(0, |queue| unsafe {
        sys::rd_kafka_queue_length(queue.0.as_ptr())
    })
}

/// The bytes at `pointer`, or `None` when it is null.
unsafe fn bytes<'a>(pointer: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller says that `len` bytes at a non-null `pointer` live for `'a`.
    (!pointer.is_null()).then(|| unsafe { slice::from_raw_parts(pointer.cast(), len) })
}
