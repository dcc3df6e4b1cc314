//! Manifests of the sample, damaged, gone and rewritten.

use super::*;
use crate::{
    audit::FindingKind,
    audit::{
        Level,
        repair::{RepairPlan, plan_repair},
        tests::fixture::{audit, brief, chain, layout, newest, sample, snapshot},
    },
    format::Head,
    format::KnownCommit,
    format::SegmentKind,
    store::Store,
};

/// Partition 0 with manifests 1 to 5, the last of which knows a commit that names number 4.
async fn committed_sample() -> Store {
    let store = sample().await;
    let (sequence, digest) = newest(&store, 0).await.head();
    let mut owner = chain(&store, 0).await;
    owner.note_commit(KnownCommit::new(Head { sequence, digest }, None));
    snapshot(&mut owner, 400, 500, |_| false).await;
    store
}

fn manifest(number: u64) -> crate::store::Path {
    layout().manifest(Partition(0), Sequence(number))
}

async fn flip(store: &Store, number: u64) {
    let mut bytes = store
        .get(&manifest(number), 1 << 20)
        .await
        .unwrap()
        .to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    store.put(&manifest(number), bytes.into()).await.unwrap();
}

async fn planned(store: &Store) -> RepairPlan {
    let report = audit(store, Level::Semantic).await;
    plan_repair(store, &layout(), &report).await.unwrap()
}

async fn apply(store: &Store) -> Vec<Mended> {
    let mut mended = Vec::new();
    for mend in planned(store).await.manifests {
        let mut chain = chain(store, mend.partition.0).await;
        mended.push(mend_manifests(&mut chain, &mend).await.unwrap());
    }
    mended
}

const RETIRED: Mended = Mended::Done {
    rows: 0,
    corrections: 0,
};

#[tokio::test]
async fn numbers_below_the_newest_are_let_go_whatever_is_wrong_with_them() {
    for damage in 0..4 {
        let store = committed_sample().await;
        match damage {
            0 => store.delete(&manifest(1)).await.unwrap(),
            1 => flip(&store, 2).await,
            2 => {
                store.delete(&manifest(1)).await.unwrap();
                store.delete(&manifest(2)).await.unwrap();
                flip(&store, 3).await;
            }
            // The digest is right, and its successor states another one.
            _ => {
                let other = newest(&store, 0).await;
                let bytes = store.get(&manifest(3), 1 << 20).await.unwrap();
                let mut edited = Manifest::decode(&bytes).unwrap();
                edited.writer = "somebody else".to_owned();
                store.put(&manifest(3), edited.encode()).await.unwrap();
                assert_eq!(other.sequence, Sequence(5));
            }
        }
        assert!(!audit(&store, Level::Semantic).await.clean, "{damage}");
        assert_eq!(apply(&store).await, [RETIRED], "{damage}");
        let report = audit(&store, Level::Semantic).await;
        assert!(report.clean, "{damage}: {:#?}", report.findings);
        let now = newest(&store, 0).await;
        let expected = Sequence([2, 3, 4, 4][damage]);
        assert_eq!((now.sequence, now.oldest), (Sequence(6), expected));
        assert!(planned(&store).await.manifests.is_empty());
    }
}

#[tokio::test]
async fn a_number_that_the_last_known_commit_names_stays_and_so_does_one_that_its_successor_does_not_refute()
 {
    let store = committed_sample().await;
    flip(&store, 4).await;
    let plan = planned(&store).await;
    assert!(plan.manifests.is_empty());
    let left: Vec<_> = brief(&plan.left);
    assert_eq!(left, [(FindingKind::ManifestDamaged, 0, 300, 500)]);
    assert!(plan.left[0].remedy.contains("names manifest 4"));

    // Nobody says whether the newest or the one before was rewritten.
    let store = committed_sample().await;
    let bytes = store.get(&manifest(4), 1 << 20).await.unwrap();
    let mut edited = Manifest::decode(&bytes).unwrap();
    edited.writer = "somebody else".to_owned();
    store.put(&manifest(4), edited.encode()).await.unwrap();
    let plan = planned(&store).await;
    assert!(plan.manifests.is_empty());
    assert_eq!(brief(&plan.left), [(FindingKind::ChainBroken, 0, 400, 500)]);
}

#[tokio::test]
async fn what_the_newest_added_is_appended_again_from_its_segments() {
    for numbers in [&[5][..], &[4, 5]] {
        for is_gone in [false, true] {
            let store = committed_sample().await;
            let before = newest(&store, 0).await;
            for number in numbers {
                match is_gone && *number != 5 {
                    true => store.delete(&manifest(*number)).await.unwrap(),
                    false => flip(&store, *number).await,
                }
            }
            assert!(!audit(&store, Level::Semantic).await.clean);
            let rows = 100 * numbers.len() as u64;
            let done = Mended::Done {
                rows,
                corrections: 0,
            };
            assert_eq!(apply(&store).await, [done], "{numbers:?}");
            let report = audit(&store, Level::Semantic).await;
            assert!(report.clean, "{:#?}", report.findings);
            let now = newest(&store, 0).await;
            assert_eq!(
                (now.end, now.counts, now.open.segments),
                (before.end, before.counts, before.open.segments)
            );
            assert!(now.sequence > before.sequence);
        }
    }
}

#[tokio::test]
async fn the_newest_is_mended_before_any_other_edit_has_its_damage_on_record() {
    let store = committed_sample().await;
    let before = newest(&store, 0).await;
    store.delete(&manifest(1)).await.unwrap();
    flip(&store, 2).await;
    flip(&store, 5).await;
    // The commit that the newest knew is not known without it.
    let (plan, now) = (planned(&store).await, newest(&store, 0).await);
    assert_eq!(now.committed, None);
    assert_eq!((plan.manifests.len(), plan.left.len()), (1, 2));
    assert_eq!(plan.manifests[0].remedy, ManifestRemedy::Readopt);
    apply(&store).await;
    assert_eq!(newest(&store, 0).await.end, before.end);
}

#[tokio::test]
async fn what_no_whole_segment_proves_is_left_to_who_has_the_events() {
    let store = committed_sample().await;
    flip(&store, 5).await;
    let segments = store
        .list(&layout().segments(SegmentKind::Rejects, Partition(0)))
        .await
        .unwrap();
    let last = segments.iter().map(|entry| &entry.path).max().unwrap();
    store.delete(last).await.unwrap();
    let done = apply(&store).await;
    let [Mended::Left(why)] = &done[..] else {
        panic!("{done:?}")
    };
    assert!(why.contains("continues the history at offset 400"), "{why}");
    assert_eq!(newest(&store, 0).await.sequence, Sequence(4));
}
