//! What every edit of a base begins with.

use chrono::SubsecRound;

use crate::{
    format::{ApplyError, Link, Manifest, Segment, SegmentKind, Stamp},
    model::{Counts, OffsetRange},
};

/// The rows of results and rejects.
pub(super) fn outcomes(segments: &[Segment]) -> Counts {
    let rows = |kind| {
        let of_kind = segments.iter().filter(move |segment| segment.kind == kind);
        of_kind.fold(0_u64, |sum, segment| sum.saturating_add(segment.rows))
    };
    Counts {
        results: rows(SegmentKind::Results),
        rejects: rows(SegmentKind::Rejects),
        ..Counts::default()
    }
}

/// Checks that `replaced` are all live results and rejects over `range`, each of exactly this range.
pub(super) fn check_live(
    base: &Manifest,
    range: OffsetRange,
    replaced: &[Segment],
) -> Result<(), ApplyError> {
    let live = base.open.segments.iter();
    let live = live.filter(|segment| segment.range.overlaps(range));
    if live.eq(replaced) && replaced.iter().all(|segment| segment.range == range) {
        return Ok(());
    }
    Err(ApplyError::NotLive { range })
}

/// The base under the next free number, not yet edited.
pub(super) fn follow(base: &Manifest, stamp: Stamp) -> Manifest {
    let last = stamp
        .skipped
        .last()
        .map_or(base.sequence, |damaged| damaged.sequence);
    let known = stamp.committed.filter(|known| known.sequence <= last);
    Manifest {
        sequence: last.next(),
        committed: match (base.committed, known) {
            (Some(before), Some(known)) => Some(before.later(known)),
            (before, known) => before.or(known),
        },
        base: Some(Link {
            sequence: base.sequence,
            digest: base.digest,
            skipped: stamp.skipped,
        }),
        calculation: stamp.calculation.calculation,
        fields: stamp.calculation.fields,
        writer: stamp.writer,
        created_at: stamp.created_at.trunc_subsecs(3),
        ..base.clone()
    }
}
