use proptest::prelude::*;

use super::*;
use crate::format::{
    Rowless,
    silent::{push_silent, replace_silent},
    testing::{beside_markers, one_of_two, range},
};

/// So many markers from an offset on, with `every - 1` filtered events before each.
fn silent(start: i64, markers: i64, every: i64, second: bool) -> SilentRange {
    let over = range(start, start + markers * every);
    let (_, record) = beside_markers(over, usize::try_from(every).unwrap());
    SilentRange::new(over, record, &one_of_two(second))
}

/// Appends a range as an edit does.
fn append(list: &mut Vec<SilentRange>, next: SilentRange) {
    push_silent(list, next);
    shorten(list, None);
}

fn check(list: &[SilentRange]) {
    for one in list {
        let counts = one.counts();
        assert!(one.record.is_of(one.range, Rowless::of(counts)));
        assert_eq!(one.fingerprint.is_some(), counts.filtered > 0);
    }
    let in_order = |pair: &[SilentRange]| pair[0].range.end() <= pair[1].range.start();
    assert!(list.windows(2).all(in_order));
}

#[test]
fn a_list_grows_by_a_line_for_a_hundred_thousand_offsets() {
    let mut list = Vec::new();
    let (mut end, mut appended) = (0, 0);
    for _ in 0..4000 {
        let next = silent(end, 300, 3, false);
        end = next.range.end().get();
        appended += next.record.filtered;
        append(&mut list, next);
        let runs: usize = list.iter().map(SilentRange::runs).sum();
        assert!(runs <= 2 * MOST_RUNS, "{runs} runs");
    }
    check(&list);
    let filtered: u64 = list.iter().map(|one| one.record.filtered).sum();
    assert_eq!(filtered, appended);
    let most = 2 * end.unsigned_abs() / MOST_DIGESTED + 2;
    assert!(list.len() as u64 <= most, "{} lines", list.len());
    assert!(list.iter().all(|one| one.range.len() <= MOST_DIGESTED));
    // The newest are written out.
    assert!(list.last().unwrap().runs() > 0);
}

#[test]
fn a_snapshot_with_too_many_runs_each_is_joined_to_those_before() {
    let mut list = Vec::new();
    for number in 0..200 {
        append(&mut list, silent(number * 4000, 2000, 2, false));
    }
    check(&list);
    assert!(list.len() <= 9, "{} lines", list.len());
}

/// So many appends, each of a thousand markers as far apart.
fn thousands(appends: usize, every: i64) -> Vec<SilentRange> {
    let (mut list, mut end) = (Vec::new(), 0);
    for _ in 0..appends {
        let next = silent(end, 1000, every, false);
        end = next.range.end().get();
        append(&mut list, next);
    }
    check(&list);
    list
}

#[test]
fn few_markers_stay_written_out_and_long_ranges_are_cut() {
    // Seven in a part: digests would take as much.
    let few = thousands(4, 20_000);
    assert!(few.iter().all(|one| one.runs() == 1000));
    assert_eq!(few.len(), 4);
    // Thirteen: nothing with a digest is too long to be read again as a whole.
    let more = thousands(4, 10_000);
    let (last, older) = more.split_last().unwrap();
    assert_eq!(last.runs(), 1000);
    assert!(older.iter().all(|one| one.range.len() <= MOST_DIGESTED));
    let bytes: u64 = older.iter().map(SilentRange::listed_bytes).sum();
    let written = silent(0, 1000, 10_000, false).listed_bytes();
    assert!(bytes < 3 * written, "{bytes} bytes for {written} each");
}

#[test]
fn two_conditions_keep_their_ranges_apart() {
    let mut list = Vec::new();
    for number in 0..40 {
        append(&mut list, silent(number * 3000, 1000, 3, number % 10 < 5));
    }
    check(&list);
    // Each in one line, and the last one of the newest.
    assert_eq!(list.len(), 9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_shortened_says_the_same_and_a_change_is_seen(
        pieces in prop::collection::vec(
            (1..1400_i64, 1..40_i64, prop::bool::weighted(0.1), prop::bool::weighted(0.2)), 1..40),
        changed in any::<prop::sample::Index>(),
    ) {
        let mut list: Vec<SilentRange> = Vec::new();
        let mut end = 0;
        for (markers, every, second, row) in pieces {
            end += i64::from(row);
            let next = silent(end, markers, every, second);
            let (over, before) = (next.range, list.clone());
            end = over.end().get();
            append(&mut list, next);
            check(&list);
            prop_assert!(same_silence_outside(&before, &list, over), "{before:?} {list:?}");
            let long = list.iter().rev().skip(1).filter(|one| one.runs() > FEW_RUNS);
            prop_assert!(long.map(SilentRange::runs).sum::<usize>() <= MOST_RUNS);
            if before.is_empty() {
                continue;
            }
            // An edit of one of the ranges, by another condition: nothing else is said otherwise.
            let edited = list[changed.index(list.len())].clone();
            let now = SilentRange::new(edited.range, edited.record.clone(), &one_of_two(true));
            let mut repaired = replace_silent(&list, edited.range, Some(now)).unwrap();
            shorten(&mut repaired, Some(edited.range));
            check(&repaired);
            prop_assert!(same_silence_outside(&list, &repaired, edited.range));
            let mut other = before.clone();
            let index = changed.index(other.len());
            other[index].fingerprint = Some("9999999999999999".parse().unwrap());
            prop_assert!(!same_silence_outside(&other, &list, over));
            let mut fewer = before;
            fewer.remove(index);
            prop_assert!(!same_silence_outside(&fewer, &list, over));
        }
    }
}

#[test]
fn a_digest_never_reaches_beyond_the_range_of_an_edit() {
    let mut list: Vec<SilentRange> = Vec::new();
    for number in 0..8 {
        append(&mut list, silent(number * 3000, 1000, 3, number > 3));
    }
    let over = list[0].range;
    let record = list[0].record.clone();
    let now = SilentRange::new(over, record, &one_of_two(true));
    let mut repaired = replace_silent(&list, over, Some(now)).unwrap();
    shorten(&mut repaired, Some(over));
    assert_eq!(repaired[0].range, over);
    assert!(same_silence_outside(&list, &repaired, over));
    // The next append joins what is alike.
    let before = repaired.clone();
    append(&mut repaired, silent(24_000, 1000, 3, true));
    assert!(repaired[0].range.len() > over.len());
    assert!(same_silence_outside(
        &before,
        &repaired,
        range(24_000, 27_000)
    ));
    // Events from before the history.
    let list = [silent(3000, 1100, 3, false), silent(9000, 10, 3, true)];
    let over = range(0, 3000);
    let before = silent(0, 1000, 3, false);
    let mut filled = replace_silent(&list, over, Some(before)).unwrap();
    shorten(&mut filled, Some(over));
    assert!(same_silence_outside(&list, &filled, over));
}
