//! What a manifest accounts for, with its pages (I4).

use snapback::{
    format::{Gap, Manifest, Page},
    model::OffsetRange,
};

use super::super::{
    state::Span,
    values::{byte, span},
};

/// The offsets in gaps.
pub fn lost(gaps: &[Gap]) -> u8 {
    gaps.iter().fold(0, |all, gap| all | span(gap.range).mask())
}

/// Whether files and gaps have each offset once, and are as many as the counts say. Of the range of a page, nothing but the page
/// says what lies in it.
pub fn is_whole<'p>(manifest: &Manifest, pages: impl Iterator<Item = &'p Page> + Clone) -> bool {
    let in_page = |range: OffsetRange| pages.clone().any(|page| page.range.overlaps(range));
    let open = manifest.open.segments.iter().map(|one| one.range);
    let gaps = manifest.gaps.iter().map(|gap| gap.range);
    let sealed = pages.clone().flat_map(|page| {
        let segments = page.segments.iter().map(|one| one.range);
        segments.chain(page.gaps.iter().map(|gap| gap.range))
    });
    let mut all = 0;
    for range in open.chain(gaps.filter(|gap| !in_page(*gap))).chain(sealed) {
        let mask = span(range).mask();
        if all & mask != 0 {
            return false;
        }
        all |= mask;
    }
    let lost: u64 = manifest.gaps.iter().map(|gap| gap.range.len()).sum();
    let end = byte(manifest.end);
    let counts = manifest.counts;
    all == Span::new(0, end).mask()
        && counts.lost == lost
        && counts.results + counts.lost == u64::from(end)
}
