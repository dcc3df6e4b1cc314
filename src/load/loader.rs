//! Events on their way into a topic.

use std::{
    ops::ControlFlow,
    thread,
    time::{Duration, Instant},
};

use super::{Chunk, Events, LinesError};
use crate::{kafka::PublishError, kafka::Publisher};

/// How many neighbours go to one partition before the next one has its turn.
const RUN: u64 = 1_000;
/// With a rate, something is sent at least this often.
const TICK: Duration = Duration::from_millis(10);
/// How long the brokers may take to make room or to acknowledge.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often what was sent is waited for, so that trouble is noticed while it is young.
const CONFIRM: Duration = Duration::from_secs(2);

/// What was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Events.
    pub events: u64,
    /// The bytes of their payloads.
    pub bytes: u64,
    /// How many of them are malformed on purpose.
    pub malformed: u64,
}

/// Events that could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The events cannot be read.
    #[error(transparent)]
    Input(#[from] LinesError),
    /// The broker did not take them.
    #[error("{source}; of {sent} events sent to {topic:?}, {confirmed} are known to have arrived")]
    Publish {
        /// The topic.
        topic: String,
        /// Events sent.
        sent: u64,
        /// Events acknowledged.
        confirmed: u64,
        /// Why.
        source: PublishError,
    },
}

/// Sends events to a topic, round robin over its partitions.
pub struct Loader {
    publisher: Publisher,
    topic: String,
    partitions: i32,
    next: i32,
    sent: Loaded,
    confirmed: u64,
    chunk: Chunk,
}

impl Loader {
    /// Sends to `topic`, which has `partitions` partitions, through an idempotent `publisher`.
    #[must_use]
    pub fn new(publisher: Publisher, topic: &str, partitions: u32) -> Loader {
        Loader {
            publisher,
            topic: topic.to_owned(),
            partitions: i32::try_from(partitions).unwrap_or(i32::MAX).max(1),
            next: 0,
            sent: Loaded::default(),
            confirmed: 0,
            chunk: Chunk::default(),
        }
    }

    /// Sends `events` until there are no more or `each`, which is told what was sent so far, breaks; at most `rate` a second.
    /// [`finish`](Loader::finish) it, or go on with other events or another rate.
    ///
    /// # Errors
    /// When events cannot be read or are not taken.
    pub fn load(
        &mut self,
        events: &mut dyn Events,
        rate: Option<u64>,
        mut each: impl FnMut(Loaded) -> ControlFlow<()>,
    ) -> Result<(), LoadError> {
        let pace = Pace::new(rate);
        let mut confirmed_at = Instant::now();
        let mut count = 0;
        while each(self.sent).is_continue() {
            let most = pace.wait(count);
            self.chunk.clear();
            events.fill(&mut self.chunk, most)?;
            if self.chunk.is_empty() {
                break;
            }
            self.send()?;
            count += self.chunk.len() as u64;
            if confirmed_at.elapsed() > CONFIRM {
                self.confirm()?;
                confirmed_at = Instant::now();
            }
        }
        Ok(())
    }

    /// Waits until everything is acknowledged.
    ///
    /// # Errors
    /// When something was not.
    pub fn finish(mut self) -> Result<Loaded, LoadError> {
        self.confirm()?;
        Ok(self.sent)
    }

    fn send(&mut self) -> Result<(), LoadError> {
        let partition = self.next;
        self.next = (self.next + 1) % self.partitions;
        let records = self.chunk.records();
        let sent = self
            .publisher
            .produce(&self.topic, partition, records, PATIENCE);
        sent.map_err(|source| self.failed(source))?;
        self.sent.events += self.chunk.len() as u64;
        self.sent.bytes += self.chunk.bytes() as u64;
        self.sent.malformed += self.chunk.malformed();
        Ok(())
    }

    fn confirm(&mut self) -> Result<(), LoadError> {
        let flushed = self.publisher.flush(PATIENCE);
        flushed.map_err(|source| self.failed(source))?;
        self.confirmed = self.sent.events;
        Ok(())
    }

    fn failed(&self, source: PublishError) -> LoadError {
        LoadError::Publish {
            topic: self.topic.clone(),
            sent: self.sent.events,
            confirmed: self.confirmed,
            source,
        }
    }
}

/// Keeps to a rate.
struct Pace {
    rate: Option<u64>,
    since: Instant,
}

impl Pace {
    fn new(rate: Option<u64>) -> Pace {
        Pace {
            rate,
            since: Instant::now(),
        }
    }

    /// Waits until an event may follow on `count` others; says how many may.
    fn wait(&self, count: u64) -> usize {
        let most = match self.rate {
            None => RUN,
            Some(rate) => {
                let rate = rate.max(1);
                // As much as a tick allows, or one event in however long that takes.
                let most = (rate / per_second(TICK)).clamp(1, RUN);
                let due = Duration::from_secs_f64((count + most) as f64 / rate as f64);
                thread::sleep(due.saturating_sub(self.since.elapsed()));
                most
            }
        };
        usize::try_from(most).unwrap_or(usize::MAX)
    }
}

const fn per_second(tick: Duration) -> u64 {
    1_000 / tick.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_on_average_and_never_exceeded() {
        let pace = Pace::new(Some(20_000));
        let mut count = 0;
        while count < 4_000 {
            count += pace.wait(count) as u64;
            let allowed = pace.since.elapsed().as_secs_f64() * 20_000.0;
            assert!(count as f64 <= allowed + 1.0, "{count} of {allowed}");
        }
        assert!(pace.since.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn without_a_rate_there_is_no_wait_and_large_runs() {
        let pace = Pace::new(None);
        assert_eq!(pace.wait(1_000_000_000), 1_000);
        assert!(pace.since.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_slow_rate_sends_single_events() {
        assert_eq!(Pace::new(Some(50)).wait(0), 1);
    }
}
