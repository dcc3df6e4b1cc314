use proptest::prelude::*;

use super::*;
use crate::snapshot::{
    SegmentId, codec,
    testing::{PARTITION, at, bind, range, stamp},
};

fn layout() -> Layout {
    Layout::new("events").unwrap()
}

fn counts(results: u64, rejects: u64, absent: u64) -> Counts {
    Counts {
        results,
        rejects,
        absent,
        lost: 0,
    }
}

fn segment(kind: SegmentKind, over: OffsetRange, rows: u64, id: u32) -> Segment {
    Segment {
        path: layout().segment(kind, PARTITION, over, SegmentId(id)),
        kind,
        range: over,
        rows,
        bytes: rows.saturating_add(1000),
        digest: Digest::of(&id.to_be_bytes()),
        fingerprint: "00112233445566aa".parse().unwrap(),
        revision: None,
    }
}

fn append(over: OffsetRange, counts: Counts, id: u32) -> Edit {
    let mut segments = Vec::new();
    if counts.rejects > 0 {
        segments.push(segment(SegmentKind::Rejects, over, counts.rejects, id));
    }
    if counts.results > 0 {
        segments.push(segment(SegmentKind::Results, over, counts.results, id));
    }
    Edit::Append {
        range: over,
        segments,
        counts,
    }
}

fn first() -> Manifest {
    apply(None, bind(100), stamp()).unwrap()
}

fn second() -> Manifest {
    apply(
        Some(&first()),
        append(range(100, 110), counts(7, 2, 1), 1),
        stamp(),
    )
    .unwrap()
}

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
fn corrections_get_the_number_of_the_manifest_that_brings_them() {
    let over = range(110, 120);
    let edit = Edit::Append {
        range: over,
        segments: vec![
            segment(SegmentKind::Corrections, over, 9, 4),
            segment(SegmentKind::Results, over, 9, 3),
        ],
        counts: counts(9, 0, 1),
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
    let kept = fourth.segments.iter().find_map(|segment| segment.revision);
    assert_eq!(kept, Some(third.sequence));

    let spoilt = |change: fn(&mut Segment)| {
        let mut manifest = fourth.clone();
        let corrections = manifest.segments.iter_mut().find(|s| s.revision.is_some());
        change(corrections.unwrap());
        Manifest::decode(&codec::seal(manifest).encode())
    };
    assert!(spoilt(|_| {}).is_ok());
    assert!(spoilt(|segment| segment.revision = None).is_err());
    assert!(spoilt(|segment| segment.revision = Some(Sequence(99))).is_err());
    assert!(spoilt(|segment| segment.revision = Some(Sequence::FIRST)).is_err());
}

#[test]
fn an_edit_that_does_not_fit_is_refused() {
    let over = range(110, 120);
    let good = counts(9, 0, 1);
    let with = |segments, counts| Edit::Append {
        range: over,
        segments,
        counts,
    };
    let mut elsewhere = segment(SegmentKind::Results, over, 9, 3);
    elsewhere.path = layout().segment(SegmentKind::Results, Partition(4), over, SegmentId(3));
    let half = segment(SegmentKind::Results, range(110, 115), 5, 3);
    let whole = segment(SegmentKind::Results, over, 9, 3);
    let corrections = segment(SegmentKind::Corrections, over, 8, 3);
    let lost = Counts {
        lost: 1,
        ..counts(9, 0, 0)
    };
    let cases: Vec<(&str, Edit)> = vec![
        ("bound twice", bind(110)),
        (
            "behind the end",
            append(range(111, 120), counts(9, 0, 0), 3),
        ),
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
            "corrections of a part",
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
fn overlapping_segments_are_refused_on_reading() {
    let mut manifest = second();
    let over = range(105, 110);
    manifest
        .segments
        .push(segment(SegmentKind::Results, over, 0, 9));
    let sealed = codec::seal(manifest);
    let error = Manifest::decode(&sealed.encode()).unwrap_err();
    assert!(error.to_string().contains("does not follow"), "{error}");
}

proptest! {
    #[test]
    fn any_sequence_of_edits_keeps_the_chain_whole(
        edits in prop::collection::vec((0..20u64, 0..5u64, 0..5u64, prop::bool::ANY), 1..40)
    ) {
        let mut manifest = first();
        for (id, (results, rejects, absent, loss)) in edits.into_iter().enumerate() {
            let length = results + rejects + absent;
            let over = OffsetRange::new(manifest.end, manifest.end.plus(length)).unwrap();
            let edit = if loss {
                Edit::AcceptLoss { range: over, reason: GapReason::Expired }
            } else {
                append(over, counts(results, rejects, absent), id as u32)
            };
            let next = apply(Some(&manifest), edit, stamp());
            if length == 0 {
                prop_assert!(next.is_err());
                continue;
            }
            let next = next.unwrap();
            // I2
            prop_assert_eq!(next.sequence, manifest.sequence.next());
            prop_assert_eq!(next.base.as_ref().unwrap().digest, manifest.digest());
            prop_assert_eq!(over.start(), manifest.end);
            prop_assert_eq!(over.end(), next.end);
            // I4, cumulatively and recountable
            prop_assert_eq!(next.counts.offsets(), next.range().len());
            let rows: u64 = next.segments.iter().map(|segment| segment.rows).sum();
            prop_assert_eq!(rows, next.counts.outcomes());
            let read = Manifest::decode(&next.encode()).unwrap();
            prop_assert_eq!(&read, &next);
            prop_assert_eq!(read.encode(), next.encode());
            manifest = next;
        }
    }

    #[test]
    fn a_flipped_bit_never_reads_as_the_manifest(at: prop::sample::Index, bit in 0..8u8) {
        let good = second();
        let mut bytes = good.encode().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Manifest::decode(&bytes).is_err());
    }

    #[test]
    fn a_manifest_cut_short_is_refused(length: prop::sample::Index) {
        let bytes = second().encode();
        prop_assert!(Manifest::decode(&bytes[..length.index(bytes.len())]).is_err());
    }
}

#[test]
fn a_newer_format_is_told_apart_whatever_follows() {
    let newer = b"{\n\"format_version\":2,\nno json at all";
    assert!(Manifest::decode(newer).unwrap_err().is_newer());
    assert!(!Manifest::decode(b"{}").unwrap_err().is_newer());
    assert!(!Manifest::decode(b"").unwrap_err().is_newer());
}

#[test]
fn a_path_that_leaves_the_store_is_refused_though_the_digest_is_right() {
    let text = String::from_utf8(second().encode().to_vec()).unwrap();
    for bad in [
        "../../etc/partition=3",
        "other/results/partition=3",
        "events/results/partition=4",
    ] {
        let changed = text.replace("events/results/partition=3", bad);
        let body = &changed[..changed.rfind("\"digest\":\"").unwrap()];
        let sealed = format!("{body}\"digest\":\"{}\"\n}}\n", Digest::of(body.as_bytes()));
        let error = Manifest::decode(sealed.as_bytes()).unwrap_err();
        assert!(matches!(
            error,
            codec::ManifestError::Inconsistent(Inconsistency::Path { .. })
        ));
    }
}

#[test]
fn a_segment_of_a_size_that_no_file_has_is_refused() {
    let mut manifest = second();
    for bytes in [u64::MAX, 1 << 60, (1 << 40) + 1] {
        manifest.segments[0].bytes = bytes;
        let sealed = codec::seal(manifest.clone());
        let error = Manifest::decode(&sealed.encode()).unwrap_err();
        assert!(
            matches!(
                error,
                codec::ManifestError::Inconsistent(Inconsistency::TooManyBytes { .. })
            ),
            "{error}"
        );
    }
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
            .segments
            .extend(in_order(segments, manifest.sequence));
        manifest.counts = manifest.counts + counts;
        manifest.end = over.end();
    }
    let base = codec::seal(manifest);
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
