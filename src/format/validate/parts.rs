//! What must hold of each part of a manifest or page.

use crate::{
    format::{Inconsistency, Layout, Page, PageLink, Segment},
    model::{Counts, Offset, OffsetRange, Partition},
};

/// No segment is larger; the sizes of all that a manifest can list add up without overflow.
const MAX_SEGMENT_BYTES: u64 = 1 << 40;

pub(in crate::format) fn check_sum(
    counts: Counts,
    range: OffsetRange,
) -> Result<(), Inconsistency> {
    let sum = counts.parts().into_iter().try_fold(0_u64, u64::checked_add);
    if sum == Some(range.len()) {
        return Ok(());
    }
    Err(Inconsistency::Sum {
        counts,
        offsets: range.len(),
    })
}

pub(super) fn check_segment(
    layout: &Layout,
    partition: Partition,
    segment: &Segment,
) -> Result<(), Inconsistency> {
    let path = || segment.path.as_str().to_owned();
    let fits = layout.parse_segment(&segment.path).is_some_and(|name| {
        name.kind == segment.kind && name.partition == partition && name.range == segment.range
    });
    if !fits {
        return Err(Inconsistency::Path { path: path() });
    }
    if segment.rows > segment.range.len() {
        return Err(Inconsistency::TooManyRows {
            path: path(),
            rows: segment.rows,
            range: segment.range,
        });
    }
    if segment.bytes > MAX_SEGMENT_BYTES {
        return Err(Inconsistency::TooManyBytes {
            path: path(),
            bytes: segment.bytes,
        });
    }
    Ok(())
}

/// What a manifest says of a page can be, as far as that is seen without the page.
pub(super) fn check_link(
    layout: &Layout,
    partition: Partition,
    page: &PageLink,
) -> Result<(), Inconsistency> {
    let fits = layout
        .parse_page(&page.path)
        .is_some_and(|name| name.partition == partition && name.range == page.range);
    if !fits {
        let path = page.path.to_string();
        return Err(Inconsistency::Path { path });
    }
    check_sum(page.counts, page.range)?;
    let range = page.range;
    let wrong = |detail| Err(Inconsistency::Page { range, detail });
    if page.files > Page::MOST_FILES as u64 {
        return wrong("it lists more segments than a page may");
    }
    if page.bytes > Page::MAX_BYTES || page.segment_bytes > page.files * MAX_SEGMENT_BYTES {
        return wrong("it is larger than any page, or its segments are");
    }
    let of_results = page
        .results
        .values()
        .try_fold(0_u64, |sum, of| sum.checked_add(*of));
    if page.results.is_empty() || of_results.is_none_or(|of_results| of_results > page.files) {
        return wrong("it has no calculation, or more segments of results than segments");
    }
    Ok(())
}

pub(super) fn check_inside(range: OffsetRange, whole: OffsetRange) -> Result<(), Inconsistency> {
    if whole.includes(range) {
        return Ok(());
    }
    Err(Inconsistency::Outside { range, whole })
}

/// Ascending, one by one.
pub(super) fn check_order(ranges: impl Iterator<Item = OffsetRange>) -> Result<(), Inconsistency> {
    let mut next = Offset::ZERO;
    for range in ranges {
        if range.start() < next {
            return Err(Inconsistency::Order { next, range });
        }
        next = range.end();
    }
    Ok(())
}

pub(super) fn wrong_revision(segment: &Segment) -> Inconsistency {
    Inconsistency::Revision {
        path: segment.path.to_string(),
        revision: segment.revision,
    }
}
