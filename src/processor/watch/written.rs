//! The segments that a run has written, to be read back and verified when it ends.

use std::collections::VecDeque;

use crate::format::Segment;

/// The newest of them; a run may last for months, its end may not.
#[derive(Debug, Default)]
pub struct Written {
    newest: VecDeque<Segment>,
    before: usize,
}

impl Written {
    /// How many are kept: about what can be verified within the usual shutdown time-out.
    const MOST: usize = 4_096;

    pub(in crate::processor) fn add(&mut self, segments: impl IntoIterator<Item = Segment>) {
        self.newest.extend(segments);
        let too_many = self.newest.len().saturating_sub(Self::MOST);
        self.newest.drain(..too_many);
        self.before += too_many;
    }

    /// The newest, the last one last, and how many there were before.
    pub(in crate::processor) fn take(self) -> (Vec<Segment>, usize) {
        (self.newest.into(), self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        format::{Layout, Rowless, SegmentKind},
        model::{Digest, Offset, OffsetRange, Partition, Sequence},
    };

    #[test]
    fn of_a_long_run_the_newest_are_kept_and_the_others_counted() {
        let layout = Layout::new("events").unwrap();
        let segment = |number: usize| {
            let at = Offset::new(i64::try_from(number).unwrap()).unwrap();
            let range = OffsetRange::new(at, at.plus(1)).unwrap();
            Segment {
                path: layout.manifest(Partition(0), Sequence::FIRST),
                kind: SegmentKind::Results,
                range,
                rows: 1,
                rowless: Rowless::default(),
                bytes: 1,
                digest: Digest::of(b"segment"),
                fingerprint: "00000000000000aa".parse().unwrap(),
                revision: None,
            }
        };
        let mut written = Written::default();
        for number in 0..Written::MOST + 3 {
            written.add([segment(number)]);
        }
        let (newest, before) = written.take();
        assert_eq!((newest.len(), before), (Written::MOST, 3));
        assert_eq!(newest.last(), Some(&segment(Written::MOST + 2)));
    }
}
