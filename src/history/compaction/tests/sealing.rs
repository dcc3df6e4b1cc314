//! What is sealed: what no merge ever takes in.

use std::collections::BTreeSet;

use super::{super::plan::sealed as with_a_page, *};
use crate::format::Gap;

fn chosen_seal(manifest: &Manifest, obstacles: &Obstacles) -> Option<(i64, i64)> {
    let range = choose_seal(manifest, MergeLimits::LARGEST, obstacles)?;
    Some((range.start().get(), range.end().get()))
}

#[test]
fn what_nothing_joins_any_more_is_sealed() {
    let large = small(30 * KIB * KIB);
    let nothing = Obstacles::default();
    let of = |ranges: &[Said]| chosen_seal(&manifest(ranges), &nothing);
    assert_eq!(of(&[large; 63]), None, "too few for an edit");
    assert_eq!(of(&[large; 64]), Some((0, 640)));
    assert_eq!(
        of(&[large; 300]),
        Some((0, 2560)),
        "no more than a page lists"
    );
    // Small ones may still be joined by what follows.
    let mut growing = vec![large; 70];
    growing.extend([small(KIB); 5]);
    assert_eq!(of(&growing), Some((0, 700)));
    assert_eq!(of(&[small(KIB); 200]), None);
    // Those that are still to be merged are first.
    let mut mixed = vec![large; 70];
    mixed.extend([small(KIB), small(KIB)]);
    mixed.extend([large; 70]);
    assert_eq!(of(&mixed), Some((0, 700)));
    let mut early = vec![small(KIB), small(KIB)];
    early.extend([large; 70]);
    assert_eq!(of(&early), None);
    // Between others, one is final, whatever its size; so is what another calculation or a gap follows.
    let mut lone = vec![large; 40];
    lone.push(small(KIB));
    lone.extend([large; 40]);
    assert_eq!(of(&lone), Some((0, 810)));
    let alternating: Vec<Said> = (0..100)
        .map(|number| Said {
            other: number % 2 == 0,
            ..small(KIB)
        })
        .collect();
    assert_eq!(of(&alternating), Some((0, 990)), "the last may still grow");
    let gaps = [Said {
        gap: true,
        ..small(KIB)
    }; 100];
    assert_eq!(of(&gaps), Some((0, 1980)));
}

#[test]
fn the_choice_of_a_page_goes_around_damage_and_other_pages() {
    let large = small(30 * KIB * KIB);
    let manifest = manifest(&[large; 150]);
    let mut obstacles = Obstacles::default();
    let at = |offset| Offset::new(offset).unwrap();
    obstacles.damaged.insert(at(700));
    assert_eq!(chosen_seal(&manifest, &obstacles), Some((0, 700)));
    let first = OffsetRange::new(at(0), at(700)).unwrap();
    obstacles.unsealed.insert(first);
    assert_eq!(chosen_seal(&manifest, &obstacles), Some((710, 1500)));
    let over = OffsetRange::new(at(710), at(1500)).unwrap();
    let mut next = with_a_page(manifest, over);
    assert_eq!(chosen_seal(&next, &obstacles), None);
    // One page before and one behind: what lies between is sealed as soon as it is right again.
    next = with_a_page(next, OffsetRange::new(at(0), at(20)).unwrap());
    assert_eq!(chosen_seal(&next, &Obstacles::default()), Some((20, 710)));
    // It becomes no more, so a few suffice.
    next = with_a_page(next, OffsetRange::new(at(20), at(690)).unwrap());
    assert_eq!(chosen_seal(&next, &Obstacles::default()), Some((690, 710)));
}

#[test]
fn what_lies_before_the_first_page_may_still_grow() {
    let over = |start, end| {
        let at = |offset| Offset::new(offset).unwrap();
        OffsetRange::new(at(start), at(end)).unwrap()
    };
    let large = small(30 * KIB * KIB);
    let few = with_a_page(manifest(&[large; 150]), over(50, 1500));
    assert_eq!(chosen_seal(&few, &Obstacles::default()), None);
    let many = with_a_page(manifest(&[large; 150]), over(700, 1500));
    assert_eq!(chosen_seal(&many, &Obstacles::default()), Some((0, 700)));
}

#[test]
fn a_plan_seals_what_is_left_of_a_long_history() {
    let manifest = manifest(&[small(30 * KIB * KIB); 600]);
    let plan = plan_merges(&manifest, MergeLimits::LARGEST);
    let expected = CompactionPlan {
        merges: 0,
        pages: 3,
        open_segments: 0,
        merged_segments: 0,
    };
    assert_eq!(plan, expected);
}

#[test]
fn a_range_that_none_of_its_neighbours_may_be_merged_with_is_closed() {
    // Each could be joined by a smaller one, and none of them by another of its size.
    let half = small(17 << 20);
    let closed = chosen_seal(&manifest(&[half; 70]), &Obstacles::default());
    assert_eq!(closed, Some((0, 690)), "the last may still grow");
    // What lies before one that is full is merged at once: nothing else comes.
    let full = small(30 << 20);
    let mut ranges = vec![small(KIB); 3];
    ranges.push(full);
    assert_eq!(chosen(&ranges, &Obstacles::default(), false), Some((0, 3)));
}

#[test]
fn what_others_could_merge_is_not_sealed_until_the_list_is_long() {
    // For a writer with little memory each of them is full.
    let (half, limits) = (small(4 << 20), MergeLimits::within(0));
    let nothing = Obstacles::default();
    let sealed = |count| choose_seal(&manifest(&vec![half; count]), limits, &nothing);
    assert_eq!(
        choose_merge(&manifest(&[half; 9]), limits, &nothing, true),
        None
    );
    assert_eq!((sealed(70), sealed(256)), (None, None));
    let range = sealed(257).unwrap();
    assert_eq!((range.start().get(), range.end().get()), (0, 2560));
}

#[test]
fn a_page_takes_no_more_than_it_may_have_bytes() {
    // Between the segments lie ranges with so many runs of absent offsets that 64 of them are larger than a page.
    let mut manifest = manifest(&[small(30 << 20); 100]);
    let runs = (0..999_i64).map(|run| {
        let at = |offset| Offset::new(1_000_000_000_000 + offset).unwrap();
        OffsetRange::new(at(run * 2), at(run * 2 + 1)).unwrap()
    });
    let runs: Vec<OffsetRange> = runs.collect();
    let silent = |segment: &Segment| crate::format::SilentRange {
        range: segment.range,
        record: crate::format::RowlessRecord {
            absent: crate::format::Absent::Ranges(runs.clone()),
            filtered: 0,
        },
        fingerprint: None,
    };
    let between: Vec<_> = manifest.open.segments.iter().map(silent).collect();
    manifest.open.silent = between[..2].to_vec();
    assert_eq!(
        chosen_seal(&manifest, &Obstacles::default()),
        Some((0, 1000))
    );
    manifest.open.silent = between;
    // As many of them as a page takes, with the segments among them.
    assert_eq!(chosen_seal(&manifest, &Obstacles::default()), Some((0, 90)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_merge_takes_in_what_could_have_been_sealed(
        snapshots in prop::collection::vec((
            prop_oneof![KIB..(40 * KIB), (10 * KIB * KIB)..(32 * KIB * KIB)],
            prop::bool::weighted(0.3),
            prop::bool::weighted(0.3),
            any::<bool>(),
        ), 150..250)
    ) {
        let mut manifest = manifest(&[]);
        let template = super::manifest(&[small(1)]).open.segments[0].clone();
        let (limits, nothing) = (MergeLimits::LARGEST, Obstacles::default());
        let mut sealable: BTreeSet<OffsetRange> = BTreeSet::new();
        let mut end = Offset::ZERO;
        for (bytes, gap, other, at_rest) in snapshots {
            if gap {
                let range = OffsetRange::new(end, end.plus(10)).unwrap();
                let (reason, accepted_at) = (GapReason::Expired, manifest.created_at);
                manifest.gaps.push(Gap { range, reason, accepted_at });
                end = range.end();
            }
            let range = OffsetRange::new(end, end.plus(10)).unwrap();
            end = range.end();
            let mut segment = Segment { range, bytes, ..template.clone() };
            if other {
                segment.fingerprint = "ffeeddccbbaa9988".parse().unwrap();
            }
            manifest.open.segments.push(segment);
            while let Some(merge) = choose_merge(&manifest, limits, &nothing, at_rest) {
                for sealed in &sealable {
                    prop_assert!(!merge.range.overlaps(*sealed), "{} of {sealed}", merge.range);
                }
                manifest.open.segments = merged(&manifest, &merge);
            }
            sealable.extend(choose_seal(&manifest, limits, &nothing));
        }
    }
}
