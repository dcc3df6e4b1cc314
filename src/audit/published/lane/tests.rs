//! The merge against plain lists, and against sets.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use proptest::prelude::*;

use super::*;
use crate::model::Sequence;

/// Offsets that have an outcome; the value of each is its offset as text.
struct Stored(BTreeMap<Key, bool>);

impl Expected for Stored {
    type Error = Infallible;

    fn due_from(&mut self, key: Key) -> Result<Option<Due>, Infallible> {
        let due = self.0.range(key..).next();
        Ok(due.map(|(key, required)| Due {
            key: *key,
            required: *required,
            replaceable: true,
        }))
    }

    fn compare(&mut self, key: Key, body: &Body<'_>) -> Result<Compared, Infallible> {
        let value = key.offset.to_string();
        Ok(match self.0.contains_key(&key) {
            false if key.offset.get() >= 1_000 => Compared::Unknown,
            false => Compared::NotDue("nothing is stored".to_owned()),
            true if *body == Body::Value(Some(value.as_bytes())) => Compared::Same,
            true => Compared::Different("another value".to_owned()),
        })
    }
}

fn key(offset: i64) -> Key {
    Key::first(Offset::new(offset).unwrap())
}

fn stored(offsets: impl IntoIterator<Item = i64>) -> Stored {
    Stored(offsets.into_iter().map(|at| (key(at), true)).collect())
}

/// Reads a topic with messages of these offsets, each with its right value.
fn merged(stored: Stored, whole: bool, topic: impl IntoIterator<Item = i64>) -> Lane<Stored> {
    let mut lane = Lane::new(stored, whole);
    for offset in topic {
        publish(&mut lane, key(offset), &offset.to_string());
    }
    let Ok(()) = lane.finish();
    lane
}

fn publish(lane: &mut Lane<Stored>, key: Key, value: &str) {
    let Ok(()) = lane.publish(key, &Body::Value(Some(value.as_bytes())));
}

/// Start, end and number of each fault.
fn brief(runs: &Runs) -> Vec<(i64, i64, u64)> {
    let brief = |(run, _): (&super::super::runs::Run, bool)| {
        (run.range.start().get(), run.range.end().get(), run.count)
    };
    runs.iter().map(brief).collect()
}

type Faulty = [(i64, i64, u64)];

/// What is stored, whether the log is whole, what is in the topic; what is missing and what is there twice.
#[test]
fn a_topic_beside_what_is_stored() {
    let table: &[(&str, bool, &[i64], &Faulty, &Faulty)] = &[
        ("everything is there", true, &[1, 2, 5, 6, 9], &[], &[]),
        ("nothing is there", true, &[], &[(1, 10, 5)], &[]),
        (
            "the first is missing",
            true,
            &[2, 5, 6, 9],
            &[(1, 2, 1)],
            &[],
        ),
        (
            "the last is missing",
            true,
            &[1, 2, 5, 6],
            &[(9, 10, 1)],
            &[],
        ),
        (
            "neighbours are missing",
            true,
            &[1, 6, 9],
            &[(2, 6, 2)],
            &[],
        ),
        ("two places", true, &[2, 5, 9], &[(1, 2, 1), (6, 7, 1)], &[]),
        (
            "one is doubled",
            true,
            &[1, 2, 5, 5, 6, 9],
            &[],
            &[(5, 6, 1)],
        ),
        (
            "doubled at the end",
            true,
            &[1, 2, 5, 6, 9, 2],
            &[],
            &[(2, 3, 1)],
        ),
        (
            "published again after a crash",
            true,
            &[1, 2, 5, 2, 5, 6, 9],
            &[],
            &[(2, 6, 2)],
        ),
        (
            "passed over, then published",
            true,
            &[1, 6, 2, 5, 6, 9],
            &[],
            &[(6, 7, 1)],
        ),
        ("retention took the first", false, &[5, 6, 9], &[], &[]),
        (
            "retention, and a hole after it",
            false,
            &[2, 6, 9],
            &[(5, 6, 1)],
            &[],
        ),
        ("retention took everything", false, &[], &[], &[]),
        (
            "retention, then further back",
            false,
            &[6, 9, 2, 6, 9],
            &[(5, 6, 1)],
            &[(6, 10, 2)],
        ),
        (
            "beyond what is stored",
            true,
            &[1, 2, 5, 6, 9, 1_000, 1_001],
            &[],
            &[],
        ),
    ];
    for (what, whole, topic, missing, twice) in table {
        let lane = merged(stored([1, 2, 5, 6, 9]), *whole, topic.iter().copied());
        assert_eq!(brief(&lane.faults.missing), *missing, "{what}: missing");
        assert_eq!(brief(&lane.faults.twice), *twice, "{what}: twice");
        assert_eq!(lane.faults.wrong.count(), 0, "{what}");
    }
}

#[test]
fn a_wrong_value_is_wrong_each_time_and_is_not_missing() {
    let mut lane = Lane::new(stored([1, 2, 3]), true);
    for (offset, value) in [(1, "1"), (2, "20"), (3, "3"), (2, "20"), (2, "2")] {
        publish(&mut lane, key(offset), value);
    }
    publish(&mut lane, key(7), "7");
    let Ok(()) = lane.finish();
    assert_eq!(brief(&lane.faults.wrong), [(2, 3, 1), (2, 3, 1), (7, 8, 1)]);
    assert_eq!(brief(&lane.faults.twice), [(2, 3, 2)]);
    assert_eq!(lane.faults.missing.count(), 0);
    assert_eq!(lane.messages, 5);
}

/// A topic of which a place cannot be read; what is missing, and how many are perhaps in it.
fn around_a_gap(before: &[i64], late: bool, after: &[i64]) -> (Vec<(i64, i64, u64)>, u64) {
    let mut lane = Lane::new(stored([1, 2, 5, 6, 9]), true);
    for offset in before {
        publish(&mut lane, key(*offset), &offset.to_string());
    }
    lane.pass_unread(late);
    for offset in after {
        publish(&mut lane, key(*offset), &offset.to_string());
    }
    let Ok(()) = lane.finish();
    assert_eq!(lane.faults.twice.count() + lane.faults.wrong.count(), 0);
    (brief(&lane.faults.missing), lane.unread)
}

#[test]
fn what_may_be_in_a_place_that_cannot_be_read_is_counted_and_not_missing() {
    assert_eq!(around_a_gap(&[1, 2], false, &[6, 9]), (vec![], 1));
    assert_eq!(around_a_gap(&[], false, &[6, 9]), (vec![], 3));
    assert_eq!(around_a_gap(&[1, 2], false, &[]), (vec![], 3));
    assert_eq!(around_a_gap(&[], false, &[]), (vec![], 5));
    assert_eq!(around_a_gap(&[1, 2, 5, 6, 9], false, &[]), (vec![], 0));
    // Before it and after it, everything is as it was.
    assert_eq!(
        around_a_gap(&[1, 5], false, &[9]),
        (vec![(2, 3, 1)], 1),
        "missing before it"
    );
    assert_eq!(
        around_a_gap(&[1, 2], false, &[5, 9]),
        (vec![(6, 7, 1)], 0),
        "missing after it"
    );
    // Who publishes again from an earlier offset on may have done so there.
    assert_eq!(around_a_gap(&[1, 5], true, &[9]), (vec![], 2));
}

#[test]
fn what_compaction_may_remove_is_not_missing() {
    let mut stored = stored([1, 2, 3]);
    stored.0.insert(key(2), false);
    let lane = merged(stored, true, [3]);
    assert_eq!(brief(&lane.faults.missing), [(1, 2, 1)]);
}

#[test]
fn corrections_ascend_by_revision_and_are_checkable_from_the_floor_on() {
    let of = |revision, offset| Key {
        revision: Some(Sequence(revision)),
        ..key(offset)
    };
    let keys = [of(3, 5), of(3, 8), of(7, 2), of(7, 8)];
    let stored = || Stored(keys.into_iter().map(|key| (key, true)).collect());
    let mut lane = Lane::new(stored(), true);
    for key in [of(3, 5), of(7, 2), of(7, 8), of(7, 8)] {
        publish(&mut lane, key, &key.offset.to_string());
    }
    let Ok(()) = lane.finish();
    assert_eq!(brief(&lane.faults.missing), [(8, 9, 1)]);
    assert_eq!(brief(&lane.faults.twice), [(8, 9, 1)]);
    let (run, _) = lane.faults.missing.iter().next().unwrap();
    assert_eq!(run.revision, Some(Sequence(3)));

    let mut lane = Lane::new(stored(), false);
    lane.floor = Offset::new(5);
    let Ok(()) = lane.finish();
    assert_eq!(lane.faults.missing.count(), 3, "all but that of offset 2");
}

#[test]
fn more_missing_than_are_remembered_are_missing_all_the_same() {
    let count = MOST_RECENT as i64 * 2;
    let even = (0..count).filter(|offset| offset % 2 == 0);
    let lane = merged(stored(0..count), true, even);
    assert_eq!(lane.faults.missing.count(), count as u64 / 2);
    let lane = merged(stored(0..count), true, [count - 1]);
    assert_eq!(
        brief(&lane.faults.missing),
        [(0, count - 1, count as u64 - 1)]
    );
}

proptest! {
    /// Whatever the order of a topic is: what no message has is missing, and each message beyond the first is a copy.
    #[test]
    fn any_topic_is_counted_as_sets_count_it(
        stored_offsets in prop::collection::btree_set(0..60_i64, 0..40),
        topic in prop::collection::vec(0..60_i64, 0..80),
    ) {
        let lane = merged(stored(stored_offsets.iter().copied()), true, topic.iter().copied());
        let there: Vec<i64> = topic.into_iter().filter(|at| stored_offsets.contains(at)).collect();
        let distinct: BTreeSet<i64> = there.iter().copied().collect();
        prop_assert_eq!(lane.faults.missing.count(), (stored_offsets.len() - distinct.len()) as u64);
        prop_assert_eq!(lane.faults.twice.count(), (there.len() - distinct.len()) as u64);
        prop_assert_eq!(lane.messages, there.len() as u64);
    }

    /// When retention has taken the beginning: the same above the smallest offset that is left.
    #[test]
    fn a_cut_topic_is_counted_from_its_floor_on(
        stored_offsets in prop::collection::btree_set(0..60_i64, 0..40),
        topic in prop::collection::vec(0..60_i64, 0..80),
    ) {
        let lane = merged(stored(stored_offsets.iter().copied()), false, topic.iter().copied());
        let distinct: BTreeSet<i64> = topic.into_iter().filter(|at| stored_offsets.contains(at)).collect();
        let floor = distinct.first().copied();
        let missing = stored_offsets.iter().filter(|at| floor.is_some_and(|floor| **at > floor) && !distinct.contains(at));
        prop_assert_eq!(lane.faults.missing.count(), missing.count() as u64);
        prop_assert_eq!(lane.floor.map(Offset::get), floor);
    }
}
