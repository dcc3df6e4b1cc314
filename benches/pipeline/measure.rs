//! Measuring a process from outside: what becomes visible on its results topic, its CPU time, its peak memory.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    topic_partition_list::{Offset, TopicPartitionList},
};

const ASK: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(600);

/// What one process needed.
pub struct Measured {
    pub elapsed: Duration,
    pub cpu: Duration,
    pub peak_bytes: u64,
}

impl Measured {
    pub fn events_per_second(&self, events: u64) -> f64 {
        events as f64 / self.elapsed.as_secs_f64()
    }
}

/// Sees a results topic as a read_committed consumer does.
pub struct Watcher {
    consumer: BaseConsumer,
    topic: String,
    partitions: i32,
}

impl Watcher {
    pub fn new(brokers: &str, topic: &str, partitions: i32) -> Watcher {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "watcher")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "10")
            .set("fetch.queue.backoff.ms", "10")
            .create()
            .expect("a consumer is created");
        let watcher = Watcher {
            consumer,
            topic: topic.to_owned(),
            partitions,
        };
        watcher.stand_at_the_end();
        watcher
    }

    /// Visible offsets of the topic: its records and a marker per transaction and partition.
    pub fn visible(&self) -> u64 {
        (0..self.partitions)
            .map(|partition| self.end(partition).unsigned_abs())
            .sum()
    }

    /// The end of a partition, which may have no leader yet when its topic is new.
    fn end(&self, partition: i32) -> i64 {
        let began = Instant::now();
        loop {
            match self.consumer.fetch_watermarks(&self.topic, partition, ASK) {
                Ok((_, high)) => return high,
                Err(error) => assert!(began.elapsed() < ASK, "the broker answers: {error}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stand_at_the_end(&self) {
        let mut list = TopicPartitionList::new();
        for partition in 0..self.partitions {
            let end = Offset::Offset(self.end(partition));
            list.add_partition_offset(&self.topic, partition, end)
                .expect("an offset");
        }
        self.consumer
            .assign(&list)
            .expect("the partitions are assigned");
    }

    /// Waits for a record behind what is visible now.
    pub fn wait_for_new_record(&mut self, limit: Duration) {
        self.stand_at_the_end();
        let began = Instant::now();
        loop {
            if let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(50)) {
                assert!(message.payload().is_some(), "a result has a value");
                return;
            }
            assert!(began.elapsed() < limit, "no new result within {limit:?}");
        }
    }
}

/// Runs `command` to its end and watches its results become visible.
// It is waited for, by wait4, which also tells what it used.
#[allow(clippy::zombie_processes)]
pub fn measure(mut command: Command, watcher: &Watcher, events: u64) -> Measured {
    let before = watcher.visible();
    let child = command.spawn().expect("the program starts");
    let began = Instant::now();
    let (mut first, mut last, mut usage) = (None, None, None);
    while last.is_none() || usage.is_none() {
        usage = usage.or_else(|| usage_if_ended(child.id()));
        let visible = watcher.visible() - before;
        if visible > 0 {
            first.get_or_insert_with(Instant::now);
        }
        if visible >= events {
            last.get_or_insert_with(Instant::now);
        }
        assert!(
            began.elapsed() < LIMIT,
            "{visible} of {events} results within {LIMIT:?}"
        );
        std::thread::sleep(EVERY);
    }
    let (cpu, peak_bytes) = usage.expect("the program has ended");
    Measured {
        elapsed: last
            .zip(first)
            .map(|(last, first)| last - first)
            .expect("both were seen"),
        cpu,
        peak_bytes,
    }
}

/// CPU time and peak memory of our child `pid`, once it has ended.
pub fn usage_if_ended(pid: u32) -> Option<(Duration, u64)> {
    let mut status = 0;
    // SAFETY: all-zero is a valid rusage; wait4 fills it for our own child.
    let (ended, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (
            libc::wait4(
                pid.cast_signed(),
                &raw mut status,
                libc::WNOHANG,
                &raw mut usage,
            ),
            usage,
        )
    };
    if ended == 0 {
        return None;
    }
    assert_eq!(ended, pid.cast_signed(), "the child is waited for");
    assert_eq!(status, 0, "the program succeeds");
    let time = |value: libc::timeval| {
        Duration::from_secs(value.tv_sec.unsigned_abs())
            + Duration::from_micros(value.tv_usec.unsigned_abs())
    };
    Some((
        time(usage.ru_utime) + time(usage.ru_stime),
        usage.ru_maxrss.unsigned_abs() * 1024,
    ))
}

/// Events stored: the sum of `end - origin` over the newest manifest of each partition below `manifests`.
pub fn frontiers(manifests: &Path) -> u64 {
    let Ok(partitions) = std::fs::read_dir(manifests) else {
        return 0;
    };
    partitions
        .filter_map(|partition| {
            let newest = std::fs::read_dir(partition.ok()?.path())
                .ok()?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .max()?;
            let manifest: serde_json::Value =
                serde_json::from_slice(&std::fs::read(newest).ok()?).ok()?;
            Some(manifest.get("end")?.as_u64()? - manifest.get("origin")?.as_u64()?)
        })
        .sum()
}
