//! What Kafka still has of a range that was given up, made again part by part, from the top down.

use super::{Mend, Mended, Recalculator, RepairError, read_back};
use crate::{
    audit::RecalculateError,
    calculation::Calculations,
    format::Encoded,
    history::{Chain, Repair, Repaired, write_repair},
    model::{Counts, OffsetRange},
};

/// A part in two. The upper one is the next: so what is left of a gap begins where the gap began, and is found again.
pub(super) fn halves(part: OffsetRange) -> impl Iterator<Item = OffsetRange> {
    let middle = part.start().plus(part.len() / 2);
    let halves = [(part.start(), middle), (middle, part.end())];
    let halves = halves.map(|(start, end)| OffsetRange::new(start, end));
    halves.into_iter().flatten()
}

/// What Kafka still has of a range that is given up, part by part: one part is made before the one before it is forgotten.
pub(super) struct Rest<'r> {
    recalculator: &'r Recalculator,
    /// Whether it may have been published otherwise.
    corrects: bool,
    /// What is yet to be made, the next part last.
    parts: Vec<OffsetRange>,
    made: Option<Encoded>,
}

impl<'r> Rest<'r> {
    pub fn new(recalculator: &'r Recalculator, mend: &Mend, kept: OffsetRange) -> Self {
        Rest {
            recalculator,
            // Without findings nobody knows.
            corrects: mend.findings.is_empty() || mend.may_have_been_published_wrong(),
            parts: vec![kept],
            made: None,
        }
    }

    /// Makes the next part; nothing is stored by it.
    pub async fn make(&mut self, chain: &Chain) -> Result<(), RecalculateError> {
        while let Some(part) = self.parts.pop() {
            match self.recalculator.fill(chain, part, self.corrects).await {
                Err(RecalculateError::TooManyEvents { .. }) if part.len() > 1 => {
                    self.parts.extend(halves(part));
                }
                made => {
                    self.made = Some(made?);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether what was made is more than what is on record of all.
    pub fn exceeds(&self, stated: Counts) -> Option<String> {
        let made = self.made.as_ref()?;
        let counts = made.counts;
        (counts.results > stated.results || counts.rejects > stated.rejects).then(|| {
            format!(
                "the events of {} alone give {} results and {} rejects, more than the {} and {} on record of all: `max.message.bytes` of the results topic was another then, or the log was compacted since",
                made.range, counts.results, counts.rejects, stated.results, stated.rejects
            )
        })
    }

    /// Stores all of it in the place of the gap.
    pub async fn store(
        &mut self,
        calculations: &Calculations,
        chain: &mut Chain,
        mend: &Mend,
    ) -> Result<Mended, RepairError> {
        let mut total = 0;
        while let Some(made) = self.made.take() {
            let segments = match write_repair(chain, &mut Repair::filling(made)).await? {
                Repaired::Done(segments) => segments,
                Repaired::Overtaken => return Ok(Mended::Overtaken),
            };
            match read_back(calculations, chain, mend, segments).await? {
                Mended::Done { corrections, .. } => total += corrections,
                mended => return Ok(mended),
            }
            self.make(chain).await.map_err(RepairError::Read)?;
        }
        Ok(Mended::Done {
            rows: mend.range.outcomes(),
            corrections: total,
        })
    }
}
