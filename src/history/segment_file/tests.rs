//! A large file gives the rows of a small one, as long as it is what it was.

use super::*;
use crate::{
    format::{
        SegmentKind,
        testing::{encoded, identity, in_row_groups},
    },
    history::testing,
};

const ROWS: i64 = 20_000;

/// A store with a segment of five row groups.
async fn stored() -> (Store, Layout, Segment) {
    stored_in(Store::memory()).await
}

async fn stored_in(store: Store) -> (Store, Layout, Segment) {
    let chain = testing::chain(&store, "writer", &testing::clock()).await;
    let layout = chain.layout().clone();
    let made = encoded(0, ROWS, &identity("writer")).results.unwrap();
    let file = in_row_groups(&made.bytes, 3_000);
    let mut segment = made.named(&layout, testing::clock().segment_id());
    assert_eq!(segment.kind, SegmentKind::Results);
    (segment.bytes, segment.digest) = (file.len() as u64, Digest::of(&file));
    store.put(&segment.path, file).await.unwrap();
    (store, layout, segment)
}

/// Its rows, or why they cannot be read.
async fn rows(file: &SegmentFile) -> Result<Vec<RecordBatch>, SegmentError> {
    let file = file.clone();
    tokio::task::spawn_blocking(move || file.read()?.collect())
        .await
        .unwrap()
}

fn offsets(batches: &[RecordBatch]) -> Vec<i64> {
    let offsets = batches.iter().map(crate::format::testing::batch_offsets);
    offsets.flatten().collect()
}

#[tokio::test]
async fn a_large_file_is_read_a_row_group_at_a_time_as_often_as_one_likes() {
    let (store, layout, segment) = stored().await;
    let whole = open(&store, &layout, &segment, segment.bytes).await;
    let whole = whole.unwrap();
    assert!(matches!(whole, SegmentFile::Whole(_)));
    let in_parts = open(&store, &layout, &segment, segment.bytes - 1).await;
    let in_parts = in_parts.unwrap();
    let SegmentFile::InParts(compared) = &in_parts else {
        panic!("it is a large one");
    };
    let largest = compared.parts.iter().map(|(part, _)| part.end - part.start);
    let largest = largest.max().unwrap();
    assert!(
        largest < segment.bytes / 4,
        "{largest} of {}",
        segment.bytes
    );
    let expected = offsets(&rows(&whole).await.unwrap());
    assert!(expected.len() > 10_000);
    for _ in 0..2 {
        assert_eq!(offsets(&rows(&in_parts).await.unwrap()), expected);
    }
}

#[tokio::test]
async fn a_large_file_that_is_not_as_its_manifest_says_is_not_opened() {
    let (store, layout, segment) = stored().await;
    let right = store.get(&segment.path, u64::MAX).await.unwrap();
    // In the first and the last row group, and in the footer.
    for at in [100, right.len() * 2 / 3, right.len() - 20] {
        let mut wrong = right.to_vec();
        wrong[at] ^= 1;
        store.put(&segment.path, wrong.into()).await.unwrap();
        let opened = open(&store, &layout, &segment, 0).await;
        assert!(
            matches!(opened, Err(FetchError::Damaged { .. })),
            "byte {at}"
        );
    }
    store.delete(&segment.path).await.unwrap();
    let opened = open(&store, &layout, &segment, 0).await;
    assert!(matches!(opened, Err(FetchError::Missing { .. })));
    // Where a newer manifest has put it away, it is read from there.
    let attic = layout.attic(&segment.path).unwrap();
    store.put(&attic, right).await.unwrap();
    let opened = open(&store, &layout, &segment, 0).await;
    assert!(matches!(opened, Ok(SegmentFile::Whole(_))));
}

#[tokio::test]
async fn what_has_changed_since_it_was_compared_is_an_error() {
    let (store, layout, segment) = stored().await;
    let opened = open(&store, &layout, &segment, 0).await.unwrap();
    let SegmentFile::InParts(compared) = &opened else {
        panic!("it is a large one");
    };
    let third = compared.parts[2].0.clone();
    let mut file = store.get(&segment.path, u64::MAX).await.unwrap().to_vec();
    file[usize::try_from(third.start).unwrap() + 50] ^= 1;
    store.put(&segment.path, file.into()).await.unwrap();
    let error = rows(&opened).await.unwrap_err().to_string();
    assert!(error.contains("what it was"), "{error}");
}

/// A merge may take its place at any moment, and an outage says nothing of it.
#[tokio::test]
async fn what_happens_in_the_store_meanwhile_is_no_damage() {
    let faulty = testing::Faulty::default();
    let (store, layout, segment) = stored_in(faulty.store()).await;
    let opened = open(&store, &layout, &segment, 0).await.unwrap();
    let expected = offsets(&rows(&opened).await.unwrap());
    for parts in 0..5 {
        faulty.one_part_fails_after(parts);
        let error = rows(&opened).await.unwrap_err();
        assert!(matches!(&error, SegmentError::Store(_)), "{error}");
        assert!(faulty.has_failed());
    }
    let right = store.get(&segment.path, u64::MAX).await.unwrap();
    let attic = layout.attic(&segment.path).unwrap();
    store.put(&attic, right).await.unwrap();
    store.delete(&segment.path).await.unwrap();
    assert_eq!(offsets(&rows(&opened).await.unwrap()), expected);
}
