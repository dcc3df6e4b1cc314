//! One partition's outcomes that are in no snapshot yet, and the part of them that is taken for one.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, RecordBatch,
    builder::{BinaryBuilder, Int64Builder, StringBuilder, TimestampMillisecondBuilder},
};

use super::rows::{self, Rows};
use crate::{
    calculation::{Evaluated, Fingerprint, rejects_schema},
    model::{Counts, Offset, OffsetRange, Reject},
};

/// Outcomes that do not fit the buffer; each is a defect of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BufferError {
    /// The range does not start where the buffer ends.
    #[error("outcomes of {range} cannot follow a buffer that ends at {end}")]
    NotContiguous {
        /// The range of the outcomes.
        range: OffsetRange,
        /// The end of the buffer.
        end: Offset,
    },
    /// Rows are not ascending, or lie outside of the range, or have no offset column.
    #[error("the {what} for {range} are not ascending offsets inside of it")]
    Rows {
        /// `results` or `rejects`.
        what: &'static str,
        /// The range of the outcomes.
        range: OffsetRange,
    },
    /// An offset has a result and a reject.
    #[error("offset {offset} has a result and a reject")]
    Both {
        /// The offset.
        offset: Offset,
    },
    /// What is said to be committed lies outside of the buffer.
    #[error(
        "{offset} cannot be committed: the buffer is committed to {committed} and ends at {end}"
    )]
    Commit {
        /// The offset.
        offset: Offset,
        /// What was committed before.
        committed: Offset,
        /// The end of the buffer.
        end: Offset,
    },
}

/// One partition's outcomes not yet in a snapshot: `[start, end)`, of which `[start, committed)` is
/// committed to Kafka and may be taken (I1).
///
/// An offset in the range without a row is absent. Batches and commits need not meet: everything is cut at
/// any offset. Tiny batches are merged, so that a row costs about the same however it arrived.
#[derive(Clone, Debug)]
pub struct Buffer {
    start: Offset,
    committed: Offset,
    end: Offset,
    results: Rows,
    rejects: Rows,
    replaces: Option<Fingerprint>,
}

impl Buffer {
    /// An empty buffer at `start`: what comes next has this offset, everything before is in the chain.
    #[must_use]
    pub fn new(start: Offset) -> Buffer {
        Buffer {
            start,
            committed: start,
            end: start,
            results: Rows::default(),
            rejects: Rows::default(),
            replaces: None,
        }
    }

    /// An empty buffer at `start` for outcomes that had been published before, under another calculation: whatever is
    /// taken from it comes with corrections.
    #[must_use]
    pub fn replacing(start: Offset, published: Fingerprint) -> Buffer {
        Buffer {
            replaces: Some(published),
            ..Buffer::new(start)
        }
    }

    /// Where the next snapshot starts.
    #[must_use]
    pub fn start(&self) -> Offset {
        self.start
    }

    /// What is committed of the buffer: the end of what may be taken.
    #[must_use]
    pub fn committed(&self) -> Offset {
        self.committed
    }

    /// Where the next batch starts.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.end
    }

    /// The memory that the buffer keeps alive, in bytes; no work.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.results.bytes() + self.rejects.bytes()
    }

    /// What the offsets `[start, end)` are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let range = range(self.start, self.end);
        counts(range, self.results.rows(), self.rejects.rows())
    }

    /// Appends the outcomes of `range`, which starts at the buffer's end and covers every offset that the
    /// batch passed: those without a result or a reject are absent.
    ///
    /// # Errors
    /// When the outcomes do not fit; the buffer is then unchanged.
    pub fn append(&mut self, range: OffsetRange, evaluated: Evaluated) -> Result<(), BufferError> {
        if range.start() != self.end {
            return Err(BufferError::NotContiguous {
                range,
                end: self.end,
            });
        }
        let mut results = Rows::default();
        check_rows("results", range, &evaluated.results)?;
        results.push(evaluated.results);
        let rejects = rejects_batch(&evaluated.rejects);
        check_rows("rejects", range, &rejects)?;
        let both = evaluated
            .rejects
            .iter()
            .find(|reject| results.contains(reject.offset));
        if let Some(reject) = both {
            return Err(BufferError::Both {
                offset: reject.offset,
            });
        }
        if let Some(batch) = results.pop_front() {
            self.results.push(batch);
        }
        self.rejects.push(rejects);
        self.end = range.end();
        Ok(())
    }

    /// Records that Kafka has committed everything before `offset`.
    ///
    /// # Errors
    /// When the offset lies before what was committed or behind the buffer's end.
    pub fn mark_committed(&mut self, offset: Offset) -> Result<(), BufferError> {
        if offset < self.committed || offset > self.end {
            return Err(BufferError::Commit {
                offset,
                committed: self.committed,
                end: self.end,
            });
        }
        self.committed = offset;
        Ok(())
    }

    /// Drops the uncommitted tail, after an abort, and returns where to go on reading.
    pub fn truncate_to_committed(&mut self) -> Offset {
        self.results.split_off(self.committed);
        self.rejects.split_off(self.committed);
        self.end = self.committed;
        self.committed
    }

    /// Takes what is committed, for a snapshot; `None` when nothing is.
    pub fn take_committed(&mut self) -> Option<Taken> {
        if self.committed == self.start {
            return None;
        }
        let results = self.results.split_off(self.committed);
        let rejects = self.rejects.split_off(self.committed);
        let taken = Taken {
            range: range(self.start, self.committed),
            results: std::mem::replace(&mut self.results, results),
            rejects: std::mem::replace(&mut self.rejects, rejects),
            replaces: self.replaces.clone(),
        };
        self.start = self.committed;
        Some(taken)
    }
}

/// Committed outcomes on their way into a snapshot.
#[derive(Clone, Debug)]
pub struct Taken {
    range: OffsetRange,
    pub(super) results: Rows,
    pub(super) rejects: Rows,
    /// The calculation under which they had been published before.
    pub(super) replaces: Option<Fingerprint>,
}

impl Taken {
    /// The offsets that are accounted for.
    #[must_use]
    pub fn range(&self) -> OffsetRange {
        self.range
    }

    /// What they are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        counts(self.range, self.results.rows(), self.rejects.rows())
    }

    /// The memory that they keep alive, in bytes; no work.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.results.bytes() + self.rejects.bytes()
    }

    /// Drops everything before `offset`, which the chain has already; with an offset behind the end, all.
    pub fn trim_before(&mut self, offset: Offset) {
        let start = offset.clamp(self.range.start(), self.range.end());
        self.results = self.results.split_off(start);
        self.rejects = self.rejects.split_off(start);
        self.range = range(start, self.range.end());
    }
}

fn range(start: Offset, end: Offset) -> OffsetRange {
    OffsetRange::new(start, end).expect("start <= committed <= end is kept by every method")
}

/// Offsets without a row are absent: the log passed them without delivering anything (I4).
pub(super) fn counts(range: OffsetRange, results: u64, rejects: u64) -> Counts {
    Counts {
        results,
        rejects,
        absent: range.len() - results - rejects,
        lost: 0,
    }
}

fn check_rows(
    what: &'static str,
    range: OffsetRange,
    batch: &RecordBatch,
) -> Result<(), BufferError> {
    let fits = batch.num_rows() == 0
        || rows::has_offsets(batch) && {
            let offsets = rows::offsets(batch).values();
            let inside = |offset: &i64| Offset::new(*offset).is_some_and(|o| range.contains(o));
            offsets.first().is_some_and(inside)
                && offsets.last().is_some_and(inside)
                && offsets.is_sorted_by(|a, b| a < b)
        };
    if fits {
        Ok(())
    } else {
        Err(BufferError::Rows { what, range })
    }
}

/// Rejects as the rows that a segment stores: a fraction of the memory of their strings.
pub(super) fn rejects_batch(rejects: &[Reject]) -> RecordBatch {
    if rejects.is_empty() {
        return RecordBatch::new_empty(rejects_schema());
    }
    let text = rejects.iter().map(|r| r.reason.len()).sum();
    let payload = rejects
        .iter()
        .filter_map(|r| r.payload.as_ref())
        .map(Vec::len)
        .sum();
    let key = rejects
        .iter()
        .filter_map(|r| r.key.as_ref())
        .map(Vec::len)
        .sum();
    let mut offsets = Int64Builder::with_capacity(rejects.len());
    let mut timestamps = TimestampMillisecondBuilder::with_capacity(rejects.len());
    let mut keys = BinaryBuilder::with_capacity(rejects.len(), key);
    let mut payloads = BinaryBuilder::with_capacity(rejects.len(), payload);
    let mut reasons = StringBuilder::with_capacity(rejects.len(), text);
    for reject in rejects {
        offsets.append_value(reject.offset.get());
        timestamps.append_option(reject.timestamp);
        keys.append_option(reject.key.as_deref());
        payloads.append_option(reject.payload.as_deref());
        reasons.append_value(&reject.reason);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(offsets.finish()),
        Arc::new(timestamps.finish().with_timezone("UTC")),
        Arc::new(keys.finish()),
        Arc::new(payloads.finish()),
        Arc::new(reasons.finish()),
    ];
    RecordBatch::try_new(rejects_schema(), columns)
        .expect("the builders make exactly the columns of the rejects schema")
}

#[cfg(test)]
mod tests;
