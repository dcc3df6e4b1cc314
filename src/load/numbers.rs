//! Random numbers, some of them malformed on purpose.

use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};

use super::{Chunk, Content, Events, LinesError, Malformed};

/// Most numbers are whole and below this.
const USUAL: i64 = 1_000_000;
/// One number in this many is any number of 64 bits: its square has up to 38 digits.
const ONE_IN: u32 = 100;

/// A count of random numbers as events, `{"number": 7}`. The same seed gives the same events.
#[derive(Debug)]
pub struct Numbers {
    random: Xoshiro256PlusPlus,
    left: u64,
    malformed: f64,
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
            ways: Malformed::ALL.iter().cycle(),
        }
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
            let number = if self.random.random_ratio(1, ONE_IN) {
                self.random.random()
            } else {
                self.random.random_range(0..USUAL)
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
        let mut numbers = Numbers::new(count, malformed, seed);
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
        let mut wide = 0;
        for event in &events {
            match Content::of(event.as_deref()).expect("an event of ours") {
                Content::Malformed(way) => *ways.entry(way).or_insert(0) += 1,
                Content::Number(number) => wide += u32::from(!(0..USUAL).contains(&number)),
            }
        }
        let malformed: i32 = ways.values().sum();
        assert!((140..260).contains(&malformed), "{malformed}");
        assert_eq!(ways.len(), Malformed::ALL.len(), "{ways:?}");
        assert!((1_500..2_500).contains(&wide), "{wide}");
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
