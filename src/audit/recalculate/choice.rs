//! What is to be recalculated: a pure choice.

use std::collections::BTreeMap;

use crate::{
    calculation::{Declaration, Fingerprint},
    format::{Listed, MOST_DIGESTED, Segment, SegmentKind, SilentRange},
    history::{CorrectionsProgress, next_corrections},
    model::{Counts, OffsetRange},
};

/// So many offsets of a silent range are read again at a time at most: what an edit brings stays bounded, and what Kafka does
/// not hold any more keeps little else as it is. Ranges with no more than a digest, which cannot be cut, are
/// mostly no longer.
const SILENT_AT_A_TIME: u64 = MOST_DIGESTED;
/// A silent range is cut into about so many parts at most.
const MOST_PARTS: u64 = 4096;
/// The files of a part that had none are no larger (I8).
pub(super) const MOST_BYTES: usize = 64 << 20;
/// What an outcome of an event may take in a file, roughly, before it is known.
const BYTES_EACH: u64 = 64;

/// A range whose outcomes are of another calculation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outdated {
    /// The offsets.
    pub range: OffsetRange,
    /// Its live results and rejects, in this order; none where it is silent.
    pub segments: Vec<Segment>,
    /// What is on record of a range in which events were filtered and nothing has a row.
    pub silent: Option<SilentRange>,
}

impl Outdated {
    /// The bytes of its files; of a silent range, about those that it may get.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match &self.silent {
            Some(silent) => (silent.record.filtered)
                .saturating_mul(BYTES_EACH)
                .min(MOST_BYTES as u64),
            None => self.segments.iter().map(|segment| segment.bytes).sum(),
        }
    }

    /// What its offsets are, as the manifest states it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let rows = |kind| {
            let segments = self.segments.iter().filter(|segment| segment.kind == kind);
            segments.map(|segment| segment.rows).sum()
        };
        let (results, rejects) = (rows(SegmentKind::Results), rows(SegmentKind::Rejects));
        let of_file = self.segments.first().map(|file| file.rowless.filtered);
        let of_silent = self.silent.as_ref().map(|silent| silent.record.filtered);
        let filtered = of_silent.or(of_file).unwrap_or(0);
        Counts {
            results,
            rejects,
            filtered,
            absent: (self.range.len()).saturating_sub(results + rejects + filtered),
            lost: 0,
        }
    }

    /// Its results and rejects, or the filtered events of a range that has none.
    #[must_use]
    pub fn outcomes(&self) -> u64 {
        let rows: u64 = self.segments.iter().map(|segment| segment.rows).sum();
        let silent = self.silent.as_ref();
        rows + silent.map_or(0, |silent| silent.record.filtered)
    }

    /// The calculation that its outcomes are of.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        match &self.silent {
            Some(silent) => silent.fingerprint.as_ref(),
            None => self.segments.first().map(|file| &file.fingerprint),
        }
    }

    /// The silent ranges of a manifest with filtered events, part by part.
    pub fn silent_ranges(listed: &Listed) -> impl Iterator<Item = Outdated> {
        listed.silent().iter().flat_map(Outdated::filtered_parts)
    }

    /// The parts of a silent range that have filtered events.
    fn filtered_parts(silent: &SilentRange) -> impl Iterator<Item = Outdated> + use<> {
        let parts = silent_parts(silent).into_iter();
        let filtered = parts.filter(|part| part.record.filtered > 0);
        filtered.map(Outdated::of_silent)
    }

    /// A part of a silent range.
    fn of_silent(silent: SilentRange) -> Outdated {
        Outdated {
            range: silent.range,
            segments: Vec::new(),
            silent: Some(silent),
        }
    }
}

/// The ranges that are not of the calculation `ours`, ascending, without those for which corrections are still to be
/// published after `progress`. A silent range is one of them if another condition filtered its events. `listed` may have the pages
/// of a part of the history only.
#[must_use]
pub fn outdated(
    listed: &Listed,
    ours: &Declaration,
    progress: Option<CorrectionsProgress>,
) -> Vec<Outdated> {
    let mut ranges: BTreeMap<_, Vec<Segment>> = BTreeMap::new();
    let mut pending = Vec::new();
    for segment in listed.files() {
        let range = segment.range;
        if segment.kind != SegmentKind::Corrections {
            let segments = ranges.entry((range.start(), range.end())).or_default();
            segments.push(segment.clone());
        } else if next_corrections([segment], progress).is_some() {
            pending.push(range);
        }
    }
    let stored = ranges.into_values().filter_map(|mut segments| {
        segments.sort_by_key(|segment| segment.kind);
        let range = segments.first()?.range;
        let foreign = |segment: &Segment| segment.fingerprint != ours.fingerprint;
        segments.iter().any(foreign).then_some(Outdated {
            range,
            segments,
            silent: None,
        })
    });
    let mut outdated: Vec<Outdated> = stored.collect();
    let silent = filtered_otherwise(listed, ours);
    outdated.extend(silent.flat_map(Outdated::filtered_parts));
    outdated.retain(|one| !pending.iter().any(|pending| pending.overlaps(one.range)));
    outdated.sort_by_key(|one| one.range.start());
    outdated
}

/// The silent ranges some of whose events another condition filtered, or the same over other fields.
pub fn filtered_otherwise<'m>(
    listed: &'m Listed,
    ours: &'m Declaration,
) -> impl Iterator<Item = &'m SilentRange> {
    listed.silent().iter().filter(|silent| {
        let fingerprint = silent.fingerprint.as_ref();
        fingerprint.is_some_and(|fingerprint| {
            let theirs = listed.declaration(fingerprint);
            *fingerprint != ours.fingerprint
                && !theirs.is_some_and(|theirs| theirs.takes_the_same(ours))
        })
    })
}

/// The parts in which a silent range is read again; whatever has been done, their borders stay where they are.
pub fn silent_parts(silent: &SilentRange) -> Vec<SilentRange> {
    let step = (silent.range.len() / MOST_PARTS).next_power_of_two();
    let step = step.max(SILENT_AT_A_TIME);
    silent.cut(step).unwrap_or_else(|| vec![silent.clone()])
}
