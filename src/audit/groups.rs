//! Which segments are read together. Pure.

use crate::{
    format::{Segment, SegmentKind},
    model::OffsetRange,
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
pub(super) fn group<'s>(
    segments: impl IntoIterator<Item = &'s Segment>,
    whole: bool,
) -> Vec<Group> {
    let mut sorted: Vec<&Segment> = segments.into_iter().collect();
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
