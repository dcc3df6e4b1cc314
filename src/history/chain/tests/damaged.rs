//! Manifests that are damaged, missing, misplaced or of a newer format.

use super::*;

#[tokio::test]
async fn a_damaged_newest_manifest_is_stepped_over_and_never_rewritten() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    for start in 0..4 {
        assert_eq!(append(&mut ours, start, start + 1).await, won());
    }
    let fourth = damage(&store, 4).await;
    let fifth = damage(&store, 5).await;
    let mut ours = chain(&store, "ours", &clock).await;
    let damaged = vec![
        Damaged {
            sequence: Sequence(4),
            digest: Some(fourth),
        },
        Damaged {
            sequence: Sequence(5),
            digest: Some(fifth),
        },
    ];
    assert_eq!(ours.tail().damaged, damaged);
    assert_eq!(ours.end(), Some(at(2)));
    assert_eq!(append(&mut ours, 2, 6).await, won());
    let newest = ours.newest().unwrap();
    assert_eq!(newest.sequence, Sequence(6));
    let base = newest.base.clone().unwrap();
    assert_eq!((base.sequence, &base.skipped), (Sequence(3), &damaged));
    let reader = load_tail(&store, ours.layout(), PARTITION).await.unwrap();
    assert_eq!(&reader, ours.tail());
    assert_eq!(
        damage(&store, 4).await,
        Digest::of(&good_again(&store, 4).await)
    );
}

async fn good_again(store: &Store, number: u64) -> Bytes {
    let path = Layout::new("events")
        .unwrap()
        .manifest(PARTITION, Sequence(number));
    store.get(&path, 1 << 20).await.unwrap()
}

#[tokio::test]
async fn a_missing_manifest_below_the_highest_counts_as_damaged() {
    let (store, clock) = (Store::memory(), clock());
    let mut ours = bound(&store, "ours", &clock, 0).await;
    for start in 0..3 {
        assert_eq!(append(&mut ours, start, start + 1).await, won());
    }
    remove(&store, 3).await;
    let fourth = damage(&store, 4).await;
    let mut ours = chain(&store, "ours", &clock).await;
    let third = Damaged {
        sequence: Sequence(3),
        digest: None,
    };
    let fourth = Damaged {
        sequence: Sequence(4),
        digest: Some(fourth),
    };
    assert_eq!(ours.tail().damaged, [third, fourth]);
    assert_eq!(append(&mut ours, 1, 3).await, won());
    assert_eq!(ours.newest().unwrap().sequence, Sequence(5));
}

#[tokio::test]
async fn a_store_without_one_good_manifest_is_refused() {
    let (store, clock) = (Store::memory(), clock());
    bound(&store, "ours", &clock, 0).await;
    damage(&store, 1).await;
    let mut ours = chain(&store, "ours", &clock).await;
    let refused = ours.append(bind(0), None).await.unwrap_err();
    assert!(matches!(refused, ChainError::NothingReadable { .. }));
}

#[tokio::test]
async fn a_manifest_of_a_newer_format_stops_everything() {
    let (store, clock) = (Store::memory(), clock());
    let ours = bound(&store, "ours", &clock, 0).await;
    let path = ours.layout().manifest(PARTITION, Sequence(2));
    let body = "{\n\"format_version\":3,\n\"what\":\n";
    let sealed = format!("{body}\"digest\":\"{}\"\n}}\n", Digest::of(body.as_bytes()));
    store.put(&path, Bytes::from(sealed)).await.unwrap();
    let error = load_tail(&store, ours.layout(), PARTITION)
        .await
        .unwrap_err();
    assert!(matches!(error, ChainError::Newer { .. }), "{error}");
}

#[tokio::test]
async fn a_manifest_under_anothers_number_is_damage() {
    let (store, clock) = (Store::memory(), clock());
    let ours = bound(&store, "ours", &clock, 0).await;
    let bytes = good_again(&store, 1).await;
    store
        .put(&ours.layout().manifest(PARTITION, Sequence(2)), bytes)
        .await
        .unwrap();
    let tail = load_tail(&store, ours.layout(), PARTITION).await.unwrap();
    assert_eq!(tail.newest.as_ref(), ours.newest());
    assert_eq!(tail.damaged.len(), 1);
}
