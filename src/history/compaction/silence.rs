//! What is sealed because silent ranges take much of a manifest, whatever segments lie among them.

use super::{
    runs::{Obstacles, ranges},
    stretches::{FEWEST, SEGMENT_BYTES, Stretch, stretches},
};
use crate::{
    format::{Manifest, Page, PageLink},
    model::{Offset, OffsetRange},
};

/// An open list whose silent ranges take more, in bytes, is shortened.
const MOST_BYTES: u64 = 64 << 10;
/// A page that is made for its silent ranges has so many bytes at most: to change one of them, all are put into the open list.
const PAGE_BYTES: u64 = 256 << 10;

/// What the silent ranges of an open list take, in bytes, about.
pub(super) fn silent_bytes(manifest: &Manifest) -> u64 {
    let silent = manifest.open.silent.iter();
    silent.map(|silent| silent.listed_bytes()).sum()
}

/// Whether silent ranges take so much that the list is to be made shorter.
pub(super) fn is_crowded(manifest: &Manifest) -> bool {
    silent_bytes(manifest) > MOST_BYTES
}

/// Whether they take more than a page that was reopened, and what else may be open then.
pub(in crate::history) fn is_overfull(manifest: &Manifest) -> bool {
    silent_bytes(manifest) > 2 * PAGE_BYTES
}

/// The range that is sealed next for its silent ranges; `None` when they take little.
///
/// A page before it that was made for its silent ranges, and is no larger, becomes one with it: so the list of pages grows
/// slowly, and what is listed is written again a few times only.
pub(super) fn choose_silence(manifest: &Manifest, obstacles: &Obstacles) -> Option<OffsetRange> {
    if !is_crowded(manifest) {
        return None;
    }
    let all = ranges(manifest);
    let stretches = stretches(manifest, &all, obstacles);
    let mut chosen = stretches
        .iter()
        .filter_map(|stretch| Part::of(manifest, stretch))
        .flat_map(|part| [part.with_pages(manifest), part])
        .filter_map(|part| OffsetRange::new(part.start, part.end).ok());
    chosen.find(|range| !obstacles.unsealed.contains(range))
}

/// What may be listed in one page.
#[derive(Clone, Copy)]
struct Part {
    start: Offset,
    end: Offset,
    files: u64,
    bytes: u64,
}

impl Part {
    /// From the beginning of a stretch to the last silent range that nothing continues any more, or as much of it as one page takes;
    /// `None` when that is too little for an edit.
    fn of(manifest: &Manifest, stretch: &Stretch<'_, '_>) -> Option<Part> {
        let within =
            |range: OffsetRange| stretch.start <= range.start() && range.end() <= stretch.end;
        let silent = manifest.open.silent.iter();
        let silent = silent.filter(|one| within(one.range) && one.range.end() < manifest.end);
        let corrections = manifest.open.corrections.iter().map(|one| one.range);
        let corrections: Vec<OffsetRange> = corrections.filter(|one| within(*one)).collect();
        let (mut all, mut silent_bytes) = (Part::empty(stretch.start), 0);
        let (mut chosen, mut rest) = (None, stretch.ranges);
        for silent in silent {
            let before = rest.partition_point(|one| one.range.end() <= silent.range.start());
            all.end = silent.range.end();
            let files: usize = rest[..before].iter().map(|one| one.segments.len()).sum();
            all.files += files as u64;
            all.bytes += silent.listed_bytes() + files as u64 * SEGMENT_BYTES;
            silent_bytes += silent.listed_bytes();
            rest = &rest[before..];
            let corrections = corrections.iter().filter(|one| one.start() < all.end);
            let corrections = corrections.count() as u64;
            let is_too_much = all.bytes + corrections * SEGMENT_BYTES > PAGE_BYTES
                || all.files + corrections > Page::MOST_FILES as u64;
            if is_too_much {
                break;
            }
            if silent_bytes >= MOST_BYTES / 2 {
                chosen = Some(all);
            }
        }
        chosen
    }

    fn empty(at: Offset) -> Part {
        Part {
            start: at,
            end: at,
            files: 0,
            bytes: 0,
        }
    }

    /// With the pages that lie before it and are no larger, as far as one page takes it all.
    fn with_pages(mut self, manifest: &Manifest) -> Part {
        let corrections = |start: Offset, end: Offset| {
            let corrections = manifest.open.corrections.iter().map(|one| one.range);
            corrections
                .filter(|one| start <= one.start() && one.end() <= end)
                .count() as u64
        };
        let joins = |part: &Part, page: &PageLink| {
            let open = corrections(page.range.start(), part.end);
            let bytes = page.bytes + part.bytes + open * SEGMENT_BYTES;
            page.range.end() == part.start
                // It was made for its silent ranges.
                && page.files < FEWEST as u64
                && page.bytes <= part.bytes / 2 * 3
                && bytes <= PAGE_BYTES
                && page.files + part.files + open <= Page::MOST_FILES as u64
        };
        for page in manifest.pages.iter().rev() {
            if page.range.end() > self.start {
                continue;
            }
            if !joins(&self, page) {
                break;
            }
            self.start = page.range.start();
            self.bytes += page.bytes;
            self.files += page.files;
        }
        self
    }
}
