use bytes::Bytes;
use chrono::Utc;

use super::*;
use crate::{
    format::{
        Head, KnownCommit, Layout, SegmentId,
        testing::{PARTITION, encoded, identity},
    },
    history::{
        Clock, Repair, Repaired, Sealed, list_manifests, load_tail,
        race::LISTED_WITHIN,
        read_listed,
        testing::{Faulty, assert_glob, bound, chain, paths, pending},
        tidy, write_repair, write_seal, write_snapshot,
    },
    store::Store,
};

const KEEP: TimeDelta = TimeDelta::hours(24);
const EVERYTHING: u64 = u64::MAX;

/// The memory store stamps files with the real time; this clock is moved from there.
fn real_clock() -> Clock {
    Clock::manual(Utc::now(), 0xb000_0000)
}

/// Snapshots of ten offsets each. The owner knows of the commit before each.
async fn history(store: &Store, clock: &Clock, snapshots: i64) -> Chain {
    let mut ours = bound(store, "ours", clock, 0).await;
    go_on(&mut ours, 0, snapshots).await;
    ours
}

async fn go_on(ours: &mut Chain, from: i64, to: i64) {
    for number in from..to {
        let (sequence, digest) = ours.tail().head().unwrap();
        ours.note_commit(KnownCommit::new(Head { sequence, digest }, None));
        let mut outcomes = pending(number * 10, number * 10 + 10);
        write_snapshot(ours, &mut outcomes).await.unwrap();
    }
}

/// Other files for the offsets of one snapshot.
async fn repair(ours: &mut Chain, number: i64) {
    let range = crate::format::testing::range(number * 10, number * 10 + 10);
    let live = &ours.newest().unwrap().open.segments;
    let replaced = live.iter().filter(|segment| segment.range == range);
    let files = encoded(number * 10, number * 10 + 10, &identity("ours"));
    let mut repair = Repair::new(replaced.cloned().collect(), files);
    let done = write_repair(ours, &mut repair).await.unwrap();
    assert!(matches!(done, Repaired::Done(_)));
}

async fn numbers(store: &Store) -> Vec<u64> {
    let layout = Layout::new("events").unwrap();
    let numbers = list_manifests(store, &layout, PARTITION).await.unwrap();
    numbers.into_iter().map(|number| number.0).collect()
}

#[tokio::test]
async fn a_history_at_rest_is_small_after_one_collection() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = history(&store, &clock, 299).await;
    repair(&mut ours, 3).await;
    clock.advance(TimeDelta::hours(25));
    assert_eq!(paths(&store, "events/_attic").await.len(), 2);

    let mut walk = Walk::default();
    let planned = plan_collection(&mut ours, &mut walk, KEEP).await.unwrap();
    assert_eq!((planned.manifests, planned.files), (199, 0));
    assert_eq!(planned.raises.last(), Some(&Sequence(299)));
    assert_eq!(numbers(&store).await.len(), 301, "a plan changes nothing");

    let done = collect(&mut ours, &mut walk, KEEP, EVERYTHING)
        .await
        .unwrap();
    assert_eq!((done.manifests, done.bytes), (199, planned.bytes));
    assert_eq!(numbers(&store).await, (200..=401).collect::<Vec<_>>());
    assert_glob(&store, 0, 2990).await;
    let again = plan_collection(&mut ours, &mut walk, KEEP).await.unwrap();
    assert!(!again.is_due(), "{again:?}");
    // Whoever starts now finds all of it in order, and goes on.
    let mut successor = chain(&store, "ours", &clock).await;
    let head = successor.tail().head();
    let tidied = tidy(&mut successor, head).await.unwrap();
    assert!(tidied.missing.is_empty() && tidied.adopted.is_empty());
    go_on(&mut successor, 299, 300).await;
    assert_glob(&store, 0, 3000).await;
}

#[tokio::test]
async fn superseded_files_go_with_the_manifests_that_list_them() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = history(&store, &clock, 100).await;
    repair(&mut ours, 3).await;
    go_on(&mut ours, 100, 320).await;
    repair(&mut ours, 4).await;
    go_on(&mut ours, 320, 321).await;
    clock.advance(TimeDelta::hours(25));
    let done = collect(&mut ours, &mut Walk::default(), KEEP, EVERYTHING)
        .await
        .unwrap();
    assert!(done.blocked.is_none());
    let kept = paths(&store, "events/_attic").await;
    assert_eq!(
        kept.len(),
        2,
        "manifests that stay list those of the second repair: {kept:?}"
    );
    assert_eq!(done.files, 2);
    assert_glob(&store, 0, 3210).await;
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_stops_deletion_until_it_is_old() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = history(&store, &clock, 300).await;
    let layout = ours.layout().clone();
    let damaged = layout.manifest(PARTITION, Sequence(250));
    let good = store.get(&damaged, 1 << 20).await.unwrap();
    store
        .put(&damaged, Bytes::from_static(b"{}"))
        .await
        .unwrap();
    clock.advance(TimeDelta::hours(25));
    let mut walk = Walk::default();
    let done = collect(&mut ours, &mut walk, KEEP, EVERYTHING)
        .await
        .unwrap();
    assert_eq!(done.blocked, Some(BlockedBy::Manifest(Sequence(250))));
    assert_eq!((done.manifests, done.files), (0, 0));
    assert!(numbers(&store).await.starts_with(&[1, 2, 3]));
    store.put(&damaged, good).await.unwrap();
    let done = collect(&mut ours, &mut walk, KEEP, EVERYTHING)
        .await
        .unwrap();
    assert!(done.blocked.is_none() && done.manifests > 0, "{done:?}");
}

#[tokio::test]
async fn an_orphan_goes_after_two_collections_that_are_far_enough_apart() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = history(&store, &clock, 5).await;
    let layout = ours.layout().clone();
    let files = encoded(20, 30, &identity("other"));
    let own: Vec<Path> = files
        .segments()
        .map(|file| file.named(&layout, SegmentId(7)).path)
        .collect();
    let attic = layout.attic(&own[0]).unwrap();
    store.put(&own[1], Bytes::from_static(b"x")).await.unwrap();
    store.put(&attic, Bytes::from_static(b"y")).await.unwrap();
    // One that may still come into the chain, however long that takes.
    let ahead = encoded(500, 510, &identity("other"));
    let ahead = ahead
        .segments()
        .next()
        .unwrap()
        .named(&layout, SegmentId(8))
        .path;
    store.put(&ahead, Bytes::from_static(b"z")).await.unwrap();
    let mut walk = Walk::default();
    for hours in [0, 23] {
        clock.advance(TimeDelta::hours(hours));
        let done = collect(&mut ours, &mut walk, KEEP, EVERYTHING)
            .await
            .unwrap();
        assert_eq!((done.files, done.noted), (0, 3));
    }
    clock.advance(TimeDelta::hours(1));
    // While no manifest has come, their writer may be about to list them.
    let done = collect(&mut ours, &mut walk, KEEP, EVERYTHING)
        .await
        .unwrap();
    assert_eq!((done.files, done.noted), (0, 3));
    go_on(&mut ours, 5, 5 + LISTED_WITHIN as i64).await;
    let done = collect(&mut ours, &mut walk, KEEP, EVERYTHING)
        .await
        .unwrap();
    assert_eq!((done.files, done.noted, done.bytes), (2, 1, 2));
    for (path, stays) in [(&own[1], false), (&attic, false), (&ahead, true)] {
        assert_eq!(store.head(path).await.unwrap().is_some(), stays, "{path}");
    }
    store.delete(&ahead).await.unwrap();
    assert_glob(&store, 0, 130).await;
}

/// Wherever a deletion fails, and a new process begins again, nothing live is gone, and in the end everything else is.
#[tokio::test]
async fn a_collection_that_ends_anywhere_is_finished_by_the_next() {
    let faulty = Faulty::default();
    let (store, clock) = (faulty.store(), real_clock());
    let mut ours = history(&store, &clock, 299).await;
    repair(&mut ours, 3).await;
    repair(&mut ours, 4).await;
    go_on(&mut ours, 299, 301).await;
    clock.advance(TimeDelta::hours(25));
    for passed in [0, 1, 3, 4, 50] {
        faulty.deletes_fail_after(Some(passed));
        let mut successor = chain(&store, "ours", &clock).await;
        let done = collect(&mut successor, &mut Walk::default(), KEEP, EVERYTHING).await;
        assert!(done.is_err(), "{passed} deletions were all");
        let tail = load_tail(&store, ours.layout(), PARTITION).await.unwrap();
        assert!(tail.damaged.is_empty());
        assert_glob(&store, 0, 3010).await;
    }
    faulty.deletes_fail_after(None);
    let mut successor = chain(&store, "ours", &clock).await;
    collect(&mut successor, &mut Walk::default(), KEEP, EVERYTHING)
        .await
        .unwrap();
    assert_eq!(numbers(&store).await.first(), Some(&204));
    assert_glob(&store, 0, 3010).await;
}

/// What pages list stays, and so do they; a page goes with the last manifest that lists it, and one that none ever listed like
/// any orphan.
#[tokio::test]
async fn what_pages_list_is_live_and_a_page_goes_with_its_last_manifest() {
    let (store, clock) = (Store::memory(), real_clock());
    let mut ours = history(&store, &clock, 100).await;
    let over = crate::format::testing::range(100, 400);
    let Sealed::Done(first) = write_seal(&mut ours, over).await.unwrap() else {
        panic!("a page");
    };
    // A change reopens it; what it is sealed into then is another page.
    let listed = read_listed(&store, ours.layout(), ours.newest().unwrap().clone());
    let listed = listed.await.unwrap();
    let range = crate::format::testing::range(200, 210);
    let replaced = listed.segments().iter().filter(|one| one.range == range);
    let files = encoded(200, 210, &identity("ours"));
    let mut repair = Repair::new(replaced.cloned().collect(), files);
    let done = write_repair(&mut ours, &mut repair).await.unwrap();
    assert!(matches!(done, Repaired::Done(_)));
    let Sealed::Done(second) = write_seal(&mut ours, over).await.unwrap() else {
        panic!("another page");
    };
    let orphan = ours.layout().page(PARTITION, over, SegmentId(0xdead));
    store.put(&orphan, Bytes::from_static(b"{}")).await.unwrap();
    go_on(&mut ours, 100, 310).await;
    let mut walk = Walk::default();
    for _ in 0..2 {
        clock.advance(TimeDelta::hours(25));
        collect(&mut ours, &mut walk, KEEP, EVERYTHING)
            .await
            .unwrap();
        // An orphan goes when more numbers are taken.
        let end = ours.end().unwrap().get() / 10;
        go_on(&mut ours, end, end + 10).await;
    }
    assert!(numbers(&store).await[0] > 110);
    assert_eq!(
        paths(&store, "events/_pages").await,
        *std::slice::from_ref(&second.path)
    );
    assert!(store.head(&first.path).await.unwrap().is_none());
    assert_eq!(paths(&store, "events/_attic").await, Vec::<Path>::new());
    assert_glob(&store, 0, 3300).await;
    let mut successor = chain(&store, "ours", &clock).await;
    let tidied = tidy(&mut successor, None).await.unwrap();
    assert!(tidied.missing.is_empty() && tidied.retired.is_empty());

    // While it is not known what is live, nothing is deleted.
    let good = store.get(&second.path, second.bytes).await.unwrap();
    store.delete(&second.path).await.unwrap();
    go_on(&mut ours, 320, 440).await;
    for _ in 0..2 {
        clock.advance(TimeDelta::hours(25));
        let stopped = collect(&mut ours, &mut Walk::default(), KEEP, EVERYTHING).await;
        let blocked = stopped.unwrap().blocked.unwrap();
        assert_eq!(blocked.path(ours.layout(), PARTITION), second.path);
        let planned = plan_collection(&mut ours, &mut Walk::default(), KEEP).await;
        assert_eq!(planned.unwrap().blocked, Some(blocked));
    }
    assert_glob(&store, 0, 4400).await;
    store.put(&second.path, good).await.unwrap();
    collect(&mut ours, &mut Walk::default(), KEEP, EVERYTHING)
        .await
        .unwrap();
    assert_glob(&store, 0, 4400).await;
}
