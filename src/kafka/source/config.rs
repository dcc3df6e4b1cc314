//! How a source is set up, and what its queues may hold.

use std::time::Duration;

use crate::kafka::connection::Connection;

/// What librdkafka keeps for one waiting message besides its bytes.
const MESSAGE_OVERHEAD: u64 = 350;
/// How much larger than on the wire a fetched batch of small, well compressed messages may become in memory.
const EXPANSION: u64 = 24;

/// How a [`Source`](super::Source) joins its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// The group.
    pub group: String,
    /// The name of this static member; `None` makes it a dynamic one.
    pub instance_id: Option<String>,
    /// The topic.
    pub topic: String,
    /// How many partitions the topic has: the source may get all of them.
    pub partitions: u32,
    /// After how long without a heartbeat the group gives the partitions to somebody else (10 s).
    /// `-X session.timeout.ms` has precedence.
    pub session_timeout: Duration,
    /// What all fetched messages that wait may take in memory, in bytes.
    pub queue_bytes: u64,
}

impl SourceConfig {
    /// A source with the usual session time-out of 10 s.
    #[must_use]
    pub fn new(group: &str, topic: &str, partitions: u32, queue_bytes: u64) -> SourceConfig {
        SourceConfig {
            group: group.to_owned(),
            instance_id: None,
            topic: topic.to_owned(),
            partitions,
            session_timeout: Duration::from_secs(10),
            queue_bytes,
        }
    }

    /// The session time-out that counts: the user's own, or ours.
    #[must_use]
    pub fn session_timeout(&self, connection: &Connection) -> Duration {
        let own = connection.milliseconds("session.timeout.ms");
        own.unwrap_or(self.session_timeout)
    }

    pub(super) fn defaults(&self, connection: &Connection) -> Vec<(&'static str, String)> {
        let session = self.session_timeout(connection).as_millis();
        vec![
            (
                "session.timeout.ms",
                self.session_timeout.as_millis().to_string(),
            ),
            // librdkafka's own default of 3 s would lose a shorter session, and others wait that long for a rebalance.
            (
                "heartbeat.interval.ms",
                (session / 3).clamp(100, 1_000).to_string(),
            ),
            ("max.poll.interval.ms", "300000".to_owned()),
            ("topic.metadata.refresh.interval.ms", "10000".to_owned()),
            ("fetch.queue.backoff.ms", "10".to_owned()),
        ]
    }

    pub(super) fn fixed(&self) -> Vec<(&'static str, String)> {
        let queue = Queue::within(self.queue_bytes, self.partitions);
        let mut fixed = vec![
            ("group.id", self.group.clone()),
            ("group.protocol", "classic".to_owned()),
            (
                "partition.assignment.strategy",
                "cooperative-sticky".to_owned(),
            ),
            ("auto.offset.reset", "error".to_owned()),
            ("isolation.level", "read_committed".to_owned()),
            ("enable.auto.commit", "false".to_owned()),
            ("enable.auto.offset.store", "false".to_owned()),
            ("enable.partition.eof", "false".to_owned()),
            ("queued.min.messages", queue.messages.to_string()),
            ("queued.max.messages.kbytes", queue.kilobytes.to_string()),
            ("fetch.message.max.bytes", queue.fetch_bytes.to_string()),
        ];
        fixed.extend(
            self.instance_id
                .iter()
                .map(|id| ("group.instance.id", id.clone())),
        );
        fixed
    }
}

/// What one partition's queue may hold. librdkafka fetches more while a queue is below both `messages` and `kilobytes`,
/// so it holds up to one fetch more than that.
#[derive(Debug, PartialEq, Eq)]
struct Queue {
    messages: u64,
    kilobytes: u64,
    fetch_bytes: u64,
}

impl Queue {
    fn within(bytes: u64, partitions: u32) -> Queue {
        let half = bytes / u64::from(partitions.max(1)) / 2;
        Queue {
            messages: (half / MESSAGE_OVERHEAD).clamp(100, 100_000),
            kilobytes: (half / 1024).clamp(64, 65_536),
            fetch_bytes: (half / EXPANSION).clamp(16 * 1024, 1024 * 1024),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_share_the_budget() {
        let queue = Queue::within(64 << 20, 8);
        assert!(
            queue.messages * MESSAGE_OVERHEAD * 8 <= 32 << 20,
            "{queue:?}"
        );
        assert!(queue.fetch_bytes * EXPANSION * 8 <= 32 << 20, "{queue:?}");
        assert!(queue.kilobytes * 1024 * 8 <= 32 << 20, "{queue:?}");
    }

    #[test]
    fn a_tiny_budget_still_fetches() {
        let queue = Queue::within(0, 0);
        assert!(queue.messages >= 100 && queue.fetch_bytes >= 16 * 1024 && queue.kilobytes >= 64);
    }
}
