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
    RecalculateError, Recalculator, RepairError,
    repair::{corrections, first_damage},
};
use crate::{
    calculation::Calculations,
    history::{Chain, Repair, Repaired, write_repair},
    model::{Counts, OffsetRange},
    store::Throttle,
};

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
/// told the offsets of each part that is done.
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
    let mut filled = Filled::default();
    let mut parts = fill.parts();
    while let Some(part) = parts.pop() {
        let made = recalculator.fill(chain, part, publishes);
        let why = match throttle.compute(made).await {
            Ok(encoded) => {
                let counts = encoded.counts;
                throttle.take(2 * encoded.bytes() as u64).await;
                match write_repair(chain, &mut Repair::filling(encoded)).await? {
                    Repaired::Done(segments) => {
                        filled.corrections += corrections(&segments);
                        let declared = (recalculator.evaluator.declaration(), "backfill");
                        match first_damage(calculations, chain, declared, segments).await? {
                            Some(finding) => format!("what is stored now is not right: {finding}"),
                            None => {
                                filled.counts = filled.counts + counts;
                                progress(part.len());
                                continue;
                            }
                        }
                    }
                    Repaired::Overtaken => {
                        "another edit has changed it meanwhile; run this command again".to_owned()
                    }
                }
            }
            Err(RecalculateError::TooManyEvents { range }) => match fill.halves(part) {
                Some(halves) => {
                    parts.extend(halves);
                    continue;
                }
                None => RecalculateError::TooManyEvents { range }.to_string(),
            },
            Err(error) if error.is_retryable() => return Err(RepairError::Read(error)),
            Err(error) => error.to_string(),
        };
        filled.left.push((part, why));
        if fill.lack == Lack::BeforeOrigin {
            // Nothing before it can be added without it.
            break;
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
