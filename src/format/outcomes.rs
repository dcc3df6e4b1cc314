//! The outcomes of one contiguous range, as they are handed over: checked once, when they are made.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, RecordBatch,
    builder::{BinaryBuilder, Int64Builder, StringBuilder, TimestampMillisecondBuilder},
};

use super::{
    AbsentBuilder,
    rows::{self, has_offsets},
};
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
}

/// What became of every offset of a range: a result, a reject, or absent where there is neither.
#[derive(Clone, Debug)]
pub struct RangeOutcomes {
    range: OffsetRange,
    results: RecordBatch,
    rejects: RecordBatch,
}

impl RangeOutcomes {
    /// The outcomes of `range`, which covers every offset that was passed.
    ///
    /// # Errors
    /// When they are not ascending offsets inside of the range, or an offset has two outcomes.
    pub fn new(range: OffsetRange, evaluated: Evaluated) -> Result<RangeOutcomes, OutcomesError> {
        let rejects = rejects_batch(&evaluated.rejects);
        RangeOutcomes::of_rows(range, evaluated.results, rejects)
    }

    /// The same from rows as segments store them.
    pub(super) fn of_rows(
        range: OffsetRange,
        results: RecordBatch,
        rejects: RecordBatch,
    ) -> Result<RangeOutcomes, OutcomesError> {
        check_rows("results", range, &results)?;
        check_rows("rejects", range, &rejects)?;
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
        counts(self.range, rows(&self.results), rows(&self.rejects))
    }

    /// The memory that they keep alive, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.results.get_array_memory_size() + self.rejects.get_array_memory_size()
    }

    pub(super) fn results(&self) -> &RecordBatch {
        &self.results
    }

    pub(super) fn rejects(&self) -> &RecordBatch {
        &self.rejects
    }

    /// Notes the offsets that have neither a result nor a reject.
    pub(super) fn note_absent(&self, absent: &mut AbsentBuilder) {
        if self.counts().absent == 0 {
            return;
        }
        let offsets = |batch| match has_offsets(batch) {
            true => rows::offsets(batch).values().iter().copied().peekable(),
            false => [].iter().copied().peekable(),
        };
        let (mut results, mut rejects) = (offsets(&self.results), offsets(&self.rejects));
        let mut next = self.range.start();
        loop {
            let offset = match (results.peek(), rejects.peek()) {
                (Some(result), Some(reject)) if reject < result => rejects.next(),
                (Some(_), _) => results.next(),
                (None, _) => rejects.next(),
            };
            let Some(offset) = offset.and_then(Offset::new) else {
                break;
            };
            next = absent.skip(next, offset);
        }
        absent.skip(next, self.range.end());
    }
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
    use crate::format::testing::{evaluated, range, reject, results};

    #[test]
    fn what_does_not_fit_its_range_is_refused() {
        let of = |results: &[i64], rejects: &[i64]| Evaluated {
            results: self::results(results.iter().copied()),
            rejects: rejects.iter().copied().map(reject).collect(),
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
                .note_absent(&mut absent);
        }
        assert_eq!(absent.finish().to_string(), "10-11,20-21,30-31");
    }
}
