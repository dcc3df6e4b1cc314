use super::*;
use crate::{
    format::{
        Edit, GapReason, Layout, Rowless, SegmentId, SegmentKind, apply,
        testing::{PARTITION, at, bind, range, record, stamp},
    },
    model::Sequence,
};

fn segment(kind: SegmentKind, over: OffsetRange, rows: u64, absent: u64) -> Segment {
    let layout = Layout::new("events").unwrap();
    Segment {
        path: layout.segment(kind, PARTITION, over, SegmentId(7)),
        kind,
        range: over,
        rows,
        rowless: Rowless {
            absent,
            filtered: 0,
        },
        bytes: 1000,
        digest: Digest::of(b"file"),
        fingerprint: "00112233445566aa".parse().unwrap(),
        not_known: None,
        revision: None,
    }
}

fn append(base: &Manifest, results: u64, rejects: u64, absent: u64) -> Manifest {
    let length = results + rejects + absent;
    let over = OffsetRange::new(base.end, base.end.plus(length)).unwrap();
    let counts = Counts {
        results,
        rejects,
        filtered: 0,
        absent,
        lost: 0,
    };
    let kinds = [
        (SegmentKind::Results, results),
        (SegmentKind::Rejects, rejects),
    ];
    let kinds = kinds.into_iter().filter(|(_, rows)| *rows > 0);
    let mut segments: Vec<Segment> = kinds
        .map(|(kind, rows)| segment(kind, over, rows, absent))
        .collect();
    if rejects > 0 {
        segments.push(segment(SegmentKind::Corrections, over, rejects, 0));
    }
    let edit = Edit::Append {
        range: over,
        segments,
        counts,
        record: record(over, counts),
    };
    apply(Some(base), edit, stamp()).unwrap()
}

/// `[0, 10)` results, `[10, 20)` results, rejects and corrections, `[20, 25)` silent, `[25, 30)` lost, `[30, 40)` results.
fn manifest() -> Manifest {
    let first = apply(None, bind(0), stamp()).unwrap();
    let second = append(&first, 9, 0, 1);
    let third = append(&second, 6, 3, 1);
    let fourth = append(&third, 0, 0, 5);
    let loss = Edit::AcceptLoss {
        range: range(25, 30),
        reason: GapReason::Expired,
    };
    let fifth = apply(Some(&fourth), loss, stamp()).unwrap();
    append(&fifth, 10, 0, 0)
}

fn published(sequence: u64, rows: u64) -> Option<CorrectionsProgress> {
    let sequence = Sequence(sequence);
    Some(CorrectionsProgress { sequence, rows })
}

#[test]
fn a_page_accounts_for_its_range_by_itself() {
    let manifest = manifest();
    let (page, stored) = Page::of(&manifest, range(0, 30), published(3, 3)).unwrap();
    assert_eq!(
        page.counts,
        Counts {
            results: 15,
            rejects: 3,
            filtered: 0,
            absent: 7,
            lost: 5
        }
    );
    assert_eq!(
        (page.segments.len(), page.silent.len(), page.gaps.len()),
        (3, 1, 1)
    );
    assert_eq!(page.corrections, manifest.open.corrections);
    assert_eq!(page.calculations, manifest.calculations);
    assert!(
        page.files()
            .all(|file| manifest.open.lists(&file.path) && page.lists(&file.path))
    );
    assert!(!page.lists(&manifest.open.segments[3].path));
    let read = Page::decode(&stored).unwrap();
    assert_eq!(read, page);
    assert_eq!(read.encode(), stored);
    assert_eq!(page.range.start(), at(0));
}

#[test]
fn corrections_that_are_not_all_published_stay_in_the_manifest() {
    let manifest = manifest();
    for (progress, listed) in [
        (None, 0),
        (published(2, 99), 0),
        (published(3, 2), 0),
        (published(3, 3), 1),
        (published(4, 0), 1),
    ] {
        let (page, _) = Page::of(&manifest, range(10, 20), progress).unwrap();
        assert_eq!(page.corrections.len(), listed, "{progress:?}");
    }
}

#[test]
fn a_range_that_cuts_what_is_listed_is_no_page() {
    let manifest = manifest();
    for over in [
        range(0, 15),
        range(5, 20),
        range(0, 22),
        range(0, 27),
        range(0, 41),
        range(20, 30),
        range(10, 10),
    ] {
        assert!(Page::of(&manifest, over, None).is_err(), "{over}");
    }
    for over in [range(0, 10), range(0, 25), range(10, 40), range(0, 40)] {
        assert!(Page::of(&manifest, over, None).is_ok(), "{over}");
    }
}

#[test]
fn a_page_has_so_many_segments_and_no_more() {
    let mut manifest = apply(None, bind(0), stamp()).unwrap();
    for _ in 0..=Page::MOST_FILES {
        manifest = append(&manifest, 2, 0, 0);
    }
    let most = i64::try_from(2 * Page::MOST_FILES).unwrap();
    let (page, stored) = Page::of(&manifest, range(0, most), None).unwrap();
    assert_eq!(page.segments.len(), Page::MOST_FILES);
    assert!((stored.len() as u64) < Page::MAX_BYTES / 10);
    let more = Page::of(&manifest, range(0, most + 2), None);
    assert!(matches!(
        more,
        Err(PageError::Inconsistent {
            source: Inconsistency::Files { .. },
            ..
        })
    ));
}

#[test]
fn a_page_that_contradicts_itself_is_refused_though_its_digest_is_right() {
    let (good, stored) = Page::of(&manifest(), range(0, 30), published(3, 3)).unwrap();
    let spoilt = |change: fn(&mut Page)| {
        let mut page = good.clone();
        change(&mut page);
        Page::decode(&codec::seal_page(page).1)
    };
    assert!(spoilt(|_| {}).is_ok());
    assert!(spoilt(|page| page.counts.results += 1).is_err());
    assert!(spoilt(|page| page.range = range(0, 31)).is_err());
    assert!(spoilt(|page| page.topic = "other".to_owned()).is_err());
    assert!(spoilt(|page| page.partition.0 += 1).is_err());
    assert!(spoilt(|page| page.gaps.clear()).is_err());
    assert!(spoilt(|page| page.silent.clear()).is_err());
    assert!(spoilt(|page| page.calculations.clear()).is_err());
    assert!(spoilt(|page| drop(page.segments.pop())).is_err());
    assert!(spoilt(|page| page.segments[0].rowless.absent += 1).is_err());
    assert!(spoilt(|page| page.corrections[0].revision = None).is_err());
    for at in (0..stored.len()).step_by(13) {
        let mut bytes = stored.to_vec();
        bytes[at] ^= 1;
        assert!(Page::decode(&bytes).is_err(), "{at}");
        assert!(Page::decode(&bytes[..at]).is_err(), "{at}");
    }
}
