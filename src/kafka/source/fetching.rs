//! Taking messages out of a source, partition by partition.

use rdkafka::{consumer::Consumer as _, error::RDKafkaErrorCode as Code};

use super::{Source, SourceEvent};
use crate::{
    kafka::{batch::Batch, error::KafkaError, raw},
    model::{Offset, Partition},
};

impl Source {
    /// Up to `max` messages of a partition that are here already; never waits. Every offset is delivered at most once
    /// and in order. What is wrong with the partition comes with the next [`poll`](Source::poll).
    ///
    /// # Errors
    /// When the partition is not assigned.
    pub fn fetch(&mut self, partition: Partition, max: usize) -> Result<Option<Batch>, KafkaError> {
        let Some(held) = self.held.get_mut(&partition) else {
            return Err(self.not_assigned(partition));
        };
        let mut messages = held.queue.take(max);
        if messages.len() == 0 || held.dead {
            return Ok(None);
        }
        let next = held.next.get();
        if !messages.are_clean(next) {
            // After a pause or a rebalance librdkafka may deliver a few messages twice.
            if let Some(trouble) = messages.clean(next) {
                let wanted = Offset::new(trouble.offset);
                match wanted {
                    Some(offset) if trouble.code == Code::AutoOffsetReset => {
                        held.dead = true;
                        self.events
                            .push(SourceEvent::OutOfRange { partition, offset });
                    }
                    // It names an offset: messages were skipped.
                    Some(offset) => {
                        held.dead = true;
                        let text = trouble.text;
                        self.events.push(SourceEvent::Unreadable {
                            partition,
                            offset,
                            text,
                        });
                    }
                    None => {
                        let kind = format!("{partition} {:?}", trouble.code);
                        if self.consumer.context().is_news(&kind) {
                            let text = format!("partition {partition}: {}", trouble.text);
                            self.events.push(SourceEvent::Trouble { text });
                        }
                    }
                }
                self.signal.raise();
            }
        }
        if let Some(last) = messages
            .len()
            .checked_sub(1)
            .and_then(|last| messages.offset(last))
        {
            held.next = Offset::new(last).map_or(held.next, |last| last.plus(1));
        }
        Ok(Batch::of(messages))
    }

    /// The offset below which everything was delivered by [`fetch`](Source::fetch) or holds no event (markers, aborted
    /// or compacted events). `None` when the partition is not assigned or delivers nothing any more.
    #[must_use]
    pub fn position(&self, partition: Partition) -> Option<Offset> {
        let held = self.held.get(&partition).filter(|held| !held.dead)?;
        let native = raw::position(&self.consumer, &self.config.topic, partition.0);
        if native == held.stale.get() {
            return Some(held.next);
        }
        held.stale.set(None);
        native.and_then(Offset::new).max(Some(held.next))
    }

    /// Where the log of a partition ended when the client last fetched from it, which it knows by itself. `None` before.
    #[must_use]
    pub fn log_end(&self, partition: Partition) -> Option<Offset> {
        raw::log_end(&self.consumer, &self.config.topic, partition.0).and_then(Offset::new)
    }
}
