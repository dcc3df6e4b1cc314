//! The yardstick: the fastest consume-square-produce that librdkafka allows, with nothing else in it.
//!
//! Raw per-partition batches, one typed parse, one multiplication, `rd_kafka_produce_batch`, a transaction every 100 ms.
//! No keys, no rejects, no columns, no snapshots, no recovery: an event that cannot be parsed ends it.

use std::{
    ffi::CString,
    io::Write as _,
    ptr,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    bindings::{
        RD_KAFKA_MSG_F_COPY, rd_kafka_consume_batch_queue, rd_kafka_flush,
        rd_kafka_message_destroy, rd_kafka_message_t, rd_kafka_produce_batch,
        rd_kafka_queue_destroy, rd_kafka_queue_forward, rd_kafka_queue_get_partition,
        rd_kafka_queue_t, rd_kafka_topic_new,
    },
    consumer::{BaseConsumer, Consumer},
    producer::{DefaultProducerContext, Producer, ThreadedProducer},
    topic_partition_list::{Offset, TopicPartitionList},
};
use serde::Deserialize;

const BATCH: usize = 8192;
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Event {
    number: i64,
}

/// Forwards `events` events of `input` to `output`, then ends.
pub fn forward(
    brokers: &str,
    input: &str,
    output: &str,
    group: &str,
    partitions: i32,
    events: u64,
) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.queue.backoff.ms", "10")
        .create()
        .expect("a consumer is created");
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", group)
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "1000000")
        .set("delivery.report.only.error", "true")
        .create()
        .expect("a producer is created");
    producer
        .init_transactions(LIMIT)
        .expect("transactions are initialised");
    // Joining the group makes the offsets of the transaction fenced, as a real processor needs them.
    consumer
        .subscribe(&[input])
        .expect("the topic is subscribed");
    let started = Instant::now();
    while consumer.assignment().expect("an assignment").count() < partitions as usize {
        assert!(started.elapsed() < LIMIT, "no assignment within {LIMIT:?}");
        // The first poll may deliver an event; the assignment below starts again from the beginning.
        drop(consumer.poll(Duration::from_millis(50)));
    }
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(input, partition, Offset::Beginning)
            .expect("an offset");
    }
    consumer
        .seek_partitions(list, LIMIT)
        .expect("the beginning is sought");

    let topic_name = CString::new(input).expect("a topic name");
    let output_name = CString::new(output).expect("a topic name");
    // SAFETY: both clients outlive the handles taken from them; the process ends before they are destroyed.
    let topic = unsafe {
        rd_kafka_topic_new(
            producer.client().native_ptr(),
            output_name.as_ptr(),
            ptr::null_mut(),
        )
    };
    let queues: Vec<*mut rd_kafka_queue_t> = (0..partitions)
        .map(|partition| {
            // SAFETY: the consumer is alive and the name is a valid C string.
            unsafe {
                let queue = rd_kafka_queue_get_partition(
                    consumer.client().native_ptr(),
                    topic_name.as_ptr(),
                    partition,
                );
                rd_kafka_queue_forward(queue, ptr::null_mut());
                queue
            }
        })
        .collect();

    let mut pointers: Vec<*mut rd_kafka_message_t> = vec![ptr::null_mut(); BATCH];
    let mut text: Vec<u8> = Vec::new();
    let mut spans: Vec<(usize, usize)> = Vec::with_capacity(BATCH);
    let mut records: Vec<rd_kafka_message_t> = Vec::with_capacity(BATCH);
    let mut next = vec![0_i64; partitions as usize];
    let (mut done, mut began) = (0_u64, None::<Instant>);
    while done < events {
        let mut moved = false;
        for (partition, queue) in queues.iter().enumerate() {
            // SAFETY: `pointers` has room for BATCH messages, each of which is destroyed below.
            let count =
                unsafe { rd_kafka_consume_batch_queue(*queue, 0, pointers.as_mut_ptr(), BATCH) };
            let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) else {
                continue;
            };
            moved = true;
            if began.is_none() {
                producer.begin_transaction().expect("a transaction begins");
                began = Some(Instant::now());
            }
            text.clear();
            spans.clear();
            for pointer in &pointers[..count] {
                // SAFETY: librdkafka returned `count` valid messages; payloads live until the message is destroyed.
                unsafe {
                    let message = &**pointer;
                    if message.err as i32 == 0 && message.offset >= next[partition] {
                        let payload =
                            std::slice::from_raw_parts(message.payload.cast::<u8>(), message.len);
                        let event: Event = serde_json::from_slice(payload).expect("a valid event");
                        let start = text.len();
                        let square = i128::from(event.number) * i128::from(event.number);
                        write!(text, "{{\"number\":{},\"result\":{square}}}", event.number)
                            .expect("memory takes the text");
                        spans.push((start, text.len()));
                        next[partition] = message.offset + 1;
                    }
                    rd_kafka_message_destroy(*pointer);
                }
            }
            send(topic, partition as i32, &mut text, &spans, &mut records);
            done += spans.len() as u64;
        }
        drop(consumer.poll(Duration::ZERO));
        if began.is_some_and(|since| since.elapsed() >= COMMIT_INTERVAL || done >= events) {
            commit(&consumer, &producer, input, &next);
            began = None;
        } else if !moved {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    if began.is_some() {
        commit(&consumer, &producer, input, &next);
    }
    for queue in queues {
        // SAFETY: each queue was taken once above.
        unsafe { rd_kafka_queue_destroy(queue) };
    }
    // The topic handle is still held: end the process without closing the clients, everything is committed.
    std::process::exit(0);
}

fn send(
    topic: *mut rdkafka::bindings::rd_kafka_topic_t,
    partition: i32,
    text: &mut [u8],
    spans: &[(usize, usize)],
    records: &mut Vec<rd_kafka_message_t>,
) {
    records.clear();
    for (start, end) in spans {
        // SAFETY: all-zero is a valid rd_kafka_message_t: null pointers and no error.
        let mut record: rd_kafka_message_t = unsafe { std::mem::zeroed() };
        record.payload = text[*start..*end].as_mut_ptr().cast();
        record.len = end - start;
        records.push(record);
    }
    let mut from = 0;
    while from < records.len() {
        let rest = &mut records[from..];
        // SAFETY: the records point into `text`, which librdkafka copies before the call returns.
        let taken = unsafe {
            rd_kafka_produce_batch(
                topic,
                partition,
                RD_KAFKA_MSG_F_COPY,
                rest.as_mut_ptr(),
                rest.len() as i32,
            )
        };
        // A full queue refuses the tail of the batch: give the client a moment, then hand over the rest.
        from += usize::try_from(taken).expect("a count");
        if from < records.len() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn commit(
    consumer: &BaseConsumer,
    producer: &ThreadedProducer<DefaultProducerContext>,
    input: &str,
    next: &[i64],
) {
    // SAFETY: the producer is alive.
    let flushed = unsafe { rd_kafka_flush(producer.client().native_ptr(), 60_000) };
    assert_eq!(flushed as i32, 0, "everything is delivered");
    let mut offsets = TopicPartitionList::new();
    for (partition, next) in next.iter().enumerate() {
        offsets
            .add_partition_offset(input, partition as i32, Offset::Offset(*next))
            .expect("an offset");
    }
    let metadata = consumer.group_metadata().expect("a member of the group");
    producer
        .send_offsets_to_transaction(&offsets, &metadata, LIMIT)
        .expect("offsets are sent");
    producer
        .commit_transaction(LIMIT)
        .expect("the transaction commits");
}
