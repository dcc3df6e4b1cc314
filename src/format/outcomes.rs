//! The outcomes of one contiguous range, as they are handed over: checked once, when they are made.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, RecordBatch,
    builder::{BinaryBuilder, Int64Builder, StringBuilder, TimestampMillisecondBuilder},
};

use super::rows::{self, has_offsets};
use crate::{
    calculation::{Evaluated, rejects_schema},
    events::columns,
    model::{Counts, Offset, OffsetRange, Reject},
};

/// Outcomes that do not fit their range; each is a defect of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutcomesError {
    /// Rows are not ascending, or lie outside of the range, or have no offset column.
    #[error("the {what} for {range} are not ascending offsets inside of it")]
    Rows {
        /// `results`, `rejects` or `filtered`.
        what: &'static str,
        /// The range of the outcomes.
        range: OffsetRange,
    },
    /// An offset has two of a result, a reject, and being filtered.
    #[error("offset {offset} has two outcomes")]
    Both {
        /// The offset.
        offset: Offset,
    },
}

/// What became of every offset of a range: a result, a reject, filtered, or absent where there is none of them.
#[derive(Clone, Debug)]
pub struct RangeOutcomes {
    range: OffsetRange,
    results: RecordBatch,
    rejects: RecordBatch,
    filtered: Vec<Offset>,
}

impl RangeOutcomes {
    /// The outcomes of `range`, which covers every offset that was passed.
    ///
    /// # Errors
    /// When they are not ascending offsets inside of the range, or an offset has two outcomes.
    pub fn new(range: OffsetRange, evaluated: Evaluated) -> Result<RangeOutcomes, OutcomesError> {
        let rejects = rejects_batch(&evaluated.rejects);
        RangeOutcomes::of_rows(range, evaluated.results, rejects, evaluated.filtered)
    }

    /// The same from rows as segments store them, and the offsets that are filtered.
    pub(super) fn of_rows(
        range: OffsetRange,
        results: RecordBatch,
        rejects: RecordBatch,
        filtered: Vec<Offset>,
    ) -> Result<RangeOutcomes, OutcomesError> {
        check_rows("results", range, &results)?;
        check_rows("rejects", range, &rejects)?;
        check_filtered(range, &filtered, [&results, &rejects])?;
        if rejects.num_rows() > 0 && results.num_rows() > 0 {
            let results = rows::offsets(&results).values();
            let rejects = rows::offsets(&rejects).values();
            let both = rejects
                .iter()
                .find(|offset| results.binary_search(offset).is_ok());
            if let Some(offset) = both.and_then(|offset| Offset::new(*offset)) {
                return Err(OutcomesError::Both { offset });
            }
        }
        Ok(RangeOutcomes {
            range,
            results,
            rejects,
            filtered,
        })
    }

    /// The offsets that are accounted for.
    #[must_use]
    pub fn range(&self) -> OffsetRange {
        self.range
    }

    /// What they are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let rows = |batch: &RecordBatch| batch.num_rows() as u64;
        let filtered = self.filtered.len() as u64;
        counts(
            self.range,
            rows(&self.results),
            rows(&self.rejects),
            filtered,
        )
    }

    /// The memory that they keep alive, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let rows = self.results.get_array_memory_size() + self.rejects.get_array_memory_size();
        rows + self.filtered.capacity() * size_of::<Offset>()
    }

    pub(super) fn results(&self) -> &RecordBatch {
        &self.results
    }

    pub(super) fn rejects(&self) -> &RecordBatch {
        &self.rejects
    }

    pub(super) fn filtered(&self) -> &[Offset] {
        &self.filtered
    }

    /// Calls `push` with each run of absent offsets, in order.
    pub(super) fn absent_runs(&self, mut push: impl FnMut(OffsetRange)) {
        if self.counts().absent == 0 {
            return;
        }
        let offsets = |batch| match has_offsets(batch) {
            true => rows::offsets(batch).values().iter().copied().peekable(),
            false => [].iter().copied().peekable(),
        };
        let (mut results, mut rejects) = (offsets(&self.results), offsets(&self.rejects));
        let mut filtered = self.filtered.iter().map(|at| at.get()).peekable();
        let mut next = self.range.start();
        let mut skip = |next: Offset, offset: Offset| {
            if let Ok(run) = OffsetRange::new(next, offset)
                && !run.is_empty()
            {
                push(run);
            }
            offset.plus(1)
        };
        loop {
            let heads = [results.peek(), rejects.peek(), filtered.peek()];
            let Some(offset) = heads.into_iter().flatten().min().copied() else {
                break;
            };
            results.next_if_eq(&offset);
            rejects.next_if_eq(&offset);
            filtered.next_if_eq(&offset);
            if let Some(offset) = Offset::new(offset) {
                next = skip(next, offset);
            }
        }
        skip(next, self.range.end());
    }
}

/// Offsets without an outcome are absent: the log passed them without delivering anything (I4).
pub(super) fn counts(range: OffsetRange, results: u64, rejects: u64, filtered: u64) -> Counts {
    Counts {
        results,
        rejects,
        filtered,
        absent: range.len() - results - rejects - filtered,
        lost: 0,
    }
}

/// Filtered offsets ascend inside of the range, and none of them has a row.
fn check_filtered(
    range: OffsetRange,
    filtered: &[Offset],
    rows: [&RecordBatch; 2],
) -> Result<(), OutcomesError> {
    let (Some(first), Some(last)) = (filtered.first(), filtered.last()) else {
        return Ok(());
    };
    let fits = range.contains(*first)
        && range.contains(*last)
        && filtered.is_sorted_by(|one, other| one < other);
    if !fits {
        let what = "filtered";
        return Err(OutcomesError::Rows { what, range });
    }
    for batch in rows.into_iter().filter(|batch| batch.num_rows() > 0) {
        let mut stored = rows::offsets(batch).values().iter().copied().peekable();
        for offset in filtered {
            while stored.next_if(|stored| *stored < offset.get()).is_some() {}
            if stored.peek() == Some(&offset.get()) {
                return Err(OutcomesError::Both { offset: *offset });
            }
        }
    }
    Ok(())
}

fn check_rows(
    what: &'static str,
    range: OffsetRange,
    batch: &RecordBatch,
) -> Result<(), OutcomesError> {
    let fits = batch.num_rows() == 0
        || has_offsets(batch) && {
            let offsets = rows::offsets(batch).values();
            let inside = |offset: &i64| Offset::new(*offset).is_some_and(|o| range.contains(o));
            offsets.first().is_some_and(inside)
                && offsets.last().is_some_and(inside)
                && offsets.is_sorted_by(|a, b| a < b)
        };
    if fits {
        Ok(())
    } else {
        Err(OutcomesError::Rows { what, range })
    }
}

/// Rejects as the rows that a segment stores: a fraction of the memory of their strings.
#[expect(
    clippy::expect_used,
    reason = "the builders make exactly the columns of the rejects schema"
)]
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
    let mut raw_timestamps = Int64Builder::with_capacity(rejects.len());
    let mut keys = BinaryBuilder::with_capacity(rejects.len(), key);
    let mut payloads = BinaryBuilder::with_capacity(rejects.len(), payload);
    let mut reasons = StringBuilder::with_capacity(rejects.len(), text);
    for reject in rejects {
        offsets.append_value(reject.offset.get());
        let (timestamp, raw) = columns::split_timestamp(reject.timestamp);
        timestamps.append_option(timestamp);
        raw_timestamps.append_option(raw);
        keys.append_option(reject.key.as_deref());
        payloads.append_option(reject.payload.as_deref());
        reasons.append_value(&reject.reason);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(offsets.finish()),
        Arc::new(timestamps.finish().with_timezone("UTC")),
        Arc::new(raw_timestamps.finish()),
        Arc::new(keys.finish()),
        Arc::new(payloads.finish()),
        Arc::new(reasons.finish()),
    ];
    RecordBatch::try_new(rejects_schema(), columns)
        .expect("the builders make exactly the columns of the rejects schema")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{
        AbsentBuilder,
        testing::{evaluated, range, reject, results},
    };

    #[test]
    fn what_does_not_fit_its_range_is_refused() {
        let of = |results: &[i64], rejects: &[i64]| Evaluated {
            results: self::results(results.iter().copied()),
            rejects: rejects.iter().copied().map(reject).collect(),
            filtered: Vec::new(),
        };
        let over = range(20, 30);
        for wrong in [
            evaluated(range(20, 32)),
            of(&[22, 21], &[]),
            of(&[21, 21], &[]),
            of(&[19], &[]),
            of(&[], &[30]),
            of(&[], &[25, 24]),
            of(&[21, 22], &[22]),
        ] {
            assert!(
                RangeOutcomes::new(over, wrong.clone()).is_err(),
                "{wrong:?}"
            );
        }
        let fits = RangeOutcomes::new(over, of(&[21, 23], &[22])).unwrap();
        assert_eq!((fits.counts().outcomes(), fits.counts().absent), (3, 7));
    }

    #[test]
    fn what_has_neither_a_result_nor_a_reject_is_absent() {
        let mut absent = AbsentBuilder::default();
        for over in [range(5, 25), range(25, 31), range(31, 40)] {
            RangeOutcomes::new(over, evaluated(over))
                .unwrap()
                .absent_runs(|run| absent.push(run));
        }
        assert_eq!(absent.finish().to_string(), "10-11,20-21,30-31");
    }
}
