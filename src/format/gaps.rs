//! What a history does not have: gaps inside of it, and everything before its origin.

use super::{Gap, Manifest};
use crate::model::OffsetRange;

impl Manifest {
    /// The gap that has all of `range`.
    #[must_use]
    pub fn gap_over(&self, range: OffsetRange) -> Option<&Gap> {
        let has = |gap: &&Gap| gap.range.includes(range);
        self.gaps.iter().find(has).filter(|_| !range.is_empty())
    }

    /// Whether outcomes of exactly `range` can be added to it: all of it lies in a gap, or it ends at the origin.
    #[must_use]
    pub fn lacks(&self, range: OffsetRange) -> bool {
        let is_before = !range.is_empty() && range.end() == self.origin;
        is_before || self.gap_over(range).is_some()
    }

    /// The gaps without `range`: what is left of the one that has it stays, for the same reason and since the same time.
    #[must_use]
    pub fn gaps_without(&self, range: OffsetRange) -> Vec<Gap> {
        let rest = |gap: &Gap| {
            let before = OffsetRange::new(gap.range.start(), range.start().min(gap.range.end()));
            let after = OffsetRange::new(range.end().max(gap.range.start()), gap.range.end());
            let (reason, accepted_at) = (gap.reason, gap.accepted_at);
            let rest = [before, after].into_iter().flatten();
            let rest = rest.filter(|range| !range.is_empty());
            rest.map(move |range| Gap {
                range,
                reason,
                accepted_at,
            })
            .collect::<Vec<_>>()
        };
        let parts = self.gaps.iter().map(|gap| match gap.range.overlaps(range) {
            true => rest(gap),
            false => vec![*gap],
        });
        parts.flatten().collect()
    }
}
