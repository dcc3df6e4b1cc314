//! Reading a partition of a topic around what cannot be read of it. Blocking.

use std::{ops::ControlFlow, time::Duration};

use super::unread::Unread;
use crate::{
    kafka::{Batch, Connection, Fault, KafkaError, Reader},
    model::{Offset, OffsetRange, Partition},
};

/// So many places of a partition are read around; after them, nothing more of it is read.
const MOST_PLACES: usize = 16;
/// So often in a row it is believed that a fault has passed.
const MOST_RETRIES: u32 = 2;

/// Where to read.
pub(super) struct Log<'a> {
    pub connection: &'a Connection,
    pub topic: &'a str,
    pub partition: Partition,
}

/// What reading brings, in order.
pub(super) enum Piece {
    /// Messages.
    Batch(Batch),
    /// Here is something that cannot be read.
    Unread,
}

impl Log<'_> {
    /// Reads `range`, beginning with `reader`; returns what could not be read, when `each` did not break.
    ///
    /// # Errors
    /// When the broker does not answer or refuses us, or the range does not begin in the log.
    pub fn read_around(
        &self,
        reader: &Reader,
        range: OffsetRange,
        idle: Duration,
        mut each: impl FnMut(Piece) -> ControlFlow<()>,
    ) -> Result<Vec<Unread>, KafkaError> {
        let mut unread = Vec::new();
        let (mut at, mut retries) = (range.start(), 0);
        // After damaged bytes, what a client still has to say about its last fetch comes with its next.
        let mut fresh: Option<Reader> = None;
        loop {
            let rest = until(at, range.end());
            let mut reached = at;
            let read = fresh
                .as_ref()
                .unwrap_or(reader)
                .read(self.partition, rest, idle, |batch| {
                    reached = batch.last_offset().plus(1);
                    each(Piece::Batch(batch))
                });
            let Err(error) = read else { return Ok(unread) };
            if reached > at {
                retries = 0;
            }
            let part = match self.unreadable(error, reached, range.end())? {
                Some(part) => part,
                None if retries < MOST_RETRIES => {
                    (at, retries) = (reached, retries + 1);
                    fresh = Some(Reader::open(self.connection, self.topic)?);
                    continue;
                }
                None => self.silence(until(reached, range.end()), idle),
            };
            let end = part.end;
            let is_last = unread.len() + 1 >= MOST_PLACES || end >= range.end();
            unread.push(match is_last {
                true => Unread {
                    end: range.end(),
                    ..part
                },
                false => part,
            });
            if each(Piece::Unread).is_break() || is_last {
                return Ok(unread);
            }
            (at, retries) = (end, 0);
            fresh = Some(Reader::open(self.connection, self.topic)?);
        }
    }

    /// The part of the log that `error` is about; `None` when it can be read by now.
    fn unreadable(
        &self,
        error: KafkaError,
        reached: Offset,
        end: Offset,
    ) -> Result<Option<Unread>, KafkaError> {
        match error {
            KafkaError::Unreadable { offset, fault, .. } => {
                // An offset that lies beyond is one of those that are wrong.
                let at = if offset < end {
                    offset.max(reached)
                } else {
                    reached
                };
                self.batch(at, end, &fault)
            }
            // The client knows of nothing that is wrong with its broker.
            KafkaError::Idle {
                position,
                waited,
                why: None,
                ..
            } => Ok(Some(self.silence(until(position, end), waited))),
            error => Err(error),
        }
    }

    /// The batch at `at`, which has this fault.
    fn batch(&self, at: Offset, end: Offset, fault: &Fault) -> Result<Option<Unread>, KafkaError> {
        let messages =
            |range, fault: &Fault| Unread::messages(self.topic, self.partition, range, fault);
        match Reader::unreadable(self.connection, self.topic, self.partition, at, end) {
            Ok(found) => Ok(found.map(|(range, fault)| messages(range, &fault))),
            // Where it ends is not told.
            Err(KafkaError::Idle { .. }) => Ok(Some(messages(until(at, end), fault))),
            Err(error) => Err(error),
        }
    }

    fn silence(&self, range: OffsetRange, waited: Duration) -> Unread {
        Unread::silence(self.topic, self.partition, range, waited)
    }
}

fn until(start: Offset, end: Offset) -> OffsetRange {
    OffsetRange::new(start, end).unwrap_or(OffsetRange::empty(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_of_the_log_is_named_to_its_end_and_one_of_the_broker_is_none_of_it() {
        let connection = Connection::new("127.0.0.1:1", Vec::new(), "tests").unwrap();
        let log = Log {
            connection: &connection,
            topic: "results",
            partition: Partition(3),
        };
        let at = |offset| Offset::ZERO.plus(offset);
        let idle = |why: Option<&str>| KafkaError::Idle {
            topic: "results".to_owned(),
            partition: Partition(3),
            range: until(at(0), at(90)),
            position: at(20),
            waited: Duration::from_secs(30),
            why: why.map(str::to_owned),
        };
        let part = log.unreadable(idle(None), at(17), at(90)).unwrap().unwrap();
        assert_eq!((part.start, part.end), (at(20), at(90)));
        assert_eq!(
            (part.topic.as_str(), part.partition),
            ("results", Partition(3))
        );
        assert!(part.remedy.contains("kafka-dump-log.sh"), "{part}");
        let away = log.unreadable(idle(Some("all brokers are down")), at(17), at(90));
        assert!(matches!(away, Err(KafkaError::Idle { .. })));
    }
}
