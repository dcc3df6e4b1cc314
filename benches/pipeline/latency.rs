//! How long an event takes from its producer to whoever reads results, at a rate that the machine can bear.
//!
//! An event's number is its moment, in microseconds since the beginning; its result repeats it. A producer that cannot send
//! in time is late by itself: it says so, and the latencies of that run hold nothing about the processor.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
    topic_partition_list::{Offset, TopicPartitionList},
};

const PER_SECOND: u64 = 100_000;
/// Ten times a commit interval and more: joining, the first snapshots.
const WARM_UP: Duration = Duration::from_secs(10);
const MEASURED: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(60);

/// Latencies in microseconds, in ascending order.
pub struct Latencies(Vec<u64>);

impl Latencies {
    /// The latency that this share of the events does not exceed.
    pub fn percentile(&self, share: f64) -> Duration {
        let last = self.0.len() - 1;
        Duration::from_micros(self.0[(last as f64 * share).round() as usize])
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Produces to `events`, and reads from `results` what somebody makes of it.
pub fn measure(brokers: &str, events: &str, results: &str, partitions: i32) -> Latencies {
    let began = Instant::now();
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| produce(brokers, events, partitions, began, &ends));
        let latencies = read(brokers, results, partitions, began);
        ends.store(true, Ordering::SeqCst);
        latencies
    })
}

fn produce(brokers: &str, topic: &str, partitions: i32, began: Instant, ends: &AtomicBool) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "5")
        .set("compression.type", "lz4")
        .create()
        .expect("a producer is created");
    let mut sent = 0_u64;
    let mut latest = 0;
    while !ends.load(Ordering::SeqCst) {
        let due = began.elapsed().as_micros() as u64 * PER_SECOND / 1_000_000;
        while sent < due {
            let payload = format!("{{\"number\":{}}}", began.elapsed().as_micros());
            let partition = (sent % partitions as u64) as i32;
            let record = BaseRecord::<(), _>::to(topic)
                .partition(partition)
                .payload(&payload);
            match producer.send(record) {
                Ok(()) => sent += 1,
                Err((error, _)) => {
                    assert!(began.elapsed() < LIMIT, "nothing can be sent: {error}");
                    break;
                }
            }
        }
        if began.elapsed() > WARM_UP {
            // What the client's queue holds has not left yet either.
            latest = latest.max(due - sent + producer.in_flight_count().unsigned_abs() as u64);
        }
        producer.poll(Duration::from_millis(1));
    }
    println!(
        "the producer itself was up to {:.0} ms late",
        latest as f64 * 1e3 / PER_SECOND as f64
    );
    producer.flush(LIMIT).expect("everything is sent");
}

fn read(brokers: &str, topic: &str, partitions: i32, began: Instant) -> Latencies {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "latency")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "5")
        .create()
        .expect("a consumer is created");
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition, Offset::Beginning)
            .expect("an offset");
    }
    consumer.assign(&all).expect("the topic is there");
    let mut latencies = Vec::with_capacity(3_000_000);
    while began.elapsed() < WARM_UP + MEASURED {
        assert!(
            !latencies.is_empty() || began.elapsed() < LIMIT,
            "no result within {LIMIT:?}"
        );
        let Some(message) = consumer.poll(Duration::from_millis(5)) else {
            continue;
        };
        let message = message.expect("a message");
        let now = began.elapsed();
        if now < WARM_UP {
            continue;
        }
        let sent = moment(message.payload().expect("a payload"));
        latencies.push((now.as_micros() as u64).saturating_sub(sent));
    }
    assert!(!latencies.is_empty(), "there are no results");
    latencies.sort_unstable();
    Latencies(latencies)
}

/// The number of `{"number":N,...}`.
fn moment(payload: &[u8]) -> u64 {
    let digits = payload.iter().skip(br#"{"number":"#.len());
    digits
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}
