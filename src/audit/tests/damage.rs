//! Files and manifests that are damaged, gone, moved, or not supposed to be there.

use bytes::Bytes;

use super::fixture::{
    FIELDS, at, audit, audit_with, bind, brief, chain, edit, falsify, get, history, layout, newest,
    range, replay, rewrite, sample, segment, snapshot, square,
};
use crate::{
    audit::{AuditError, Finding, FindingKind, Level, Options, Severity, verify},
    calculation::Fields,
    model::{Counts, Digest, Partition, Sequence},
    query::TopicError,
    snapshot::{Edit, GapReason, SegmentId, SegmentKind},
    store::{Path, Store},
};

/// One way to damage the sample.
#[derive(Clone, Copy, Debug)]
enum Damage {
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
    (InTheAttic, Level::Integrity, &[FindingKind::MisplacedSegment]),
    (NotParquet, Level::Integrity, &[FindingKind::Unreadable]),
    (AnotherPartitionsFile, Level::Integrity, &[FindingKind::MisplacedSegment]),
    (MetadataDisagree, Level::Integrity, &[FindingKind::WrongCount]),
    (RowsDisagree, Level::Integrity, &[FindingKind::WrongCount]),
    (StrayCopy, Level::Integrity, &[FindingKind::Orphan]),
    (Stranger, Level::Integrity, &[FindingKind::Orphan]),
    (NewestManifestFlipped, Level::Integrity, &[FindingKind::ManifestDamaged, FindingKind::Orphan]),
    (MiddleManifestFlipped, Level::Integrity, &[FindingKind::ManifestDamaged]),
    (FirstManifestGone, Level::Integrity, &[FindingKind::ManifestMissing]),
    (MiddleManifestGone, Level::Integrity, &[FindingKind::ManifestMissing]),
    (ManifestOfAnotherPartition, Level::Integrity, &[FindingKind::ManifestDamaged]),
    (NewestManifestRewritten, Level::Integrity, &[FindingKind::ChainBroken]),
    (MiddleManifestRewritten, Level::Integrity, &[FindingKind::ChainBroken]),
    (ManifestsGone, Level::Integrity, &[FindingKind::ManifestMissing]),
];

async fn put(store: &Store, path: &Path, bytes: impl Into<Bytes>) {
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
        let Edit::Append { range, segments, .. } = edit else { continue };
        if range.start() == at(200) {
            let segment = &mut segments[0];
            (segment.bytes, segment.digest) = (bytes.len() as u64, Digest::of(&bytes));
            put(store, &segment.path, bytes.clone()).await;
        }
    }
    replay(store, 0, history).await;
}

async fn apply_to(store: &Store, damage: Damage) {
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
            let counts = Counts { results: 90, rejects: 10, ..Counts::default() };
            relist(store, rewrite(file, counts, Clone::clone).0).await;
        }
        RowsDisagree => {
            // One row less in the file; every count still says that it is there.
            let counts = Counts { results: target.rows, rejects: 100 - target.rows, ..Counts::default() };
            relist(store, rewrite(file, counts, |batch| batch.slice(0, batch.num_rows() - 1)).0).await;
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

fn counts_of(segment: &crate::snapshot::Segment) -> Counts {
    Counts { results: segment.rows, rejects: 100 - segment.rows, ..Counts::default() }
}

/// `newest` with its link put right to `base`, and its own digest.
fn relinked(newest: Bytes, base: &Bytes) -> Bytes {
    use crate::snapshot::Manifest;
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

fn kinds(findings: &[Finding]) -> Vec<FindingKind> {
    let mut kinds: Vec<FindingKind> = findings.iter().map(|finding| finding.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn an_undamaged_store_is_clean_and_counted_from_its_rows() {
    let report = audit(&sample().await, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
    assert_eq!(report.findings, []);
    assert_eq!((report.partitions, report.offsets), (2, 600));
    assert_eq!((report.absent, report.lost), (21, 99));
    assert_eq!(report.results + report.rejects, 600 - 21 - 99);
    let json = serde_json::to_value(&report).unwrap();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    let mut expected =
        ["clean", "partitions", "offsets", "results", "rejects", "absent", "lost", "findings"];
    expected.sort_unstable();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn every_damage_is_found_at_its_level() {
    for (damage, level, expected) in TABLE {
        let store = sample().await;
        apply_to(&store, *damage).await;
        for at_level in Level::ALL {
            let report = audit(&store, at_level).await;
            if at_level < *level {
                assert!(report.clean, "{damage:?} at {at_level}: {:#?}", report.findings);
            } else {
                let mut found = kinds(&report.findings);
                if at_level > *level {
                    // A missing row is a hole, too.
                    found.retain(|kind| expected.contains(kind));
                }
                assert_eq!(found, *expected, "{damage:?} at {at_level}: {:#?}", report.findings);
                assert!(!report.clean, "{damage:?}");
                assert!(report.findings.iter().all(|finding| !finding.remedy.is_empty()));
            }
        }
    }
}

#[tokio::test]
async fn a_finding_in_json_has_the_members_of_the_contract() {
    let store = sample().await;
    apply_to(&store, Gone).await;
    let report = audit(&store, Level::Integrity).await;
    let json = serde_json::to_value(&report.findings[0]).unwrap();
    assert_eq!(json["kind"], "missing-segment");
    assert_eq!((json["partition"].as_i64(), json["start"].as_i64(), json["end"].as_i64()), (Some(0), Some(200), Some(300)));
    assert!(json["segment"].as_str().unwrap().starts_with("events/results/partition=0/"));
    assert_eq!(json.as_object().unwrap().len(), 7);
}

#[tokio::test]
async fn a_chain_that_went_on_over_damage_is_clean_and_says_so() {
    let store = sample().await;
    apply_to(&store, NewestManifestFlipped).await;
    let mut chain = chain(&store, 0).await;
    let _ = crate::snapshot::tidy(&mut chain, None).await.unwrap();
    if chain.end() == Some(at(300)) {
        snapshot(&mut chain, 300, 400, |_| false).await;
    }
    assert_eq!(newest(&store, 0).await.sequence, Sequence(5));
    let report = audit(&store, Level::Semantic).await;
    let damaged: Vec<_> =
        report.findings.iter().filter(|f| f.kind == FindingKind::ManifestDamaged).collect();
    assert_eq!(damaged.len(), 1);
    assert_eq!(damaged[0].severity, Severity::Notice);
    assert!(report.clean, "{:#?}", report.findings);
    // Other bytes than those that were recorded are news.
    let path = layout().manifest(Partition(0), Sequence(4));
    put(&store, &path, "something else").await;
    assert!(!audit(&store, Level::Integrity).await.clean);
}

#[tokio::test]
async fn a_segment_that_may_be_on_its_way_is_no_orphan() {
    let store = sample().await;
    let source = segment(&store, 0, SegmentKind::Results, 300).await;
    let next = layout().segment(SegmentKind::Results, Partition(0), range(400, 500), SegmentId(1));
    put(&store, &next, get(&store, &source.path).await).await;
    assert!(audit(&store, Level::Integrity).await.clean);
}

#[tokio::test]
async fn an_absurd_number_does_not_keep_the_walk_busy() {
    let store = sample().await;
    let path = layout().manifest(Partition(0), Sequence(u64::MAX));
    put(&store, &path, "nonsense").await;
    let report = audit(&store, Level::Integrity).await;
    assert_eq!(kinds(&report.findings), [FindingKind::ManifestMissing, FindingKind::ManifestDamaged]);
    assert_eq!(report.findings.len(), 2);
}

#[tokio::test]
async fn offsets_that_a_silent_append_and_a_gap_explain_are_no_holes() {
    let store = Store::memory();
    let mut chain = chain(&store, 0).await;
    bind(&mut chain, 0).await;
    for start in [0, 1, 2] {
        snapshot(&mut chain, start, start + 1, |_| true).await;
    }
    edit(&mut chain, Edit::AcceptLoss { range: range(3, 9), reason: GapReason::Expired }).await;
    snapshot(&mut chain, 9, 12, |_| false).await;
    let report = audit(&store, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
    assert_eq!((report.absent, report.lost, report.offsets), (3, 6, 12));
}

#[tokio::test]
async fn segments_of_another_calculation_are_a_notice() {
    let store = sample().await;
    let report = audit_with(&store, Level::Semantic, 2, "number DOUBLE NOT NULL").await;
    assert!(report.clean);
    assert_eq!(kinds(&report.findings), [FindingKind::OtherCalculation]);
    let expected = [(100, 400), (0, 300)];
    let found: Vec<_> = brief(&report.findings).into_iter().map(|(_, _, start, end)| (start, end)).collect();
    assert_eq!(found, expected);
    let remedy = &report.findings[0].remedy;
    assert!(remedy.contains("--calculation 'square(number)' --fields 'number BIGINT NOT NULL'"), "{remedy}");
    assert!(audit_with(&store, Level::Coverage, 2, "number DOUBLE NOT NULL").await.findings.is_empty());
}

#[tokio::test]
async fn a_topic_or_partition_that_is_not_there_is_an_error_that_names_what_is() {
    let store = sample().await;
    let fields = Fields::parse(FIELDS).unwrap();
    let other = crate::snapshot::Layout::new("orders").unwrap();
    let asked = |partition| Options { partitions: Some([Partition(partition)].into()), ..Options::default() };
    let run = async |layout: crate::snapshot::Layout, options: Options| {
        verify(&store, &layout, Level::Semantic, &fields, &square(), &options, &|_| {}).await
    };
    let error = run(other, Options::default()).await.unwrap_err();
    assert!(matches!(&error, AuditError::Topic(TopicError::NoSuchTopic { there, .. }) if *there == ["events"]));
    assert!(error.to_string().contains("it holds those of events"), "{error}");
    let error = run(layout(), asked(5)).await.unwrap_err();
    assert!(error.to_string().contains("there are those of 0, 1"), "{error}");
    let report = run(layout(), asked(1)).await.unwrap();
    assert_eq!((report.partitions, report.offsets), (1, 300));
}

#[tokio::test]
async fn progress_ends_at_everything() {
    let store = sample().await;
    falsify(&store, 0, 200, SegmentKind::Results, Clone::clone, |_| {}).await;
    let fields = Fields::parse(FIELDS).unwrap();
    let last = std::sync::Mutex::new(crate::audit::Progress::default());
    let note = |progress| *last.lock().unwrap() = progress;
    let (layout, options) = (layout(), Options::default());
    let report =
        verify(&store, &layout, Level::Semantic, &fields, &square(), &options, &note).await.unwrap();
    let last = *last.lock().unwrap();
    assert_eq!((last.segments, last.bytes), (last.total_segments, last.total_bytes));
    assert_eq!(last.rows, report.results + report.rejects);
}
