use chrono::TimeDelta;

use super::*;
use crate::{
    format::{
        ApplyError,
        testing::{PARTITION, at, range},
    },
    history::{
        load_tail,
        testing::{Fault, Faulty, assert_glob, bound, chain, clock, names, paths, pending},
    },
    store::{Moved, Store, StoreConfig, StoreUrl},
};

#[tokio::test]
async fn snapshots_follow_each_other() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    for (start, end) in [(0, 100), (100, 101), (101, 250)] {
        let written = write_snapshot(&mut ours, &mut pending(start, end))
            .await
            .unwrap();
        assert_eq!(written.appended, Some(range(start, end)));
        assert_eq!((written.end, written.rebased), (at(end), false));
        assert_eq!(Some(written.head), ours.tail().head());
    }
    assert_glob(&store, 0, 250).await;
    let newest = ours.newest().unwrap();
    // 100 alone is absent: an append without files.
    assert_eq!(newest.open.segments.len(), 4);
    assert_eq!(newest.counts.offsets(), 250);
    assert_eq!(paths(&store, "events/_manifests").await.len(), 4);
}

#[tokio::test]
async fn a_local_folder_holds_what_memory_holds() {
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::Local(folder.path().to_owned());
    let store = Store::open(&StoreConfig::new(url)).await.unwrap();
    let clock = clock();
    let mut ours = bound(&store, "ours", &clock, 0).await;
    let mut theirs = chain(&store, "theirs", &clock).await;
    write_snapshot(&mut theirs, &mut pending(0, 60))
        .await
        .unwrap();
    let written = write_snapshot(&mut ours, &mut pending(0, 90))
        .await
        .unwrap();
    assert_eq!(written.appended, Some(range(60, 90)));
    assert_glob(&store, 0, 90).await;
    assert_eq!(
        load_tail(&store, ours.layout(), PARTITION).await.unwrap(),
        *ours.tail()
    );
}

#[tokio::test]
async fn a_zombies_late_snapshot_is_trimmed_by_the_new_owner() {
    let (store, clock) = (Store::memory(), clock());
    let mut zombie = bound(&store, "zombie", &clock, 0).await;
    let mut owner = chain(&store, "owner", &clock).await;
    // The owner has taken [0, 300); the zombie, who had [0, 120) committed, is late but faster (I1).
    write_snapshot(&mut zombie, &mut pending(0, 120))
        .await
        .unwrap();
    let mut ours = pending(0, 300);
    let written = write_snapshot(&mut owner, &mut ours).await.unwrap();
    assert!(written.rebased);
    assert_eq!(written.appended, Some(range(120, 300)));
    assert_glob(&store, 0, 300).await;
    assert_eq!(
        paths(&store, "events/_attic").await.len(),
        2,
        "the owner's first attempt"
    );
}

#[tokio::test]
async fn a_zombie_that_comes_last_has_nothing_to_add() {
    let (store, clock) = (Store::memory(), clock());
    let mut zombie = bound(&store, "zombie", &clock, 0).await;
    let mut owner = chain(&store, "owner", &clock).await;
    write_snapshot(&mut owner, &mut pending(0, 300))
        .await
        .unwrap();
    let written = write_snapshot(&mut zombie, &mut pending(0, 120))
        .await
        .unwrap();
    assert_eq!((written.appended, written.end), (None, at(300)));
    assert_eq!(zombie.tail(), owner.tail());
    assert_glob(&store, 0, 300).await;
}

#[tokio::test]
async fn writers_racing_over_the_same_events_add_each_outcome_once() {
    let (store, clock) = (Store::memory(), clock());
    bound(&store, "binder", &clock, 0).await;
    let tasks = [37, 41, 53].map(|step| {
        let (store, clock) = (store.clone(), clock.clone());
        tokio::spawn(async move {
            let mut ours = chain(&store, &format!("step-{step}"), &clock).await;
            // Each knows everything that is committed; each snapshots in steps of its own.
            let mut at = ours.end().unwrap().get();
            while at < 1000 {
                let end = (at + step).min(1000);
                let written = write_snapshot(&mut ours, &mut pending(at, end))
                    .await
                    .unwrap();
                at = written.end.get();
            }
        })
    });
    futures::future::try_join_all(tasks).await.unwrap();
    assert_glob(&store, 0, 1000).await;
    let ours = chain(&store, "reader", &clock).await;
    assert_eq!(ours.newest().unwrap().counts.offsets(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_win_that_looked_like_a_failure_is_not_moved_to_the_attic() {
    let (faulty, clock) = (Faulty::default(), clock());
    let store = faulty.store();
    let mut ours = bound(&store, "ours", &clock, 0).await;
    faulty.next(vec![Fault::LandsOnDemand; 6]);
    let mut outcomes = pending(0, 100);
    let error = write_snapshot(&mut ours, &mut outcomes).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    faulty.land().await;
    let written = write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    assert_eq!((written.appended, written.end), (None, at(100)));
    assert_glob(&store, 0, 100).await;
    assert_eq!(paths(&store, "events/_attic").await, []);
}

#[tokio::test(start_paused = true)]
async fn what_turns_out_to_be_listed_is_put_back() {
    let (faulty, clock) = (Faulty::default(), clock());
    let store = faulty.store();
    let mut ours = bound(&store, "ours", &clock, 0).await;
    faulty.next(vec![Fault::LandsOnDemand; 6]);
    let mut outcomes = pending(0, 100);
    write_snapshot(&mut ours, &mut outcomes).await.unwrap_err();
    // An owner who tidies takes the file for an orphan; then the manifest arrives, and the owner goes on after it.
    for path in paths(&store, "events/results").await {
        let attic = ours.layout().attic(&path).unwrap();
        assert_eq!(store.rename(&path, &attic).await.unwrap(), Moved::Moved);
    }
    faulty.land().await;
    let mut owner = chain(&store, "owner", &clock).await;
    write_snapshot(&mut owner, &mut pending(100, 150))
        .await
        .unwrap();
    let written = write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    assert_eq!((written.appended, written.end), (None, at(150)));
    assert_glob(&store, 0, 150).await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_failed_is_made_again_with_the_same_files() {
    let (faulty, clock) = (Faulty::default(), clock());
    let store = faulty.store();
    let mut ours = bound(&store, "ours", &clock, 0).await;
    faulty.next(vec![Fault::Fails; 6]);
    let mut outcomes = pending(0, 100);
    write_snapshot(&mut ours, &mut outcomes).await.unwrap_err();
    let before = paths(&store, "events/results").await;
    let written = write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    assert_eq!(written.appended, Some(range(0, 100)));
    assert_eq!(paths(&store, "events/results").await, before);
    assert_glob(&store, 0, 100).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_the_outcomes_stay_pending() {
    let (faulty, clock) = (Faulty::default(), clock());
    let store = faulty.store();
    let mut ours = bound(&store, "ours", &clock, 0).await;
    faulty.puts_fail(true);
    let mut outcomes = pending(0, 100);
    for _ in 0..3 {
        let error = write_snapshot(&mut ours, &mut outcomes).await.unwrap_err();
        assert!(matches!(error, SnapshotError::Put { .. }) && error.is_retryable());
        assert!(outcomes.bytes() > 0);
    }
    faulty.puts_fail(false);
    write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    assert_glob(&store, 0, 100).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_for_an_orphan_meanwhile_is_put_again() {
    let (faulty, clock) = (Faulty::default(), clock());
    let store = faulty.store();
    let mut ours = bound(&store, "ours", &clock, 0).await;
    faulty.next(vec![Fault::Fails; 6]);
    let mut outcomes = pending(0, 100);
    write_snapshot(&mut ours, &mut outcomes).await.unwrap_err();
    for path in paths(&store, "events/results").await {
        let attic = ours.layout().attic(&path).unwrap();
        assert_eq!(store.rename(&path, &attic).await.unwrap(), Moved::Moved);
    }
    clock.advance(TimeDelta::minutes(11));
    write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    assert_glob(&store, 0, 100).await;
}

#[tokio::test]
async fn the_winner_puts_back_what_was_moved_away_before_it_won() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    let identity = ours.identity().clone();
    let mut outcomes = pending(0, 100);
    let encoded = outcomes.encode(at(0), &identity).await.unwrap();
    outcomes.put(&ours, &encoded).await.unwrap();
    for path in paths(&store, "events/results").await {
        let attic = ours.layout().attic(&path).unwrap();
        assert_eq!(store.rename(&path, &attic).await.unwrap(), Moved::Moved);
    }
    let written = write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    assert!(written.appended.is_some());
    assert_glob(&store, 0, 100).await;
}

#[tokio::test]
async fn a_segment_that_vanished_is_never_listed() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    let identity = ours.identity().clone();
    let mut outcomes = pending(0, 100);
    let encoded = outcomes.encode(at(0), &identity).await.unwrap();
    outcomes.put(&ours, &encoded).await.unwrap();
    let segments = outcomes.put.as_ref().unwrap().segments.clone();
    store.delete(&segments[0].path).await.unwrap();
    let put_at = clock.now();
    clock.advance(TimeDelta::minutes(11));
    let edit = Edit::Append {
        range: range(0, 100),
        segments,
        counts: encoded.counts,
        record: encoded.record.clone(),
    };
    let error = ours.append(edit, Some(put_at)).await.unwrap_err();
    assert!(matches!(error, ChainError::SegmentVanished { .. }));
    assert_eq!(chain(&store, "other", &clock).await.end(), Some(at(0)));
    // With the files still in memory, that is no harm.
    let written = write_snapshot(&mut ours, &mut outcomes).await.unwrap();
    assert_eq!(written.appended, Some(range(0, 100)));
    assert_glob(&store, 0, 100).await;
}

#[tokio::test]
async fn a_chain_that_was_rolled_back_is_noticed() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    write_snapshot(&mut ours, &mut pending(0, 50))
        .await
        .unwrap();
    let error = write_snapshot(&mut ours, &mut pending(60, 70))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        SnapshotError::Chain(ChainError::Diverged { .. })
    ));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_partition_must_be_bound_first() {
    let store = Store::memory();
    let mut ours = chain(&store, "ours", &clock()).await;
    let error = write_snapshot(&mut ours, &mut pending(0, 50))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        SnapshotError::Chain(ChainError::Apply(ApplyError::NotBound))
    ));
}

#[tokio::test]
async fn a_manifest_lists_exactly_the_files_that_are_there() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    let written = write_snapshot(&mut ours, &mut pending(0, 50))
        .await
        .unwrap();
    let mut files = paths(&store, "events/results").await;
    files.extend(paths(&store, "events/rejects").await);
    assert_eq!(names(&written.segments), files);
    for segment in &written.segments {
        let fetched = super::super::fetch_segment(&store, ours.layout(), segment)
            .await
            .unwrap();
        assert_eq!(fetched.bytes.len() as u64, segment.bytes);
    }
}
