//! Taking messages out of a source, partition by partition.

use rdkafka::error::RDKafkaErrorCode as Code;

use super::{Held, Source, SourceEvent};
use crate::{
    kafka::{
        batch::{Batch, InHand},
        error::KafkaError,
        fault::Fault,
        raw::{self, Order},
    },
    model::{Offset, Partition},
};

impl Source {
    /// Up to `max` messages of a partition that are here already; never waits. Every offset is delivered at most once
    /// and in order. What is wrong with the partition comes with the next [`poll`](Source::poll).
    ///
    /// Whatever the client puts among the messages as an error ends what is contiguous: nothing after it is delivered,
    /// and [`position`](Source::position) passes nothing any more, until the partition is restarted.
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
        let order = Order {
            next: held.next.get(),
            repeats: held.repeats,
            end: raw::log_end(&self.consumer, &self.config.topic, partition.0),
        };
        if messages.are_clean(order) {
            held.repeats = false;
        } else {
            // After a pause or a rebalance librdkafka may deliver a few messages twice.
            if let Some(trouble) = messages.clean(order) {
                held.dead = true;
                let next = messages.end().map_or(held.next, |end| end.max(held.next));
                self.events.push(if trouble.code == Code::AutoOffsetReset {
                    SourceEvent::OutOfRange {
                        partition,
                        offset: next,
                    }
                } else {
                    SourceEvent::Unreadable {
                        partition,
                        offset: next,
                        fault: Fault::of(&trouble),
                    }
                });
                self.signal.raise();
            }
        }
        held.next = messages.end().unwrap_or(held.next);
        let batch = Batch::of(messages);
        if let Some(batch) = &batch {
            held.in_hand = InHand::of(batch);
        }
        Ok(batch)
    }

    /// The offset below which everything was delivered by [`fetch`](Source::fetch) or holds no event (markers, aborted
    /// or compacted events). `None` when the partition is not assigned or delivers nothing any more, and while a batch of
    /// it is in hand: what is being worked on would be taken for absent.
    #[must_use]
    pub fn position(&self, partition: Partition) -> Option<Offset> {
        let known = |held: &&Held| !held.dead && held.in_hand.is_over();
        let held = self.held.get(&partition).filter(known)?;
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
