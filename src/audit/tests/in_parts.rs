//! A large file is read part by part, and whatever is wrong with it, what is found is what reading all of it finds.

use bytes::Bytes;

use super::{
    fixture::{bind, chain, get, layout, newest, snapshot},
    forging::falsify,
};
use crate::{
    audit::{Finding, examine::examine, groups::group, verification::Verification},
    calculation::{Calculations, builtin},
    format::{Manifest, Segment, SegmentKind},
    history::testing::Faulty,
    model::Partition,
    store::Store,
};

/// 4,000 offsets; their results in row groups of 1,000.
async fn stored(store: &Store) -> (Manifest, Segment) {
    let mut chain = chain(store, 0).await;
    bind(&mut chain, 0).await;
    snapshot(&mut chain, 0, 4_000, |_| false).await;
    let kind = SegmentKind::Results;
    falsify(store, 0, 0, kind, |rows| rows.clone(), |_| ()).await;
    let newest = newest(store, 0).await;
    let results = newest.open.segments.iter().find(|one| one.kind == kind);
    let results = results.unwrap().clone();
    (newest, results)
}

/// What is found, with files above `large` bytes read in parts.
async fn found(store: &Store, newest: &Manifest, large: u64) -> Result<Vec<Finding>, String> {
    let calculations = Calculations::new(builtin);
    let context = Verification {
        large,
        end: 16,
        ..Verification::semantic(store.clone(), layout(), calculations)
    };
    let group = group(&newest.open.segments, true).remove(0);
    let evaluators = context.evaluators(&newest.calculations, &group);
    let inspected = examine(context, Partition(0), group, evaluators).await;
    let inspected = inspected.map_err(|error| error.to_string())?;
    Ok(inspected.unwrap().findings)
}

#[tokio::test]
async fn whatever_byte_is_damaged_the_findings_are_the_same() {
    let store = Store::memory();
    let (newest, results) = stored(&store).await;
    assert_eq!(found(&store, &newest, 0).await, Ok(Vec::new()));
    let whole = get(&store, &results.path).await;
    let tail = whole.len() - 8;
    let footer = u32::from_le_bytes(whole[tail..tail + 4].try_into().unwrap());
    let footer = tail - footer as usize;
    let groups = (1..8).map(|part| footer * part / 8);
    for at in groups.chain((footer..whole.len()).step_by(3)) {
        let mut damaged = whole.to_vec();
        damaged[at] ^= 1;
        store.put(&results.path, damaged.into()).await.unwrap();
        let as_a_whole = found(&store, &newest, u64::MAX).await;
        assert!(!as_a_whole.as_ref().unwrap().is_empty(), "byte {at}");
        assert_eq!(found(&store, &newest, 0).await, as_a_whole, "byte {at}");
    }
    // Its end, and nothing before it.
    for length in [0, 7, footer, whole.len() - 1] {
        let cut = whole.slice(..length);
        store.put(&results.path, cut).await.unwrap();
        let as_a_whole = found(&store, &newest, u64::MAX).await;
        assert_eq!(found(&store, &newest, 0).await, as_a_whole, "{length}");
    }
    let other = Bytes::from(vec![0; whole.len()]);
    store.put(&results.path, other).await.unwrap();
    let as_a_whole = found(&store, &newest, u64::MAX).await;
    assert_eq!(found(&store, &newest, 0).await, as_a_whole);
}

#[tokio::test]
async fn a_part_that_the_store_did_not_give_once_is_no_finding() {
    let faulty = Faulty::default();
    let store = faulty.store();
    let (newest, _) = stored(&store).await;
    let mut failed = 0;
    for after in 0..12 {
        faulty.one_part_fails_after(after);
        assert_eq!(found(&store, &newest, 0).await, Ok(Vec::new()), "{after}");
        failed += u32::from(faulty.has_failed());
    }
    assert!(failed > 4, "{failed}");
}
