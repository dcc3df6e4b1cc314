use super::*;
use crate::{
    format::{
        ApplyError, Damaged, GapReason, RowlessRecord,
        testing::{PARTITION, at, bind, range},
    },
    history::{
        Found, contains, load_manifest, load_tail,
        testing::{Fault, Faulty, bound, chain, clock, paths},
    },
    model::{Counts, Digest, Sequence},
};

fn absent(start: i64, end: i64) -> Edit {
    let range = range(start, end);
    Edit::Append {
        range,
        segments: Vec::new(),
        counts: Counts {
            absent: range.len(),
            ..Counts::default()
        },
        record: RowlessRecord::all_absent(range),
    }
}

async fn append(chain: &mut Chain, start: i64, end: i64) -> Appended {
    chain.append(absent(start, end), None).await.unwrap()
}

fn won() -> Appended {
    Appended::Won {
        put_back: Vec::new(),
    }
}

async fn damage(store: &Store, number: u64) -> Digest {
    let layout = Layout::new("events").unwrap();
    let path = layout.manifest(PARTITION, Sequence(number));
    let mut bytes = store.get(&path, 1 << 20).await.unwrap().to_vec();
    bytes[100] ^= 1;
    let digest = Digest::of(&bytes);
    store.put(&path, Bytes::from(bytes)).await.unwrap();
    digest
}

async fn remove(store: &Store, number: u64) {
    let path = Layout::new("events")
        .unwrap()
        .manifest(PARTITION, Sequence(number));
    store.delete(&path).await.unwrap();
}

#[tokio::test]
async fn a_chain_grows_by_numbers_and_reloads() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 10).await;
    assert_eq!(append(&mut ours, 10, 20).await, won());
    assert_eq!(append(&mut ours, 20, 25).await, won());
    let loaded = chain(&store, "theirs", &clock).await;
    assert_eq!(loaded.tail(), ours.tail());
    assert_eq!(
        (loaded.end(), loaded.tail().highest),
        (Some(at(25)), Some(Sequence(3)))
    );
    assert!(!ours.reload().await.unwrap());
    let refused = ours.append(absent(26, 27), None).await.unwrap_err();
    assert!(matches!(
        refused,
        ChainError::Apply(ApplyError::NotAtTheEnd { .. })
    ));
    // A refused edit leaves nothing behind.
    assert_eq!(append(&mut ours, 25, 26).await, won());
}

#[tokio::test]
async fn of_two_racing_writers_one_wins_and_the_other_learns_why() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    let mut theirs = chain(&store, "theirs", &clock).await;
    assert_eq!(append(&mut theirs, 0, 7).await, won());
    assert_eq!(append(&mut ours, 0, 9).await, Appended::Lost);
    assert_eq!(ours.tail(), theirs.tail());
    assert_eq!(append(&mut ours, 7, 9).await, won());
}

#[tokio::test]
async fn eight_writers_at_once_leave_one_chain() {
    let (store, clock) = (Store::memory(), clock());
    bound(&store, "binder", &clock, 0).await;
    let tasks = (0..8).map(|index| {
        let (store, clock) = (store.clone(), clock.clone());
        tokio::spawn(async move {
            let mut ours = chain(&store, &format!("writer-{index}"), &clock).await;
            let mut wins = 0;
            while wins < 5 {
                let end = ours.end().unwrap().get();
                match append(&mut ours, end, end + 1).await {
                    Appended::Won { .. } => wins += 1,
                    Appended::Lost => {}
                }
            }
        })
    });
    futures::future::try_join_all(tasks).await.unwrap();
    // I2: every number once, each on the one before.
    let layout = Layout::new("events").unwrap();
    let mut before: Option<Manifest> = None;
    for number in 1..=41 {
        let bytes = store
            .get(&layout.manifest(PARTITION, Sequence(number)), 1 << 20)
            .await
            .unwrap();
        let manifest = Manifest::decode(&bytes).unwrap();
        let base = manifest
            .base
            .as_ref()
            .map(|base| (base.sequence, base.digest));
        assert_eq!(base, before.as_ref().map(Manifest::head));
        before = Some(manifest);
    }
    assert_eq!(before.unwrap().end, at(40));
    assert_eq!(paths(&store, "events/_manifests").await.len(), 41);
}

#[tokio::test(start_paused = true)]
async fn an_unclear_answer_is_settled_by_reading_back() {
    for faults in [
        vec![Fault::LandsButFails],
        vec![Fault::Fails],
        vec![Fault::Conflict],
        vec![Fault::LandsAfter(1)],
        vec![Fault::LandsAfter(2), Fault::Fails],
        vec![
            Fault::Fails,
            Fault::Conflict,
            Fault::LandsAfter(1),
            Fault::Fails,
        ],
        vec![Fault::Fails; 5],
    ] {
        let (faulty, clock) = (Faulty::default(), clock());
        let mut ours = bound(&faulty.store(), "ours", &clock, 0).await;
        faulty.next(faults.clone());
        assert_eq!(append(&mut ours, 0, 5).await, won(), "{faults:?}");
        let creations = faulty.creations();
        assert!(
            creations[1..].iter().all(|bytes| *bytes == creations[1]),
            "the same bytes"
        );
        assert_eq!(
            chain(&faulty.store(), "other", &clock).await.tail(),
            ours.tail()
        );
    }
}

/// After an error it need not be durable, whoever reads it.
#[tokio::test(start_paused = true)]
async fn what_can_be_read_after_an_error_counts_only_when_a_creation_has_found_it() {
    let (faulty, clock) = (Faulty::default(), clock());
    let mut ours = bound(&faulty.store(), "ours", &clock, 0).await;
    faulty.next([Fault::LandsButFails, Fault::Fails, Fault::Fails]);
    assert_eq!(append(&mut ours, 0, 5).await, won());
    assert_eq!(faulty.creations().len(), 1 + 4);

    let faults = vec![Fault::Fails; ATTEMPTS as usize];
    faulty.next([Fault::LandsButFails].into_iter().chain(faults));
    let unsettled = ours.append(absent(5, 7), None).await.unwrap_err();
    assert!(matches!(unsettled, ChainError::Unsettled { .. }));
    let away = ours.reload().await.unwrap_err();
    assert!(matches!(away, ChainError::Store(_)) && ours.is_unsure());
    assert_eq!(ours.end(), Some(at(5)));
    assert!(ours.reload().await.unwrap());
    assert_eq!(ours.end(), Some(at(7)));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_lands_after_all_patience_counts_as_anothers() {
    let (faulty, clock) = (Faulty::default(), clock());
    let mut ours = bound(&faulty.store(), "ours", &clock, 0).await;
    faulty.next(vec![Fault::LandsOnDemand; ATTEMPTS as usize]);
    let unsettled = ours.append(absent(0, 5), None).await.unwrap_err();
    assert!(matches!(unsettled, ChainError::Unsettled { .. }) && unsettled.is_retryable());
    assert!(ours.is_unsure());
    faulty.land().await;
    assert_eq!(append(&mut ours, 0, 5).await, Appended::Lost);
    assert_eq!(ours.end(), Some(at(5)));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_lands_behind_anothers_manifest_is_refused_by_the_store() {
    let (faulty, clock) = (Faulty::default(), clock());
    let mut ours = bound(&faulty.store(), "ours", &clock, 0).await;
    let mut theirs = chain(&faulty.store(), "theirs", &clock).await;
    faulty.next(vec![Fault::LandsOnDemand; ATTEMPTS as usize]);
    ours.append(absent(0, 5), None).await.unwrap_err();
    assert_eq!(append(&mut theirs, 0, 3).await, won());
    faulty.land().await;
    assert_eq!(append(&mut ours, 0, 5).await, Appended::Lost);
    assert_eq!(ours.tail(), theirs.tail());
}

#[tokio::test]
async fn a_head_is_in_the_chain_by_number_and_digest() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    let mut heads = vec![ours.tail().head().unwrap()];
    for start in 0..4 {
        assert_eq!(append(&mut ours, start, start + 1).await, won());
        heads.push(ours.tail().head().unwrap());
    }
    let layout = Layout::new("events").unwrap();
    let highest = ours.tail().highest;
    let is_in = async |head| {
        let found = contains(&store, &layout, PARTITION, head, highest).await;
        found.unwrap()
    };
    assert!(is_in(heads[2]).await);
    assert!(!is_in((Sequence(3), Digest::of(b"another"))).await);
    assert!(!is_in((Sequence(9), heads[2].1)).await);
    damage(&store, 3).await;
    assert!(is_in(heads[2]).await, "damaged counts as present");
    remove(&store, 3).await;
    assert!(is_in(heads[2]).await, "its successor names it");
    assert!(!is_in((Sequence(3), Digest::of(b"another"))).await);
    remove(&store, 4).await;
    assert!(is_in(heads[2]).await, "nothing is left to compare it with");
    assert!(!is_in((Sequence(9), heads[2].1)).await);
}

#[tokio::test]
async fn a_sleeper_whose_number_was_collected_does_not_fork_the_chain() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    let mut sleeper = ours.clone();
    for start in 0..4 {
        assert_eq!(append(&mut ours, start, start + 1).await, won());
    }
    remove(&store, 2).await;
    assert_eq!(append(&mut sleeper, 0, 9).await, Appended::Lost);
    assert_eq!(sleeper.tail(), ours.tail());
    let numbers = list_manifests(&store, ours.layout(), PARTITION)
        .await
        .unwrap();
    assert_eq!(
        numbers,
        [1, 3, 4, 5].map(Sequence),
        "it took its own away again"
    );
}

#[tokio::test]
async fn a_loss_is_appended_like_anything_else() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    let loss = Edit::AcceptLoss {
        range: range(0, 50),
        reason: GapReason::Expired,
    };
    assert_eq!(ours.append(loss, None).await.unwrap(), won());
    assert_eq!(ours.newest().unwrap().counts.lost, 50);
}

#[tokio::test]
async fn a_file_with_an_absurd_number_is_named_and_nothing_is_made_of_the_numbers_below() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    assert_eq!(append(&mut ours, 0, 7).await, won());
    let layout = Layout::new("events").unwrap();
    for number in [u64::MAX, 1 << 60, 20_000] {
        let path = layout.manifest(PARTITION, Sequence(number));
        store.put(&path, Bytes::from("{}")).await.unwrap();
        let error = load_tail(&store, &layout, PARTITION).await.unwrap_err();
        assert!(
            matches!(&error, ChainError::StrayNumber { path: found, below } if *found == path && *below == Sequence(2)),
            "{error}"
        );
        assert!(!error.is_retryable());
        store.delete(&path).await.unwrap();
    }
    let head = (Sequence(u64::MAX), Digest::of(b""));
    assert!(
        !contains(&store, &layout, PARTITION, head, None)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_manifest_is_said_in_bounded_words() {
    let (store, clock) = (Store::memory(), clock());
    bound(&store, "ours", &clock, 0).await;
    let layout = Layout::new("events").unwrap();
    let body = format!(
        "{{\n\"format_version\":1,\n\"{}\":1,\n",
        "é".repeat(100_000)
    );
    let sealed = format!("{body}\"digest\":\"{}\"\n}}\n", Digest::of(body.as_bytes()));
    let path = layout.manifest(PARTITION, Sequence(2));
    store.put(&path, Bytes::from(sealed)).await.unwrap();
    let found = load_manifest(&store, &layout, PARTITION, Sequence(2)).await;
    let Found::Damaged { detail, .. } = found.unwrap() else {
        panic!("it is no manifest");
    };
    assert!(
        detail.contains("unknown field") && detail.len() < 1_100,
        "{}",
        detail.len()
    );
}

mod damaged;
