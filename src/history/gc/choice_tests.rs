use proptest::prelude::*;

use super::*;
use crate::{
    format::{SegmentId, SegmentKind, SegmentName},
    history::LISTED_WITHIN,
    model::{Offset, OffsetRange, Partition},
};

const KEEP: TimeDelta = TimeDelta::hours(24);

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn file(number: u32) -> FileName {
    let at = |offset: u32| Offset::new(i64::from(offset)).unwrap();
    FileName::Segment(SegmentName {
        kind: SegmentKind::Results,
        partition: Partition(0),
        range: OffsetRange::new(at(number), at(number + 1)).unwrap(),
        id: SegmentId(number),
    })
}

fn digest(number: u64) -> Digest {
    Digest::of(&number.to_le_bytes())
}

/// Manifests `1..=count`, the newest `newest_age` old, one every 30 s.
fn present(count: u64, newest_age: TimeDelta) -> Vec<Present> {
    let age = |number: u64| newest_age + TimeDelta::seconds(30 * (count - number) as i64);
    (1..=count)
        .map(|number| (Sequence(number), now() - age(number)))
        .collect()
}

#[test]
fn oldest_is_raised_below_what_is_new_young_or_not_committed() {
    let raised = |count, age, keep, stated: u64, committed: Option<u64>| {
        let (present, committed) = (present(count, age), committed.map(Sequence));
        let raised = raises(
            &present,
            Sequence(stated),
            Sequence(1),
            committed,
            keep,
            now(),
        );
        raised.iter().map(|number| number.0).collect::<Vec<_>>()
    };
    let (busy, rests) = (TimeDelta::zero(), TimeDelta::hours(25));
    // A day of snapshots is 2,880 of them.
    assert_eq!(raised(5_000, busy, KEEP, 1, Some(5_000)), [2_121]);
    assert_eq!(raised(2_880, busy, KEEP, 1, Some(2_880)), [0; 0]);
    // A hundred always stay, and a few are not worth an edit.
    let nothing = TimeDelta::zero();
    assert_eq!(raised(99, busy, nothing, 1, Some(99)), [0; 0]);
    assert_eq!(raised(149, busy, nothing, 1, Some(149)), [0; 0]);
    assert_eq!(raised(150, busy, nothing, 1, Some(150)), [51]);
    // Never above the head of the last commit; nothing is known before there is one.
    assert_eq!(raised(5_000, busy, KEEP, 1, Some(700)), [700]);
    assert_eq!(raised(5_000, busy, KEEP, 1, None), [0; 0]);
    assert_eq!(raised(5_000, busy, KEEP, 2_100, Some(5_000)), [0; 0]);
    // Where it rests, that would only make it younger; where all is old, it takes effect at once.
    let resting = TimeDelta::hours(2);
    assert_eq!(raised(5_000, resting, KEEP, 1, Some(5_000)), [0; 0]);
    // What is raised before that leaves it its hundred steps.
    assert_eq!(raised(9_000, resting, KEEP, 1, Some(9_000)), [6_261]);
    let some = |numbers: std::ops::RangeInclusive<u64>| numbers.collect::<Vec<_>>();
    assert_eq!(
        raised(1_000, rests, KEEP, 1, Some(1_000)),
        some(901..=1_000)
    );
    assert_eq!(
        raised(1_000, rests, KEEP, 950, Some(1_000)),
        some(951..=1_000)
    );
    assert_eq!(raised(1_000, rests, KEEP, 1_000, Some(1_000)), [0; 0]);
    assert_eq!(raised(200, rests, KEEP, 1, Some(200)), [0; 0]);
    assert_eq!(raised(201, rests, KEEP, 1, Some(201)), some(102..=201));
    let effective = raises(
        &present(1_000, rests),
        Sequence(901),
        Sequence(802),
        Some(Sequence(1_000)),
        KEEP,
        now(),
    );
    assert_eq!(effective, []);
}

/// A chain of `edits`, each with what it adds; every edit replaces what `replaces` says of the files that are live.
struct History {
    links: Links,
    /// What each manifest lists.
    lists: BTreeMap<Sequence, BTreeSet<FileName>>,
    present: Vec<Present>,
    files: Files,
}

impl History {
    /// `oldest` is what all manifests from number `from` on state.
    fn new(edits: &[(bool, u32)], from: u64, oldest: u64) -> History {
        let mut history = History {
            links: Links::new(),
            lists: BTreeMap::new(),
            present: present(edits.len() as u64, TimeDelta::zero()),
            files: Files::new(),
        };
        let mut live = BTreeSet::new();
        for (index, (replaces, which)) in edits.iter().enumerate() {
            let number = index as u64 + 1;
            let new = file(number as u32);
            let mut replaced = Vec::new();
            if *replaces && !live.is_empty() {
                let which = *which as usize % live.len();
                replaced.extend(live.iter().copied().nth(which));
            }
            live.retain(|file| !replaced.contains(file));
            live.insert(new);
            history.files.insert(
                new,
                FilePlaces {
                    own: Some(1),
                    attic: None,
                },
            );
            let stated = if number >= from { oldest } else { 1 };
            let link = Link {
                digest: digest(number),
                base: (number > 1).then(|| (Sequence(number - 1), digest(number - 1))),
                oldest: Sequence(stated),
                retires: false,
                added: vec![new],
                replaced,
            };
            history.links.insert(Sequence(number), link);
            history.lists.insert(Sequence(number), live.clone());
        }
        history
    }

    fn choose(&self, notes: &Notes) -> Result<Choice, Blocked> {
        let nothing = BTreeSet::new();
        let at = |number: Option<Sequence>| {
            number
                .and_then(|number| self.lists.get(&number))
                .unwrap_or(&nothing)
        };
        choose(&Facts {
            present: &self.present,
            links: &self.links,
            listed_at_floor: at(floor(&self.links, NEWEST_KEPT)),
            listed_now: at(self.present.last().map(|(number, _)| *number)),
            files: &self.files,
            notes,
            head: self.present.last().unwrap().0,
            end: Offset::new(i64::from(u32::MAX)).unwrap(),
            keep: KEEP,
            kept: NEWEST_KEPT,
            within: LISTED_WITHIN,
            now: now(),
        })
    }
}

fn appends(count: usize) -> Vec<(bool, u32)> {
    vec![(false, 0); count]
}

#[test]
fn what_the_lowest_of_the_newest_hundred_states_decides() {
    // 120 manifests; the last 99 state that the history begins with 15: an older one may yet be the newest that can be read.
    let early = History::new(&appends(120), 22, 15);
    assert_eq!(early.choose(&Notes::new()).unwrap(), Choice::default());
    let in_time = History::new(&appends(120), 21, 15);
    let choice = in_time.choose(&Notes::new()).unwrap();
    assert_eq!(choice.manifests, (1..15).map(Sequence).collect::<Vec<_>>());
    assert_eq!(choice.superseded, [], "all files are live");
}

#[test]
fn a_superseded_file_goes_with_the_last_manifest_that_listed_it() {
    let mut edits = appends(130);
    edits[9] = (true, 0);
    edits[14] = (true, 0);
    edits[15] = (true, 0);
    let history = History::new(&edits, 1, 15);
    let choice = history.choose(&Notes::new()).unwrap();
    // Manifest 10 took file 1 out, manifest 15 file 2; manifest 15, which stays, lists file 3.
    assert_eq!(choice.superseded, [file(1), file(2)]);
    assert_eq!(choice.notes, Notes::new());
}

#[test]
fn a_retained_manifest_that_is_not_in_the_chain_stops_deletion() {
    let history = || History::new(&appends(130), 1, 15);
    for number in [15, 16, 64, 129] {
        let mut unread = history();
        unread.links.remove(&Sequence(number));
        assert_eq!(unread.choose(&Notes::new()), Err(Blocked(Sequence(number))));
        let mut lost = history();
        lost.present.retain(|(present, _)| present.0 != number);
        assert_eq!(lost.choose(&Notes::new()), Err(Blocked(Sequence(number))));
    }
    let mut newest = history();
    newest.present.push((Sequence(131), now()));
    assert_eq!(newest.choose(&Notes::new()), Err(Blocked(Sequence(131))));
    // Below the floor it does not matter any more.
    let mut below = history();
    below.links.remove(&Sequence(3));
    assert!(below.choose(&Notes::new()).is_ok());
}

#[test]
fn an_orphan_is_noted_and_goes_when_it_is_still_one_after_the_time() {
    let mut history = History::new(&appends(130), 1, 1);
    let orphan = file(9_000);
    history.files.insert(
        orphan,
        FilePlaces {
            own: None,
            attic: Some(7),
        },
    );
    let first = history.choose(&Notes::new()).unwrap();
    let noted = |hours, head| Noted {
        at: now() - TimeDelta::hours(hours),
        head: Sequence(head),
    };
    let first_noted = first.notes[&orphan];
    assert_eq!((first_noted, first.orphans.len()), (noted(0, 130), 0));
    for (hours, head, goes) in [
        (1, 122, false),
        (23, 122, false),
        (24, 122, true),
        (-1, 122, false),
        // Its writer may be slow: a manifest that lists it may still come.
        (24, 123, false),
        (48, 130, false),
    ] {
        let noted = noted(hours, head);
        let choice = history.choose(&Notes::from([(orphan, noted)])).unwrap();
        let said = format!("noted {hours} hours ago, at {head}");
        assert_eq!(!choice.orphans.is_empty(), goes, "{said}");
        if hours < 0 {
            assert_eq!(choice.notes[&orphan], first_noted, "{said}");
        } else if !goes {
            assert_eq!(choice.notes[&orphan], noted, "{said}");
        }
    }
    // It was adopted: a manifest lists it now.
    let newest = history.lists.last_entry().unwrap().into_mut();
    newest.insert(orphan);
    let noted = Notes::from([(orphan, noted(48, 100))]);
    assert_eq!(history.choose(&noted).unwrap(), Choice::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// I7, whatever was appended and replaced in any order, and wherever the history is to begin.
    #[test]
    fn nothing_that_a_retained_manifest_lists_is_deleted(
        edits in prop::collection::vec((any::<bool>(), any::<u32>()), 100..260),
        oldest in 1..160_u64,
    ) {
        let count = edits.len() as u64;
        let oldest = oldest.min(count - 99);
        let history = History::new(&edits, 1, oldest);
        let choice = history.choose(&Notes::new()).unwrap();
        let kept = history.lists.range(Sequence(oldest)..);
        let listed: BTreeSet<FileName> = kept.flat_map(|(_, files)| files).copied().collect();
        for gone in choice.superseded.iter().chain(&choice.orphans) {
            prop_assert!(!listed.contains(gone));
        }
        let unlisted = history.files.keys().filter(|file| !listed.contains(file)).count();
        prop_assert_eq!(choice.superseded.len(), unlisted, "and all the others go");
        prop_assert!(choice.manifests.iter().all(|number| number.0 < oldest));
        prop_assert_eq!(choice.manifests.len() as u64, oldest - 1);
    }
}

/// Number, when it was written, the `oldest` that it states, whether that is all that it changed.
type Simulated = (u64, i64, u64, bool);

/// What docs/operating.md promises of the number of manifests: a partition that is fed for ten days at this interval, with a merge
/// of every seven snapshots, then rests for a day, with a collection every hour.
#[test]
fn a_partition_has_as_many_manifests_as_promised() {
    let time = |seconds: i64| now() + TimeDelta::seconds(seconds);
    let floor = |present: &[Simulated]| present[present.len().saturating_sub(NEWEST_KEPT)].2;
    for (interval, busy, rested) in [(30, 3_600, 210), (300, 520, 210), (3_600, 250, 250)] {
        let mut present: Vec<Simulated> = vec![(1, 0, 1, false)];
        let (mut most, mut at) = (0, 0);
        let (end_of_load, end) = (10 * 86_400, 11 * 86_400 + 7_200);
        while at < end {
            at += interval;
            let (number, _, stated, _) = present[present.len() - 1];
            if at <= end_of_load {
                present.push((number + 1, at, stated, false));
                if at / interval % 7 == 0 {
                    present.push((number + 2, at, stated, false));
                }
            }
            if at % 3_600 == 0 {
                let snapshots = present.iter().filter(|(.., retires)| !retires);
                let facts: Vec<Present> = snapshots
                    .map(|(number, written, ..)| (Sequence(*number), time(*written)))
                    .collect();
                let (number, _, stated, _) = present[present.len() - 1];
                let raised = raises(
                    &facts,
                    Sequence(stated),
                    Sequence(floor(&present)),
                    Some(Sequence(number)),
                    KEEP,
                    time(at),
                );
                for (index, oldest) in raised.iter().enumerate() {
                    present.push((number + 1 + index as u64, at, oldest.0, true));
                }
                let floor = floor(&present);
                present.retain(|(number, ..)| *number >= floor);
            }
            if at > 5 * 86_400 && at <= end_of_load {
                most = most.max(present.len());
            }
        }
        println!(
            "every {interval} s: at most {most}, at rest {}",
            present.len()
        );
        assert!(most <= busy, "every {interval} s: {most}");
        let rests = present.len();
        assert!(rests <= rested, "every {interval} s: {rests} at rest");
    }
}
