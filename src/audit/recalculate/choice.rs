//! What is to be recalculated: a pure choice.

use std::collections::BTreeMap;

use crate::{
    calculation::Fingerprint,
    format::{Manifest, Segment, SegmentKind},
    history::{CorrectionsProgress, next_corrections},
    model::{Counts, OffsetRange},
};

/// A range whose live results or rejects are of another calculation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outdated {
    /// The offsets.
    pub range: OffsetRange,
    /// Its live results and rejects, in this order.
    pub segments: Vec<Segment>,
}

impl Outdated {
    /// The bytes of its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// What its offsets are, as the manifest states it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let rows = |kind| {
            let segments = self.segments.iter().filter(|segment| segment.kind == kind);
            segments.map(|segment| segment.rows).sum()
        };
        let (results, rejects) = (rows(SegmentKind::Results), rows(SegmentKind::Rejects));
        Counts {
            results,
            rejects,
            filtered: 0,
            absent: self.range.len().saturating_sub(results + rejects),
            lost: 0,
        }
    }

    /// Its outcomes.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }
}

/// The ranges that are not of the calculation `ours`, ascending, without those for which corrections are still to be
/// published after `progress`.
#[must_use]
pub fn outdated(
    manifest: &Manifest,
    ours: &Fingerprint,
    progress: Option<CorrectionsProgress>,
) -> Vec<Outdated> {
    let mut ranges: BTreeMap<_, Vec<Segment>> = BTreeMap::new();
    let mut pending = Vec::new();
    for segment in manifest.files() {
        let range = segment.range;
        if segment.kind != SegmentKind::Corrections {
            let segments = ranges.entry((range.start(), range.end())).or_default();
            segments.push(segment.clone());
        } else if next_corrections([segment], progress).is_some() {
            pending.push(range);
        }
    }
    let ranges = ranges.into_values().filter_map(|mut segments| {
        segments.sort_by_key(|segment| segment.kind);
        let range = segments.first()?.range;
        let foreign = segments.iter().any(|segment| segment.fingerprint != *ours);
        let waits = pending.iter().any(|pending| pending.overlaps(range));
        (foreign && !waits).then_some(Outdated { range, segments })
    });
    ranges.collect()
}
