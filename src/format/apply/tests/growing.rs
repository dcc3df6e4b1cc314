//! Binding, appending, giving up: how a chain grows.

use super::*;
use crate::format::Link;

#[test]
fn the_first_manifest_is_empty_at_its_origin() {
    let manifest = first();
    assert_eq!(manifest.sequence, Sequence::FIRST);
    assert_eq!((manifest.origin, manifest.end), (at(100), at(100)));
    assert_eq!((manifest.base, manifest.counts), (None, Counts::default()));
}

#[test]
fn an_append_continues_its_base() {
    let (base, manifest) = (first(), second());
    assert_eq!(manifest.sequence, Sequence(2));
    let link = Link {
        sequence: Sequence(1),
        digest: base.digest(),
        skipped: vec![],
    };
    assert_eq!(manifest.base, Some(link));
    assert_eq!((manifest.end, manifest.counts), (at(110), counts(7, 2, 1)));
    let kinds: Vec<_> = manifest.added().map(|segment| segment.kind).collect();
    assert_eq!(kinds, [SegmentKind::Results, SegmentKind::Rejects]);
}

#[test]
fn an_accepted_loss_is_a_gap_and_counts_as_lost() {
    let edit = Edit::AcceptLoss {
        range: range(110, 130),
        reason: GapReason::Expired,
    };
    let manifest = apply(Some(&second()), edit, stamp()).unwrap();
    assert_eq!((manifest.end, manifest.counts.lost), (at(130), 20));
    assert_eq!(manifest.gaps.len(), 1);
    assert_eq!(manifest.added().count(), 0);
    let next = append(range(130, 131), counts(0, 0, 1), 2);
    let next = apply(Some(&manifest), next, stamp()).unwrap();
    assert_eq!(next.counts.offsets(), next.range().len());
}

#[test]
fn damaged_numbers_are_skipped_and_named() {
    let damaged = |number, digest| Damaged {
        sequence: Sequence(number),
        digest,
    };
    let skipped = vec![damaged(3, Some(Digest::of(b"bad"))), damaged(4, None)];
    let edit = || append(range(110, 111), counts(1, 0, 0), 2);
    let on = Stamp {
        skipped: skipped.clone(),
        ..stamp()
    };
    let manifest = apply(Some(&second()), edit(), on).unwrap();
    assert_eq!(manifest.sequence, Sequence(5));
    assert_eq!(manifest.base.as_ref().unwrap().skipped, skipped);
    assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);

    let with_hole = Stamp {
        skipped: vec![damaged(4, None)],
        ..stamp()
    };
    let refused = apply(Some(&second()), edit(), with_hole).unwrap_err();
    assert!(matches!(
        refused,
        ApplyError::Inconsistent(Inconsistency::Number { .. })
    ));
}

#[test]
fn an_edit_that_does_not_fit_is_refused() {
    let over = range(110, 120);
    let good = counts(9, 0, 1);
    let with = |segments, counts| Edit::Append {
        range: over,
        segments,
        counts,
        record: record(over, counts),
    };
    let mut elsewhere = segment(SegmentKind::Results, over, 9, 3);
    elsewhere.path = layout().segment(SegmentKind::Results, Partition(4), over, SegmentId(3));
    let half = segment(SegmentKind::Results, range(110, 115), 5, 3);
    let whole = segment(SegmentKind::Results, over, 9, 3);
    let corrections = segment(SegmentKind::Corrections, over, 10, 3);
    let lost = Counts {
        lost: 1,
        ..counts(9, 0, 0)
    };
    let cases: Vec<(&str, Edit)> = vec![
        ("bound twice", bind(110)),
        ("after the end", append(range(111, 120), counts(9, 0, 0), 3)),
        (
            "before the end",
            append(range(109, 120), counts(11, 0, 0), 3),
        ),
        ("empty", append(range(110, 110), counts(0, 0, 0), 3)),
        ("too few", append(over, counts(9, 0, 0), 3)),
        ("too many", append(over, counts(9, 1, 1), 3)),
        ("overflowing", append(over, counts(u64::MAX, 11, 0), 3)),
        ("lost", append(over, lost, 3)),
        ("rows without a segment", with(vec![], good)),
        (
            "a segment of other rows",
            with(vec![segment(SegmentKind::Results, over, 8, 3)], good),
        ),
        ("of another partition", with(vec![elsewhere], good)),
        ("two halves", with(vec![half.clone()], counts(5, 0, 5))),
        (
            "two of a kind",
            with(vec![whole.clone(), whole.clone()], good),
        ),
        (
            "more corrections than outcomes",
            with(vec![whole, corrections], good),
        ),
        (
            "loss elsewhere",
            Edit::AcceptLoss {
                range: range(111, 112),
                reason: GapReason::Foreign,
            },
        ),
        (
            "no loss",
            Edit::AcceptLoss {
                range: range(110, 110),
                reason: GapReason::Foreign,
            },
        ),
    ];
    for (name, edit) in cases {
        assert!(apply(Some(&second()), edit, stamp()).is_err(), "{name}");
    }
    assert_eq!(
        apply(None, append(over, good, 3), stamp()),
        Err(ApplyError::NotBound)
    );
}

#[test]
fn three_thousand_appends_stay_quick_and_small() {
    let mut manifest = first();
    for id in 0..2999 {
        let over = OffsetRange::new(manifest.end, manifest.end.plus(1000)).unwrap();
        let Edit::Append {
            segments, counts, ..
        } = append(over, counts(990, 5, 5), id)
        else {
            unreachable!("append makes appends")
        };
        manifest
            .open
            .segments
            .extend(in_order(segments, manifest.sequence).0);
        manifest.counts = manifest.counts + counts;
        manifest.end = over.end();
    }
    let (base, _) = codec::seal(manifest);
    let over = OffsetRange::new(base.end, base.end.plus(1000)).unwrap();
    let started = std::time::Instant::now();
    let manifest = apply(Some(&base), append(over, counts(990, 5, 5), 3000), stamp()).unwrap();
    let applied = started.elapsed();
    let bytes = manifest.encode();
    let encoded = started.elapsed() - applied;
    assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
    let decoded = started.elapsed() - encoded - applied;
    println!(
        "6,000 segments: {} bytes, apply {applied:?}, encode {encoded:?}, decode {decoded:?}",
        bytes.len()
    );
    assert!(bytes.len() < 6000 * 340);
    assert!(bytes.iter().filter(|byte| **byte == b'\n').count() >= 6000);
}
