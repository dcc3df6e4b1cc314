//! Outcomes in a gap, and before the origin.

use super::*;
use crate::format::Gap;

pub(super) fn fill(over: OffsetRange, counts: Counts, id: u32) -> Edit {
    let Edit::Append {
        range,
        mut segments,
        counts,
        record,
    } = append(over, counts, id)
    else {
        unreachable!("an append")
    };
    let rows = counts.stored();
    let corrections = segment(SegmentKind::Corrections, over, rows, id);
    segments.extend((rows > 0).then_some(corrections));
    Edit::Backfill {
        range,
        segments,
        counts,
        record,
    }
}

/// `[100, 110)` with outcomes, a gap up to 140, and `[140, 150)` with outcomes.
fn with_a_gap() -> Manifest {
    let loss = Edit::AcceptLoss {
        range: range(110, 140),
        reason: GapReason::Expired,
    };
    let third = apply(Some(&second()), loss, stamp()).unwrap();
    let next = append(range(140, 150), counts(10, 0, 0), 2);
    apply(Some(&third), next, stamp()).unwrap()
}

fn gaps(manifest: &Manifest) -> Vec<OffsetRange> {
    manifest.gaps.iter().map(|gap| gap.range).collect()
}

#[test]
fn a_part_of_a_gap_is_filled_in_its_place_and_the_rest_stays_as_it_is() {
    let base = with_a_gap();
    let over = range(120, 130);
    let next = apply(Some(&base), fill(over, counts(6, 3, 1), 5), stamp()).unwrap();
    let expected = Counts {
        lost: 20,
        ..counts(23, 5, 2)
    };
    assert_eq!(
        (next.counts, next.origin, next.end),
        (expected, at(100), at(150))
    );
    assert_eq!(gaps(&next), [range(110, 120), range(130, 140)]);
    let same = |gap: &Gap| {
        (gap.reason, gap.accepted_at) == (base.gaps[0].reason, base.gaps[0].accepted_at)
    };
    assert!(next.gaps.iter().all(same));
    let starts: Vec<_> = next
        .open
        .segments
        .iter()
        .map(|one| one.range.start().get())
        .collect();
    assert_eq!(starts, [100, 100, 120, 120, 140]);
    assert_eq!(next.open.corrections[0].revision, Some(next.sequence));
    assert_eq!(next.added().count(), 3);
    // Commits go on counting what was appended, and what was lost then.
    assert_eq!((next.forward().outcomes, next.forward().lost), (19, 30));
    assert_eq!(next.forward().beside(next.counts), -9);
    assert_eq!(next.published_from, None);
    assert_eq!(Manifest::decode(&next.encode()).unwrap(), next);

    let all = apply(
        Some(&next),
        fill(range(110, 120), counts(0, 0, 10), 6),
        stamp(),
    )
    .unwrap();
    assert_eq!(
        (gaps(&all), all.open.silent.len()),
        (vec![range(130, 140)], 1)
    );
    let all = apply(
        Some(&all),
        fill(range(130, 140), counts(10, 0, 0), 7),
        stamp(),
    )
    .unwrap();
    assert!(all.gaps.is_empty());
    assert_eq!(all.counts.lost, 0);
}

#[test]
fn before_the_origin_a_history_grows_down_without_a_hole() {
    let base = with_a_gap();
    let next = apply(
        Some(&base),
        fill(range(90, 100), counts(8, 0, 2), 5),
        stamp(),
    )
    .unwrap();
    assert_eq!((next.origin, next.published_from), (at(90), Some(at(100))));
    assert_eq!((gaps(&next), next.counts.lost), (gaps(&base), 30));
    let next = apply(
        Some(&next),
        fill(range(0, 90), counts(90, 0, 0), 6),
        stamp(),
    )
    .unwrap();
    assert_eq!((next.origin, next.published_from), (at(0), Some(at(100))));
    assert_eq!(next.forward().outcomes, 19);
    assert_eq!(Manifest::decode(&next.encode()).unwrap(), next);
    let more = apply(
        Some(&next),
        append(range(150, 160), counts(9, 0, 1), 7),
        stamp(),
    )
    .unwrap();
    assert_eq!(more.forward().outcomes, 28);
    assert_eq!(more.published_from, Some(at(100)));
}

#[test]
fn what_the_chain_has_is_not_filled() {
    let base = with_a_gap();
    for over in [
        range(100, 110),
        range(105, 115),
        range(135, 145),
        range(80, 90),
        range(90, 101),
        range(150, 160),
    ] {
        let length = over.len();
        let edit = fill(over, counts(length, 0, 0), 5);
        assert_eq!(
            apply(Some(&base), edit, stamp()),
            Err(ApplyError::NotLacking { range: over })
        );
    }
}

#[test]
fn a_backfill_that_contradicts_itself_is_refused_on_reading() {
    let base = with_a_gap();
    let good = apply(
        Some(&base),
        fill(range(90, 100), counts(6, 3, 1), 5),
        stamp(),
    )
    .unwrap();
    let spoilt = |change: fn(&mut Manifest)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        Manifest::decode(&codec::seal(manifest).1)
    };
    assert!(spoilt(|_| {}).is_ok());
    assert!(spoilt(|manifest| manifest.published_from = Some(at(90))).is_err());
    assert!(spoilt(|manifest| manifest.published_from = Some(at(151))).is_err());
    assert!(spoilt(|manifest| manifest.forward = None).is_err());
    assert!(
        spoilt(|manifest| {
            manifest.edit = EditSummary::Backfill {
                range: range(90, 100),
                counts: counts(7, 2, 1),
            };
        })
        .is_err()
    );
}
