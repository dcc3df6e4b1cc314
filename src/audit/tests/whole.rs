//! Reports of whole stores: what is clean, what is a notice, what is an error.

use super::{
    damage::{Damage::*, apply_to, kinds, put},
    fixture::{
        at, audit, audit_with, bind, brief, chain, edit, get, layout, newest, range, sample,
        segment, snapshot,
    },
    forging::falsify,
};
use crate::{
    audit::{AuditError, FindingKind, Level, Options, Severity, verify},
    calculation::{Calculations, builtin},
    format::{Edit, GapReason, SegmentId, SegmentKind},
    model::{Partition, Sequence},
    query::TopicError,
    store::Store,
};

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
    let mut expected = [
        "clean",
        "partitions",
        "offsets",
        "results",
        "rejects",
        "filtered",
        "absent",
        "lost",
        "lost_ranges",
        "not_compared",
        "raw_timestamps",
        "calculations",
        "findings",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn a_finding_in_json_has_the_members_of_the_contract() {
    let store = sample().await;
    apply_to(&store, Gone).await;
    let report = audit(&store, Level::Integrity).await;
    let json = serde_json::to_value(&report.findings[0]).unwrap();
    assert_eq!(json["kind"], "missing-segment");
    assert_eq!(
        (
            json["partition"].as_i64(),
            json["start"].as_i64(),
            json["end"].as_i64()
        ),
        (Some(0), Some(200), Some(300))
    );
    assert!(
        json["segment"]
            .as_str()
            .unwrap()
            .starts_with("events/results/partition=0/")
    );
    assert_eq!(json.as_object().unwrap().len(), 7);
}

#[tokio::test]
async fn a_chain_that_went_on_over_damage_is_clean_and_says_so() {
    let store = sample().await;
    apply_to(&store, NewestManifestFlipped).await;
    let mut chain = chain(&store, 0).await;
    let _ = crate::history::tidy(&mut chain, None).await.unwrap();
    if chain.end() == Some(at(300)) {
        snapshot(&mut chain, 300, 400, |_| false).await;
    }
    assert_eq!(newest(&store, 0).await.sequence, Sequence(5));
    let report = audit(&store, Level::Semantic).await;
    let damaged: Vec<_> = report
        .findings
        .iter()
        .filter(|f| f.kind == FindingKind::ManifestDamaged)
        .collect();
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
    let next = layout().segment(
        SegmentKind::Results,
        Partition(0),
        range(400, 500),
        SegmentId(1),
    );
    put(&store, &next, get(&store, &source.path).await).await;
    assert!(audit(&store, Level::Integrity).await.clean);
}

#[tokio::test]
async fn an_absurd_number_does_not_keep_the_walk_busy() {
    let store = sample().await;
    let path = layout().manifest(Partition(0), Sequence(u64::MAX));
    put(&store, &path, "nonsense").await;
    let report = audit(&store, Level::Integrity).await;
    assert_eq!(
        kinds(&report.findings),
        [FindingKind::ManifestMissing, FindingKind::ManifestDamaged]
    );
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
    edit(
        &mut chain,
        Edit::AcceptLoss {
            range: range(3, 9),
            reason: GapReason::Expired,
        },
    )
    .await;
    snapshot(&mut chain, 9, 12, |_| false).await;
    let report = audit(&store, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
    assert_eq!((report.absent, report.lost, report.offsets), (3, 6, 12));
}

#[tokio::test]
async fn segments_of_another_calculation_are_a_notice() {
    let store = sample().await;
    let other = Some("number DOUBLE NOT NULL");
    let report = audit_with(&store, Level::Semantic, 2, other).await;
    assert!(report.clean);
    assert_eq!(report.not_compared, 0);
    assert_eq!(kinds(&report.findings), [FindingKind::OtherCalculation]);
    let expected = [(100, 400), (0, 300)];
    let found: Vec<_> = brief(&report.findings)
        .into_iter()
        .map(|(_, _, start, end)| (start, end))
        .collect();
    assert_eq!(found, expected);
    let remedy = &report.findings[0].remedy;
    assert!(
        remedy.contains("`--on-new-calculation recalculate`, `snapback run`"),
        "{remedy}"
    );
    for report in [
        audit_with(&store, Level::Coverage, 2, other).await,
        audit_with(&store, Level::Semantic, 2, None).await,
    ] {
        assert!(report.findings.is_empty());
    }
}

#[tokio::test]
async fn a_topic_or_partition_that_is_not_there_is_an_error_that_names_what_is() {
    let store = sample().await;
    let calculations = Calculations::new(builtin);
    let other = crate::format::Layout::new("orders").unwrap();
    let asked = |partition| Options {
        partitions: Some([Partition(partition)].into()),
        ..Options::default()
    };
    let run = async |layout: crate::format::Layout, options: Options| {
        verify(
            &store,
            &layout,
            Level::Semantic,
            &calculations,
            &options,
            &|_| {},
        )
        .await
    };
    let error = run(other, Options::default()).await.unwrap_err();
    assert!(
        matches!(&error, AuditError::Topic(TopicError::NoSuchTopic { there, .. }) if *there == ["events"])
    );
    assert!(
        error.to_string().contains("it holds those of events"),
        "{error}"
    );
    let error = run(layout(), asked(5)).await.unwrap_err();
    assert!(
        error.to_string().contains("there are those of 0, 1"),
        "{error}"
    );
    let report = run(layout(), asked(1)).await.unwrap();
    assert_eq!((report.partitions, report.offsets), (1, 300));
}

#[tokio::test]
async fn progress_ends_at_everything() {
    let store = sample().await;
    falsify(&store, 0, 200, SegmentKind::Results, Clone::clone, |_| {}).await;
    let calculations = Calculations::new(builtin);
    let last = std::sync::Mutex::new(crate::audit::Progress::default());
    let note = |progress| *last.lock().unwrap() = progress;
    let (layout, options) = (layout(), Options::default());
    let report = verify(
        &store,
        &layout,
        Level::Semantic,
        &calculations,
        &options,
        &note,
    )
    .await
    .unwrap();
    let last = *last.lock().unwrap();
    assert_eq!(
        (last.segments, last.bytes),
        (last.total_segments, last.total_bytes)
    );
    assert_eq!(last.rows, report.results + report.rejects);
}
