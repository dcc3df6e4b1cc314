//! Every run of absent offsets from where the first event was filtered: what the record in a file, which may be a digest,
//! does not always tell.

use arrow_array::RecordBatch;

use super::rows::{self, has_offsets};
use crate::model::{Offset, OffsetRange};

/// The absent offsets of a range, all of them. Below `from` nothing is filtered: whatever has no row is absent.
#[derive(Clone, Debug)]
pub(crate) struct AbsentRuns {
    from: Offset,
    /// Ascending; they may touch.
    runs: Vec<OffsetRange>,
}

impl AbsentRuns {
    /// Nothing is filtered below `from`.
    pub(super) fn new(from: Offset) -> AbsentRuns {
        AbsentRuns {
            from,
            runs: Vec::new(),
        }
    }

    /// Adds a run that lies after those before.
    pub(super) fn push(&mut self, run: OffsetRange) {
        self.runs.push(run);
    }

    /// The memory in use, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.runs.capacity() * size_of::<OffsetRange>()
    }

    /// The offsets of `range` that are filtered: those without a row, and not absent.
    pub(super) fn filtered(&self, range: OffsetRange, stored: [&RecordBatch; 2]) -> Vec<Offset> {
        let offsets = |batch| match has_offsets(batch) {
            true => rows::offsets(batch).values().iter().copied(),
            false => [].iter().copied(),
        };
        let [results, rejects] = stored;
        let from = OffsetRange::new(range.start().max(self.from), range.end());
        from.map_or(Vec::new(), |range| {
            without_row(range, offsets(results), offsets(rejects), &self.runs)
        })
    }
}

/// The offsets of `range` that have neither a result nor a reject, and are in no run of `absent`. All of them ascend; what lies
/// outside of the range is passed over.
pub(crate) fn without_row(
    range: OffsetRange,
    results: impl Iterator<Item = i64>,
    rejects: impl Iterator<Item = i64>,
    absent: &[OffsetRange],
) -> Vec<Offset> {
    let (mut results, mut rejects) = (results.peekable(), rejects.peekable());
    let first = absent.partition_point(|run| run.end() <= range.start());
    let mut runs = absent[first..].iter().peekable();
    let mut without = Vec::new();
    for at in (range.start().get()..range.end().get()).filter_map(Offset::new) {
        while results.next_if(|row| *row < at.get()).is_some() {}
        while rejects.next_if(|row| *row < at.get()).is_some() {}
        while runs.next_if(|run| run.end() <= at).is_some() {}
        let has_row = results.peek() == Some(&at.get()) || rejects.peek() == Some(&at.get());
        if !has_row && !runs.peek().is_some_and(|run| run.contains(at)) {
            without.push(at);
        }
    }
    without
}
