use proptest::prelude::*;

use super::*;
use crate::{
    format::{
        AbsentBuilder, same_silence_outside,
        testing::{one_of_two, range},
    },
    model::Offset,
};

/// What an offset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Row,
    Absent,
    /// By one of two conditions.
    Filtered(bool),
}

/// A range of one condition and without rows.
fn silent(start: i64, fates: &[Fate]) -> SilentRange {
    let mut absent = AbsentBuilder::default();
    let mut filtered = 0;
    let mut by = false;
    for (at, fate) in (start..).zip(fates) {
        match fate {
            Fate::Absent => absent.push(range(at, at + 1)),
            Fate::Filtered(second) => {
                by = *second;
                filtered += 1;
            }
            Fate::Row => panic!("a row in a silent range"),
        }
    }
    let record = RowlessRecord {
        absent: absent.finish(),
        filtered,
    };
    let end = start + i64::try_from(fates.len()).unwrap();
    SilentRange::new(range(start, end), record, &one_of_two(by))
}

/// The silent ranges of these fates, appended one after the other; appends end at the borders, too.
fn list(fates: &[Fate], borders: &[bool]) -> Vec<SilentRange> {
    let mut list = Vec::new();
    let mut open: Vec<Fate> = Vec::new();
    for (at, fate) in fates.iter().enumerate() {
        let by = open.iter().find(|fate| matches!(fate, Fate::Filtered(_)));
        let other = matches!((by, fate), (Some(by), Fate::Filtered(_)) if by != fate);
        if *fate == Fate::Row || borders[at] || other {
            close(&mut list, at, &mut open);
        }
        if *fate != Fate::Row {
            open.push(*fate);
        }
    }
    close(&mut list, fates.len(), &mut open);
    list
}

fn close(list: &mut Vec<SilentRange>, end: usize, open: &mut Vec<Fate>) {
    if !open.is_empty() {
        let start = i64::try_from(end - open.len()).unwrap();
        push_silent(list, silent(start, open));
        open.clear();
    }
}

/// What a list says of each offset.
fn fates(list: &[SilentRange], offsets: usize) -> Vec<Fate> {
    let fate = |at| {
        let at = Offset::new(at).unwrap();
        let Some(silent) = list.iter().find(|silent| silent.range.contains(at)) else {
            return Fate::Row;
        };
        let Absent::Ranges(runs) = &silent.record.absent else {
            panic!("a digest of so few runs")
        };
        match runs.iter().any(|run| run.contains(at)) {
            true => Fate::Absent,
            false => Fate::Filtered(silent.fingerprint == Some(one_of_two(true))),
        }
    };
    (0..i64::try_from(offsets).unwrap()).map(fate).collect()
}

fn any_fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        Just(Fate::Row),
        Just(Fate::Absent),
        Just(Fate::Filtered(false)),
        Just(Fate::Filtered(true)),
    ];
    // Runs, so that neighbours are often alike.
    let runs = proptest::collection::vec((fate, 1..4_usize), 1..12);
    runs.prop_map(|runs| {
        runs.into_iter()
            .flat_map(|(fate, length)| vec![fate; length])
            .collect()
    })
}

fn check(list: &[SilentRange]) {
    for one in list {
        let counts = one.counts();
        assert!(
            one.record
                .is_of(one.range, crate::format::Rowless::of(counts))
        );
        assert_eq!(one.fingerprint.is_some(), counts.filtered > 0);
        assert_eq!(counts.offsets(), one.range.len());
    }
}

proptest! {
    #[test]
    fn a_list_says_of_each_offset_what_was_added_to_it(
        wanted in any_fates(),
        borders in proptest::collection::vec(any::<bool>(), 48),
    ) {
        let list = list(&wanted, &borders);
        check(&list);
        prop_assert_eq!(fates(&list, wanted.len()), wanted);
        for pair in list.windows(2) {
            prop_assert!(pair[0].joined(&pair[1], LISTED).is_none(), "neighbours of one condition: {:?}", pair);
        }
    }

    #[test]
    fn what_a_part_becomes_changes_nothing_else(
        wanted in any_fates(),
        borders in proptest::collection::vec(any::<bool>(), 48),
        cut in (0..48_usize, 0..48_usize),
        becomes in 0..3_u8,
    ) {
        let before = list(&wanted, &borders);
        let ends = [cut.0 % (wanted.len() + 1), cut.1 % (wanted.len() + 1)];
        let (start, end) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let over = range(i64::try_from(start).unwrap(), i64::try_from(end).unwrap());
        let mut expected = wanted.clone();
        for fate in &mut expected[start..end] {
            *fate = match (becomes, *fate) {
                (0, _) => Fate::Row,
                (_, Fate::Absent) => Fate::Absent,
                (by, _) => Fate::Filtered(by == 1),
            };
        }
        let now = (becomes > 0 && start < end).then(|| silent(over.start().get(), &expected[start..end]));
        let after = replace_silent(&before, over, now).unwrap();
        check(&after);
        prop_assert_eq!(fates(&after, wanted.len()), expected);
        prop_assert!(same_silence_outside(&before, &after, over));
        // A change outside of it is seen.
        for at in (0..wanted.len()).filter(|at| *at < start || *at >= end) {
            let other = wanted.iter().enumerate().map(|(index, fate)| match (index == at, fate) {
                (true, Fate::Filtered(by)) => Fate::Filtered(!by),
                (true, Fate::Row) => Fate::Absent,
                (true, Fate::Absent) => Fate::Row,
                (false, fate) => *fate,
            });
            let other = list(&other.collect::<Vec<_>>(), &borders);
            prop_assert!(!same_silence_outside(&other, &after, over));
        }
    }
}

#[test]
fn neighbours_stay_apart_when_their_absent_offsets_could_not_be_listed_as_one() {
    let of = |start: i64, runs: i64| {
        let mut absent = AbsentBuilder::default();
        (0..runs).for_each(|run| absent.push(range(start + 2 * run, start + 2 * run + 1)));
        let record = RowlessRecord {
            absent: absent.finish(),
            filtered: u64::try_from(runs).unwrap(),
        };
        SilentRange::new(range(start, start + 2 * runs), record, &one_of_two(false))
    };
    let listed = |runs: i64| {
        let mut list = vec![of(0, 600)];
        push_silent(&mut list, of(1200, runs));
        list.len()
    };
    assert_eq!((listed(400), listed(401)), (1, 2));
    // A digest of them is not cut, and joins nothing.
    let digested = of(0, 1001);
    assert!(digested.part(range(0, 10)).is_none());
    assert_eq!(digested.part(digested.range).as_ref(), Some(&digested));
    let mut list = vec![digested];
    push_silent(&mut list, of(2002, 1));
    assert_eq!(list.len(), 2);
    assert!(replace_silent(&list, range(10, 20), None).is_none());
}
