//! However many events a condition leaves out, a manifest stays small.

use super::*;
use crate::format::{Absent, Page, PageLink, Rowless, RowlessRecord};

/// A partition whose open list is kept short as a keeper does it, with its pages.
struct Kept {
    manifest: Manifest,
    pages: Vec<Page>,
    /// The largest manifest, when nothing was left to be done.
    largest: usize,
}

impl Kept {
    fn new() -> Kept {
        Kept {
            manifest: apply(None, bind(0), stamp()).unwrap(),
            pages: Vec::new(),
            largest: 0,
        }
    }

    fn apply(&mut self, edit: Edit) {
        self.manifest = apply(Some(&self.manifest), edit, stamp()).unwrap();
    }

    /// So many events that are filtered, each before a marker.
    fn silent(&mut self, markers: u64) {
        let over =
            OffsetRange::new(self.manifest.end, self.manifest.end.plus(2 * markers)).unwrap();
        let marker = |marker| {
            let at = over.start().plus(2 * marker + 1);
            OffsetRange::new(at, at.plus(1)).unwrap()
        };
        // Of so many nothing but a digest is known.
        let absent = match markers {
            ..=1000 => Absent::Ranges((0..markers).map(marker).collect()),
            _ => Absent::Digest([7; 32]),
        };
        let counts = Counts {
            filtered: markers,
            absent: markers,
            ..Counts::default()
        };
        let (segments, filtered) = (Vec::new(), markers);
        self.apply(Edit::Append {
            range: over,
            segments,
            counts,
            record: RowlessRecord { absent, filtered },
        });
    }

    fn row(&mut self) {
        let over = OffsetRange::new(self.manifest.end, self.manifest.end.plus(1)).unwrap();
        let counts = Counts {
            results: 1,
            ..Counts::default()
        };
        self.apply(Edit::Append {
            range: over,
            segments: vec![segment(over, 1, 3000, Rowless::default())],
            counts,
            record: RowlessRecord {
                absent: Absent::none(),
                filtered: 0,
            },
        });
    }

    fn keep_short(&mut self) {
        let (limits, nothing) = (MergeLimits::LARGEST, Obstacles::default());
        loop {
            if let Some(merge) = choose_merge(&self.manifest, limits, &nothing, false) {
                let rowless = merge
                    .silent
                    .iter()
                    .fold(Rowless::default(), |sum, one| Rowless {
                        absent: sum.absent + one.counts().absent,
                        filtered: sum.filtered + one.counts().filtered,
                    });
                let rowless = merge.segments().fold(rowless, |sum, one| Rowless {
                    absent: sum.absent + one.rowless.absent,
                    filtered: sum.filtered + one.rowless.filtered,
                });
                let rows = merge.segments().map(|one| one.rows).sum();
                let made = segment(merge.range, rows, merge.bytes(), rowless);
                self.apply(Edit::Compact {
                    range: merge.range,
                    replaced: merge.segments().cloned().collect(),
                    segments: vec![made],
                });
            } else if let Some(range) = choose_seal(&self.manifest, limits, &nothing) {
                self.seal(range);
            } else {
                break;
            }
        }
        self.largest = self.largest.max(self.manifest.encode().len());
    }

    fn seal(&mut self, range: OffsetRange) {
        let is_inside = |link: &&PageLink| range.includes(link.range);
        while let Some(link) = self.manifest.pages.iter().find(is_inside) {
            let place = self.pages.iter().position(|page| link.is_to(page)).unwrap();
            let page = Box::new(self.pages.remove(place));
            self.apply(Edit::Reopen { page });
        }
        let (page, stored) = Page::of(&self.manifest, range, None).unwrap();
        self.pages.push(page.clone());
        let id = SegmentId(u32::try_from(self.manifest.sequence.0).unwrap());
        let path = Layout::new("events").unwrap().page(PARTITION, range, id);
        self.apply(Edit::Seal {
            page: Box::new(page),
            path,
            bytes: stored.len() as u64,
        });
    }
}

fn segment(range: OffsetRange, rows: u64, bytes: u64, rowless: Rowless) -> Segment {
    let layout = Layout::new("events").unwrap();
    Segment {
        path: layout.segment(SegmentKind::Results, PARTITION, range, SegmentId(1)),
        kind: SegmentKind::Results,
        range,
        rows,
        rowless,
        bytes,
        digest: Digest::of(&[1]),
        fingerprint: declaration().fingerprint,
        not_known: None,
        revision: None,
    }
}

#[test]
fn a_condition_that_takes_nothing_leaves_a_small_manifest() {
    let mut kept = Kept::new();
    for _ in 0..1200 {
        kept.silent(60_000);
        kept.keep_short();
    }
    // Written out, these would take more than a manifest may have.
    for _ in 0..1000 {
        kept.silent(900);
        kept.keep_short();
    }
    assert!(kept.largest <= 128 << 10, "{} bytes", kept.largest);
    let pages = &kept.manifest.pages;
    let last = pages.last().unwrap();
    assert!(pages.len() <= 3, "{} pages", pages.len());
    assert!(
        pages
            .iter()
            .all(|page| page.bytes <= 300 << 10 && page.files == 0)
    );
    assert_eq!(last.counts.filtered * 2, last.range.len());
}

#[test]
fn rows_here_and_there_among_filtered_events_leave_a_small_manifest() {
    let mut kept = Kept::new();
    for number in 0..600 {
        kept.silent(900);
        kept.silent(if number % 50 == 0 { 300_000 } else { 900 });
        kept.row();
        kept.keep_short();
    }
    assert!(kept.largest <= 128 << 10, "{} bytes", kept.largest);
    let pages: u64 = kept.manifest.pages.iter().map(|page| page.files).sum();
    let open = kept.manifest.open.segments.len() as u64;
    assert!(open + pages <= 64, "{open} segments, {pages} in pages");
}

#[test]
fn a_plan_of_silence_ends() {
    let mut kept = Kept::new();
    for _ in 0..200 {
        kept.silent(70_000);
    }
    let limits = MergeLimits::LARGEST;
    let plan = plan_merges(&kept.manifest, limits);
    assert_eq!((plan.merges, plan.pages), (0, 0), "{plan:?}");
    for _ in 0..200 {
        kept.silent(70_000);
    }
    assert_eq!(plan_merges(&kept.manifest, limits).pages, 1);
}

#[test]
fn a_page_whose_open_corrections_would_not_fit_stays_apart() {
    let mut kept = Kept::new();
    let (limits, nothing) = (MergeLimits::LARGEST, Obstacles::default());
    let next = |kept: &mut Kept| {
        (0..400).for_each(|_| kept.silent(70_000));
        choose_seal(&kept.manifest, limits, &nothing).unwrap()
    };
    let first = next(&mut kept);
    kept.seal(first);
    assert_eq!(next(&mut kept).start(), first.start());
    // Corrections of its offsets that are not published yet: a page is made of all of them.
    let over = OffsetRange::new(first.start(), first.start().plus(1)).unwrap();
    let correction = Segment {
        kind: SegmentKind::Corrections,
        revision: Some(kept.manifest.sequence),
        ..segment(over, 1, 3000, Rowless::default())
    };
    let most = Page::MOST_FILES;
    kept.manifest.open.corrections = vec![correction; most + 1];
    let apart = choose_seal(&kept.manifest, limits, &nothing).unwrap();
    assert_eq!(apart.start(), first.end());
}
