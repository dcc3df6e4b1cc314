//! First publications that came already: at-least-once delivery goes back after a crash, and publishes the same once more. Pure.

use std::collections::VecDeque;

use crate::model::Offset;

/// The newest first publications, by offset, and a hash of each.
pub(super) struct Seen {
    newest: VecDeque<(Offset, u64)>,
    most: usize,
}

/// How a publication follows the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// It comes after all of them.
    First,
    /// It came already.
    Again,
    /// Another one of its offset came already.
    Differs,
    /// Later ones came already, and none of its offset.
    OutOfOrder,
    /// Later ones came already, so many that none of its offset is remembered.
    TooFarBack,
}

impl Seen {
    /// Remembers the newest `most`.
    pub fn remembering(most: usize) -> Seen {
        Seen {
            newest: VecDeque::new(),
            most,
        }
    }

    /// Takes in the next publication.
    pub fn add(&mut self, offset: Offset, hash: u64) -> Follows {
        if self.newest.back().is_none_or(|(last, _)| offset > *last) {
            if self.newest.len() >= self.most {
                self.newest.pop_front();
            }
            self.newest.push_back((offset, hash));
            return Follows::First;
        }
        match self.newest.binary_search_by_key(&offset, |(seen, _)| *seen) {
            Ok(place) if self.newest[place].1 == hash => Follows::Again,
            Ok(_) => Follows::Differs,
            Err(0) if self.newest.len() >= self.most => Follows::TooFarBack,
            Err(_) => Follows::OutOfOrder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_is_known_as_far_back_as_is_remembered() {
        let at = |offset| Offset::ZERO.plus(offset);
        let mut seen = Seen::remembering(3);
        for offset in [1, 3, 5, 7] {
            assert_eq!(seen.add(at(offset), offset * 10), Follows::First);
            assert!(seen.newest.len() <= 3);
        }
        for (offset, hash, follows) in [
            (7, 70, Follows::Again),
            (3, 30, Follows::Again),
            (5, 51, Follows::Differs),
            (4, 40, Follows::OutOfOrder),
            (1, 10, Follows::TooFarBack),
            (8, 80, Follows::First),
            (3, 30, Follows::TooFarBack),
        ] {
            assert_eq!(seen.add(at(offset), hash), follows, "{offset}");
        }
    }
}
