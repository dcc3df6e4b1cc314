//! What is accepted as lost, and what of it is made again.

use arrow_array::RecordBatch;

use super::{
    tests::{layout, plan},
    *,
};
use crate::{
    audit::{
        Level, RecalculateError,
        succession::difference,
        tests::{
            fixture::{
                at, audit, bind, chain, evaluator, newest, outcomes, range, sample, snapshot,
            },
            forging::falsify,
            rows::wrong_value,
        },
    },
    calculation::builtin,
    format::{Accumulation, Gap, GapReason, Manifest},
    history::{GivenUp, give_up},
    model::OffsetRange,
};

/// Makes a range a gap, as if nothing of it could be made again; the segments that it had.
async fn given_up(chain: &mut Chain, lost: OffsetRange) -> Vec<Segment> {
    let newest = chain.newest().unwrap().open.segments.iter();
    let replaced: Vec<Segment> = newest.filter(|one| one.range == lost).cloned().collect();
    let done = give_up(chain, lost, GapReason::Damaged, &replaced).await;
    assert_eq!(done.unwrap(), GivenUp::Done);
    replaced
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

/// Nothing is taken from it as it is, though its digest is the one that the manifest lists.
#[tokio::test]
async fn a_file_with_a_wrong_value_is_not_whole_beside_one_that_is_gone() {
    for is_wrong in [false, true] {
        let store = sample().await;
        if is_wrong {
            let one_more = |batch: &RecordBatch| wrong_value(batch, |row| row == 7);
            falsify(&store, 0, 200, SegmentKind::Results, one_more, |_| ()).await;
        }
        let segments = newest(&store, 0).await.open.segments;
        let of = |kind| {
            let mut of_append = segments.iter().filter(|one| one.range == range(200, 300));
            of_append.find(|one| one.kind == kind).unwrap()
        };
        store.delete(&of(SegmentKind::Rejects).path).await.unwrap();
        let plan = plan(&store).await;
        let (mend, chain) = (&plan.mends[0], chain(&store, 0).await);
        let calculations = Calculations::new(builtin);
        let whole = losses::whole_files(&calculations, &chain, mend).await;
        let expected = match is_wrong {
            true => Vec::new(),
            false => vec![of(SegmentKind::Results).clone()],
        };
        assert_eq!(whole.unwrap(), Ok(expected));
    }
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
    let mut chain = chain(&store, 0).await;
    given_up(&mut chain, range(200, 300)).await;
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
async fn a_loss_whose_rest_was_not_made_again_is_found_whatever_came_after_it() {
    let store = sample().await;
    let mut chain = chain(&store, 0).await;
    let lost = range(200, 300);
    let replaced = given_up(&mut chain, lost).await;
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
    given_up(&mut chain, range(0, 100)).await;
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
    let mut parts: Vec<OffsetRange> = rest::halves(range(100, 200)).collect();
    assert_eq!(parts.pop(), Some(range(150, 200)));
    assert_eq!(parts.pop(), Some(range(100, 150)));
}
