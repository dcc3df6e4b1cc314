//! Corrections of a large file are read a row group at a time, and are the same.

use arrow_select::concat::concat_batches;

use super::*;
use crate::{
    format::{
        Accumulation, RangeOutcomes, SegmentKind,
        testing::{at, evaluated, identity, in_row_groups, range},
    },
    history::{END, read_segment_end, testing},
    model::{Digest, Offset, Sequence},
    store::Store,
};

const ROWS: i64 = 60_000;

/// Corrections in row groups of 7,000.
async fn stored() -> (Store, Chain, Segment) {
    let store = Store::memory();
    let chain = testing::bound(&store, "writer", &testing::clock(), ROWS).await;
    let identity = identity("writer");
    let fingerprint = identity.declaration.fingerprint.clone();
    let mut filling = Accumulation::filling(at(0), Some(fingerprint));
    let over = range(0, ROWS);
    let outcomes = RangeOutcomes::new(over, evaluated(over)).unwrap();
    filling.append(&outcomes).unwrap();
    let made = filling.close(&identity).unwrap().corrections.unwrap();
    let file = in_row_groups(&made.bytes, 7_000);
    let mut segment = made.named(chain.layout(), testing::clock().segment_id());
    assert_eq!(segment.kind, SegmentKind::Corrections);
    segment.bytes = file.len() as u64;
    segment.digest = Digest::of(&file);
    segment.revision = Some(Sequence(7));
    store.put(&segment.path, file).await.unwrap();
    (store, chain, segment)
}

/// All results, rejects and filtered offsets, and how many times something was read.
async fn all(
    chain: &Chain,
    segment: &Segment,
    large: u64,
) -> (RecordBatch, Vec<Offset>, Vec<Offset>, usize) {
    let known = LargeFile::default();
    let (mut results, mut rejects, mut filtered) = (Vec::new(), Vec::new(), Vec::new());
    let (mut from, mut reads) = (0, 0);
    while from < segment.rows {
        let pending = PendingCorrections {
            sequence: Sequence(7),
            segment: segment.clone(),
            from,
        };
        let loaded = read(chain, &pending, (large, &known)).await.unwrap();
        assert!(loaded.progress.rows > from);
        from = loaded.progress.rows;
        results.push(loaded.rows.results);
        rejects.extend(loaded.rows.rejects.iter().map(|reject| reject.offset));
        filtered.extend(loaded.rows.filtered);
        reads += 1;
    }
    let results = concat_batches(&results[0].schema(), &results).unwrap();
    (results, rejects, filtered, reads)
}

#[tokio::test]
async fn corrections_of_a_large_file_are_read_a_row_group_at_a_time() {
    let (store, chain, segment) = stored().await;
    let whole = all(&chain, &segment, u64::MAX).await;
    let in_parts = all(&chain, &segment, 0).await;
    assert!(in_parts.3 > whole.3, "{} reads", in_parts.3);
    assert_eq!(
        (whole.0, whole.1, whole.2),
        (in_parts.0, in_parts.1, in_parts.2)
    );
    // What one read takes does not grow with the file.
    let (end, _) = read_segment_end(&store, &segment, 16)
        .await
        .unwrap()
        .unwrap();
    let mut row = 0;
    while let Some(place) = end.rows_from(row) {
        let bytes = place.part.end - place.part.start;
        assert!(bytes < segment.bytes / 4, "{bytes} of {}", segment.bytes);
        row += 3_500;
    }
    assert!(row >= segment.rows);
}

#[tokio::test]
async fn a_large_file_is_compared_with_its_digest_before_anything_of_it_is_published() {
    let (store, chain, segment) = stored().await;
    let mut file = store.get(&segment.path, u64::MAX).await.unwrap().to_vec();
    let last_group = file.len() * 2 / 3;
    file[last_group] ^= 1;
    store.put(&segment.path, file.into()).await.unwrap();
    let pending = PendingCorrections {
        sequence: Sequence(7),
        segment,
        from: 0,
    };
    let read = read(&chain, &pending, (0, &LargeFile::default())).await;
    assert!(matches!(
        read,
        Err(LoadError::Fetch(FetchError::Damaged { .. }))
    ));
}

#[tokio::test]
async fn what_is_damaged_between_two_transactions_is_not_published() {
    let (store, chain, segment) = stored().await;
    let known = LargeFile::default();
    let pending = |from| PendingCorrections {
        sequence: Sequence(7),
        segment: segment.clone(),
        from,
    };
    read(&chain, &pending(0), (0, &known)).await.unwrap();
    let (end, _) = read_segment_end(&store, &segment, END)
        .await
        .unwrap()
        .unwrap();
    let part = end.rows_from(7_000).unwrap().part;
    let mut file = store.get(&segment.path, u64::MAX).await.unwrap().to_vec();
    file[usize::try_from(part.start).unwrap() + 100] ^= 1;
    store.put(&segment.path, file.into()).await.unwrap();
    let read = read(&chain, &pending(7_000), (0, &known)).await;
    assert!(matches!(
        read,
        Err(LoadError::Fetch(FetchError::Damaged { .. }))
    ));
}
