use chrono::Utc;

use super::*;
use crate::{
    format::{
        Layout, SegmentId,
        testing::{PARTITION, at, encoded, identity, range},
    },
    history::{
        FetchError, FoundAt, Pending,
        attic::check_segment,
        fetch_segment,
        testing::{assert_glob, bound, chain, clock, glob, paths, pending},
        write_snapshot,
    },
    model::Sequence,
    store::{Moved, Store},
};

async fn write(chain: &mut Chain, mut outcomes: Pending) {
    write_snapshot(chain, &mut outcomes).await.unwrap();
}

/// Puts segments as a writer does that dies before its manifest.
async fn orphan(store: &Store, writer: &str, id: u32, start: i64, end: i64) -> Vec<Path> {
    let layout = Layout::new("events").unwrap();
    let encoded = encoded(start, end, &identity(writer));
    let mut paths = Vec::new();
    for file in encoded.segments() {
        let segment = file.named(&layout, SegmentId(id));
        store.put(&segment.path, file.bytes.clone()).await.unwrap();
        paths.push(segment.path);
    }
    paths
}

/// The memory store stamps files with the real time, so tests about age run on it.
fn real_clock() -> crate::history::Clock {
    crate::history::Clock::manual(Utc::now(), 0xb000_0000)
}

async fn remove_manifest(store: &Store, number: u64) {
    let layout = Layout::new("events").unwrap();
    store
        .delete(&layout.manifest(PARTITION, Sequence(number)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_tidy_folder_stays_as_it_is() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    write(&mut ours, pending(0, 50)).await;
    let head = ours.tail().head();
    assert_eq!(tidy(&mut ours, head).await.unwrap(), Tidied::default());
}

#[tokio::test]
async fn orphans_that_the_chain_covers_go_to_the_attic_at_once() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    write(&mut ours, pending(0, 50)).await;
    let mut covered = orphan(&store, "other", 1, 0, 30).await;
    covered.extend(orphan(&store, "other", 2, 40, 70).await);
    covered.sort();
    let mut tidied = tidy(&mut ours, None).await.unwrap();
    tidied.retired.sort();
    assert_eq!(
        tidied,
        Tidied {
            retired: covered,
            ..Tidied::default()
        }
    );
    assert_glob(&store, 0, 50).await;
}

#[tokio::test]
async fn a_young_orphan_of_another_is_left_alone_until_it_is_covered() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    write(&mut ours, pending(0, 50)).await;
    let young = orphan(&store, "other", 1, 50, 80).await;
    let head = ours.tail().head();
    let tidied = tidy(&mut ours, head).await.unwrap();
    assert_eq!(
        tidied,
        Tidied {
            left_alone: young,
            ..Tidied::default()
        }
    );
    write(&mut ours, pending(50, 90)).await;
    assert_glob(&store, 0, 90).await;
}

#[tokio::test]
async fn what_may_be_added_before_the_origin_is_covered_by_nothing() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = bound(&store, "ours", &clock, 60).await;
    write(&mut ours, pending(60, 90)).await;
    let young = orphan(&store, "other", 1, 0, 60).await;
    let head = ours.tail().head();
    let tidied = tidy(&mut ours, head).await.unwrap();
    assert_eq!(tidied.left_alone, young);
    write(&mut ours, pending(90, 120)).await;
    for file in &young {
        assert!(store.head(file).await.unwrap().is_some(), "{file}");
    }
}

#[tokio::test]
async fn an_old_orphan_goes_to_the_attic() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    let old = orphan(&store, "other", 1, 50, 80).await;
    clock.advance(TimeDelta::minutes(61));
    let tidied = tidy(&mut ours, None).await.unwrap();
    assert_eq!(tidied.retired, old);
    assert_eq!(glob(&store, "events/results").await, Vec::<i64>::new());
}

#[tokio::test]
async fn what_a_crash_of_our_own_left_goes_to_the_attic_at_once() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    let own = orphan(&store, "ours", 1, 0, 80).await;
    let head = ours.tail().head();
    let tidied = tidy(&mut ours, head).await.unwrap();
    assert_eq!(
        tidied,
        Tidied {
            retired: own,
            ..Tidied::default()
        }
    );
}

#[tokio::test]
async fn a_listed_segment_in_the_attic_is_put_back_and_a_missing_one_reported() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    write(&mut ours, pending(0, 50)).await;
    write(&mut ours, pending(50, 90)).await;
    let segments = ours.newest().unwrap().open.segments.clone();
    let moved = &segments[0];
    let attic = ours.layout().attic(&moved.path).unwrap();
    let done = store.rename(&moved.path, &attic).await.unwrap();
    assert_eq!(done, Moved::Moved);
    store.delete(&segments[2].path).await.unwrap();
    let found = fetch_segment(&store, ours.layout(), moved).await.unwrap();
    assert_eq!(found.found_at, FoundAt::Attic);
    let checked = check_segment(&store, ours.layout(), moved).await;
    assert_eq!(checked.unwrap(), FoundAt::Attic);
    let tidied = tidy(&mut ours, None).await.unwrap();
    let expected = Tidied {
        put_back: vec![moved.path.clone()],
        missing: vec![segments[2].clone()],
        ..Tidied::default()
    };
    assert_eq!(tidied, expected);
    let found = fetch_segment(&store, ours.layout(), moved).await.unwrap();
    assert_eq!(found.found_at, FoundAt::OwnPath);
    let missing = fetch_segment(&store, ours.layout(), &segments[2])
        .await
        .unwrap_err();
    assert!(matches!(missing, FetchError::Missing { .. }));
}

#[tokio::test]
async fn a_damaged_segment_is_never_handed_out() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    write(&mut ours, pending(0, 50)).await;
    let segment = ours.newest().unwrap().open.segments[0].clone();
    let mut bytes = store
        .get(&segment.path, segment.bytes)
        .await
        .unwrap()
        .to_vec();
    bytes[40] ^= 4;
    store
        .put(&segment.path, bytes.clone().into())
        .await
        .unwrap();
    let error = fetch_segment(&store, ours.layout(), &segment)
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Damaged { .. }));
    let checked = check_segment(&store, ours.layout(), &segment).await;
    assert_eq!(checked.unwrap_err().to_string(), error.to_string());
    bytes.push(0);
    store.put(&segment.path, bytes.into()).await.unwrap();
    let error = fetch_segment(&store, ours.layout(), &segment)
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }));
}

#[tokio::test]
async fn segments_whose_manifests_were_lost_are_adopted() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    for (start, end) in [(0, 50), (50, 90), (90, 120)] {
        write(&mut ours, pending(start, end)).await;
    }
    let head = ours.tail().head();
    let files = ours.newest().unwrap().open.segments.clone();
    remove_manifest(&store, 3).await;
    remove_manifest(&store, 4).await;
    let mut ours = chain(&store, "ours", &clock).await;
    assert_eq!(ours.end(), Some(at(50)));
    let tidied = tidy(&mut ours, head).await.unwrap();
    let adopted = vec![range(50, 90), range(90, 120)];
    assert_eq!(
        tidied,
        Tidied {
            adopted,
            ..Tidied::default()
        }
    );
    assert_eq!(ours.newest().unwrap().open.segments, files);
    assert_glob(&store, 0, 120).await;
}

#[tokio::test]
async fn what_lies_in_the_attic_is_adopted_too_and_put_back() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    write(&mut ours, pending(0, 50)).await;
    let head = ours.tail().head();
    let files = ours.newest().unwrap().open.segments.clone();
    remove_manifest(&store, 2).await;
    let attic = ours.layout().attic(&files[0].path).unwrap();
    let _ = store.rename(&files[0].path, &attic).await.unwrap();
    let mut ours = chain(&store, "ours", &clock).await;
    let tidied = tidy(&mut ours, head).await.unwrap();
    assert_eq!(tidied.adopted, [range(0, 50)]);
    assert_eq!(ours.newest().unwrap().open.segments, files);
    assert_glob(&store, 0, 50).await;
    assert_eq!(paths(&store, "events/_attic").await, []);
}

#[tokio::test]
async fn a_damaged_newest_manifest_loses_no_segment() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    write(&mut ours, pending(0, 50)).await;
    write(&mut ours, pending(50, 90)).await;
    let path = ours.layout().manifest(PARTITION, Sequence(3));
    store
        .put(&path, bytes::Bytes::from_static(b"{}"))
        .await
        .unwrap();
    let mut ours = chain(&store, "ours", &clock).await;
    let tidied = tidy(&mut ours, None).await.unwrap();
    assert_eq!(tidied.adopted, [range(50, 90)]);
    let newest = ours.newest().unwrap();
    assert_eq!((newest.sequence, newest.end), (Sequence(4), at(90)));
    assert_glob(&store, 0, 90).await;
}

#[tokio::test]
async fn without_its_twin_or_its_rows_a_segment_is_not_adopted() {
    for broken in [
        "no twin",
        "damaged",
        "another partition's",
        "a flipped bit",
        "a repair's",
    ] {
        let (store, clock) = (Store::memory(), real_clock());
        let mut ours = bound(&store, "ours", &clock, 0).await;
        write(&mut ours, pending(0, 50)).await;
        let head = ours.tail().head();
        let files = ours.newest().unwrap().open.segments.clone();
        remove_manifest(&store, 2).await;
        let results = &files[0];
        match broken {
            "no twin" => store.delete(&files[1].path).await.unwrap(),
            "damaged" => {
                let mut bytes = store
                    .get(&results.path, results.bytes)
                    .await
                    .unwrap()
                    .to_vec();
                let middle = bytes.len() / 2;
                bytes.truncate(middle);
                store.put(&results.path, bytes.into()).await.unwrap();
            }
            "a flipped bit" => {
                let bytes = store.get(&results.path, results.bytes).await.unwrap();
                let mut bytes = bytes.to_vec();
                // No checksum of Parquet's covers it: a value reads as another one.
                let at = bytes.len() / 4;
                bytes[at] ^= 1;
                store.put(&results.path, bytes.into()).await.unwrap();
            }
            "a repair's" => {
                let outcomes = crate::format::testing::evaluated(range(0, 50));
                let facts = encoded(0, 50, &identity("ours")).results.unwrap().facts;
                let mut writer = crate::format::Rewriter::new(
                    range(0, 50),
                    facts.absent,
                    facts.declaration.fingerprint,
                    &outcomes.results.schema(),
                    identity("ours"),
                );
                let changes = crate::format::Changes::default();
                writer.write(&outcomes, &changes).unwrap();
                let repaired = writer.finish(None).unwrap();
                let made = repaired.segments().map(|segment| segment.bytes.clone());
                for (bytes, file) in made.zip(&files) {
                    store.put(&file.path, bytes).await.unwrap();
                }
            }
            _ => {
                let mut other = identity("other");
                other.partition = crate::model::Partition(9);
                let bytes = encoded(0, 50, &other).results.unwrap().bytes;
                store.put(&results.path, bytes).await.unwrap();
            }
        }
        let mut theirs = chain(&store, "theirs", &clock).await;
        let tidied = tidy(&mut theirs, head).await.unwrap();
        assert_eq!(
            (tidied.adopted, theirs.end()),
            (vec![], Some(at(0))),
            "{broken}"
        );
    }
}

#[tokio::test]
async fn nothing_is_adopted_into_a_chain_that_was_not_longer() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    orphan(&store, "other", 1, 0, 50).await;
    let head = ours.tail().head();
    let tidied = tidy(&mut ours, head).await.unwrap();
    assert_eq!((tidied.adopted, tidied.left_alone.len()), (vec![], 2));
}

#[tokio::test]
async fn files_of_other_people_are_named_and_not_touched() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    let stray = Path::parse("events/results/partition=3/notes.txt").unwrap();
    store
        .put(&stray, bytes::Bytes::from_static(b"mine"))
        .await
        .unwrap();
    let tidied = tidy(&mut ours, None).await.unwrap();
    assert_eq!(
        tidied,
        Tidied {
            unknown: vec![stray.clone()],
            ..Tidied::default()
        }
    );
    assert_eq!(paths(&store, "events/results").await, [stray]);
}
