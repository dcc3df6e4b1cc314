use std::sync::Arc;

use arrow_array::RecordBatch;

use super::*;
use crate::{
    audit::succession::difference,
    audit::{
        FindingKind, Level, RecalculateError, ResultsTopic,
        tests::{
            fixture::{
                at, audit, bind, chain, evaluator, newest, outcomes, range, sample, snapshot,
            },
            forging::falsify,
            rows::wrong_value,
        },
    },
    calculation::{Calculations, Evaluator, builtin},
    events::Fields,
    format::{Accumulation, Gap, GapReason, Manifest},
    history::{GivenUp, Repair, Repaired, give_up, write_repair},
    kafka::Connection,
    model::{Offset, OffsetRange},
    store::{Store, Throttle},
};

fn layout() -> Layout {
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

async fn plan(store: &Store) -> RepairPlan {
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
async fn a_range_that_nothing_has_becomes_a_gap_that_verify_names_and_no_other_range_does() {
    let store = sample().await;
    let path = newest(&store, 0).await.open.segments[0].path.clone();
    store.delete(&path).await.unwrap();
    let plan = plan(&store).await;
    let judged = |partition, over| {
        let (store, layout, plan) = (&store, layout(), &plan);
        async move {
            let loss = (Partition(partition), over);
            judge_loss(store, &layout, plan, loss).await.unwrap()
        }
    };
    let lost = range(100, 200);
    assert_eq!(judged(0, lost).await, Acceptance::Range);
    let others = Acceptance::Nothing(vec![lost]);
    assert_eq!(judged(0, range(100, 199)).await, others);
    assert_eq!(judged(0, range(200, 300)).await, others);
    assert_eq!(judged(1, lost).await, Acceptance::Nothing(Vec::new()));
    let expired = judged(1, range(101, 200)).await;
    assert!(matches!(expired, Acceptance::Gap(_)), "{expired:?}");

    let mut chain = chain(&store, 0).await;
    let (calculations, mend) = (Calculations::new(builtin), &plan.mends[0]);
    let loss = Loss {
        lost,
        kept: None,
        counts: mend.range.counts(),
        whole: Vec::new(),
    };
    let done = accept_loss(None, &calculations, &mut chain, mend, &loss).await;
    let gap = Mended::Lost {
        lost,
        kept: None,
        corrections: 0,
    };
    assert_eq!(done.unwrap(), gap);
    let nothing = RepairPlan::default();
    let again = judge_loss(&store, &layout(), &nothing, (Partition(0), lost)).await;
    assert!(matches!(again, Ok(Acceptance::Gap(_))), "{again:?}");
    let report = audit(&store, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
    assert_eq!(report.lost, 100 + 99);
    let ranges = report.lost_ranges.iter();
    let ranges = ranges.map(|lost| (lost.partition.0, lost.start.get(), lost.reason));
    let expected = [(0, 100, GapReason::Damaged), (1, 101, GapReason::Expired)];
    assert_eq!(ranges.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_file_that_is_restored_before_the_edit_is_not_given_up() {
    let store = sample().await;
    let base = newest(&store, 0).await;
    let path = base.open.segments[0].path.clone();
    let file = store.get(&path, u64::MAX).await.unwrap();
    store.delete(&path).await.unwrap();
    let plan = plan(&store).await;
    let mend = &plan.mends[0];
    let (calculations, mut chain) = (Calculations::new(builtin), chain(&store, 0).await);
    let loss = Loss {
        lost: mend.range.range,
        kept: None,
        counts: mend.range.counts(),
        whole: Vec::new(),
    };
    store.put(&path, file).await.unwrap();
    let done = accept_loss(None, &calculations, &mut chain, mend, &loss).await;
    assert_eq!(
        done.unwrap(),
        Mended::Left("its files are whole now".to_owned())
    );
    assert_eq!(newest(&store, 0).await, base);
}

#[tokio::test]
async fn what_kafka_has_is_not_given_up_by_a_program_that_cannot_calculate_it() {
    let store = sample().await;
    let base = newest(&store, 0).await;
    store.delete(&base.open.segments[0].path).await.unwrap();
    let plan = plan(&store).await;
    let mend = &plan.mends[0];
    let (calculations, mut chain) = (Calculations::new(builtin), chain(&store, 0).await);
    let loss = Loss {
        lost: range(100, 150),
        kept: Some(range(150, 200)),
        counts: mend.range.counts(),
        whole: Vec::new(),
    };
    let done = accept_loss(None, &calculations, &mut chain, mend, &loss).await;
    assert!(matches!(done, Ok(Mended::Left(_))), "{done:?}");
    assert_eq!(newest(&store, 0).await, base);
}

#[test]
fn only_what_is_out_of_the_log_is_lost() {
    let of = |readable| losses::parts(range(100, 200), readable).ok();
    assert_eq!(of(range(0, 500)), None);
    assert_eq!(of(range(100, 500)), None);
    let rest = Some(range(120, 200));
    assert_eq!(of(range(120, 500)), Some((range(100, 120), rest)));
    assert_eq!(of(range(200, 500)), Some((range(100, 200), None)));
    assert_eq!(of(range(300, 300)), Some((range(100, 200), None)));
    // The log is shorter than what was made of it.
    assert_eq!(of(range(0, 0)), None);
    assert_eq!(of(range(120, 150)), None);
}

#[test]
fn other_counts_do_not_say_that_the_events_are_gone() {
    let range = range(0, 10);
    let counts = RecalculateError::OtherCounts {
        needs: "it is damaged".to_owned(),
        range,
        found_results: 9,
        found_rejects: 1,
        stated_results: 10,
        stated_rejects: 0,
    };
    assert!(!counts.is_for_good() && !counts.is_retryable());
    let out = RecalculateError::NotInLog {
        needs: "it is damaged".to_owned(),
        range,
        source: Box::new(crate::kafka::KafkaError::OutOfRange {
            topic: "events".to_owned(),
            partition: Partition(0),
            offset: range.start(),
        }),
    };
    assert!(out.is_for_good());
}

#[tokio::test]
async fn a_manifest_that_lost_more_than_it_says_does_not_follow_from_its_base() {
    let store = sample().await;
    let base = newest(&store, 0).await;
    let lost = range(200, 300);
    let of_range = base.open.segments.iter().filter(|one| one.range == lost);
    let replaced: Vec<Segment> = of_range.cloned().collect();
    let mut chain = chain(&store, 0).await;
    let done = crate::history::give_up(&mut chain, lost, GapReason::Damaged, &replaced).await;
    assert_eq!(done.unwrap(), crate::history::GivenUp::Done);
    let next = newest(&store, 0).await;
    assert_eq!(difference(&base, &next), None);
    let spoilt = |change: fn(&mut Manifest)| {
        let mut next = next.clone();
        change(&mut next);
        difference(&base, &next)
    };
    assert!(spoilt(|next| next.counts.rejects -= 1).is_some());
    assert!(spoilt(|next| drop(next.open.segments.pop())).is_some());
    assert!(spoilt(|next| next.gaps.clear()).is_some());
    assert!(spoilt(|next| next.forward = None).is_some());
    assert!(spoilt(|next| next.open.segments[0].rows += 1).is_some());
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
async fn a_loss_whose_rest_was_not_made_again_is_found_whatever_came_after_it() {
    let store = sample().await;
    let base = newest(&store, 0).await;
    let lost = range(200, 300);
    let of_range = base.open.segments.iter().filter(|one| one.range == lost);
    let replaced: Vec<Segment> = of_range.cloned().collect();
    let mut chain = chain(&store, 0).await;
    let done = give_up(&mut chain, lost, GapReason::Damaged, &replaced).await;
    assert_eq!(done.unwrap(), GivenUp::Done);
    // A processor goes on, and somebody makes a part of the rest again.
    snapshot(&mut chain, 400, 410, |_| false).await;
    let mut made = Accumulation::filling(at(280), None);
    made.append(&outcomes(&evaluator(), 280, 300, |_| false))
        .unwrap();
    let mut rest = Repair::filling(made.close(chain.identity()).unwrap());
    let done = write_repair(&mut chain, &mut rest).await.unwrap();
    assert!(matches!(done, Repaired::Done(_)));
    let gaps = newest(&store, 0).await.gaps;
    let [gap] = &gaps[..] else { panic!("{gaps:?}") };
    assert_eq!(gap.range, range(200, 280));
    let found = losses::unfinished_loss(&chain, gap).await.unwrap();
    let found = found.expect("the edit that gave it up");
    assert_eq!((found.range.range, found.range.segments), (lost, replaced));
    // Another gap is none of it.
    let other = Gap {
        range: range(250, 280),
        ..*gap
    };
    let found = losses::unfinished_loss(&chain, &other).await;
    assert_eq!(found.unwrap(), None);
}

#[tokio::test]
async fn a_loss_of_the_last_outcomes_of_a_calculation_is_found_with_it() {
    let store = Store::memory();
    let mut chain = chain(&store, 0).await;
    bind(&mut chain, 0).await;
    snapshot(&mut chain, 0, 100, |_| false).await;
    let all = newest(&store, 0).await.open.segments;
    let done = give_up(&mut chain, range(0, 100), GapReason::Damaged, &all).await;
    assert_eq!(done.unwrap(), GivenUp::Done);
    let gap = newest(&store, 0).await.gaps[0];
    // Whatever its writer's clock said.
    let gap = Gap {
        accepted_at: gap.accepted_at + chrono::TimeDelta::days(1),
        ..gap
    };
    let found = losses::unfinished_loss(&chain, &gap).await.unwrap();
    assert_eq!(
        found.map(|mend| mend.declaration),
        Some(evaluator().declaration())
    );
}

#[test]
fn what_is_made_again_comes_from_the_top_down() {
    let mut parts: Vec<OffsetRange> = losses::halves(range(100, 200)).collect();
    assert_eq!(parts.pop(), Some(range(150, 200)));
    assert_eq!(parts.pop(), Some(range(100, 150)));
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
