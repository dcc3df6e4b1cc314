//! How far a batch reaches that cannot be read.
//!
//! The client says where such a batch begins, and nothing about its end. A fetch from any offset inside of it brings the same
//! batch and the same error, a fetch from the offset after it does not: so its end is searched for.

use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;

use super::{BATCH, Reader, WAIT};
use crate::{
    kafka::{
        admin::serve,
        connection::Connection,
        error::KafkaError,
        fault::{Fault, FaultKind},
    },
    model::{Offset, OffsetRange, Partition},
};

/// How long one look waits for the log to say anything.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a fetch from an offset brings.
enum Look {
    Readable,
    Unreadable(Fault),
    /// Nothing in time.
    Silence,
}

/// Where a batch is that may not be readable.
#[derive(Clone, Copy)]
struct Place<'a> {
    connection: &'a Connection,
    topic: &'a str,
    partition: Partition,
}

impl Reader {
    /// The events from `at` on that cannot be read, and why: up to the end of their batch, at most to `end`, the end of the
    /// log. `None` when they can be read.
    ///
    /// # Errors
    /// When the broker does not answer or refuses us, or `at` is not in the log.
    pub fn unreadable(
        connection: &Connection,
        topic: &str,
        partition: Partition,
        at: Offset,
        end: Offset,
    ) -> Result<Option<(OffsetRange, Fault)>, KafkaError> {
        let place = Place {
            connection,
            topic,
            partition,
        };
        let Look::Unreadable(fault) = place.look(at)? else {
            return Ok(None);
        };
        let end = match fault.until {
            Some(until) => until.min(end).max(at.plus(1)),
            None => end_of_batch(at, end, |offset| {
                Ok(match place.look(offset)? {
                    Look::Readable => false,
                    // A log that says nothing now does not say that it cannot be read.
                    Look::Silence => return Err(place.silent(offset, end)),
                    Look::Unreadable(there) => is_same(&fault, &there, offset),
                })
            })?,
        };
        let range = OffsetRange::new(at, end).ok();
        Ok(range.map(|range| (range, fault)))
    }

    /// Whether nothing at all comes from `at` on, no error either, while the log goes on after it.
    ///
    /// # Errors
    /// As [`unreadable`](Reader::unreadable).
    pub fn is_silent(
        connection: &Connection,
        topic: &str,
        partition: Partition,
        at: Offset,
    ) -> Result<bool, KafkaError> {
        let place = Place {
            connection,
            topic,
            partition,
        };
        Ok(matches!(place.look(at)?, Look::Silence))
    }
}

impl Place<'_> {
    /// With a client of its own: after damaged bytes, what one still has to say about its last fetch comes with the next.
    fn look(self, at: Offset) -> Result<Look, KafkaError> {
        let reader = Reader::open(self.connection, self.topic)?;
        let partition = self.partition;
        let queue = reader.start(partition, at)?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            serve(&reader.consumer);
            let mut messages = queue.take(BATCH, WAIT);
            let trouble = messages.clean(reader.order(partition, at));
            if messages.len() > 0 {
                return Ok(Look::Readable);
            }
            if let Some(trouble) = trouble {
                if trouble.code == Code::AutoOffsetReset {
                    return Err(reader.troubled(partition, trouble));
                }
                let fault = Fault::of(&trouble);
                return match fault.kind {
                    FaultKind::Denied | FaultKind::Passing => {
                        Err(reader.troubled(partition, trouble))
                    }
                    _ => Ok(Look::Unreadable(fault)),
                };
            }
            if reader
                .position(partition)
                .is_some_and(|position| position > at)
            {
                return Ok(Look::Readable);
            }
        }
        Ok(Look::Silence)
    }

    fn silent(self, at: Offset, end: Offset) -> KafkaError {
        KafkaError::Idle {
            topic: self.topic.to_owned(),
            partition: self.partition,
            range: OffsetRange::new(at, end).unwrap_or(OffsetRange::empty(at)),
            position: at,
            waited: PATIENCE,
            why: None,
        }
    }
}

/// Whether the fault found at `offset` is of the same batch as `first`. Only of damaged bytes does the client say in which batch
/// they are; other faults name no batch but the offset that was asked for.
fn is_same(first: &Fault, there: &Fault, offset: Offset) -> bool {
    let is_named = first.kind == FaultKind::Damaged;
    there.kind == first.kind
        && (there.batch == first.batch || !is_named && there.batch == Some(offset))
}

/// The first offset after `at` that is not in the same batch, at most `end`; `is_inside` is asked about few of them.
fn end_of_batch<E>(
    at: Offset,
    end: Offset,
    mut is_inside: impl FnMut(Offset) -> Result<bool, E>,
) -> Result<Offset, E> {
    let (mut inside, mut step) = (at, 1);
    let mut outside = loop {
        let next = inside.plus(step);
        if next >= end {
            break end.max(inside.plus(1));
        }
        if !is_inside(next)? {
            break next;
        }
        (inside, step) = (next, step * 2);
    };
    loop {
        let distance = outside.get().abs_diff(inside.get());
        if distance <= 1 {
            return Ok(outside);
        }
        let middle = inside.plus(distance / 2);
        if is_inside(middle)? {
            inside = middle;
        } else {
            outside = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_batch_is_found_with_few_questions() {
        let at = |offset| Offset::ZERO.plus(offset);
        for (start, last, end) in [
            (100, 100, 1_000),
            (100, 101, 1_000),
            (100, 149, 1_000),
            (100, 100_099, 1_000_000),
            (100, 999, 1_000),
            (0, 0, 1),
            (0, 7, 8),
        ] {
            let mut questions = 0;
            let found = end_of_batch(at(start), at(end), |offset| {
                questions += 1;
                assert!(offset > at(start) && offset < at(end), "{offset}");
                Ok::<_, ()>(offset <= at(last))
            });
            assert_eq!(found, Ok(at(last + 1)), "{start}-{last} of {end}");
            assert!(questions <= 40, "{questions} for {start}-{last}");
        }
    }

    #[test]
    fn a_broken_batch_after_another_is_not_part_of_it() {
        let fault = |kind, batch: Option<u64>| Fault {
            kind,
            text: String::new(),
            batch: batch.map(|offset| Offset::ZERO.plus(offset)),
            until: None,
        };
        let first = fault(FaultKind::Damaged, Some(100));
        let at = Offset::ZERO.plus(150);
        for (there, expected) in [
            (fault(FaultKind::Damaged, Some(100)), true),
            (fault(FaultKind::Damaged, Some(140)), false),
            (fault(FaultKind::Damaged, Some(150)), false),
            (fault(FaultKind::TooLarge, Some(100)), false),
            (fault(FaultKind::Damaged, None), false),
        ] {
            assert_eq!(is_same(&first, &there, at), expected, "{there:?}");
        }
        let first = fault(FaultKind::TooLarge, Some(100));
        assert!(is_same(&first, &fault(FaultKind::TooLarge, Some(150)), at));
    }
}
