//! Outcomes that give way to a gap.

use super::*;
use crate::format::{Forward, Gap};

fn give_up(manifest: &Manifest, over: OffsetRange) -> Edit {
    Edit::GiveUp {
        range: over,
        reason: GapReason::Damaged,
        replaced: live(manifest, over),
    }
}

/// Three appends, the middle one with corrections of its own.
fn third() -> Manifest {
    let second = super::replacing::corrected();
    let next = append(range(120, 130), counts(10, 0, 0), 4);
    apply(Some(&second), next, stamp()).unwrap()
}

#[test]
fn what_is_given_up_becomes_a_gap_in_its_place_and_its_corrections_stay() {
    let base = third();
    let over = range(110, 120);
    let next = apply(Some(&base), give_up(&base, over), stamp()).unwrap();
    let lost = Counts {
        lost: 10,
        ..counts(17, 2, 1)
    };
    assert_eq!((next.end, next.counts), (base.end, lost));
    let gap = Gap {
        range: over,
        reason: GapReason::Damaged,
        accepted_at: next.created_at,
    };
    assert_eq!(next.gaps, [gap]);
    assert_eq!(next.replaced(), live(&base, over));
    assert_eq!(next.open.corrections, base.open.corrections);
    assert_eq!(next.added().count(), 0);
    assert!(live(&next, over).is_empty());
    assert_eq!(Manifest::decode(&next.encode()).unwrap(), next);
}

#[test]
fn what_was_recorded_stays_on_record_when_outcomes_are_given_up() {
    let base = third();
    assert_eq!(base.forward, None);
    let mut now = apply(Some(&base), give_up(&base, range(100, 110)), stamp()).unwrap();
    let edited = Some(now.sequence);
    let recorded = |outcomes, lost| Forward {
        outcomes,
        lost,
        edited,
    };
    assert_eq!(now.forward(), recorded(28, 0));
    assert_eq!(now.forward().beside(now.counts), 9);
    now = apply(
        Some(&now),
        append(range(130, 135), counts(2, 2, 1), 5),
        stamp(),
    )
    .unwrap();
    assert_eq!(now.forward(), recorded(32, 0));
    let loss = Edit::AcceptLoss {
        range: range(135, 138),
        reason: GapReason::Expired,
    };
    now = apply(Some(&now), loss, stamp()).unwrap();
    assert_eq!(now.forward(), recorded(32, 3));
    assert_eq!(now.counts.lost, 13);
    let starts: Vec<_> = now.gaps.iter().map(|gap| gap.range.start()).collect();
    assert_eq!(starts, [at(100), at(135)]);
    assert_eq!(Manifest::decode(&now.encode()).unwrap(), now);
}

#[test]
fn only_all_that_is_live_in_a_range_can_be_given_up() {
    let base = third();
    for (over, replaced) in [
        (
            range(110, 120),
            vec![live(&base, range(110, 120))[0].clone()],
        ),
        (range(110, 120), live(&base, range(120, 130))),
        (range(110, 130), live(&base, range(110, 120))),
        (range(112, 118), live(&base, range(110, 120))),
        (range(140, 150), Vec::new()),
    ] {
        let edit = Edit::GiveUp {
            range: over,
            reason: GapReason::Damaged,
            replaced,
        };
        assert_eq!(
            apply(Some(&base), edit, stamp()),
            Err(ApplyError::NotLive { range: over })
        );
    }
}

#[test]
fn a_loss_that_contradicts_itself_is_refused_on_reading() {
    let base = third();
    let good = apply(Some(&base), give_up(&base, range(110, 120)), stamp()).unwrap();
    let spoilt = |change: fn(&mut Manifest)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        Manifest::decode(&codec::seal(manifest).1)
    };
    assert!(spoilt(|_| {}).is_ok());
    assert!(spoilt(|manifest| manifest.forward = None).is_err());
    assert!(
        spoilt(|manifest| manifest.forward.as_mut().unwrap().edited = Some(Sequence(99))).is_err()
    );
    assert!(spoilt(|manifest| manifest.gaps[0].reason = GapReason::Expired).is_err());
    assert!(spoilt(|manifest| manifest.gaps.clear()).is_err());
    assert!(
        spoilt(|manifest| {
            let forward = manifest.forward.as_mut().unwrap();
            (forward.outcomes, forward.lost) = (u64::MAX, 2);
        })
        .is_err()
    );
    assert!(
        spoilt(|manifest| {
            let EditSummary::GiveUp { replaced, .. } = &mut manifest.edit else {
                unreachable!("a loss")
            };
            replaced.clear();
        })
        .is_err()
    );
    assert!(
        spoilt(|manifest| {
            let listed = manifest.open.segments[0].clone();
            let EditSummary::GiveUp {
                replaced, range, ..
            } = &mut manifest.edit
            else {
                unreachable!("a loss")
            };
            *range = listed.range;
            *replaced = vec![listed];
        })
        .is_err()
    );
}
