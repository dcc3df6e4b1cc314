//! What a reader sees.

use super::*;

/// A record as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Reads a topic from its beginning to the last stable offsets of this moment, as read_committed; sorted by
/// partition and offset.
#[track_caller]
pub fn read_all(brokers: &str, topic: &str) -> Vec<Record> {
    let consumer: BaseConsumer = client(brokers)
        .set("group.id", "reads-all")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("fetch.queue.backoff.ms", "10")
        .create()
        .expect("a consumer");
    let metadata = consumer
        .fetch_metadata(Some(topic), LIMIT)
        .expect("the topic's metadata");
    let ends: BTreeMap<i32, i64> = metadata.topics()[0]
        .partitions()
        .iter()
        .map(|partition| {
            let watermarks = consumer.fetch_watermarks(topic, partition.id(), LIMIT);
            // The high one of a read_committed consumer is the last stable offset.
            (
                partition.id(),
                watermarks.expect("the topic's watermarks").1,
            )
        })
        .collect();
    assert!(!ends.is_empty(), "there is no topic {topic}");
    let starts: Vec<(i32, i64)> = ends.keys().map(|partition| (*partition, 0)).collect();
    let mut assignment = offsets(topic, &starts);
    assignment
        .set_all_offsets(Offset::Beginning)
        .expect("an offset that is always valid");
    consumer.assign(&assignment).expect("an assignment");

    let mut records = Vec::new();
    let mut open: BTreeSet<i32> = ends.keys().copied().collect();
    let mut last_progress = Instant::now();
    let mut last_error = None;
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                last_progress = Instant::now();
                let (partition, end) = (message.partition(), ends[&message.partition()]);
                if message.offset() < end {
                    records.push(record(&message));
                }
                if message.offset() + 1 >= end {
                    open.remove(&partition);
                }
            }
            // Reached without a record at its end: the last offsets are markers or aborted records.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => last_error = Some(error),
            None => {}
        }
        assert!(
            last_progress.elapsed() < LIMIT,
            "reading {topic}, partitions {open:?} do not go on after {} records; {last_error:?}",
            records.len()
        );
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

/// Whether a transaction holds back readers of a partition that read only what is committed.
#[track_caller]
pub fn has_open_transaction(brokers: &str, topic: &str, partition: i32) -> bool {
    let end = |isolation: &str| {
        let consumer: BaseConsumer = client(brokers)
            .set("isolation.level", isolation)
            .create()
            .expect("a consumer");
        let watermarks = consumer.fetch_watermarks(topic, partition, LIMIT);
        watermarks.expect("the topic's watermarks").1
    };
    // The other way round, one that begins in between would be taken for an old one.
    let all = end("read_uncommitted");
    end("read_committed") < all
}

fn record(message: &impl Message) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect()
    });
    Record {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}
