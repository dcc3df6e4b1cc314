//! The segments that a run has written, to be read back and verified when it ends.

use std::collections::VecDeque;

use crate::format::Segment;

/// The newest of them; a run may last for months, its end may not.
#[derive(Debug, Default)]
pub struct Written {
    newest: VecDeque<Segment>,
    before: usize,
    verified: usize,
}

/// What is left of them at the end.
#[derive(Debug, Default)]
pub struct Unverified {
    /// The newest that are not verified yet, the last one last.
    pub newest: Vec<Segment>,
    /// How many there were before, of which nothing is known any more.
    pub before: usize,
    /// How many were verified since they were written.
    pub verified: usize,
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

    /// These are live no more: there is nothing to verify.
    pub(in crate::processor) fn replaced(&mut self, segments: &[Segment]) {
        self.newest
            .retain(|written| !segments.iter().any(|one| one.path == written.path));
    }

    /// These were read back and are right.
    pub(in crate::processor) fn verified(&mut self, segments: &[Segment]) {
        let before = self.newest.len();
        self.replaced(segments);
        self.verified += before - self.newest.len();
    }

    pub(in crate::processor) fn take(self) -> Unverified {
        Unverified {
            newest: self.newest.into(),
            before: self.before,
            verified: self.verified,
        }
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
                path: layout.manifest(Partition(0), Sequence(number as u64 + 1)),
                kind: SegmentKind::Results,
                range,
                rows: 1,
                rowless: Rowless::default(),
                bytes: 1,
                digest: Digest::of(b"segment"),
                fingerprint: "00000000000000aa".parse().unwrap(),
                not_known: None,
                revision: None,
            }
        };
        let mut written = Written::default();
        for number in 0..Written::MOST + 3 {
            written.add([segment(number)]);
        }
        written.verified(&[segment(0), segment(10), segment(20)]);
        written.replaced(&[segment(30)]);
        let left = written.take();
        assert_eq!(left.newest.len(), Written::MOST - 3);
        assert_eq!((left.before, left.verified), (3, 2));
        assert_eq!(left.newest.last(), Some(&segment(Written::MOST + 2)));
    }
}
