//! Ranges without any row, and the number of absent offsets that each range states.

use super::*;
use crate::format::{
    Absent, same_silence_outside,
    testing::{append_beside_markers, beside_markers},
};

fn silent(base: &Manifest, offsets: u64) -> Manifest {
    let over = OffsetRange::new(base.end, base.end.plus(offsets)).unwrap();
    apply(Some(base), append(over, counts(0, 0, offsets), 0), stamp()).unwrap()
}

#[test]
fn silent_ranges_are_listed_and_neighbours_become_one() {
    let third = silent(&second(), 5);
    let fourth = silent(&third, 2);
    let record = RowlessRecord::all_absent(range(110, 117));
    let all = SilentRange {
        range: range(110, 117),
        record,
        fingerprint: None,
    };
    assert_eq!(fourth.open.silent, std::slice::from_ref(&all));
    assert_eq!(fourth.counts, counts(7, 2, 8));
    let fifth = apply(
        Some(&fourth),
        append(range(117, 118), counts(1, 0, 0), 7),
        stamp(),
    );
    let sixth = silent(&fifth.unwrap(), 1);
    assert_eq!(sixth.open.silent.len(), 2);
    assert_eq!(sixth.open.silent[0], all);
    assert_eq!(Manifest::decode(&sixth.encode()).unwrap(), sixth);
}

#[test]
fn each_offset_is_accounted_for_once_by_the_newest_manifest_alone() {
    let good = silent(&second(), 5);
    let spoilt = |change: fn(&mut Manifest)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        Manifest::decode(&codec::seal(manifest).1)
    };
    assert!(spoilt(|_| {}).is_ok());
    assert!(
        spoilt(|manifest| manifest.open.silent.clear()).is_err(),
        "a hole"
    );
    assert!(
        spoilt(|manifest| {
            manifest.open.silent[0].range = range(109, 115);
            manifest.open.silent[0].record = RowlessRecord::all_absent(range(109, 115));
        })
        .is_err(),
        "an overlap"
    );
    assert!(
        spoilt(|manifest| {
            manifest.open.silent[0].record = RowlessRecord::all_absent(range(110, 114));
        })
        .is_err(),
        "a record of others"
    );
    // One more row for an absent offset less: the counts say it otherwise.
    assert!(
        spoilt(|manifest| {
            manifest.open.segments[0].rows += 1;
            manifest.counts.results += 1;
            manifest.counts.absent -= 1;
        })
        .is_err(),
        "the segments state their absent offsets"
    );
    assert!(spoilt(|manifest| manifest.open.segments[0].rowless.absent += 1).is_err());
    assert!(spoilt(|manifest| manifest.open.segments.swap(0, 1)).is_err());
    assert!(
        spoilt(|manifest| {
            let moved = manifest.open.segments.pop();
            manifest.open.corrections.extend(moved);
        })
        .is_err(),
        "rejects among the corrections"
    );
}

#[test]
fn an_append_whose_record_is_of_other_offsets_is_refused() {
    let over = range(110, 120);
    let Edit::Append {
        segments, counts, ..
    } = append(over, counts(9, 0, 1), 3)
    else {
        unreachable!("append makes appends")
    };
    let with = |absent: Vec<OffsetRange>| {
        let edit = Edit::Append {
            range: over,
            segments: segments.clone(),
            counts,
            record: RowlessRecord {
                absent: Absent::Ranges(absent),
                filtered: 0,
            },
        };
        apply(Some(&second()), edit, stamp())
    };
    assert!(with(vec![range(112, 113)]).is_ok());
    let refused = Err(ApplyError::OtherRecord { range: over });
    assert_eq!(with(vec![]), refused);
    assert_eq!(with(vec![range(112, 114)]), refused);
    assert_eq!(with(vec![range(120, 121)]), refused);
}

/// So many events that a condition leaves out, and after them an absent offset.
fn filtered(base: &Manifest, events: u64, by: &Stamp) -> Manifest {
    let over = OffsetRange::new(base.end, base.end.plus(events + 1)).unwrap();
    let edit = Edit::Append {
        range: over,
        segments: Vec::new(),
        counts: Counts {
            filtered: events,
            ..counts(0, 0, 1)
        },
        record: rowless(over, events),
    };
    apply(Some(base), edit, by.clone()).unwrap()
}

/// All of a range is filtered but its last offset.
fn rowless(over: OffsetRange, filtered: u64) -> RowlessRecord {
    let absent = OffsetRange::new(over.start().plus(filtered), over.end()).unwrap();
    RowlessRecord {
        absent: Absent::Ranges(vec![absent]),
        filtered,
    }
}

fn under(fingerprint: &str) -> Stamp {
    let mut stamp = stamp();
    stamp.calculation.fingerprint = fingerprint.parse().unwrap();
    stamp
}

#[test]
fn what_was_filtered_is_listed_with_the_calculation_whose_condition_left_it_out() {
    let (old, new) = (under("aaaaaaaaaaaaaaaa"), under("bbbbbbbbbbbbbbbb"));
    let third = filtered(&filtered(&second(), 4, &old), 2, &old);
    // What is absent joins whatever there is.
    let fourth = filtered(&silent(&third, 3), 5, &new);
    let listed = |manifest: &Manifest| -> Vec<(i64, i64, u64, String)> {
        let line = |one: &SilentRange| {
            let by = one.fingerprint.as_ref().map(ToString::to_string);
            let (start, end) = (one.range.start().get(), one.range.end().get());
            (start, end, one.record.filtered, by.unwrap_or_default())
        };
        manifest.open.silent.iter().map(line).collect()
    };
    let expected = [
        (110, 121, 6, "aaaaaaaaaaaaaaaa".to_owned()),
        (121, 127, 5, "bbbbbbbbbbbbbbbb".to_owned()),
    ];
    assert_eq!(listed(&fourth), expected);
    let declared = fourth
        .calculations
        .iter()
        .map(|one| one.fingerprint.to_string());
    assert_eq!(
        declared.collect::<Vec<_>>(),
        ["00112233445566aa", "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"]
    );
    assert_eq!(Manifest::decode(&fourth.encode()).unwrap(), fourth);
    let spoilt = |change: fn(&mut Manifest)| {
        let mut manifest = fourth.clone();
        change(&mut manifest);
        Manifest::decode(&codec::seal(manifest).1)
    };
    assert!(spoilt(|_| {}).is_ok());
    assert!(spoilt(|manifest| manifest.open.silent[0].fingerprint = None).is_err());
    assert!(
        spoilt(|manifest| drop(manifest.calculations.pop())).is_err(),
        "what it is filtered by is not declared"
    );
    let (page, _) = crate::format::Page::of(&fourth, range(100, 127), None).unwrap();
    assert_eq!(page.calculations, fourth.calculations);
}

#[test]
fn a_part_of_a_silent_range_gives_way_to_the_outcomes_that_its_events_have_now() {
    let (old, new) = (under("aaaaaaaaaaaaaaaa"), under("bbbbbbbbbbbbbbbb"));
    let base = filtered(&filtered(&second(), 4, &old), 4, &old);
    let over = range(112, 115);
    let edit = |filtered: u64, rows: [u64; 3], absent: OffsetRange| {
        let Edit::Repair {
            range,
            mut segments,
            ..
        } = repair(&base, over, rows, 9)
        else {
            unreachable!("repair makes repairs")
        };
        for segment in &mut segments {
            if segment.kind != SegmentKind::Corrections {
                segment.rowless = Rowless {
                    absent: 1,
                    filtered,
                };
            }
        }
        Edit::Repair {
            range,
            replaced: Vec::new(),
            segments,
            record: RowlessRecord {
                absent: Absent::Ranges(vec![absent]),
                filtered,
            },
        }
    };
    let absent = range(114, 115);
    // An event of two has a result now; what lies around it stays as it was.
    let made = apply(Some(&base), edit(1, [1, 0, 1], absent), new.clone()).unwrap();
    let ranges: Vec<_> = made.open.silent.iter().map(|one| one.range).collect();
    assert_eq!(ranges, [range(110, 112), range(115, 120)]);
    assert_eq!(made.counts.filtered, base.counts.filtered - 1);
    assert_eq!(made.counts.results, base.counts.results + 1);
    assert_eq!(made.open.segments.last().unwrap().range, over);
    assert_eq!(Manifest::decode(&made.encode()).unwrap(), made);
    // All of them are still filtered, by another condition.
    let made = apply(Some(&base), edit(2, [0, 0, 0], absent), new.clone()).unwrap();
    let by = |one: &SilentRange| one.fingerprint.clone().unwrap().to_string();
    assert_eq!(
        made.open.silent.iter().map(by).collect::<Vec<_>>(),
        ["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "aaaaaaaaaaaaaaaa"]
    );
    assert_eq!(made.counts, base.counts);
    // And back again: one range, as before.
    let Edit::Repair { record, .. } = edit(2, [0, 0, 0], absent) else {
        unreachable!("repair makes repairs")
    };
    let back = Edit::Repair {
        range: over,
        replaced: Vec::new(),
        segments: Vec::new(),
        record,
    };
    assert_eq!(
        apply(Some(&made), back, old).unwrap().open.silent,
        base.open.silent
    );
    // Other offsets than those that had an event, more of them, or offsets that have a row or were never filtered.
    let refused = |edit| apply(Some(&base), edit, new.clone()).unwrap_err();
    let other = refused(edit(2, [0, 0, 0], range(113, 114)));
    assert_eq!(other, ApplyError::OtherRecord { range: over });
    let more = refused(edit(2, [1, 0, 1], absent));
    assert!(matches!(more, ApplyError::OtherOutcomes { .. }), "{more}");
    for over in [range(104, 106), range(109, 112), range(114, 115)] {
        let edit = Edit::Repair {
            range: over,
            replaced: Vec::new(),
            segments: Vec::new(),
            record: RowlessRecord::all_absent(over),
        };
        assert_eq!(refused(edit), ApplyError::NotLive { range: over });
    }
}

/// Two thousand events from an offset on that a condition leaves out, a marker after each two of them.
fn thousand_markers(start: Offset) -> OffsetRange {
    OffsetRange::new(start, start.plus(3000)).unwrap()
}

fn append_markers(base: &Manifest, by: &Stamp) -> Manifest {
    let edit = append_beside_markers(thousand_markers(base.end), 3);
    apply(Some(base), edit, by.clone()).unwrap()
}

#[test]
fn nothing_outside_of_an_edit_is_said_otherwise_where_digests_lie_beside_it() {
    let (old, new) = (under("aaaaaaaaaaaaaaaa"), under("bbbbbbbbbbbbbbbb"));
    let mut base = second();
    for by in [&old, &old, &old, &new, &new, &new] {
        base = append_markers(&base, by);
    }
    // The range before the running calculation's own is recalculated: its events stay filtered, by the new condition.
    let own = base.open.silent.iter().position(|one| {
        let by = one.fingerprint.as_ref();
        by == Some(&new.calculation.fingerprint)
    });
    let SilentRange { range, record, .. } = base.open.silent[own.unwrap() - 1].clone();
    assert!(matches!(record.absent, Absent::Digest(_)));
    let edit = Edit::Repair {
        range,
        replaced: Vec::new(),
        segments: Vec::new(),
        record,
    };
    let next = apply(Some(&base), edit, new.clone()).unwrap();
    let is_new =
        |one: &&SilentRange| one.fingerprint.as_ref() == Some(&new.calculation.fingerprint);
    assert!(next.open.silent.iter().filter(is_new).count() > 1);
    assert!(same_silence_outside(
        &base.open.silent,
        &next.open.silent,
        range
    ));

    // Events from before the origin, in front of a digest.
    let mut base = apply(None, bind(3100), stamp()).unwrap();
    for _ in 0..2 {
        base = append_markers(&base, &old);
    }
    assert!(matches!(
        base.open.silent[0].record.absent,
        Absent::Digest(_)
    ));
    let range = thousand_markers(at(100));
    let (counts, record) = beside_markers(range, 3);
    let edit = Edit::Backfill {
        range,
        segments: Vec::new(),
        counts,
        record,
    };
    let next = apply(Some(&base), edit, old.clone()).unwrap();
    assert_eq!(next.open.silent[0].range, range);
    assert!(same_silence_outside(
        &base.open.silent,
        &next.open.silent,
        range
    ));
    // The next append makes one of what is alike.
    let third = append_markers(&next, &old);
    assert!(third.open.silent[0].range.len() > range.len());
}
