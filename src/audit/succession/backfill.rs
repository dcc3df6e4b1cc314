//! Whether a manifest is its base with outcomes in a gap, or before its origin.

use crate::{
    format::{Manifest, Segment, same_silence_outside},
    model::{Counts, OffsetRange},
};

/// In what `next` differs from `base` with outcomes in a range that it did not have.
pub(super) fn difference(
    base: &Manifest,
    next: &Manifest,
    (range, counts): (OffsetRange, Counts),
) -> Option<String> {
    if !base.lacks(range) {
        return Some(format!("it fills {range}, which its base has"));
    }
    let is_before = range.end() == base.origin;
    let origin = if is_before {
        range.start()
    } else {
        base.origin
    };
    let published_from = match is_before {
        true => base.published_from.or(Some(base.origin)),
        false => base.published_from,
    };
    let filled = Counts {
        lost: if is_before { 0 } else { range.len() },
        ..Counts::default()
    };
    if next.counts + filled != base.counts + counts {
        return Some(format!(
            "its counts are {:?}; {:?} with {counts:?} do not give that",
            next.counts, base.counts
        ));
    }
    let gaps = if is_before {
        base.gaps.clone()
    } else {
        base.gaps_without(range)
    };
    let outside = |segment: &&Segment| !segment.range.overlaps(range);
    let old_corrections = next.open.corrections.iter();
    let old_corrections = old_corrections.filter(|one| one.revision != Some(next.sequence));
    let same = (next.origin, next.end, next.published_from) == (origin, base.end, published_from)
        && next.gaps == gaps
        && same_silence_outside(&base.open.silent, &next.open.silent, range)
        && next
            .open
            .segments
            .iter()
            .filter(outside)
            .eq(&base.open.segments)
        && old_corrections.eq(&base.open.corrections);
    (!same).then(|| format!("it fills {range}, and changes more than that"))
}
