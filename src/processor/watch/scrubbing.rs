//! Where a keeper shows what its scrub does.

use chrono::{DateTime, Utc};

use super::Board;
use crate::model::Partition;

/// A partition that is scrubbed; when it is dropped, it is no more.
pub(in crate::processor) struct Scrubbing {
    board: Board,
    partition: Partition,
}

impl Scrubbing {
    pub fn new(board: Board, partition: Partition) -> Scrubbing {
        let scrubbing = Scrubbing { board, partition };
        scrubbing.verified_since(None);
        scrubbing
    }

    /// Everything that is live was verified then or later.
    pub fn verified_since(&self, since: Option<DateTime<Utc>>) {
        self.board.scrub(|scrub| {
            scrub.verified_since.insert(self.partition, since);
        });
    }

    /// Segments were verified.
    pub fn verified(&self, segments: u64, rows: u64, bytes: u64) {
        self.board.scrub(|scrub| {
            scrub.segments += segments;
            scrub.rows += rows;
            scrub.bytes += bytes;
        });
    }

    /// A range was mended.
    pub fn mended(&self) {
        self.board.scrub(|scrub| scrub.mended += 1);
    }
}

impl Drop for Scrubbing {
    fn drop(&mut self) {
        self.board.scrub(|scrub| {
            scrub.verified_since.remove(&self.partition);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::{Stop, watch::board::tests::about};

    #[test]
    fn a_full_round_is_as_old_as_the_oldest_verification() {
        let board = Board::of(about(), 1, Stop::default());
        let old = DateTime::UNIX_EPOCH;
        let one = Scrubbing::new(board.clone(), Partition(0));
        let other = Scrubbing::new(board.clone(), Partition(1));
        one.verified_since(Some(old));
        assert_eq!(board.look().scrub.full_round(), None);
        other.verified_since(Some(Utc::now()));
        other.verified(2, 10, 100);
        let scrub = board.look().scrub;
        assert_eq!(scrub.full_round(), Some(old));
        assert_eq!((scrub.segments, scrub.rows, scrub.bytes), (2, 10, 100));
        drop(one);
        assert_ne!(board.look().scrub.full_round(), Some(old));
        drop(other);
        assert_eq!(board.look().scrub.full_round(), None);
    }
}
