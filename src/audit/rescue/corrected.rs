//! What corrections have made of the outcomes of a range. The store has each of them whole, so that nothing of them is looked for
//! in the topics: there one may wait to be published, or be gone, and none says the time of its event.

use std::collections::BTreeMap;

use arrow_array::Array as _;

use super::{super::RecalculateError, proof::Published};
use crate::{
    events::{MessageBuffer, ResultEncoder, columns},
    format::{OutcomeKind, correction_kinds, split_corrections},
    history::SegmentFile,
    model::{Offset, OffsetRange, Partition, Sequence},
};

/// The most that is kept of rejects and corrections.
pub(super) const MOST_KEPT: usize = 64 << 20;

/// The newest correction of an offset.
pub(super) struct Correction {
    /// The manifest that brought it.
    pub revision: Sequence,
    /// What the outcome is since.
    pub now: Corrected,
}

/// What a correction has made of an outcome.
pub(super) enum Corrected {
    /// A result, as its message where it is needed.
    Result(Option<Box<Published>>),
    Reject,
    Filtered,
}

impl Correction {
    /// The memory that it takes, with its offset.
    fn bytes(&self) -> usize {
        let result = match &self.now {
            Corrected::Result(Some(result)) => {
                let key = result.key.as_ref().map_or(0, Vec::len);
                size_of::<Published>() + result.value.len() + key
            }
            Corrected::Result(None) | Corrected::Reject | Corrected::Filtered => 0,
        };
        size_of::<(Offset, Correction)>() + result
    }
}

/// The newest correction of each offset of a range that has one.
pub(super) struct Corrections {
    range: OffsetRange,
    /// Whether what results became is needed.
    keeps_results: bool,
    newest: BTreeMap<Offset, Correction>,
    bytes: usize,
}

impl Corrections {
    /// None yet.
    pub fn of(range: OffsetRange) -> Corrections {
        Corrections {
            range,
            keeps_results: true,
            newest: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Beside a whole file of the results, which has them: only which offsets were corrected is kept.
    pub fn without_results(self) -> Corrections {
        Corrections {
            keeps_results: false,
            ..self
        }
    }

    /// The offsets that it is about.
    pub fn range(&self) -> OffsetRange {
        self.range
    }

    /// Takes in a file of corrections to outcomes of a partition of the topic `events`. Files come in the order of their revisions.
    pub fn add(
        &mut self,
        (events, partition): (&str, Partition),
        revision: Sequence,
        file: &SegmentFile,
    ) -> Result<(), RecalculateError> {
        for batch in file.read()? {
            let batch = batch?;
            let kinds = correction_kinds(&batch)?;
            let results = split_corrections(&batch)?.results;
            let mut messages = MessageBuffer::new();
            if self.keeps_results {
                let encoder = ResultEncoder::new(events, results.schema_ref())?;
                let encoder = encoder.with_sources_as_keys();
                encoder.encode(partition, &results, &mut messages)?;
            }
            let columns = columns::offsets(&batch)
                .zip(columns::Timestamps::of(&results))
                .zip(columns::keys(&results));
            let Some(((offsets, times), keys)) = columns else {
                return Err(self.refuse("rows of its corrections cannot be read"));
            };
            let mut next = 0;
            for (offset, kinds) in offsets.iter().zip(kinds) {
                // Each result has its row.
                let row = next;
                next += usize::from(matches!(kinds.now, OutcomeKind::Result));
                let Some(offset) = Offset::new(*offset).filter(|at| self.range.contains(*at))
                else {
                    continue;
                };
                let now = match kinds.now {
                    OutcomeKind::Reject => Corrected::Reject,
                    OutcomeKind::Filtered => Corrected::Filtered,
                    OutcomeKind::Result if !self.keeps_results => Corrected::Result(None),
                    OutcomeKind::Result => {
                        let Some((_, value)) = messages.get(row) else {
                            return Err(self.refuse("rows of its corrections cannot be read"));
                        };
                        Corrected::Result(Some(Box::new(Published {
                            offset,
                            timestamp: times.get(row),
                            key: keys.is_valid(row).then(|| keys.value(row).to_vec()),
                            value: value.to_vec(),
                        })))
                    }
                };
                self.keep(offset, Correction { revision, now })?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, offset: Offset, correction: Correction) -> Result<(), RecalculateError> {
        self.bytes += correction.bytes();
        if let Some(older) = self.newest.insert(offset, correction) {
            self.bytes -= older.bytes();
        }
        match self.bytes > MOST_KEPT {
            true => Err(self.refuse("its corrections are too many to be read at a time")),
            false => Ok(()),
        }
    }

    /// That of an offset.
    pub fn get(&self, offset: Offset) -> Option<&Correction> {
        self.newest.get(&offset)
    }

    /// Those of a part of the range, ascending.
    pub fn within(&self, range: OffsetRange) -> impl Iterator<Item = (Offset, &Correction)> {
        let newest = self.newest.range(range.start()..range.end());
        newest.map(|(offset, correction)| (*offset, correction))
    }

    /// The memory that they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn refuse(&self, detail: &str) -> RecalculateError {
        RecalculateError::not_taken(self.range, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_much_is_kept() {
        let range = OffsetRange::new(Offset::ZERO, Offset::ZERO.plus(100)).unwrap();
        let mut corrections = Corrections::of(range);
        let mut keep = |at| {
            let offset = Offset::ZERO.plus(at);
            let result = Published {
                offset,
                timestamp: None,
                key: None,
                value: vec![b' '; 8 << 20],
            };
            let correction = Correction {
                revision: Sequence(7),
                now: Corrected::Result(Some(Box::new(result))),
            };
            corrections.keep(offset, correction)
        };
        let kept = (0..7).map(&mut keep).filter(Result::is_ok).count();
        assert_eq!(kept, 7);
        // A newer one takes the place of an older one.
        assert!(keep(6).is_ok());
        let refused = keep(7).unwrap_err();
        assert!(
            matches!(refused, RecalculateError::NotTaken { .. }),
            "{refused}"
        );
        assert!(
            refused
                .to_string()
                .contains("too many to be read at a time")
        );
    }
}
