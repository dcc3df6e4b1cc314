//! Where a partition stands: what is committed, and what has been processed since.

use crate::{
    format::RangeOutcomes,
    model::{Offset, OffsetRange},
    recovery::OutcomeCounts,
};

/// Books that do not add up; each is a defect of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BooksError {
    /// The outcomes do not start where those before them end.
    #[error("outcomes of {range} cannot follow those that end at {end}")]
    NotContiguous {
        /// The range of the outcomes.
        range: OffsetRange,
        /// Where those before end.
        end: Offset,
    },
    /// What is said to be committed is neither what was committed before nor all that has been processed.
    #[error(
        "{offset} cannot be what is committed: that was {committed}, and what has been processed since ends at {end}"
    )]
    Commit {
        /// The offset.
        offset: Offset,
        /// What was committed before.
        committed: Offset,
        /// The end of what has been processed.
        end: Offset,
    },
}

/// See the module. What is committed leaves the books: it is the keeper's.
#[derive(Debug)]
pub struct Books {
    committed: Offset,
    end: Offset,
    /// Outcomes from the origin to `committed`.
    outcomes: OutcomeCounts,
    uncommitted: Vec<RangeOutcomes>,
    /// The memory of the uncommitted outcomes, in bytes.
    bytes: usize,
}

impl Books {
    /// Everything before `at` is committed: so many outcomes.
    pub fn new(at: Offset, outcomes: OutcomeCounts) -> Books {
        Books {
            committed: at,
            end: at,
            outcomes,
            uncommitted: Vec::new(),
            bytes: 0,
        }
    }

    /// The end of what is committed.
    pub fn committed(&self) -> Offset {
        self.committed
    }

    /// The end of what has been processed: where the next event is.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// Outcomes from the origin to the end of what has been processed.
    pub fn outcomes(&self) -> OutcomeCounts {
        let mut outcomes = self.outcomes;
        for one in &self.uncommitted {
            outcomes += one.counts().into();
        }
        outcomes
    }

    /// The memory of what is not committed, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether something has been processed that is not committed.
    pub fn has_uncommitted(&self) -> bool {
        self.end > self.committed
    }

    /// How many events have been processed that are not committed, and the last of them.
    pub fn uncommitted_events(&self) -> Option<(u64, Offset)> {
        let with_events = |one: &&RangeOutcomes| one.counts().outcomes() > 0;
        let last = self.uncommitted.iter().rfind(with_events)?;
        let events = self.uncommitted.iter().map(|one| one.counts().outcomes());
        Some((events.sum(), Offset::new(last.range().end().get() - 1)?))
    }

    /// Adds what has been processed next.
    pub fn process(&mut self, outcomes: RangeOutcomes) -> Result<(), BooksError> {
        self.end = self.follow(&outcomes)?;
        self.bytes += outcomes.bytes();
        self.uncommitted.push(outcomes);
        Ok(())
    }

    /// Adds what a replay gives next: it was committed before, and goes to the keeper at once.
    pub fn replay(&mut self, outcomes: &RangeOutcomes) -> Result<(), BooksError> {
        self.end = self.follow(outcomes)?;
        self.committed = self.end;
        self.outcomes += outcomes.counts().into();
        Ok(())
    }

    fn follow(&self, outcomes: &RangeOutcomes) -> Result<Offset, BooksError> {
        let range = outcomes.range();
        if range.start() == self.end {
            Ok(range.end())
        } else {
            Err(BooksError::NotContiguous {
                range,
                end: self.end,
            })
        }
    }

    /// The group stands at `offset`: returns what is committed by that, for the keeper.
    pub fn commit(&mut self, offset: Offset) -> Result<Vec<RangeOutcomes>, BooksError> {
        if offset == self.end {
            self.outcomes = self.outcomes();
            self.committed = offset;
            self.bytes = 0;
            return Ok(std::mem::take(&mut self.uncommitted));
        }
        if offset == self.committed {
            return Ok(Vec::new());
        }
        Err(BooksError::Commit {
            offset,
            committed: self.committed,
            end: self.end,
        })
    }

    /// Drops what is not committed, and returns where to read again.
    pub fn rewind(&mut self) -> Offset {
        self.uncommitted.clear();
        self.bytes = 0;
        self.end = self.committed;
        self.committed
    }
}
