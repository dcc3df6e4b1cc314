//! Ranges that are not chosen or not touched, and repairs that do not belong to their chain.

use super::*;

#[tokio::test]
async fn a_damaged_segment_is_left_as_it_is() {
    let store = Store::memory();
    let old = evaluator(AB, SQUARE_OF_A);
    let mut chain = bind(&store, &old).await;
    snapshot(&mut chain, &old, &[r#"{"a":2,"b":3}"#]).await;
    let segment = chain.newest().unwrap().open.segments[0].clone();
    let mut bytes = store
        .get(&segment.path, segment.bytes)
        .await
        .unwrap()
        .to_vec();
    bytes[40] ^= 1;
    store.put(&segment.path, bytes.into()).await.unwrap();
    let error = recalculate(&store, evaluator(AB, SQUARE_OF_B))
        .await
        .unwrap_err();
    assert!(
        !error.is_retryable() && error.to_string().contains("damaged"),
        "{error}"
    );
    let now = crate::history::load_tail(&store, chain.layout(), Partition(0))
        .await
        .unwrap();
    assert_eq!(now, *chain.tail());
}

#[tokio::test]
async fn ranges_with_corrections_on_their_way_are_not_chosen() {
    let store = Store::memory();
    let old = evaluator(AB, SQUARE_OF_A);
    let mut chain = bind(&store, &old).await;
    for _ in 0..3 {
        snapshot(&mut chain, &old, &[r#"{"a":2,"b":3}"#, "no JSON"]).await;
    }
    let now = evaluator(AB, SQUARE_OF_B);
    let ranges = |manifest: &Manifest, evaluator: &Evaluator, done: Option<u64>| {
        let done = done.map(|sequence| CorrectionsProgress {
            sequence: Sequence(sequence),
            rows: 1,
        });
        let listed = crate::format::Listed::open_list_of(manifest);
        let ranges = outdated(&listed, &evaluator.declaration(), done);
        ranges
            .iter()
            .map(|range| range.range.start().get())
            .collect::<Vec<_>>()
    };
    let newest = chain.newest().unwrap().clone();
    assert!(ranges(&newest, &old, None).is_empty());
    assert_eq!(ranges(&newest, &now, None), [0, 2, 4]);
    let listed = crate::format::Listed::open_list_of(&newest);
    let first = &outdated(&listed, &now.declaration(), None)[0];
    assert_eq!((first.segments.len(), first.outcomes()), (2, 2));
    assert!(first.bytes() > 0);
    let manifests = recalculate(&store, now).await.unwrap();
    let newest = manifests.last().unwrap();
    // Manifests 5, 6 and 7 brought a correction each.
    assert!(ranges(newest, &old, None).is_empty());
    assert_eq!(ranges(newest, &old, Some(5)), [0]);
    assert_eq!(ranges(newest, &old, Some(6)), [0, 2]);
    assert_eq!(ranges(newest, &old, Some(7)), [0, 2, 4]);
}

#[tokio::test]
async fn a_repair_that_is_not_what_its_base_gives_breaks_the_chain() {
    let store = Store::memory();
    let old = evaluator(AB, SQUARE_OF_A);
    let mut chain = bind(&store, &old).await;
    for _ in 0..2 {
        snapshot(&mut chain, &old, &[r#"{"a":2,"b":3}"#, r#"{"a":5}"#]).await;
    }
    let base = chain.newest().unwrap().clone();
    let manifests = recalculate(&store, evaluator(AB, SQUARE_OF_B))
        .await
        .unwrap();
    let good = manifests[0].clone();
    assert_eq!(crate::audit::succession::difference(&base, &good), None);
    let difference = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        crate::audit::succession::difference(&base, &manifest)
    };
    let named = |manifest: &mut Manifest, change: fn(&mut Vec<crate::format::Segment>)| {
        if let crate::format::EditSummary::Repair { replaced, .. } = &mut manifest.edit {
            change(replaced);
        }
    };
    let changes: [&dyn Fn(&mut Manifest); 7] = [
        &|manifest| manifest.end = manifest.end.plus(1),
        &|manifest| named(manifest, |replaced| replaced[0].rows += 1),
        &|manifest| named(manifest, Vec::clear),
        &|manifest| manifest.counts.results += 1,
        &|manifest| {
            manifest
                .open
                .segments
                .retain(|segment| segment.range.start() != at(2))
        },
        &|manifest| {
            let other = manifest
                .open
                .segments
                .iter_mut()
                .find(|s| s.range.start() == at(2));
            other.unwrap().rows += 1;
        },
        &|manifest| {
            manifest.gaps.extend([crate::format::Gap {
                range: OffsetRange::empty(at(0)),
                reason: crate::format::GapReason::Expired,
                accepted_at: manifest.created_at,
            }])
        },
    ];
    let found: BTreeSet<String> = changes
        .iter()
        .map(|change| difference(change).unwrap())
        .collect();
    assert!(found.len() >= 6, "{found:#?}");
}
