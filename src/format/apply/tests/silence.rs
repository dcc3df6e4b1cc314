//! Ranges without any row, and the number of absent offsets that each range states.

use super::*;
use crate::format::Absent;

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
    };
    assert_eq!(fourth.silent, std::slice::from_ref(&all));
    assert_eq!(fourth.counts, counts(7, 2, 8));
    let fifth = apply(
        Some(&fourth),
        append(range(117, 118), counts(1, 0, 0), 7),
        stamp(),
    );
    let sixth = silent(&fifth.unwrap(), 1);
    assert_eq!(sixth.silent.len(), 2);
    assert_eq!(sixth.silent[0], all);
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
        spoilt(|manifest| manifest.silent.clear()).is_err(),
        "a hole"
    );
    assert!(
        spoilt(|manifest| {
            manifest.silent[0].range = range(109, 115);
            manifest.silent[0].record = RowlessRecord::all_absent(range(109, 115));
        })
        .is_err(),
        "an overlap"
    );
    assert!(
        spoilt(|manifest| {
            manifest.silent[0].record = RowlessRecord::all_absent(range(110, 114));
        })
        .is_err(),
        "a record of others"
    );
    // One more row for an absent offset less: the counts say it otherwise.
    assert!(
        spoilt(|manifest| {
            manifest.segments[0].rows += 1;
            manifest.counts.results += 1;
            manifest.counts.absent -= 1;
        })
        .is_err(),
        "the segments state their absent offsets"
    );
    assert!(spoilt(|manifest| manifest.segments[0].rowless.absent += 1).is_err());
    assert!(spoilt(|manifest| manifest.segments.swap(0, 1)).is_err());
    assert!(
        spoilt(|manifest| {
            let moved = manifest.segments.pop();
            manifest.corrections.extend(moved);
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
