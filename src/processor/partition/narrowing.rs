//! How a refusal is narrowed down to the event whose message no broker takes.
//!
//! | state | event | next state |
//! |---|---|---|
//! | whole | a transaction is refused for the third time in a row at one place | narrow: half as many events in a transaction, and nothing else in it |
//! | narrow | it is refused | narrow, with half as many |
//! | narrow | it is refused, and holds one event | whole; this is the event |
//! | narrow | what had been refused is committed | whole |

use crate::model::Offset;

/// So often in a row everything is tried as it is.
const WHOLE: u32 = 3;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// Refusals in a row, and the committed offset at which they were.
    refused: Option<(Offset, u32)>,
    narrow: Option<Narrow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Narrow {
    /// The last event of what was refused.
    until: Offset,
    /// The most events that a transaction may hold.
    most: usize,
}

impl Narrowing {
    /// The most events that the next transaction may hold, which holds nothing else then; `None`: any.
    pub fn most(&self) -> Option<usize> {
        self.narrow.map(|narrow| narrow.most)
    }

    /// A transaction was refused that holds so many events after the committed offset, up to `last`. Returns that offset
    /// when it is the event.
    pub fn refuse(&mut self, committed: Offset, events: u64, last: Offset) -> Option<Offset> {
        let half = usize::try_from(events / 2).unwrap_or(usize::MAX).max(1);
        if let Some(narrow) = &mut self.narrow {
            if events <= 1 {
                *self = Narrowing::default();
                return Some(last);
            }
            narrow.most = half;
            return None;
        }
        let before = self.refused.filter(|(at, _)| *at == committed);
        let times = before.map_or(1, |(_, times)| times + 1);
        self.refused = Some((committed, times));
        if times >= WHOLE {
            self.narrow = Some(Narrow {
                until: last,
                most: half,
            });
        }
        None
    }

    /// Everything before `offset` is committed.
    pub fn commit(&mut self, offset: Offset) {
        if self.narrow.is_none_or(|narrow| offset > narrow.until) {
            *self = Narrowing::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Offset {
        Offset::ZERO.plus(offset)
    }

    /// Processes 100 events, of which one is never taken; returns what is found, and how many transactions were refused.
    fn find(poison: u64) -> (Option<Offset>, u32) {
        let mut narrowing = Narrowing::default();
        let (mut committed, mut refusals) = (0, 0);
        while committed < 100 {
            let events = narrowing.most().map_or(100, |most| most as u64);
            let end = (committed + events).min(100);
            if (committed..end).contains(&poison) {
                refusals += 1;
                let found = narrowing.refuse(at(committed), end - committed, at(end - 1));
                if found.is_some() {
                    return (found, refusals);
                }
            } else {
                committed = end;
                narrowing.commit(at(committed));
            }
        }
        (None, refusals)
    }

    #[test]
    fn the_event_is_found_in_as_many_steps_as_halving_takes() {
        for poison in 0..100 {
            let (found, refusals) = find(poison);
            assert_eq!(found, Some(at(poison)));
            assert!(refusals <= 3 + 7, "{poison}: {refusals}");
        }
        assert_eq!(find(100), (None, 0));
    }

    #[test]
    fn what_is_taken_meanwhile_ends_it() {
        let mut narrowing = Narrowing::default();
        for _ in 0..2 {
            assert_eq!(narrowing.refuse(at(5), 10, at(14)), None);
        }
        assert_eq!(narrowing.most(), None);
        // A commit in between: not in a row.
        narrowing.commit(at(6));
        for _ in 0..2 {
            assert_eq!(narrowing.refuse(at(6), 9, at(14)), None);
            assert_eq!(narrowing.most(), None);
        }
        assert_eq!(narrowing.refuse(at(6), 9, at(14)), None);
        assert_eq!(narrowing.most(), Some(4));
        narrowing.commit(at(14));
        assert_eq!(narrowing.most(), Some(4));
        narrowing.commit(at(15));
        assert_eq!(narrowing, Narrowing::default());
    }

    #[test]
    fn one_event_that_is_not_alone_is_tried_alone() {
        let mut narrowing = Narrowing::default();
        for _ in 0..3 {
            assert_eq!(narrowing.refuse(at(5), 1, at(7)), None);
        }
        assert_eq!(narrowing.most(), Some(1));
        assert_eq!(narrowing.refuse(at(5), 1, at(7)), Some(at(7)));
    }
}
