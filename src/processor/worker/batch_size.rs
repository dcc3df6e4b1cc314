//! How many events are taken at once.

use crate::kafka::Batch;

/// Enough to make the cost per batch vanish, few enough that eight partitions of them stay in the processor's caches.
const MOST_EVENTS: usize = 8192;
/// A batch is in memory several times at once: as it came, as outcomes, as messages.
const MOST_BYTES: usize = 1 << 20;
/// Of events whose size is not known.
const FIRST_EVENTS: usize = 256;

/// Learnt from the batches before: large events come in small batches.
#[derive(Debug)]
pub struct BatchSize {
    events: usize,
}

impl BatchSize {
    pub fn new() -> BatchSize {
        BatchSize {
            events: FIRST_EVENTS,
        }
    }

    /// How many events the next batch may have.
    pub fn events(&self) -> usize {
        self.events
    }

    /// Learns from a batch.
    pub fn learn(&mut self, batch: &Batch) {
        let bytes = batch.iter().map(|event| {
            let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
            length(event.key) + length(event.payload)
        });
        self.set(batch.len(), bytes.sum());
    }

    fn set(&mut self, events: usize, bytes: usize) {
        let each = bytes.div_ceil(events.max(1)).max(1);
        self.events = (MOST_BYTES / each).clamp(1, MOST_EVENTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_events_come_in_small_batches() {
        let mut size = BatchSize::new();
        for (events, bytes, next) in [
            (256, 256 * 30, MOST_EVENTS),
            (MOST_EVENTS, MOST_EVENTS * 2_000, 524),
            (10, 10 << 20, 1),
            (1, 100 << 20, 1),
            (1, 0, MOST_EVENTS),
        ] {
            size.set(events, bytes);
            assert_eq!(size.events(), next, "{events} events of {bytes} bytes");
        }
    }
}
