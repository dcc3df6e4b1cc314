//! Filling a topic.

use super::*;

/// More than any topic takes: brokers set the limit, not this client.
const LARGEST_MESSAGE: &str = "4000000";

/// Writes records (partition, key, payload), in order per partition, and returns when the broker has acknowledged
/// all of them. Without a partition, the key decides.
#[track_caller]
pub fn produce(
    brokers: &str,
    topic: &str,
    records: impl IntoIterator<Item = (Option<i32>, Option<Vec<u8>>, Option<Vec<u8>>)>,
) {
    let failures = Failures::default();
    let producer: ThreadedProducer<Failures> = client(brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .set("message.max.bytes", LARGEST_MESSAGE)
        .create_with_context(failures.clone())
        .expect("a producer");
    for (partition, key, payload) in records {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic);
        record.partition = partition;
        record.key = key.as_deref();
        record.payload = payload.as_deref();
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    std::thread::sleep(Duration::from_millis(1));
                    record = back;
                }
                Err((error, _)) => panic!("cannot write to {topic}: {error}"),
            }
        }
    }
    producer.flush(LIMIT).expect("all records to be delivered");
    let failures = failures.0.lock().expect("no panic while locked");
    assert!(failures.is_empty(), "not written to {topic}: {failures:?}");
}

/// Writes one record with headers and returns when the broker has acknowledged it.
#[track_caller]
pub fn produce_with_headers(
    brokers: &str,
    topic: &str,
    partition: i32,
    (key, payload): (Option<&[u8]>, Option<&[u8]>),
    headers: &[(&str, Option<&[u8]>)],
) {
    let failures = Failures::default();
    let producer: ThreadedProducer<Failures> = client(brokers)
        .set("message.max.bytes", LARGEST_MESSAGE)
        .create_with_context(failures.clone())
        .expect("a producer");
    let mut all = OwnedHeaders::new();
    for (key, value) in headers {
        let value = *value;
        all = all.insert(Header { key, value });
    }
    let mut record = BaseRecord::<[u8], [u8]>::to(topic)
        .partition(partition)
        .headers(all);
    record.key = key;
    record.payload = payload;
    producer
        .send(record)
        .map_err(|(error, _)| error)
        .expect("a place in the queue");
    producer.flush(LIMIT).expect("the record to be delivered");
    let failures = failures.0.lock().expect("no panic while locked");
    assert!(failures.is_empty(), "not written to {topic}: {failures:?}");
}

/// What could not be delivered.
#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Vec<KafkaError>>>);

impl ClientContext for Failures {}

impl ProducerContext<NoCustomPartitioner> for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if let Err((error, _)) = result {
            self.0
                .lock()
                .expect("no panic while locked")
                .push(error.clone());
        }
    }
}

/// Writes events into one partition as a single batch, compressed in this way (`none`, `lz4`, ...).
#[track_caller]
pub fn produce_one_batch(
    brokers: &str,
    topic: &str,
    partition: i32,
    compression: &str,
    payloads: impl IntoIterator<Item = Vec<u8>>,
) {
    let failures = Failures::default();
    let producer: ThreadedProducer<Failures> = client(brokers)
        .set("compression.type", compression)
        .set("linger.ms", "60000")
        .set("batch.num.messages", "1000000")
        .set("batch.size", "1000000000")
        .set("message.max.bytes", "1000000000")
        .create_with_context(failures.clone())
        .expect("a producer");
    for payload in payloads {
        let record = BaseRecord::<[u8], [u8]>::to(topic);
        let record = record.partition(partition).payload(&payload);
        let queued = producer.send(record).map_err(|(error, _)| error);
        queued.expect("a place in the queue");
    }
    producer.flush(LIMIT).expect("the batch to be delivered");
    let failures = failures.0.lock().expect("no panic while locked");
    assert!(failures.is_empty(), "not written to {topic}: {failures:?}");
}
