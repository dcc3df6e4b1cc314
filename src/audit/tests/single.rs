//! Segments read back one by one, within a time limit.

use std::time::Duration;

use super::{
    fixture::{FIELDS, brief, declaration, newest, sample, segment},
    forging::falsify,
};
use crate::{
    audit::{Checked, FindingKind, check_segments},
    calculation::{Calculations, builtin},
    format::{Segment, SegmentKind},
    recovery::Invocation,
    store::Store,
};

async fn check(store: &Store, segments: Vec<Segment>, limit: Duration) -> Checked {
    let calculations = Calculations::new(builtin);
    let declared = [declaration(FIELDS)];
    let invocation = Invocation::new("run");
    check_segments(
        store,
        &calculations,
        &declared,
        &invocation,
        segments,
        limit,
    )
    .await
}

#[tokio::test]
async fn sound_segments_pass_together_and_alone() {
    let store = sample().await;
    let mut segments = newest(&store, 0).await.open.segments;
    segments.extend(newest(&store, 1).await.open.segments);
    let count = segments.len();
    let checked = check(&store, segments.clone(), Duration::from_secs(60)).await;
    assert_eq!((checked.checked, checked.unchecked.len()), (count, 0));
    assert_eq!(checked.findings, []);
    for segment in segments {
        // Without its twin, the offsets of the twin are no holes.
        let checked = check(&store, vec![segment], Duration::from_secs(60)).await;
        assert_eq!((checked.checked, checked.findings), (1, vec![]));
    }
}

#[tokio::test]
async fn what_there_is_no_time_for_is_given_back() {
    let store = sample().await;
    let segments = newest(&store, 0).await.open.segments;
    let checked = check(&store, segments.clone(), Duration::ZERO).await;
    assert_eq!(
        (checked.checked, checked.unchecked.len()),
        (0, segments.len())
    );
    assert!(checked.findings.is_empty() && checked.failure.is_none());
}

#[tokio::test]
async fn damage_is_found_at_every_level() {
    let store = sample().await;
    let results = segment(&store, 0, SegmentKind::Results, 200).await;
    store.delete(&results.path).await.unwrap();
    falsify(
        &store,
        1,
        0,
        SegmentKind::Rejects,
        |batch| {
            let reasons = vec!["empty: it is not"; batch.num_rows()];
            let mut columns = batch.columns().to_vec();
            columns[5] = std::sync::Arc::new(arrow_array::StringArray::from(reasons));
            arrow_array::RecordBatch::try_new(batch.schema(), columns).unwrap()
        },
        |_| {},
    )
    .await;
    let rejects = segment(&store, 1, SegmentKind::Rejects, 0).await;
    let checked = check(&store, vec![results, rejects], Duration::from_secs(60)).await;
    assert_eq!(checked.checked, 2);
    assert!(checked.is_damaged());
    let found = brief(&checked.findings);
    assert_eq!(found[0], (FindingKind::MissingSegment, 0, 200, 300));
    assert!(
        found[1..]
            .iter()
            .all(|(kind, partition, ..)| (*kind, *partition) == (FindingKind::WrongReject, 1))
    );
    assert_eq!(found.len(), 7);
}
