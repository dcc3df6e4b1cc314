//! Random numbers, some of them malformed on purpose.

use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};

use super::{Chunk, Content, Events, LinesError, Malformed};

/// Numbers lie between this and its negative, unless told otherwise: even a million million of their squares can be summed up
/// by every engine, which holds 38 digits.
pub const USUAL: u64 = 1_000_000_000;

/// A count of random numbers as events, `{"number": 7}`. The same seed gives the same events.
#[derive(Debug)]
pub struct Numbers {
    random: Xoshiro256PlusPlus,
    left: u64,
    malformed: f64,
    bound: i64,
    ways: std::iter::Cycle<std::slice::Iter<'static, Malformed>>,
}

impl Numbers {
    /// `count` events, of which about the share `malformed` (0 to 1, beyond that cut off) is malformed. The ways take turns.
    #[must_use]
    pub fn new(count: u64, malformed: f64, seed: u64) -> Numbers {
        Numbers {
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            left: count,
            malformed: if malformed.is_nan() {
                0.0
            } else {
                malformed.clamp(0.0, 1.0)
            },
            bound: i64::try_from(USUAL).unwrap_or(i64::MAX),
            ways: Malformed::ALL.iter().cycle(),
        }
    }

    /// The same with numbers from `-bound` to `bound`; every number of 64 bits when it is as large as such a one can be.
    #[must_use]
    pub fn within(self, bound: u64) -> Numbers {
        let bound = i64::try_from(bound).unwrap_or(i64::MAX);
        Numbers { bound, ..self }
    }
}

impl Events for Numbers {
    fn fill(&mut self, chunk: &mut Chunk, most: usize) -> Result<(), LinesError> {
        let count = self.left.min(most as u64);
        for _ in 0..count {
            if self.malformed > 0.0 && self.random.random_bool(self.malformed) {
                let way = self.ways.next().and_then(|way| way.payload());
                chunk.add_malformed(way);
                continue;
            }
            let number = match self.bound {
                i64::MAX => self.random.random(),
                bound => self.random.random_range(-bound..=bound),
            };
            chunk.add(|bytes| Content::write(number, bytes));
        }
        self.left -= count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn events(count: u64, malformed: f64, seed: u64) -> Vec<Option<Vec<u8>>> {
        taken(Numbers::new(count, malformed, seed))
    }

    fn taken(mut numbers: Numbers) -> Vec<Option<Vec<u8>>> {
        let mut chunk = Chunk::default();
        let mut all = Vec::new();
        loop {
            chunk.clear();
            numbers.fill(&mut chunk, 997).unwrap();
            if chunk.is_empty() {
                return all;
            }
            all.extend(chunk.payloads().map(|payload| payload.map(<[u8]>::to_vec)));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_events_and_another_seed_others() {
        assert_eq!(events(5_000, 0.01, 7), events(5_000, 0.01, 7));
        assert_ne!(events(5_000, 0.01, 7), events(5_000, 0.01, 8));
    }

    #[test]
    fn about_the_wanted_share_is_malformed_and_every_way_occurs() {
        let events = events(200_000, 0.001, 1);
        assert_eq!(events.len(), 200_000);
        let mut ways = BTreeMap::new();
        let mut sum = 0_i128;
        for event in &events {
            match Content::of(event.as_deref()).expect("an event of ours") {
                Content::Malformed(way) => *ways.entry(way).or_insert(0) += 1,
                Content::Number(number) => {
                    assert!(number.unsigned_abs() <= USUAL, "{number}");
                    sum += i128::from(number) * i128::from(number);
                }
            }
        }
        let malformed: i32 = ways.values().sum();
        assert!((140..260).contains(&malformed), "{malformed}");
        assert_eq!(ways.len(), Malformed::ALL.len(), "{ways:?}");
        // A third of the largest square, on average: the numbers fill their range.
        let mean = sum / 200_000;
        assert!(
            (300_000_000_000_000_000..370_000_000_000_000_000).contains(&mean),
            "{mean}"
        );
    }

    #[test]
    fn numbers_lie_within_the_bound_that_was_given() {
        let largest = |bound: u64| {
            let events = taken(Numbers::new(2_000, 0.0, 1).within(bound));
            let numbers = events
                .iter()
                .map(|event| match Content::of(event.as_deref()) {
                    Some(Content::Number(number)) => number.unsigned_abs(),
                    other => panic!("{other:?}"),
                });
            numbers.max().expect("some")
        };
        assert_eq!(largest(0), 0);
        assert_eq!(largest(7), 7);
        let wide = 1 << 62;
        assert!(largest(i64::MAX as u64) > wide && largest(u64::MAX) > wide);
    }

    #[test]
    fn none_or_all_can_be_malformed() {
        let malformed = |share| {
            let mut chunk = Chunk::default();
            Numbers::new(100, share, 1).fill(&mut chunk, 100).unwrap();
            chunk.malformed()
        };
        assert_eq!((malformed(0.0), malformed(1.0)), (0, 100));
        assert_eq!((malformed(f64::NAN), malformed(7.0)), (0, 100));
    }
}
