//! Which offsets may come next from a partition.
//!
//! No checksum covers the offset with which a batch begins. A wrong one shows in the order: the events after it come with
//! offsets that lie before those that came already, or it lies beyond the end of the log.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::{kafka::fault::Trouble, model::Offset};

/// Which offsets may come next.
#[derive(Clone, Copy, Debug)]
pub(in crate::kafka) struct Order {
    /// Everything below was delivered.
    pub(in crate::kafka) next: i64,
    /// Messages that were delivered may come once more: after a pause or a rebalance some do.
    pub(in crate::kafka) repeats: bool,
    /// The end of the log, as far as it is known.
    pub(in crate::kafka) end: Option<i64>,
}

impl Order {
    /// Whatever comes at or after `offset`.
    pub(in crate::kafka) fn from(offset: Offset) -> Order {
        Order {
            next: offset.get(),
            repeats: true,
            end: None,
        }
    }

    /// What is wrong with messages that come with these offsets.
    pub(super) fn broken_by(self, mut offsets: impl Iterator<Item = i64>) -> Option<Broken> {
        let (mut next, mut run) = (self.next, self.next);
        while let Some(offset) = offsets.next() {
            if offset < next && !self.repeats {
                let after = offsets.zip(offset + 1..);
                let run = after.take_while(|(found, expected)| found == expected);
                let end = run.last().map_or(offset, |(last, _)| last) + 1;
                return Some(Broken {
                    from: offset,
                    until: end.max(next),
                    text: format!("offset {offset} came after offset {}", next - 1),
                });
            }
            if offset > next {
                run = offset;
            }
            next = next.max(offset + 1);
            if let Some(end) = self.end.filter(|end| next > *end) {
                return Some(Broken {
                    from: run,
                    until: end,
                    text: format!("offset {offset} came from a log that ends at offset {end}"),
                });
            }
        }
        None
    }
}

/// Messages whose offsets cannot all be right.
#[derive(Debug)]
pub(super) struct Broken {
    /// The first that may be wrong: those before it are right.
    pub(super) from: i64,
    /// After the last that may be wrong, of those that were seen.
    until: i64,
    text: String,
}

impl From<Broken> for Trouble {
    fn from(broken: Broken) -> Trouble {
        Trouble {
            code: Code::InvalidRecord,
            text: format!("{}: a batch of the log has wrong offsets", broken.text),
            offset: broken.from,
            until: Some(broken.until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_that_go_back_or_lie_beyond_the_end_are_wrong() {
        let order = |next, repeats, end| Order { next, repeats, end };
        for (order, offsets, expected) in [
            (order(5, false, Some(9)), &[5, 6, 8][..], None),
            (order(5, false, None), &[7, 100], None),
            (order(5, false, Some(9)), &[], None),
            // The first batch, or the second.
            (
                order(5, false, Some(20)),
                &[5, 10, 11, 7, 8, 9, 15],
                Some((7, 12)),
            ),
            (
                order(5, false, Some(20)),
                &[5, 6, 4, 5, 6, 7, 15],
                Some((4, 8)),
            ),
            (order(5, false, Some(20)), &[4], Some((4, 5))),
            (order(5, false, Some(20)), &[5, 5], Some((5, 6))),
            (order(5, true, Some(20)), &[3, 4, 5], None),
            (order(5, true, Some(20)), &[5, 6, 5, 6, 7], None),
            (order(5, true, Some(10)), &[5, 8, 9, 10, 11], Some((8, 10))),
            (order(5, false, Some(9)), &[5, 1 << 40], Some((1 << 40, 9))),
        ] {
            let found = order.broken_by(offsets.iter().copied());
            let found = found.map(|broken| (broken.from, broken.until));
            assert_eq!(found, expected, "{order:?} {offsets:?}");
        }
    }
}
