//! Corrections and repairs: outcomes that replace others.

use super::*;

#[test]
fn corrections_get_the_number_of_the_manifest_that_brings_them() {
    let over = range(110, 120);
    let edit = Edit::Append {
        range: over,
        segments: vec![
            segment(SegmentKind::Corrections, over, 9, 4),
            segment(SegmentKind::Results, over, 9, 3),
        ],
        counts: counts(9, 0, 1),
        record: record(over, counts(9, 0, 1)),
    };
    let third = apply(Some(&second()), edit, stamp()).unwrap();
    let revisions: Vec<_> = third.added().map(|segment| segment.revision).collect();
    assert_eq!(revisions, [None, Some(third.sequence)]);
    let text = third.encode();
    assert_eq!(Manifest::decode(&text).unwrap(), third);

    // They keep it in every manifest that follows.
    let fourth = apply(
        Some(&third),
        append(range(120, 121), counts(1, 0, 0), 5),
        stamp(),
    );
    let fourth = fourth.unwrap();
    let kept = fourth.open.files().find_map(|segment| segment.revision);
    assert_eq!(kept, Some(third.sequence));

    let spoilt = |change: fn(&mut Segment)| {
        let mut manifest = fourth.clone();
        let corrections = manifest.open.corrections.iter_mut().next();
        change(corrections.unwrap());
        Manifest::decode(&codec::seal(manifest).1)
    };
    assert!(spoilt(|_| {}).is_ok());
    assert!(spoilt(|segment| segment.revision = None).is_err());
    assert!(spoilt(|segment| segment.revision = Some(Sequence(99))).is_err());
    assert!(spoilt(|segment| segment.revision = Some(Sequence::FIRST)).is_err());
}

/// A third manifest's append of `[110, 120)`, with corrections.
pub(super) fn corrected() -> Manifest {
    let over = range(110, 120);
    let edit = Edit::Append {
        range: over,
        segments: vec![
            with_absent(1, segment(SegmentKind::Results, over, 6, 3)),
            with_absent(1, segment(SegmentKind::Rejects, over, 3, 3)),
            segment(SegmentKind::Corrections, over, 9, 3),
        ],
        counts: counts(6, 3, 1),
        record: record(over, counts(6, 3, 1)),
    };
    apply(Some(&second()), edit, stamp()).unwrap()
}

#[test]
fn a_repair_gives_a_range_other_outcomes_in_the_same_place() {
    let base = corrected();
    let over = range(100, 110);
    let next = apply(Some(&base), repair(&base, over, [9, 0, 4], 7), stamp()).unwrap();
    assert_eq!((next.end, next.origin), (base.end, base.origin));
    // 7 results and 2 rejects became 9 results; what was absent still is.
    assert_eq!(next.counts, counts(15, 3, 2));
    let listed: Vec<_> = next
        .open
        .files()
        .map(|s| (s.kind, s.range.start(), s.revision))
        .collect();
    let (third, fourth) = (Some(base.sequence), Some(next.sequence));
    assert_eq!(
        listed,
        [
            (SegmentKind::Results, at(100), None),
            (SegmentKind::Results, at(110), None),
            (SegmentKind::Rejects, at(110), None),
            (SegmentKind::Corrections, at(110), third),
            (SegmentKind::Corrections, at(100), fourth),
        ]
    );
    assert_eq!(next.replaced(), live(&base, over));
    let added: Vec<_> = next.added().map(|segment| segment.kind).collect();
    assert_eq!(added, [SegmentKind::Results, SegmentKind::Corrections]);
    assert_eq!(Manifest::decode(&next.encode()).unwrap(), next);

    // Once more, the other way: the corrections of both stay.
    let back = apply(Some(&next), repair(&next, over, [0, 9, 9], 8), stamp()).unwrap();
    assert_eq!(back.counts, counts(6, 12, 2));
    let revisions: Vec<_> = back.open.files().filter_map(|s| s.revision).collect();
    assert_eq!(revisions, [base.sequence, next.sequence, back.sequence]);
    assert_eq!(back.added().count(), 2);
}

#[test]
fn a_repair_that_does_not_fit_is_refused() {
    let base = corrected();
    let over = range(100, 110);
    type Change<'c> = &'c dyn Fn(&mut OffsetRange, &mut Vec<Segment>, &mut Vec<Segment>);
    let with = |change: Change<'_>| {
        let Edit::Repair {
            mut range,
            mut replaced,
            mut segments,
            record,
        } = repair(&base, over, [8, 1, 3], 7)
        else {
            unreachable!("a repair")
        };
        change(&mut range, &mut replaced, &mut segments);
        apply(
            Some(&base),
            Edit::Repair {
                range,
                replaced,
                segments,
                record,
            },
            stamp(),
        )
    };
    with(&|_, _, _| {}).unwrap();
    let not_live = Err(ApplyError::NotLive { range: over });
    assert_eq!(with(&|_, replaced, _| replaced.clear()), not_live);
    assert_eq!(
        with(&|_, replaced, _| drop(replaced.pop())),
        not_live,
        "half of it"
    );
    assert_eq!(with(&|_, replaced, _| replaced.reverse()), not_live);
    assert_eq!(
        with(&|_, replaced, _| replaced[0].digest = Digest::of(b"x")),
        not_live,
        "changed"
    );
    let corrections = &base.open.corrections[0];
    assert_eq!(
        with(&|_, replaced, _| replaced.push(corrections.clone())),
        not_live
    );
    let others = live(&base, range(110, 120));
    assert_eq!(with(&|_, replaced, _| *replaced = others.clone()), not_live);
    for part in [range(100, 105), range(100, 120), range(95, 110)] {
        assert!(with(&|range, _, _| *range = part).is_err(), "{part}");
    }
    assert!(
        with(&|_, _, segments| segments[0].rows = 7).is_err(),
        "one is gone"
    );
    assert!(
        with(&|_, _, segments| segments[0].rows = 9).is_err(),
        "one is new"
    );
    assert!(
        with(&|_, _, segments| segments[2].rows = 10).is_err(),
        "too many corrections"
    );
    assert!(with(&|_, _, segments| segments[0].range = range(100, 109)).is_err());
    assert!(
        with(&|_, _, segments| segments.push(segments[0].clone())).is_err(),
        "twice"
    );
    let same = live(&base, over);
    assert!(
        with(&|_, _, segments| *segments = same.clone()).is_err(),
        "no change at all"
    );
    assert_eq!(
        apply(None, repair(&base, over, [9, 0, 0], 7), stamp()),
        Err(ApplyError::NotBound)
    );
}

#[test]
fn a_repair_that_contradicts_itself_is_refused_on_reading() {
    let base = corrected();
    let good = apply(
        Some(&base),
        repair(&base, range(100, 110), [8, 1, 3], 7),
        stamp(),
    )
    .unwrap();
    let spoilt = |change: fn(&mut OffsetRange, &mut Counts, &mut Vec<Segment>)| {
        let mut manifest = good.clone();
        let EditSummary::Repair {
            range,
            counts,
            replaced,
        } = &mut manifest.edit
        else {
            unreachable!("a repair")
        };
        change(range, counts, replaced);
        Manifest::decode(&codec::seal(manifest).1)
    };
    assert!(spoilt(|_, _, _| {}).is_ok());
    // Whether the range was silent, the base says; it had an outcome in any case.
    assert!(
        spoilt(|_, counts, replaced| {
            replaced.clear();
            *counts = Counts {
                absent: counts.offsets(),
                ..Counts::default()
            };
        })
        .is_err()
    );
    assert!(spoilt(|_, _, replaced| replaced[0].rows += 1).is_err());
    assert!(spoilt(|_, _, replaced| replaced.reverse()).is_err());
    assert!(spoilt(|_, _, replaced| replaced[0].kind = SegmentKind::Corrections).is_err());
    assert!(spoilt(|_, counts, _| counts.results += 1).is_err());
    assert!(spoilt(|_, counts, _| (counts.results, counts.rejects) = (7, 2)).is_err());
    assert!(spoilt(|_, counts, _| (counts.absent, counts.lost) = (0, 1)).is_err());
    assert!(spoilt(|over, _, _| *over = range(101, 110)).is_err());
    assert!(spoilt(|_, _, replaced| replaced[0].rows = u64::MAX).is_err());
    let mut live = good.clone();
    let EditSummary::Repair { replaced, .. } = &mut live.edit else {
        unreachable!("a repair")
    };
    replaced[0] = good.open.segments[0].clone();
    replaced[0].rows = 7;
    assert!(
        Manifest::decode(&codec::seal(live).1).is_err(),
        "still listed"
    );
}
