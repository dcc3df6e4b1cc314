//! What every back end promises, one by one.

use super::*;

pub async fn nothing_is_there(store: &Store) {
    let missing = path("t/results/partition=0/missing");
    assert_eq!(store.list(&Path::root()).await.unwrap(), []);
    assert_eq!(store.list(&path("t/results")).await.unwrap(), []);
    assert_eq!(store.head(&missing).await.unwrap(), None);
    let error = store.get(&missing, MIB).await.unwrap_err();
    assert!(error.is_not_found() && !error.is_retryable(), "{error:?}");
    assert!(
        error.to_string().contains(&store.locate(&missing)),
        "{error}"
    );
    assert_eq!(
        store.rename(&missing, &path("t/elsewhere")).await.unwrap(),
        Moved::SourceMissing
    );
    assert_eq!(
        store.rename(&missing, &missing).await.unwrap(),
        Moved::SourceMissing
    );
    store.delete(&missing).await.unwrap();
}

pub async fn an_object_is_written_read_and_replaced(store: &Store) {
    let object = path("t/results/partition=1/00-01-ab.parquet");
    store
        .put(&object, Bytes::from_static(b"first"))
        .await
        .unwrap();
    assert_eq!(store.get(&object, 5).await.unwrap(), "first");
    assert_eq!(store.head(&object).await.unwrap(), Some(5));
    match store.get(&object, 4).await.unwrap_err() {
        StoreError::TooLarge { size, limit, .. } => assert_eq!((size, limit), (5, 4)),
        other => panic!("{other:?}"),
    }
    store
        .put(&object, Bytes::from_static(b"second"))
        .await
        .unwrap();
    assert_eq!(store.get(&object, 6).await.unwrap(), "second");
    // A folder is not an object.
    assert_eq!(
        store.head(&path("t/results/partition=1")).await.unwrap(),
        None
    );
    assert!(
        store
            .get(&path("t/results"), MIB)
            .await
            .unwrap_err()
            .is_not_found()
    );
    store.put(&path("t/empty"), Bytes::new()).await.unwrap();
    assert_eq!(store.get(&path("t/empty"), 0).await.unwrap(), "");
    for _ in 0..2 {
        store.delete(&path("t/empty")).await.unwrap();
        store.delete(&object).await.unwrap();
        assert_eq!(store.head(&object).await.unwrap(), None);
    }
}

pub async fn an_object_is_created_once(store: &Store) {
    let object = path("t/_manifests/partition=1/00000000000000000001.json");
    assert_eq!(
        store
            .create(&object, Bytes::from_static(b"mine"))
            .await
            .unwrap(),
        Created::Created
    );
    assert_eq!(
        store
            .create(&object, Bytes::from_static(b"yours"))
            .await
            .unwrap(),
        Created::Exists
    );
    assert_eq!(
        store
            .create(&object, Bytes::from_static(b"mine"))
            .await
            .unwrap(),
        Created::Exists
    );
    assert_eq!(store.get(&object, MIB).await.unwrap(), "mine");
    store.delete(&object).await.unwrap();
    assert_eq!(
        store
            .create(&object, Bytes::from_static(b"yours"))
            .await
            .unwrap(),
        Created::Created
    );
    store.delete(&object).await.unwrap();
}

pub async fn one_of_many_creators_wins(store: &Store) {
    for key in 0..10 {
        let object = path(&format!("race/{key}"));
        let racers = (0..8).map(|racer| {
            let (store, object) = (store.clone(), object.clone());
            tokio::spawn(async move {
                (
                    racer,
                    store.create(&object, Bytes::from(format!("{racer}"))).await,
                )
            })
        });
        let mut winners = Vec::new();
        for racer in join_all(racers).await {
            let (racer, created) = racer.unwrap();
            if created.unwrap() == Created::Created {
                winners.push(racer);
            }
        }
        assert_eq!(winners.len(), 1, "{object}: {winners:?}");
        assert_eq!(
            store.get(&object, MIB).await.unwrap(),
            format!("{}", winners[0])
        );
        store.delete(&object).await.unwrap();
    }
}

pub async fn a_listing_is_sorted_and_keeps_to_whole_parts(store: &Store) {
    let before = SystemTime::now();
    let all = [
        "l/partition=1.json",
        "l/partition=1/a",
        "l/partition=1/b/c",
        "l/partition=10/a",
        "l/partition=2/ü %20~&+",
        "lx",
    ];
    for name in all.iter().rev() {
        store.put(&path(name), Bytes::from(*name)).await.unwrap();
    }
    let everything = store.list(&Path::root()).await.unwrap();
    assert_eq!(names(&everything), all);
    for entry in &everything {
        assert_eq!(entry.size, entry.path.as_str().len() as u64);
        // S3 counts in seconds, and a server's clock is not ours.
        let skew = entry
            .modified
            .duration_since(before)
            .unwrap_or_else(|error| error.duration());
        assert!(skew < Duration::from_secs(60), "{skew:?}");
        assert_eq!(
            store.get(&entry.path, MIB).await.unwrap(),
            entry.path.as_str()
        );
    }
    assert_eq!(
        names(&store.list(&path("l/partition=1")).await.unwrap()),
        ["l/partition=1/a", "l/partition=1/b/c"]
    );
    assert_eq!(
        names(&store.list(&path("l/partition=1/b")).await.unwrap()),
        ["l/partition=1/b/c"]
    );
    assert_eq!(
        names(&store.list(&path("l/partition")).await.unwrap()),
        [""; 0]
    );
    assert_eq!(
        names(&store.list(&path("lx")).await.unwrap()),
        [""; 0],
        "an object is not below itself"
    );
    for name in all {
        store.delete(&path(name)).await.unwrap();
    }
    assert_eq!(store.list(&Path::root()).await.unwrap(), []);
}

/// S3 lists 1,000 keys at a time.
const MORE_THAN_A_PAGE: usize = 1_100;

pub async fn a_listing_of_more_than_a_page_is_whole_and_begins_where_it_is_told(store: &Store) {
    let folder = path("many/_manifests/partition=1");
    let name = |number: usize| path(&format!("{folder}/{number:020}.json"));
    // A neighbour that sorts between the folder and its content where `/` counts as a character.
    let neighbour = path("many/_manifests/partition=1-more/00000000000000009999.json");
    store.put(&neighbour, Bytes::new()).await.unwrap();
    let all: Vec<Path> = (1..=MORE_THAN_A_PAGE).map(name).collect();
    let puts = all.iter().map(|object| store.put(object, Bytes::new()));
    let put: Vec<_> = stream::iter(puts).buffer_unordered(16).collect().await;
    assert!(put.iter().all(Result::is_ok), "{put:?}");
    let paths = |entries: Vec<Entry>| -> Vec<Path> {
        entries.into_iter().map(|entry| entry.path).collect()
    };
    assert_eq!(paths(store.list(&folder).await.unwrap()), all);
    for (after, expected) in [
        (name(0), &all[..]),
        (name(7), &all[7..]),
        (name(MORE_THAN_A_PAGE - 1), &all[MORE_THAN_A_PAGE - 1..]),
        (name(MORE_THAN_A_PAGE), &[]),
        // What does not exist is a place in the order like any other.
        (path(&format!("{}-", name(7))), &all[7..]),
    ] {
        let found = paths(store.list_after(&folder, &after).await.unwrap());
        assert_eq!(found, expected, "after {after}");
    }
    let deletes = all
        .iter()
        .chain([&neighbour])
        .map(|object| store.delete(object));
    let deleted: Vec<_> = stream::iter(deletes).buffer_unordered(16).collect().await;
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    assert_eq!(store.list(&path("many")).await.unwrap(), []);
}

pub async fn an_object_moves(store: &Store) {
    let (from, to) = (
        path("m/results/partition=1/a b"),
        path("m/_attic/results/partition=1/a b"),
    );
    store.put(&from, Bytes::from_static(b"new")).await.unwrap();
    store.put(&to, Bytes::from_static(b"old")).await.unwrap();
    assert_eq!(store.rename(&from, &from).await.unwrap(), Moved::Moved);
    assert_eq!(store.rename(&from, &to).await.unwrap(), Moved::Moved);
    assert_eq!(names(&store.list(&path("m")).await.unwrap()), [to.as_str()]);
    assert_eq!(store.get(&to, MIB).await.unwrap(), "new");
    assert_eq!(
        store.rename(&from, &to).await.unwrap(),
        Moved::SourceMissing
    );
    assert_eq!(store.get(&to, MIB).await.unwrap(), "new");
    assert_eq!(
        store.rename(&to, &path("m/a/new/folder/x")).await.unwrap(),
        Moved::Moved
    );
    store.delete(&path("m/a/new/folder/x")).await.unwrap();
}

pub async fn a_large_object_comes_back(store: &Store) {
    let bytes: Bytes = (0..20 * MIB).map(|at| (at % 251) as u8).collect();
    let object = path("t/large");
    store.put(&object, bytes.clone()).await.unwrap();
    assert_eq!(store.head(&object).await.unwrap(), Some(20 * MIB));
    assert!(store.get(&object, 20 * MIB).await.unwrap() == bytes);
    store.delete(&object).await.unwrap();
    assert_eq!(
        store.create(&object, bytes.clone()).await.unwrap(),
        Created::Created
    );
    assert!(store.get(&object, 20 * MIB).await.unwrap() == bytes);
    store.delete(&object).await.unwrap();
}
