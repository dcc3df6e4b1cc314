//! Files and manifests that are damaged, gone, moved, or not supposed to be there.

use bytes::Bytes;

use super::{
    fixture::{at, audit, bind, chain, get, layout, sample, segment, snapshot},
    forging::{history, replay, rewrite},
};
use crate::{
    audit::{Finding, FindingKind, Level},
    format::{Edit, SegmentId, SegmentKind},
    model::{Counts, Digest, Partition, Sequence},
    store::{Path, Store},
};

/// One way to damage the sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    FlippedBit,
    CutShort,
    Longer,
    Gone,
    InTheAttic,
    NotParquet,
    AnotherPartitionsFile,
    MetadataDisagree,
    RowsDisagree,
    StrayCopy,
    Stranger,
    NewestManifestFlipped,
    MiddleManifestFlipped,
    FirstManifestGone,
    MiddleManifestGone,
    ManifestOfAnotherPartition,
    NewestManifestRewritten,
    MiddleManifestRewritten,
    ManifestsGone,
}

use Damage::*;

/// What each damage is found as, at the level that claims to see it first.
const TABLE: &[(Damage, Level, &[FindingKind])] = &[
    (FlippedBit, Level::Integrity, &[FindingKind::DigestMismatch]),
    (CutShort, Level::Integrity, &[FindingKind::DigestMismatch]),
    (Longer, Level::Integrity, &[FindingKind::DigestMismatch]),
    (Gone, Level::Integrity, &[FindingKind::MissingSegment]),
    (
        InTheAttic,
        Level::Integrity,
        &[FindingKind::MisplacedSegment],
    ),
    (NotParquet, Level::Integrity, &[FindingKind::Unreadable]),
    (
        AnotherPartitionsFile,
        Level::Integrity,
        &[FindingKind::MisplacedSegment],
    ),
    (
        MetadataDisagree,
        Level::Integrity,
        &[FindingKind::WrongCount],
    ),
    (RowsDisagree, Level::Integrity, &[FindingKind::WrongCount]),
    (StrayCopy, Level::Integrity, &[FindingKind::Orphan]),
    (Stranger, Level::Integrity, &[FindingKind::Orphan]),
    (
        // Its segments may still be adopted: they are no orphans within the hour.
        NewestManifestFlipped,
        Level::Integrity,
        &[FindingKind::ManifestDamaged],
    ),
    (
        MiddleManifestFlipped,
        Level::Integrity,
        &[FindingKind::ManifestDamaged],
    ),
    (
        FirstManifestGone,
        Level::Integrity,
        &[FindingKind::ManifestMissing],
    ),
    (
        MiddleManifestGone,
        Level::Integrity,
        &[FindingKind::ManifestMissing],
    ),
    (
        ManifestOfAnotherPartition,
        Level::Integrity,
        &[FindingKind::ManifestDamaged],
    ),
    (
        NewestManifestRewritten,
        Level::Integrity,
        &[FindingKind::ChainBroken],
    ),
    (
        MiddleManifestRewritten,
        Level::Integrity,
        &[FindingKind::ChainBroken],
    ),
    (
        ManifestsGone,
        Level::Integrity,
        &[FindingKind::ManifestMissing],
    ),
];

pub(super) async fn put(store: &Store, path: &Path, bytes: impl Into<Bytes>) {
    store.put(path, bytes.into()).await.unwrap();
}

fn flipped(bytes: &Bytes) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

/// Makes the manifests list `bytes` as the results of partition 0 from 200 on.
async fn relist(store: &Store, bytes: Bytes) {
    let mut history = history(store, 0).await;
    for (edit, _) in &mut history {
        let Edit::Append {
            range, segments, ..
        } = edit
        else {
            continue;
        };
        if range.start() == at(200) {
            let segment = &mut segments[0];
            (segment.bytes, segment.digest) = (bytes.len() as u64, Digest::of(&bytes));
            put(store, &segment.path, bytes.clone()).await;
        }
    }
    replay(store, 0, history).await;
}

pub(super) async fn apply_to(store: &Store, damage: Damage) {
    let manifest = |number| layout().manifest(Partition(0), Sequence(number));
    let target = segment(store, 0, SegmentKind::Results, 200).await;
    let file = get(store, &target.path).await;
    match damage {
        FlippedBit => put(store, &target.path, flipped(&file)).await,
        CutShort => put(store, &target.path, file.slice(..file.len() - 1)).await,
        Longer => put(store, &target.path, [&file[..], b"more"].concat()).await,
        Gone => store.delete(&target.path).await.unwrap(),
        InTheAttic => {
            let attic = layout().attic(&target.path).unwrap();
            let _ = store.rename(&target.path, &attic).await.unwrap();
        }
        NotParquet => relist(store, Bytes::from_static(b"no Parquet at all")).await,
        AnotherPartitionsFile => {
            let mut other = chain(store, 7).await;
            bind(&mut other, 200).await;
            snapshot(&mut other, 200, 300, |_| false).await;
            let other = segment(store, 7, SegmentKind::Results, 200).await;
            relist(store, get(store, &other.path).await).await;
        }
        MetadataDisagree => {
            let counts = Counts {
                results: 90,
                rejects: 10,
                ..Counts::default()
            };
            relist(store, rewrite(file, counts, Clone::clone).0).await;
        }
        RowsDisagree => {
            // One row less in the file; every count still says that it is there.
            let counts = Counts {
                results: target.rows,
                rejects: 100 - target.rows,
                ..Counts::default()
            };
            relist(
                store,
                rewrite(file, counts, |batch| batch.slice(0, batch.num_rows() - 1)).0,
            )
            .await;
        }
        StrayCopy => {
            let copy = layout().segment(target.kind, Partition(0), target.range, SegmentId(1));
            put(store, &copy, file).await;
        }
        Stranger => {
            let path = Path::parse("events/results/partition=0/copy of a.parquet").unwrap();
            put(store, &path, file).await;
        }
        NewestManifestFlipped => {
            let bytes = flipped(&get(store, &manifest(4)).await);
            put(store, &manifest(4), bytes).await;
        }
        MiddleManifestFlipped => {
            let bytes = flipped(&get(store, &manifest(3)).await);
            put(store, &manifest(3), bytes).await;
        }
        FirstManifestGone => store.delete(&manifest(1)).await.unwrap(),
        MiddleManifestGone => store.delete(&manifest(2)).await.unwrap(),
        ManifestOfAnotherPartition => {
            let other = layout().manifest(Partition(1), Sequence(3));
            put(store, &manifest(3), get(store, &other).await).await;
        }
        NewestManifestRewritten => {
            // A right digest, but an entry that no manifest has added.
            let before = history(store, 0).await;
            let base = get(store, &manifest(3)).await;
            relist(store, rewrite(file, counts_of(&target), Clone::clone).0).await;
            let newest = get(store, &manifest(4)).await;
            replay(store, 0, before).await;
            assert_eq!(get(store, &manifest(3)).await, base);
            put(store, &manifest(4), relinked(newest, &base)).await;
            relist_file(store).await;
        }
        MiddleManifestRewritten => {
            let mut other = history(store, 0).await;
            other[2].1.writer = "somebody else".into();
            other.truncate(3);
            replay(store, 0, other).await;
        }
        ManifestsGone => {
            for number in 1..=4 {
                store.delete(&manifest(number)).await.unwrap();
            }
        }
    }
}

fn counts_of(segment: &crate::format::Segment) -> Counts {
    Counts {
        results: segment.rows,
        rejects: 100 - segment.rows,
        ..Counts::default()
    }
}

/// `newest` with its link put right to `base`, and its own digest.
fn relinked(newest: Bytes, base: &Bytes) -> Bytes {
    use crate::format::Manifest;
    let stated = Manifest::decode(&newest).unwrap();
    let base = Manifest::decode(base).unwrap();
    let old = stated.base.as_ref().unwrap().digest.to_string();
    let text = String::from_utf8(newest.to_vec()).unwrap();
    let text = text.replace(&old, &base.digest().to_string());
    let body = &text[..text.rfind("\"digest\":\"").unwrap()];
    let digest = Digest::of(body.as_bytes());
    Bytes::from(format!("{body}\"digest\":\"{digest}\"\n}}\n"))
}

/// The file that the newest manifest lists, under the digest that it states.
async fn relist_file(store: &Store) {
    let target = segment(store, 0, SegmentKind::Results, 200).await;
    assert_eq!(Digest::of(&get(store, &target.path).await), target.digest);
}

pub(super) fn kinds(findings: &[Finding]) -> Vec<FindingKind> {
    let mut kinds: Vec<FindingKind> = findings.iter().map(|finding| finding.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn every_damage_is_found_at_its_level() {
    for (damage, level, expected) in TABLE {
        let store = sample().await;
        apply_to(&store, *damage).await;
        for at_level in Level::ALL {
            let report = audit(&store, at_level).await;
            if at_level < *level {
                assert!(
                    report.clean,
                    "{damage:?} at {at_level}: {:#?}",
                    report.findings
                );
            } else {
                let mut found = kinds(&report.findings);
                if at_level > *level {
                    // A missing row is a hole, too.
                    found.retain(|kind| expected.contains(kind));
                }
                assert_eq!(
                    found, *expected,
                    "{damage:?} at {at_level}: {:#?}",
                    report.findings
                );
                assert!(!report.clean, "{damage:?}");
                assert!(
                    report
                        .findings
                        .iter()
                        .all(|finding| !finding.remedy.is_empty())
                );
            }
        }
    }
}
