use crate::{
    format::{
        ApplyError, CorrectionsProgress, Edit, EditSummary, Gap, GapReason, Head, KnownCommit,
        Layout, Listed, Manifest, Page, PageLink, Rowless, Segment, SegmentId, SegmentKind, apply,
        testing::{PARTITION, at, bind, range, record, stamp},
    },
    model::{Counts, Digest, OffsetRange, Sequence},
};

fn segment(kind: SegmentKind, over: OffsetRange, rows: u64, absent: u64) -> Segment {
    Segment {
        path: Layout::new("events")
            .unwrap()
            .segment(kind, PARTITION, over, SegmentId(7)),
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

/// Appends so many results, rejects with as many corrections, and absent offsets.
fn append(base: &Manifest, results: u64, rejects: u64, absent: u64) -> Manifest {
    let length = results + rejects + absent;
    let over = OffsetRange::new(base.end, base.end.plus(length)).unwrap();
    let counts = Counts {
        results,
        rejects,
        absent,
        ..Counts::default()
    };
    let of = |kind, rows, absent| (rows > 0).then(|| segment(kind, over, rows, absent));
    let segments = [
        of(SegmentKind::Results, results, absent),
        of(SegmentKind::Rejects, rejects, absent),
        of(SegmentKind::Corrections, rejects, 0),
    ];
    let edit = Edit::Append {
        range: over,
        segments: segments.into_iter().flatten().collect(),
        counts,
        record: record(over, counts),
    };
    apply(Some(base), edit, stamp()).unwrap()
}

fn lose(base: &Manifest, length: u64) -> Manifest {
    let range = OffsetRange::new(base.end, base.end.plus(length)).unwrap();
    let reason = GapReason::Expired;
    apply(Some(base), Edit::AcceptLoss { range, reason }, stamp()).unwrap()
}

/// `[0, 10)` results, `[10, 20)` results, rejects and corrections, `[20, 25)` silent, `[25, 30)` lost, `[30, 40)` results,
/// `[40, 44)` silent.
fn manifest() -> Manifest {
    let first = apply(None, bind(0), stamp()).unwrap();
    let second = append(&first, 9, 0, 1);
    let third = append(&second, 6, 3, 1);
    let fourth = append(&third, 0, 0, 5);
    let fifth = lose(&fourth, 5);
    append(&append(&fifth, 10, 0, 0), 0, 0, 4)
}

/// With everything published.
fn published() -> crate::format::Stamp {
    let head = Head {
        sequence: Sequence(3),
        digest: Digest::of(b"head"),
    };
    let progress = CorrectionsProgress {
        sequence: Sequence(3),
        rows: 3,
    };
    crate::format::Stamp {
        committed: Some(KnownCommit::new(head, Some(progress))),
        ..stamp()
    }
}

fn seal(base: &Manifest, over: OffsetRange, id: u32) -> Result<(Manifest, Page), ApplyError> {
    let progress = published().committed.unwrap().corrections;
    let (page, stored) = Page::of(base, over, progress).unwrap();
    let path = Layout::new("events")
        .unwrap()
        .page(PARTITION, over, SegmentId(id));
    let edit = Edit::Seal {
        page: Box::new(page.clone()),
        path,
        bytes: stored.len() as u64,
    };
    Ok((apply(Some(base), edit, published())?, page))
}

fn reopen(base: &Manifest, page: &Page) -> Result<Manifest, ApplyError> {
    let page = Box::new(page.clone());
    apply(Some(base), Edit::Reopen { page }, stamp())
}

#[test]
fn a_range_goes_to_a_page_and_back_and_what_is_live_stays_the_same() {
    let base = manifest();
    for (start, end) in [(0, 10), (0, 20), (10, 30), (0, 40), (0, 44), (30, 40)] {
        let (sealed, page) = seal(&base, range(start, end), 1).unwrap();
        assert_eq!(Manifest::decode(&sealed.encode()).unwrap(), sealed);
        assert_eq!((sealed.counts, &sealed.gaps), (base.counts, &base.gaps));
        assert_eq!(sealed.live_files(), base.live_files());
        assert_eq!(sealed.live_bytes(), base.live_bytes());
        assert_eq!(sealed.calculations, base.calculations);
        // That outcomes were corrected is seen without the page.
        assert_eq!(sealed.revision(), base.revision());
        let [link] = &sealed.pages[..] else {
            panic!("{:?}", sealed.pages);
        };
        assert_eq!(sealed.edit, EditSummary::Seal { page: link.clone() });
        assert!(link.is_to(&page) && !page.segments.is_empty());
        assert!(
            page.files()
                .all(|segment| !sealed.open.lists(&segment.path))
        );

        let listed = Listed::of(sealed.clone(), [&page], Vec::new());
        assert!(listed.files().eq(base.open.files()));
        assert_eq!(listed.silent(), base.open.silent);

        let open = reopen(&sealed, &page).unwrap();
        assert_eq!((&open.open, open.pages.len()), (&base.open, 0));
        assert_eq!(Manifest::decode(&open.encode()).unwrap(), open);
    }
}

#[test]
fn pages_stand_side_by_side_and_what_follows_is_appended_to_the_open_list() {
    let base = manifest();
    let (one, first) = seal(&base, range(0, 10), 1).unwrap();
    let (both, third) = seal(&one, range(20, 40), 2).unwrap();
    let (all, second) = seal(&both, range(10, 20), 3).unwrap();
    let ranges: Vec<_> = all.pages.iter().map(|page| page.range).collect();
    assert_eq!(ranges, [range(0, 10), range(10, 20), range(20, 40)]);
    assert_eq!(all.open.files().count(), 0);
    let more = append(&all, 5, 0, 0);
    assert_eq!((more.open.segments.len(), more.pages.len()), (1, 3));
    assert_eq!(Manifest::decode(&more.encode()).unwrap(), more);
    let listed = Listed::of(more, [&third, &first, &second], Vec::new());
    assert!(listed.files().take(4).eq(base.open.segments.iter()));
}

#[test]
fn only_what_the_open_list_has_is_sealed() {
    let base = manifest();
    let over = range(0, 20);
    let (page, _) = Page::of(&base, over, None).unwrap();
    let path = || {
        let layout = Layout::new("events").unwrap();
        layout.page(PARTITION, over, SegmentId(1))
    };
    let refused = |base: &Manifest, page: &Page, stamp| {
        let edit = Edit::Seal {
            page: Box::new(page.clone()),
            path: path(),
            bytes: 100,
        };
        apply(Some(base), edit, stamp).is_err()
    };
    assert!(!refused(&base, &page, stamp()));
    // A page of another state.
    let mut other = page.clone();
    other.segments[0].bytes += 1;
    assert!(refused(&base, &other, stamp()));
    let mut fewer = page.clone();
    fewer.segments.pop();
    assert!(refused(&base, &fewer, stamp()));
    // Twice.
    let (sealed, _) = seal(&base, over, 1).unwrap();
    assert!(refused(&sealed, &page, stamp()));
    // Corrections that are not known to be published.
    let progress = published().committed.unwrap().corrections;
    let (with_corrections, _) = Page::of(&base, over, progress).unwrap();
    assert_eq!(with_corrections.corrections.len(), 1);
    assert!(refused(&base, &with_corrections, stamp()));
    assert!(!refused(&base, &with_corrections, published()));
}

#[test]
fn only_a_page_that_is_listed_is_reopened_and_only_once() {
    let base = manifest();
    let (sealed, page) = seal(&base, range(0, 20), 1).unwrap();
    let (_, other) = seal(&base, range(0, 10), 1).unwrap();
    let error = reopen(&sealed, &other).unwrap_err();
    let range = range(0, 10);
    assert_eq!(error, ApplyError::NotThePage { range });
    assert!(reopen(&base, &page).is_err());
    let open = reopen(&sealed, &page).unwrap();
    assert!(reopen(&open, &page).is_err());
}

#[test]
fn a_manifest_that_contradicts_its_pages_is_refused() {
    let (sealed, _) = seal(&manifest(), range(10, 30), 1).unwrap();
    let spoilt = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = sealed.clone();
        change(&mut manifest);
        Manifest::decode(&manifest.encode())
    };
    let page = |change: &dyn Fn(&mut PageLink)| {
        spoilt(&|manifest| {
            change(&mut manifest.pages[0]);
            let page = manifest.pages[0].clone();
            manifest.edit = EditSummary::Seal { page };
        })
    };
    assert!(page(&|_| ()).is_ok());
    assert!(spoilt(&|manifest| manifest.pages.clear()).is_err());
    assert!(page(&|page| page.counts.results += 1).is_err());
    assert!(page(&|page| page.counts.lost -= 1).is_err());
    assert!(page(&|page| page.range = range(10, 29)).is_err());
    assert!(page(&|page| page.files = 0).is_err());
    assert!(page(&|page| page.files = 257).is_err());
    assert!(page(&|page| page.bytes = Page::MAX_BYTES + 1).is_err());
    assert!(page(&|page| page.results.clear()).is_err());
    assert!(page(&|page| *page.results.values_mut().next().unwrap() = u64::MAX).is_err());
    assert!(page(&|page| page.revision = Some(Sequence(99))).is_err());
    let elsewhere = |manifest: &mut Manifest| {
        manifest.pages[0].path = manifest.open.segments[0].path.clone();
    };
    assert!(spoilt(&elsewhere).is_err());
    let twice = |manifest: &mut Manifest| manifest.pages.push(manifest.pages[0].clone());
    assert!(spoilt(&twice).is_err());
    let gap = |manifest: &mut Manifest| {
        manifest.gaps.push(Gap {
            range: OffsetRange::empty(at(30)),
            ..manifest.gaps[0]
        });
    };
    assert!(spoilt(&gap).is_err(), "an empty gap");
}
