//! Listings of a small store.

use crate::{
    format::testing::declaration,
    format::{Edit, GapReason, Identity, Layout, Pipeline, RowlessRecord},
    history::{Chain, Clock},
    model::{Counts, Offset, OffsetRange, Partition, Sequence},
    query::{QueryError, TopicError, list, lookup, show},
    store::Store,
};

fn range(start: i64, end: i64) -> OffsetRange {
    OffsetRange::new(Offset::new(start).unwrap(), Offset::new(end).unwrap()).unwrap()
}

fn layout() -> Layout {
    Layout::new("events").unwrap()
}

/// Two partitions; the second has a gap and an append of nothing but absent offsets.
async fn sample() -> Store {
    let store = Store::memory();
    for partition in [0, 1].map(Partition) {
        let identity = Identity {
            topic: "events".into(),
            partition,
            declaration: declaration(),
            writer: "tests".into(),
        };
        let pipeline = Pipeline {
            cluster_id: None,
            group: "recalc_group".into(),
            events_topic: "events".into(),
            events_topic_id: None,
            events_partitions: Some(8),
            results_topic: "results".into(),
            results_partitions: 2,
        };
        let mut chain = Chain::load(store.clone(), identity, Clock::system())
            .await
            .unwrap();
        let origin = Offset::new(10).unwrap();
        let mut edits = vec![Edit::Bind {
            pipeline,
            partition,
            origin,
        }];
        if partition == Partition(1) {
            let counts = Counts {
                absent: 5,
                ..Counts::default()
            };
            edits.push(Edit::Append {
                range: range(10, 15),
                segments: vec![],
                counts,
                record: RowlessRecord::all_absent(range(10, 15)),
            });
            edits.push(Edit::AcceptLoss {
                range: range(15, 18),
                reason: GapReason::Truncated,
            });
        }
        for edit in edits {
            let _ = chain.append(edit, None).await.unwrap();
        }
    }
    store
}

#[tokio::test]
async fn a_listing_is_what_the_newest_manifests_say() {
    let store = sample().await;
    let listing = list(&store, &layout()).await.unwrap();
    assert_eq!(
        (listing.topic.as_str(), listing.partitions.len()),
        ("events", 2)
    );
    let entry = &listing.partitions[1];
    assert_eq!(
        (entry.partition, entry.manifest),
        (Partition(1), Sequence(3))
    );
    assert_eq!((entry.origin.get(), entry.end.get()), (10, 18));
    assert_eq!(
        (entry.absent, entry.lost, entry.gaps, entry.segments),
        (5, 3, 1, 0)
    );
    let json = serde_json::to_value(&listing).unwrap();
    let created = json["partitions"][1]["created_at"].as_str().unwrap();
    assert!(created.ends_with('Z') && created.len() == 24, "{created}");
}

#[tokio::test]
async fn a_newer_manifest_that_cannot_be_read_is_shown_beside_the_last_good_one() {
    let store = sample().await;
    let damaged = layout().manifest(Partition(1), Sequence(4));
    store.put(&damaged, "nonsense".into()).await.unwrap();
    let only = layout().manifest(Partition(0), Sequence(1));
    store.put(&only, "nonsense".into()).await.unwrap();
    let listing = list(&store, &layout()).await.unwrap();
    assert_eq!(listing.partitions[0].damaged, [Sequence(4)]);
    assert_eq!(listing.unreadable, [Partition(0)]);
}

#[tokio::test]
async fn one_snapshot_is_shown_in_detail_the_newest_or_an_earlier_one() {
    let store = sample().await;
    let newest = show(&store, &layout(), Partition(1), None).await.unwrap();
    assert_eq!(
        (newest.entry.manifest, newest.edit),
        (Sequence(3), "accept-loss")
    );
    assert_eq!(newest.gap_list.len(), 1);
    assert_eq!(newest.gap_list[0].reason, GapReason::Truncated);
    let earlier = show(&store, &layout(), Partition(1), Some(Sequence(2)))
        .await
        .unwrap();
    assert_eq!((earlier.entry.end.get(), earlier.edit), (15, "append"));
}

#[tokio::test]
async fn what_is_not_there_is_an_error_that_names_what_is() {
    let store = sample().await;
    let missing = Layout::new("orders").unwrap();
    let error = list(&store, &missing).await.unwrap_err();
    assert!(matches!(
        error,
        QueryError::Topic(TopicError::NoSuchTopic { .. })
    ));
    assert!(
        error.to_string().contains("it holds those of events"),
        "{error}"
    );
    let error = show(&store, &layout(), Partition(7), None)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("there are those of 0, 1"),
        "{error}"
    );
    let error = show(&store, &layout(), Partition(1), Some(Sequence(9)))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no manifest 9; there are numbers from 1 to 3"),
        "{error}"
    );
    let error = list(&Store::memory(), &missing).await.unwrap_err();
    assert!(
        error.to_string().contains("it holds none of any topic"),
        "{error}"
    );
}

#[tokio::test]
async fn a_row_of_a_large_segment_is_looked_up_by_parts_of_it() {
    let (store, clock) = (Store::memory(), crate::history::testing::clock());
    let mut chain = crate::history::testing::bound(&store, "ours", &clock, 0).await;
    let mut outcomes = crate::history::testing::pending(0, 300_000);
    crate::history::write_snapshot(&mut chain, &mut outcomes)
        .await
        .unwrap();
    let segments = chain.newest().unwrap().open.segments.clone();
    assert!(segments[0].bytes > 256 << 10, "{}", segments[0].bytes);
    let partition = chain.partition();
    let fate = async |offset| {
        let offset = Offset::new(offset).unwrap();
        lookup(&store, &layout(), partition, offset).await
    };
    for (offset, expected) in [
        (1, "result"),
        (299_999, "result"),
        (5, "reject"),
        (10, "absent"),
    ] {
        let found = fate(offset).await.unwrap();
        let found = serde_json::to_value(&found).unwrap();
        assert_eq!(found["fate"], expected, "{offset}");
        if expected == "result" {
            assert_eq!(found["message"]["number"], offset);
        }
    }
    // What cannot be made sense of is read as a whole, and named.
    let results = &segments[0];
    let file = store.get(&results.path, results.bytes).await.unwrap();
    let mut damaged = file.to_vec();
    let end = damaged.len() - 20;
    damaged[end] ^= 1;
    store.put(&results.path, damaged.into()).await.unwrap();
    let error = fate(1).await.unwrap_err();
    assert!(matches!(error, QueryError::Damaged { .. }), "{error}");
    store.put(&results.path, file.slice(..1000)).await.unwrap();
    let error = fate(1).await.unwrap_err();
    assert!(matches!(error, QueryError::Damaged { .. }), "{error}");
}
