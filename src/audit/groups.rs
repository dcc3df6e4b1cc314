//! Which segments are read together, and whether their ranges leave nothing out. Pure.

use crate::{
    format::{Manifest, Segment, SegmentKind},
    model::{Offset, OffsetRange},
};

/// Segments whose ranges overlap, so that only together they account for their offsets: the results
/// and the rejects of one append. The unit of work of an audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// From the first start to the last end.
    pub range: OffsetRange,
    /// At least one; ascending by range within each kind.
    pub segments: Vec<Segment>,
    /// Whether these are all the segments of the range: only then can a hole be seen.
    pub whole: bool,
}

impl Group {
    /// The segments of one kind.
    pub fn of(&self, kind: SegmentKind) -> impl Iterator<Item = &Segment> {
        self.segments
            .iter()
            .filter(move |segment| segment.kind == kind)
    }

    /// Whether its segments are those of one append.
    pub fn is_one_append(&self) -> bool {
        self.segments
            .iter()
            .all(|segment| segment.range == self.range)
    }
}

/// Puts segments together, ascending; corrections stand alone, since they account for nothing.
pub(super) fn group(segments: &[Segment], whole: bool) -> Vec<Group> {
    let mut sorted: Vec<&Segment> = segments.iter().collect();
    sorted.sort_by_key(|segment| (segment.range.start(), segment.range.end(), segment.kind));
    let mut groups: Vec<Group> = Vec::new();
    let mut open: Option<usize> = None;
    for segment in sorted {
        let joins = open.map(|index| &mut groups[index]).filter(|group| {
            segment.kind != SegmentKind::Corrections
                && (group.range.overlaps(segment.range) || group.range == segment.range)
        });
        if let Some(group) = joins {
            let end = group.range.end().max(segment.range.end());
            group.range = OffsetRange::new(group.range.start(), end).unwrap_or(group.range);
            group.segments.push(segment.clone());
        } else {
            if segment.kind != SegmentKind::Corrections {
                open = Some(groups.len());
            }
            groups.push(Group {
                range: segment.range,
                segments: vec![segment.clone()],
                whole,
            });
        }
    }
    groups
}

/// What is wrong with how the ranges of segments and gaps cover a manifest's offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Both a segment and a gap.
    Both(OffsetRange),
    /// Neither of the two, nor an append of nothing but absent offsets.
    Neither(OffsetRange),
}

/// Compares the ranges of groups and gaps with `[origin, end)`. `silent` are the appends without a
/// segment; `None` when not all of the chain is known, so that nothing can be said about them.
pub(super) fn faults(
    manifest: &Manifest,
    groups: &[Group],
    silent: Option<&[OffsetRange]>,
) -> Vec<Fault> {
    let counted = |group: &&Group| group.of(SegmentKind::Corrections).next().is_none();
    let groups = groups
        .iter()
        .filter(counted)
        .map(|group| (group.range, false));
    let gaps = manifest.gaps.iter().map(|gap| (gap.range, true));
    let mut parts: Vec<(OffsetRange, bool)> = groups.chain(gaps).collect();
    parts.sort_by_key(|(range, _)| (range.start(), range.end()));
    let mut faults = Vec::new();
    let mut at = manifest.origin;
    for (range, _) in parts
        .into_iter()
        .chain([(OffsetRange::empty(manifest.end), false)])
    {
        if let Ok(open) = OffsetRange::new(at, range.start()) {
            if let Some(silent) = silent {
                faults.extend(subtract(open, silent).into_iter().map(Fault::Neither));
            }
        } else if let Ok(both) = OffsetRange::new(range.start(), at.min(range.end())) {
            faults.extend((!both.is_empty()).then_some(Fault::Both(both)));
        }
        at = at.max(range.end());
    }
    faults
}

/// What remains of `range` without `others`, which are ascending.
fn subtract(range: OffsetRange, others: &[OffsetRange]) -> Vec<OffsetRange> {
    let mut rest = Vec::new();
    let mut at = range.start();
    for other in others.iter().filter(|other| other.overlaps(range)) {
        rest.extend(some(at, other.start()));
        at = at.max(other.end());
    }
    rest.extend(some(at, range.end()));
    rest
}

fn some(start: Offset, end: Offset) -> Option<OffsetRange> {
    OffsetRange::new(start, end)
        .ok()
        .filter(|range| !range.is_empty())
}
