use std::sync::Arc;

use arrow_array::RecordBatch;

use super::*;
use crate::{
    audit::{
        FindingKind, Level, ResultsTopic,
        tests::{
            fixture::{audit, chain, newest, range, sample},
            forging::falsify,
            rows::wrong_value,
        },
    },
    calculation::{Calculations, Evaluator, builtin},
    events::Fields,
    kafka::Connection,
    model::{Offset, OffsetRange},
    store::{Store, Throttle},
};

pub(super) fn layout() -> Layout {
    Layout::new("events").unwrap()
}

/// Nobody listens there.
fn recalculator() -> Recalculator {
    let fields = Fields::parse("number BIGINT NOT NULL").unwrap();
    Recalculator {
        evaluator: Arc::new(Evaluator::new(fields, builtin("square").unwrap()).unwrap()),
        results: ResultsTopic {
            name: "results".into(),
            limit: 1000,
            too_large: |_, _| Vec::new(),
        },
        events: Some(Connection::new("127.0.0.1:1", Vec::new(), "tests").unwrap()),
        patience: Duration::from_millis(200),
        throttle: Throttle::unlimited(),
    }
}

/// Some results of the append at 200 of partition 0 are one too high, and everything agrees with that.
async fn with_wrong_values() -> Store {
    let store = sample().await;
    let one_more = |batch: &RecordBatch| wrong_value(batch, |row| row % 40 == 7);
    falsify(&store, 0, 200, SegmentKind::Results, one_more, |_| ()).await;
    store
}

pub(super) async fn plan(store: &Store) -> RepairPlan {
    let report = audit(store, Level::Semantic).await;
    plan_repair(store, &layout(), &report).await.unwrap()
}

async fn apply(store: &Store, plan: &RepairPlan) -> Vec<Mended> {
    let recalculator = recalculator();
    let mut mended = Vec::new();
    for one in &plan.mends {
        let mut chain = chain(store, one.partition.0).await;
        let done = mend(&recalculator, &Calculations::new(builtin), &mut chain, one).await;
        mended.push(done.unwrap());
    }
    mended
}

#[tokio::test]
async fn wrong_values_are_calculated_again_from_what_is_stored_and_corrected() {
    let store = with_wrong_values().await;
    let plan = plan(&store).await;
    assert!(plan.left.is_empty(), "{:?}", plan.left);
    let [mend] = plan.mends.as_slice() else {
        panic!("{:?}", plan.mends)
    };
    assert_eq!(
        (mend.source, mend.range.range, mend.findings.len()),
        (Source::StoredInputs, range(200, 300), 3)
    );
    let done = Mended::Done {
        rows: 100,
        corrections: 3,
    };
    assert_eq!(apply(&store, &plan).await, [done]);
    let report = audit(&store, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
    // Once more would find nothing to do.
    assert_eq!(
        super::plan_repair(&store, &layout(), &report)
            .await
            .unwrap(),
        RepairPlan::default()
    );
}

#[tokio::test]
async fn a_plan_that_is_old_does_not_undo_what_another_has_done() {
    let store = with_wrong_values().await;
    let plan = plan(&store).await;
    apply(&store, &plan).await;
    let before = newest(&store, 0).await;
    assert_eq!(apply(&store, &plan).await.len(), 1);
    assert!(!matches!(
        apply(&store, &plan).await[0],
        Mended::Done { .. }
    ));
    assert_eq!(newest(&store, 0).await, before);
}

#[tokio::test]
async fn a_file_that_is_gone_stays_gone_when_kafka_does_not_answer() {
    let store = sample().await;
    let newest = newest(&store, 0).await;
    let path = &newest.open.segments[0].path;
    store.delete(path).await.unwrap();
    let plan = plan(&store).await;
    assert_eq!(plan.mends.len(), 1);
    assert_eq!(plan.mends[0].source, Source::Kafka);
    assert!(!plan.mends[0].may_have_been_published_wrong());
    let mut chain = chain(&store, 0).await;
    let failed = mend(
        &recalculator(),
        &Calculations::new(builtin),
        &mut chain,
        &plan.mends[0],
    )
    .await;
    assert!(matches!(failed, Err(RepairError::Read(_))), "{failed:?}");
}

#[tokio::test]
async fn the_worst_finding_of_a_range_decides_and_what_is_about_no_range_is_left() {
    let store = sample().await;
    let newest = newest(&store, 0).await;
    let of = |kind, over: OffsetRange, path: Option<usize>| {
        let finding = Finding::new(kind, Partition(0), over, "what", "remedy");
        match path {
            Some(index) => finding.of(&newest.open.segments[index].path),
            None => finding,
        }
    };
    let all = range(100, 200);
    let one = |at: i64| OffsetRange::new(Offset::new(at).unwrap(), Offset::new(at + 1).unwrap());
    let findings = vec![
        of(FindingKind::WrongResult, one(120).unwrap(), Some(0)),
        of(FindingKind::Hole, range(150, 152), None),
        of(FindingKind::ManifestDamaged, all, None),
        of(FindingKind::Hole, range(190, 210), None),
    ];
    let plan = RepairPlan::of(
        &crate::format::Listed::open_list_of(&newest),
        Partition(0),
        findings.clone(),
        &BTreeSet::new(),
    );
    let [mend] = plan.mends.as_slice() else {
        panic!("{:?}", plan.mends)
    };
    assert_eq!((mend.source, mend.range.range), (Source::Kafka, all));
    // The wrong value was published.
    assert!(mend.may_have_been_published_wrong());
    assert_eq!(mend.findings, findings[..2]);
    assert_eq!(plan.left, findings[2..]);
}

#[tokio::test]
async fn that_a_file_is_not_given_out_says_nothing_about_what_was_published() {
    let store = sample().await;
    let newest = newest(&store, 0).await;
    let path = &newest.open.segments[0].path;
    let finding = |not_given: bool| {
        let finding = Finding::new(
            FindingKind::Unreadable,
            Partition(0),
            range(100, 200),
            "",
            "",
        );
        let finding = finding.of(path);
        match not_given {
            true => finding.of_a_file_not_given(),
            false => finding,
        }
    };
    let publishes = |not_given| {
        let listed = crate::format::Listed::open_list_of(&newest);
        let findings = vec![finding(not_given)];
        let plan = RepairPlan::of(&listed, Partition(0), findings, &BTreeSet::new());
        plan.mends[0].may_have_been_published_wrong()
    };
    assert!(
        publishes(false),
        "its digest held: it was written like this"
    );
    assert!(!publishes(true));
}
