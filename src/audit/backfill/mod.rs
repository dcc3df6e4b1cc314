//! `backfill`: outcomes of what a history does not have, from the events that Kafka still has.
//!
//! In flow a partition's newest manifest and what Kafka can give out of its topic; out flow a [`BackfillPlan`] and, for each
//! part of what can be filled, one edit of the chain. The outcomes are those of the calculation that the chain has on record.
//! Those of a gap become corrections, which the partition's owner publishes once (I6): whether they were published
//! before is not known. Before the origin, the chain begins earlier, part by part, down from where it began: so it never has a
//! hole (I2), and whoever stops in between goes on later.
//!
//! Memory: the files of one part, and a batch of events.

mod choice;

pub use choice::{BackfillPlan, Fill, Lack, Unfilled};

use super::{
    Compactor, RecalculateError, Recalculator, RepairError,
    repair::{corrections, first_damage},
};
use crate::{
    calculation::{Calculations, Declaration},
    format::{Encoded, Page},
    history::{Chain, MANY_SEGMENTS, Obstacles, Repair, Repaired, write_repair},
    model::{Counts, OffsetRange},
    recovery::Invocation,
    store::Throttle,
};

/// So many offsets are read at a time at most: what an edit brings stays bounded.
const AT_A_TIME: u64 = 1 << 17;

/// What became of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// What its offsets are now, as far as it was filled.
    pub counts: Counts,
    /// The outcomes that are to be published.
    pub corrections: u64,
    /// Parts that stay as they were, and why.
    pub left: Vec<(OffsetRange, String)>,
}

/// Fills a range, part by part, and reads back what it stored. With `publishes`, its outcomes become corrections. `progress` is
/// told the offsets of each part that is done. What it adds is merged and sealed when it is much: there may be no processor that
/// does it.
///
/// # Errors
/// When the store, or Kafka, is away; call it again then. A part that cannot be filled is in [`Filled::left`].
pub async fn fill(
    recalculator: &Recalculator,
    calculations: &Calculations,
    chain: &mut Chain,
    (fill, publishes): (&Fill, bool),
    throttle: &Throttle,
    progress: &dyn Fn(u64),
) -> Result<Filled, RepairError> {
    let making = Making {
        fill,
        parts: fill.parts(AT_A_TIME),
        declaration: recalculator.evaluator.declaration(),
        compactor: Compactor {
            calculations: calculations.clone(),
            invocation: Invocation::new("backfill"),
            throttle: throttle.clone(),
        },
        obstacles: Obstacles::default(),
    };
    let make = async |chain: &Chain, part| {
        let made = recalculator.fill(chain, part, publishes);
        throttle.compute(made).await
    };
    making.run(chain, make, progress).await
}

/// A range that is being filled.
struct Making<'f> {
    fill: &'f Fill,
    /// The last one is the next.
    parts: Vec<OffsetRange>,
    declaration: Declaration,
    compactor: Compactor,
    /// What it does not merge.
    obstacles: Obstacles,
}

impl Making<'_> {
    async fn run(
        mut self,
        chain: &mut Chain,
        make: impl AsyncFn(&Chain, OffsetRange) -> Result<Encoded, RecalculateError>,
        progress: &dyn Fn(u64),
    ) -> Result<Filled, RepairError> {
        let mut filled = Filled::default();
        while let Some(part) = self.parts.pop() {
            let why = match make(chain, part).await {
                Ok(encoded) => match self.store(chain, encoded, &mut filled).await? {
                    None => {
                        progress(part.len());
                        // A gap under a page reopens it for each part.
                        let most = match self.fill.lack {
                            Lack::BeforeOrigin => MANY_SEGMENTS,
                            Lack::Gap(_) => 2 * Page::MOST_FILES,
                        };
                        let compactor = &self.compactor;
                        let settled =
                            compactor.settle_when_longer(most, chain, &mut self.obstacles);
                        settled.await;
                        continue;
                    }
                    Some(why) => why,
                },
                Err(RecalculateError::TooManyEvents { range }) => match self.fill.halves(part) {
                    Some(halves) => {
                        self.parts.extend(halves);
                        continue;
                    }
                    None => RecalculateError::TooManyEvents { range }.to_string(),
                },
                Err(error) if error.is_retryable() => return Err(RepairError::Read(error)),
                Err(error) => error.to_string(),
            };
            filled.left.push((part, why));
            if self.fill.lack == Lack::BeforeOrigin {
                // Nothing before it can be added without it.
                break;
            }
        }
        Ok(filled)
    }

    /// Stores a part, and reads it back; or says why it is not filled.
    async fn store(
        &self,
        chain: &mut Chain,
        encoded: Encoded,
        filled: &mut Filled,
    ) -> Result<Option<String>, RepairError> {
        let counts = encoded.counts;
        let throttle = &self.compactor.throttle;
        throttle.take(2 * encoded.bytes() as u64).await;
        let segments = match write_repair(chain, &mut Repair::filling(encoded)).await? {
            Repaired::Done(segments) => segments,
            Repaired::Overtaken => {
                let why = "another edit has changed it meanwhile; run this command again";
                return Ok(Some(why.to_owned()));
            }
        };
        filled.corrections += corrections(&segments);
        let declared = (self.declaration.clone(), "backfill");
        let calculations = &self.compactor.calculations;
        Ok(
            match first_damage(calculations, chain, declared, segments).await? {
                Some(finding) => Some(format!("what is stored now is not right: {finding}")),
                None => {
                    filled.counts = filled.counts + counts;
                    None
                }
            },
        )
    }
}

#[cfg(test)]
mod tests;
