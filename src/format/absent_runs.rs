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
            true => rows::offsets(batch).values().iter().copied().peekable(),
            false => [].iter().copied().peekable(),
        };
        let [results, rejects] = stored;
        let (mut results, mut rejects) = (offsets(results), offsets(rejects));
        let first = self.runs.partition_point(|run| run.end() <= range.start());
        let mut runs = self.runs[first..].iter().peekable();
        let start = range.start().max(self.from).get();
        let mut filtered = Vec::new();
        for at in (start..range.end().get()).filter_map(Offset::new) {
            while results.next_if(|row| *row < at.get()).is_some() {}
            while rejects.next_if(|row| *row < at.get()).is_some() {}
            while runs.next_if(|run| run.end() <= at).is_some() {}
            let has_row = results.peek() == Some(&at.get()) || rejects.peek() == Some(&at.get());
            if !has_row && !runs.peek().is_some_and(|run| run.contains(at)) {
                filtered.push(at);
            }
        }
        filtered
    }
}
