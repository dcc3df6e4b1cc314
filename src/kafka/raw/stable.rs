//! The committed offsets of a group, partition by partition: those that an open transaction changes are told apart from the others.

use std::{ptr, time::Duration};

use rdkafka::{
    TopicPartitionList, bindings as sys,
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode as Code,
};

use super::{Queue, asking::check, bytes, c_string, millis, outcome};
use crate::kafka::{context::Context, error::Failure};

/// What a group has committed for a partition.
#[derive(Debug)]
pub(in crate::kafka) enum GroupOffset {
    /// Nothing.
    Nothing,
    /// An offset, with its metadata.
    At(i64, String),
    /// A transaction that changes it is open.
    Open,
}

/// The question, until it is sent.
struct Question(*mut sys::rd_kafka_ListConsumerGroupOffsets_t);

impl Drop for Question {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { sys::rd_kafka_ListConsumerGroupOffsets_destroy(self.0) }
    }
}

/// Its options.
struct Options(*mut sys::rd_kafka_AdminOptions_t);

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0) }
    }
}

/// Asks for all partitions of `asked`, and waits for no transaction.
pub(in crate::kafka) fn group_offsets(
    consumer: &BaseConsumer<Context>,
    group: &str,
    asked: &TopicPartitionList,
    timeout: Duration,
) -> Result<Vec<(i32, GroupOffset)>, Failure> {
    let name = c_string(group)?;
    let handle = consumer.client().native_ptr();
    // SAFETY: the client is alive; the call copies what it is given, and what is made here is destroyed once, after it.
    let queue = unsafe {
        let queue = Queue::of(sys::rd_kafka_queue_new(handle))
            .ok_or_else(|| Failure::of(Code::CriticalSystemResource))?;
        let options = Options(sys::rd_kafka_AdminOptions_new(
            handle,
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
        ));
        outcome(sys::rd_kafka_AdminOptions_set_require_stable_offsets(
            options.0, 1,
        ))?;
        check(sys::rd_kafka_AdminOptions_set_request_timeout(
            options.0,
            millis(timeout),
            ptr::null_mut(),
            0,
        ))?;
        let question = Question(sys::rd_kafka_ListConsumerGroupOffsets_new(
            name.as_ptr(),
            asked.ptr(),
        ));
        let mut questions = [question.0];
        sys::rd_kafka_ListConsumerGroupOffsets(
            handle,
            questions.as_mut_ptr(),
            questions.len(),
            options.0,
            queue.0.as_ptr(),
        );
        queue
    };
    let event = queue
        .wait(timeout)
        .ok_or_else(|| Failure::of(Code::OperationTimedOut))?;
    check(event.error())?;
    let mut found = Vec::new();
    // SAFETY: everything belongs to the event, which outlives the reading of it; what may be null is looked at first.
    unsafe {
        let result = sys::rd_kafka_event_ListConsumerGroupOffsets_result(event.0.as_ptr());
        let mut count = 0;
        let groups = sys::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
        if groups.is_null() || count == 0 {
            return Err(Failure::of(Code::Fail));
        }
        let error = sys::rd_kafka_group_result_error(*groups);
        if !error.is_null() {
            return Err(Failure::of(sys::rd_kafka_error_code(error).into()));
        }
        let list = sys::rd_kafka_group_result_partitions(*groups);
        let elements = match list.as_ref() {
            Some(list) if list.cnt > 0 => {
                std::slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or(0))
            }
            _ => &[],
        };
        for element in elements {
            let offset = match Code::from(element.err) {
                Code::UnstableOffsetCommit => GroupOffset::Open,
                Code::NoError if element.offset < 0 => GroupOffset::Nothing,
                Code::NoError => {
                    let metadata = bytes(element.metadata, element.metadata_size);
                    let metadata = String::from_utf8_lossy(metadata.unwrap_or_default());
                    GroupOffset::At(element.offset, metadata.into_owned())
                }
                other => return Err(Failure::of(other)),
            };
            found.push((element.partition, offset));
        }
    }
    Ok(found)
}
