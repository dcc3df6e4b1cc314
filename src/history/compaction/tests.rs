use proptest::prelude::*;

use super::{plan::merged, *};
use crate::{
    format::{
        Edit, GapReason, Layout, Manifest, NotKnown, Segment, SegmentId, SegmentKind, apply,
        testing::{PARTITION, bind, declaration, record, stamp},
    },
    model::{Counts, Digest, Offset, OffsetRange, Sequence},
};

const KIB: u64 = 1 << 10;

/// A range as a test says it: `bytes` of results; a `gap` lies before it, or it is of `other` calculation.
#[derive(Clone, Copy, Debug)]
struct Said {
    bytes: u64,
    gap: bool,
    other: bool,
}

fn small(bytes: u64) -> Said {
    Said {
        bytes,
        gap: false,
        other: false,
    }
}

/// A manifest of ranges of ten offsets each.
fn manifest(ranges: &[Said]) -> Manifest {
    let mut manifest = apply(None, bind(0), stamp()).unwrap();
    for said in ranges {
        if said.gap {
            let start = manifest.end;
            let range = OffsetRange::new(start, start.plus(10)).unwrap();
            let reason = GapReason::Expired;
            let loss = Edit::AcceptLoss { range, reason };
            manifest = apply(Some(&manifest), loss, stamp()).unwrap();
        }
        let start = manifest.end;
        let range = OffsetRange::new(start, start.plus(10)).unwrap();
        let mut declared = declaration();
        if said.other {
            declared.fingerprint = "ffeeddccbbaa9988".parse().unwrap();
        }
        let counts = Counts {
            results: 10,
            ..Counts::default()
        };
        let layout = Layout::new("events").unwrap();
        let segment = Segment {
            path: layout.segment(SegmentKind::Results, PARTITION, range, SegmentId(1)),
            kind: SegmentKind::Results,
            range,
            rows: 10,
            rowless: Default::default(),
            bytes: said.bytes,
            digest: Digest::of(&[1]),
            fingerprint: declared.fingerprint.clone(),
            not_known: None,
            revision: None,
        };
        let edit = Edit::Append {
            range,
            segments: vec![segment],
            counts,
            record: record(range, counts),
        };
        let stamp = crate::format::Stamp {
            known: vec![declared],
            ..stamp()
        };
        manifest = apply(Some(&manifest), edit, stamp).unwrap();
    }
    manifest
}

/// Which ranges are merged, as indexes from and up to.
fn chosen(ranges: &[Said], obstacles: &Obstacles, at_rest: bool) -> Option<(usize, usize)> {
    let manifest = manifest(ranges);
    let merge = choose_merge(&manifest, MergeLimits::LARGEST, obstacles, at_rest)?;
    let all = runs::ranges(&manifest);
    let at = |offset| all.iter().position(|one| one.range.start() == offset);
    let from = at(merge.range.start()).unwrap();
    Some((from, from + merge.inputs.len()))
}

#[test]
fn eight_of_about_one_size_are_merged_and_larger_ones_are_left_alone() {
    let (k4, k32, mib16) = (small(4 * KIB), small(32 * KIB), small(16 << 20));
    for (ranges, expected) in [
        (vec![], None),
        (vec![k4; 7], None),
        (vec![k4; 8], Some((0, 8))),
        (vec![k4; 40], Some((0, 32))),
        ([vec![k32; 3], vec![k4; 7]].concat(), None),
        ([vec![k32; 3], vec![k4; 8]].concat(), Some((3, 11))),
        ([vec![k32; 7], vec![k4; 1]].concat(), Some((0, 8))),
        (vec![mib16; 2], Some((0, 2))),
        (vec![small(17 << 20); 9], None),
    ] {
        let named = format!("{ranges:?}");
        assert_eq!(
            chosen(&ranges, &Obstacles::default(), false),
            expected,
            "{named}"
        );
    }
}

/// A merge would say of all of its rows what some do not know.
#[test]
fn what_does_not_know_everything_of_its_events_is_left_alone() {
    let mut manifest = manifest(&[small(4 * KIB); 20]);
    let merge = |manifest: &Manifest, at_rest| {
        let obstacles = Obstacles::default();
        let merge = choose_merge(manifest, MergeLimits::LARGEST, &obstacles, at_rest);
        merge.map(|merge| merge.range.to_string())
    };
    assert_eq!(merge(&manifest, false).as_deref(), Some("0-200"));
    let before = manifest.open.segments[9].range.end();
    manifest.open.segments[9].not_known = Some(NotKnown { before, key: false });
    assert_eq!(merge(&manifest, false).as_deref(), Some("0-90"));
    manifest.open.segments[1].not_known = Some(NotKnown { before, key: false });
    assert_eq!(merge(&manifest, true).as_deref(), Some("20-90"));
}

#[test]
fn at_rest_and_where_nothing_can_join_two_suffice_if_they_are_alike() {
    let (k4, k32) = (small(4 * KIB), small(32 * KIB));
    let nothing = Obstacles::default();
    assert_eq!(chosen(&[k4; 2], &nothing, true), Some((0, 2)));
    assert_eq!(chosen(&[k32, k4], &nothing, true), None);
    let after_gap = Said { gap: true, ..k4 };
    let other = Said { other: true, ..k4 };
    assert_eq!(
        chosen(&[k4, k4, after_gap, k4], &nothing, false),
        Some((0, 2))
    );
    assert_eq!(
        chosen(&[k4, k4, other, other], &nothing, false),
        Some((0, 2))
    );
    assert_eq!(chosen(&[k4, other, k4, other], &nothing, true), None);
}

/// A manifest of ranges of ten offsets with events filtered within them, and between them ranges that `by` filtered as a whole.
fn filtered_between(by: &[&str]) -> Manifest {
    let mut manifest = manifest(&[small(4 * KIB)]);
    for by in by {
        let mut declared = declaration();
        declared.fingerprint = by.parse().unwrap();
        declared.condition = Some(format!("number > {}", &by[..1]));
        let over = OffsetRange::new(manifest.end, manifest.end.plus(10)).unwrap();
        let counts = Counts {
            filtered: 10,
            ..Counts::default()
        };
        let silent = Edit::Append {
            range: over,
            segments: Vec::new(),
            counts,
            record: crate::format::RowlessRecord {
                absent: crate::format::Absent::none(),
                filtered: 10,
            },
        };
        let stamp = crate::format::Stamp {
            calculation: declared.clone(),
            ..stamp()
        };
        manifest = apply(Some(&manifest), silent, stamp).unwrap();
        let over = OffsetRange::new(manifest.end, manifest.end.plus(10)).unwrap();
        let (mut segment, rows) = (manifest.open.segments[0].clone(), 7);
        let layout = Layout::new("events").unwrap();
        segment.path = layout.segment(SegmentKind::Results, PARTITION, over, SegmentId(1));
        (segment.range, segment.rows) = (over, rows);
        segment.rowless.filtered = 3;
        let counts = Counts {
            results: rows,
            filtered: 3,
            ..Counts::default()
        };
        let edit = Edit::Append {
            range: over,
            segments: vec![segment],
            counts,
            record: record(over, counts),
        };
        manifest = apply(Some(&manifest), edit, crate::format::testing::stamp()).unwrap();
    }
    manifest
}

#[test]
fn what_one_condition_filtered_is_merged_and_what_another_did_stays_apart() {
    let ours = declaration().fingerprint.to_string();
    let merge = |by: &[&str]| {
        let manifest = filtered_between(by);
        let limits = MergeLimits::LARGEST;
        let merge = choose_merge(&manifest, limits, &Obstacles::default(), true);
        merge.map(|merge| (merge.range.to_string(), merge.silent.len()))
    };
    assert_eq!(merge(&[&ours, &ours]), Some(("0-50".to_owned(), 2)));
    assert_eq!(
        merge(&["8888888888888888", &ours]),
        Some(("20-50".to_owned(), 1))
    );
    assert_eq!(merge(&["8888888888888888"]), None);
}

#[test]
fn the_choice_goes_around_damage_and_other_columns() {
    let ranges = [small(4 * KIB); 16];
    let at = |index: u32| Offset::new(i64::from(index) * 10).unwrap();
    let mut obstacles = Obstacles::default();
    obstacles.damaged.insert(at(3));
    // Nothing will ever join the three before it.
    assert_eq!(chosen(&ranges, &obstacles, false), Some((0, 3)));
    obstacles.damaged.insert(at(1));
    assert_eq!(chosen(&ranges, &obstacles, false), Some((4, 16)));
    let mut obstacles = Obstacles::default();
    obstacles.apart.insert(at(2));
    assert_eq!(chosen(&ranges, &obstacles, false), Some((0, 2)));
}

#[test]
fn beside_a_recalculation_only_what_it_has_done_is_merged() {
    let k4 = small(4 * KIB);
    let other = Said { other: true, ..k4 };
    let ranges = [vec![other; 20], vec![k4; 8], vec![other; 20]].concat();
    let only = Obstacles {
        only: Some(declaration().fingerprint),
        ..Obstacles::default()
    };
    assert_eq!(chosen(&ranges, &only, false), Some((20, 28)));
    assert_eq!(chosen(&ranges[..20], &only, true), None);
    assert_eq!(chosen(&ranges, &Obstacles::default(), false), Some((0, 20)));
}

#[test]
fn a_plan_ends_with_nothing_left_to_merge() {
    let manifest = manifest(&[small(4 * KIB); 100]);
    let plan = plan_merges(&manifest, MergeLimits::LARGEST);
    let (merges, segments) = (plan.merges, plan.open_segments);
    assert_eq!((plan.pages, plan.merged_segments), (0, 100 - segments));
    assert!(
        merges >= 4 && segments <= 3,
        "{merges} merges, {segments} segments"
    );
}

/// Appends snapshots and merges as a keeper does; the most live segments, and the bytes written for each byte appended.
fn grow(sizes: impl Iterator<Item = u64>) -> (usize, f64) {
    let mut manifest = manifest(&[]);
    let (mut most, mut appended, mut written) = (0, 0_u64, 0_u64);
    let template = super::tests::manifest(&[small(1)]).open.segments[0].clone();
    for (number, bytes) in sizes.enumerate() {
        let start = Offset::new(number as i64 * 10).unwrap();
        let range = OffsetRange::new(start, start.plus(10)).unwrap();
        manifest.open.segments.push(Segment {
            range,
            bytes,
            revision: None::<Sequence>,
            ..template.clone()
        });
        (appended, written) = (appended + bytes, written + bytes);
        most = most.max(manifest.open.segments.len());
        let limits = MergeLimits::LARGEST;
        while let Some(merge) = choose_merge(&manifest, limits, &Obstacles::default(), false) {
            written += merge.bytes();
            manifest.open.segments = merged(&manifest, &merge);
        }
    }
    (most, written as f64 / appended as f64)
}

#[test]
fn the_list_stays_short_and_bytes_are_written_few_times() {
    for bytes in [2 * KIB, 100 * KIB, 5 << 20] {
        let (most, amplification) = grow(std::iter::repeat_n(bytes, 3000));
        let full = 3000 * bytes / (MergeLimits::LARGEST.bytes / 2);
        assert!(
            most <= 48 + full as usize,
            "{most} segments of {bytes} bytes"
        );
        assert!(amplification <= 6.0, "{amplification} for {bytes} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_the_sizes_the_list_is_bounded(
        sizes in prop::collection::vec(prop_oneof![
            8 => KIB..(40 * KIB),
            1 => (40 * KIB)..(600 * KIB),
        ], 600)
    ) {
        let (most, amplification) = grow(sizes.into_iter());
        prop_assert!(most <= MANY_SEGMENTS, "{most} segments");
        prop_assert!(amplification <= 8.0, "{amplification}");
    }

    #[test]
    fn a_merge_is_a_run_of_neighbours_within_the_limits(
        said in prop::collection::vec(
            (1..(20 * KIB), prop::bool::weighted(0.05), prop::bool::weighted(0.1)), 0..60
        ),
        at_rest in any::<bool>()
    ) {
        let said: Vec<Said> = said
            .into_iter()
            .map(|(bytes, gap, other)| Said { bytes, gap, other })
            .collect();
        let manifest = manifest(&said);
        let chosen = choose_merge(&manifest, MergeLimits::LARGEST, &Obstacles::default(), at_rest);
        if let Some(merge) = chosen {
            prop_assert!((2..=32).contains(&merge.inputs.len()));
            prop_assert!(merge.bytes() <= MergeLimits::LARGEST.bytes);
            let ends = merge.inputs.iter().map(|input| input[0].range.end());
            let starts = merge.inputs.iter().skip(1).map(|input| input[0].range.start());
            prop_assert!(ends.zip(starts).all(|(end, start)| end == start));
            let first = &merge.inputs[0][0].fingerprint;
            prop_assert!(merge.segments().all(|one| one.fingerprint == *first));
        }
    }
}

mod sealing;
mod silence;
