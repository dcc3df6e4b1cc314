use proptest::prelude::*;

use super::*;
use crate::format::{
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
    let corrections = segment(SegmentKind::Corrections, over, 10, 3);
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

/// A third manifest's append of `[110, 120)`, with corrections.
fn corrected() -> Manifest {
    let over = range(110, 120);
    let edit = Edit::Append {
        range: over,
        segments: vec![
            segment(SegmentKind::Results, over, 6, 3),
            segment(SegmentKind::Rejects, over, 3, 3),
            segment(SegmentKind::Corrections, over, 9, 3),
        ],
        counts: counts(6, 3, 1),
    };
    apply(Some(&second()), edit, stamp()).unwrap()
}

/// The live results and rejects of a range.
fn live(manifest: &Manifest, over: OffsetRange) -> Vec<Segment> {
    let outcomes = |segment: &&Segment| segment.kind != SegmentKind::Corrections;
    let segments = manifest.segments.iter().filter(outcomes);
    segments.filter(|s| s.range == over).cloned().collect()
}

/// Other files with so many rows for a range.
fn repair(manifest: &Manifest, over: OffsetRange, rows: [u64; 3], id: u32) -> Edit {
    let segments = SegmentKind::ALL.into_iter().zip(rows);
    Edit::Repair {
        range: over,
        replaced: live(manifest, over),
        segments: segments
            .filter(|(_, rows)| *rows > 0)
            .map(|(kind, rows)| segment(kind, over, rows, id))
            .collect(),
    }
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
        .segments
        .iter()
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
    let revisions: Vec<_> = back.segments.iter().filter_map(|s| s.revision).collect();
    assert_eq!(revisions, [base.sequence, next.sequence, back.sequence]);
    assert_eq!(back.added().count(), 2);
}

#[test]
fn a_manifest_states_the_oldest_version_that_can_read_it() {
    let base = second();
    let repaired = apply(
        Some(&base),
        repair(&base, range(100, 110), [9, 0, 9], 7),
        stamp(),
    );
    let repaired = repaired.unwrap();
    let later = apply(
        Some(&repaired),
        append(range(110, 111), counts(1, 0, 0), 9),
        stamp(),
    );
    for (manifest, version) in [(base, 1), (repaired, 2), (later.unwrap(), 1)] {
        let text = String::from_utf8(manifest.encode().to_vec()).unwrap();
        let stated = format!("{{\n\"format_version\":{version},\n");
        assert!(text.starts_with(&stated), "{text}");
        // Another version's digest would be right all the same.
        let other = text.replacen(
            &stated,
            &stated.replace(&version.to_string(), &(3 - version).to_string()),
            1,
        );
        let body = &other[..other.rfind("\"digest\":\"").unwrap()];
        let sealed = format!("{body}\"digest\":\"{}\"\n}}\n", Digest::of(body.as_bytes()));
        assert!(Manifest::decode(sealed.as_bytes()).is_err());
    }
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
    let corrections = base.segments.iter().find(|s| s.revision.is_some()).unwrap();
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
        Manifest::decode(&codec::seal(manifest).encode())
    };
    assert!(spoilt(|_, _, _| {}).is_ok());
    assert!(spoilt(|_, _, replaced| replaced.clear()).is_err());
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
    replaced[0] = good.segments[0].clone();
    replaced[0].rows = 7;
    assert!(
        Manifest::decode(&codec::seal(live).encode()).is_err(),
        "still listed"
    );
}

proptest! {
    #[test]
    fn any_sequence_of_edits_keeps_the_chain_whole(
        edits in prop::collection::vec(
            (0..20u64, 0..5u64, 0..5u64, 0..4u8, any::<prop::sample::Index>()),
            1..40,
        )
    ) {
        let mut manifest = first();
        for (id, (results, rejects, absent, kind, which)) in edits.into_iter().enumerate() {
            let ranges: Vec<_> = manifest.segments.iter().map(|segment| segment.range).collect();
            if kind == 3 && !ranges.is_empty() {
                let over = ranges[which.index(ranges.len())];
                let before = live(&manifest, over);
                let rows: u64 = before.iter().map(|segment| segment.rows).sum();
                let (results, corrections) = (results.min(rows), absent.min(rows));
                let rows = [results, rows - results, corrections];
                let next = apply(Some(&manifest), repair(&manifest, over, rows, id as u32), stamp());
                let next = next.unwrap();
                // I2, I4, I6
                prop_assert_eq!(next.base.as_ref().unwrap().digest, manifest.digest());
                prop_assert_eq!(next.range(), manifest.range());
                prop_assert_eq!(next.counts.outcomes(), manifest.counts.outcomes());
                prop_assert_eq!((next.counts.absent, next.counts.lost), (manifest.counts.absent, manifest.counts.lost));
                prop_assert_eq!(next.replaced(), &before[..]);
                let kept = |of: &Manifest, without: &[Segment]| {
                    of.segments.iter().filter(|s| !without.contains(s)).cloned().collect::<Vec<_>>()
                };
                let added: Vec<_> = next.added().cloned().collect();
                prop_assert_eq!(added.len(), rows.iter().filter(|rows| **rows > 0).count());
                prop_assert_eq!(kept(&next, &added), kept(&manifest, &before));
                let pending = manifest.segments.iter().filter(|segment| segment.revision.is_some());
                prop_assert!(pending.clone().all(|segment| next.segments.contains(segment)));
                prop_assert_eq!(Manifest::decode(&next.encode()).unwrap(), next.clone());
                manifest = next;
                continue;
            }
            let loss = kind == 0;
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
            let outcomes = next.segments.iter().filter(|segment| segment.revision.is_none());
            let rows: u64 = outcomes.map(|segment| segment.rows).sum();
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
    let newer = b"{\n\"format_version\":3,\nno json at all";
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
