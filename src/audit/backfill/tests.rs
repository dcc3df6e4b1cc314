use super::*;
use crate::{
    audit::{
        Level,
        succession::difference,
        tests::fixture::{audit, bind, chain, evaluator, newest, outcomes, range, sample},
    },
    calculation::builtin,
    format::{Accumulation, GapReason, Manifest},
    history::{Sealed, write_seal},
    model::{Offset, Partition},
    store::Store,
};

/// What the events of a range give.
fn made(chain: &Chain, over: OffsetRange, publishes: bool) -> Encoded {
    let evaluator = evaluator();
    let published = publishes.then(|| evaluator.fingerprint().clone());
    let mut made = Accumulation::filling(over.start(), published);
    let (start, end) = (over.start().get(), over.end().get());
    made.append(&outcomes(&evaluator, start, end, |offset| offset % 10 == 9))
        .unwrap();
    made.close(chain.identity()).unwrap()
}

/// Fills a range, as the events give it.
async fn filled(chain: &mut Chain, over: OffsetRange, publishes: bool) -> Repaired {
    let encoded = made(chain, over, publishes);
    let done = write_repair(chain, &mut Repair::filling(encoded)).await;
    done.unwrap()
}

#[tokio::test]
async fn a_gap_that_is_filled_is_clean_and_its_outcomes_wait_to_be_published() {
    let store = sample().await;
    let base = newest(&store, 1).await;
    let mut chain = chain(&store, 1).await;
    let mut late = chain.clone();
    let done = filled(&mut chain, range(101, 150), true).await;
    let Repaired::Done(segments) = done else {
        panic!("nobody else was there")
    };
    assert_eq!(corrections(&segments), 49 - 5);
    // Another that filled it meanwhile fills it no more.
    assert_eq!(
        filled(&mut late, range(101, 150), true).await,
        Repaired::Overtaken
    );
    let next = newest(&store, 1).await;
    assert_eq!(difference(&base, &next), None);
    let report = audit(&store, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
    assert_eq!((report.lost, report.offsets), (50, 600));
    let spoilt = |change: fn(&mut Manifest)| {
        let mut next = next.clone();
        change(&mut next);
        difference(&base, &next)
    };
    assert!(spoilt(|next| next.counts.rejects -= 1).is_some());
    assert!(spoilt(|next| next.gaps.clear()).is_some());
    assert!(spoilt(|next| next.forward = None).is_some());
    assert!(
        spoilt(|next| next.open.corrections.clear()).is_none(),
        "it need not be published"
    );
    assert!(spoilt(|next| next.published_from = Some(Offset::ZERO)).is_some());
    assert!(spoilt(|next| next.open.segments[0].rows += 1).is_some());
}

#[tokio::test]
async fn a_history_that_begins_earlier_is_clean() {
    let store = sample().await;
    let base = newest(&store, 0).await;
    let mut chain = chain(&store, 0).await;
    for over in [range(50, 100), range(0, 50)] {
        let done = filled(&mut chain, over, false).await;
        assert!(matches!(done, Repaired::Done(_)));
    }
    let report = audit(&store, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
    assert_eq!(report.offsets, 700);
    let next = newest(&store, 0).await;
    assert_eq!(next.origin, Offset::ZERO);
    assert_eq!(next.published_from, Some(base.origin));
    assert_eq!(next.forward().outcomes, base.forward().outcomes);
    assert!(next.open.corrections.is_empty());
}

fn brief(plan: &BackfillPlan) -> (Vec<OffsetRange>, Vec<OffsetRange>) {
    let fills = plan.fills.iter().map(|fill| fill.range);
    let left = plan.left.iter().map(|left| left.range);
    (fills.collect(), left.collect())
}

#[tokio::test]
async fn what_lies_in_pages_is_reopened_first_and_what_lies_before_them_is_not() {
    let store = sample().await;
    let mut sealed = chain(&store, 1).await;
    let page = write_seal(&mut sealed, range(0, 300)).await.unwrap();
    assert!(matches!(page, Sealed::Done(_)));
    let done = filled(&mut sealed, range(120, 200), true).await;
    assert!(matches!(done, Repaired::Done(_)));
    assert!(newest(&store, 1).await.pages.is_empty());
    let mut sealed = chain(&store, 0).await;
    let page = write_seal(&mut sealed, range(100, 400)).await.unwrap();
    assert!(matches!(page, Sealed::Done(_)));
    let done = filled(&mut sealed, range(50, 100), false).await;
    assert!(matches!(done, Repaired::Done(_)));
    assert_eq!(newest(&store, 0).await.pages.len(), 1);
    let report = audit(&store, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
    assert_eq!((report.lost, report.offsets), (19, 650));
}

#[tokio::test]
async fn gaps_are_filled_as_far_as_kafka_has_them() {
    let store = sample().await;
    // A gap from 101 to 200.
    let newest = newest(&store, 1).await;
    let table = [
        (range(0, 300), None, vec![range(101, 200)], vec![]),
        (
            range(150, 300),
            None,
            vec![range(150, 200)],
            vec![range(101, 150)],
        ),
        (
            range(0, 120),
            None,
            vec![range(101, 120)],
            vec![range(120, 200)],
        ),
        (range(250, 300), None, vec![], vec![range(101, 200)]),
        (
            range(0, 300),
            Some(range(150, 160)),
            vec![range(150, 160)],
            vec![],
        ),
        (
            range(155, 300),
            Some(range(150, 160)),
            vec![range(155, 160)],
            vec![range(150, 155)],
        ),
        (range(0, 300), Some(range(200, 300)), vec![], vec![]),
    ];
    for (readable, wanted, fills, left) in table {
        let plan = BackfillPlan::of(&newest, readable, wanted);
        assert_eq!(brief(&plan), (fills, left), "{readable} {wanted:?}");
        let is_published = |fill: &Fill| fill.is_published(false);
        assert!(plan.fills.iter().all(is_published));
    }
    for reason in [GapReason::Refused, GapReason::Compacted, GapReason::Damaged] {
        let mut kept = newest.clone();
        kept.gaps[0].reason = reason;
        let plan = BackfillPlan::of(&kept, range(0, 300), None);
        assert_eq!(brief(&plan), (vec![], vec![range(101, 200)]), "{reason}");
    }
}

#[tokio::test]
async fn before_the_origin_only_what_reaches_it_can_be_added() {
    let store = sample().await;
    // Its origin is 100.
    let newest = newest(&store, 0).await;
    let table = [
        (range(0, 400), None, vec![range(0, 100)], vec![]),
        (
            range(30, 400),
            None,
            vec![range(30, 100)],
            vec![range(0, 30)],
        ),
        (range(100, 400), None, vec![], vec![range(0, 100)]),
        (
            range(0, 400),
            Some(range(50, 200)),
            vec![range(50, 100)],
            vec![],
        ),
        (
            range(0, 400),
            Some(range(50, 99)),
            vec![],
            vec![range(50, 99)],
        ),
    ];
    for (readable, wanted, fills, left) in table {
        let plan = BackfillPlan::of(&newest, readable, wanted);
        assert_eq!(brief(&plan), (fills, left), "{readable} {wanted:?}");
        assert!(plan.fills.iter().all(|fill| !fill.is_published(false)));
        assert!(plan.fills.iter().all(|fill| fill.is_published(true)));
    }
}

#[test]
fn a_history_grows_down_part_by_part_and_a_gap_is_filled_from_its_start() {
    let of = |lack| Fill {
        partition: Partition(0),
        range: range(100_000, 300_000),
        lack,
    };
    let borders = |fill: &Fill| {
        let mut parts = fill.parts(AT_A_TIME);
        let mut borders = Vec::new();
        while let Some(part) = parts.pop() {
            borders.push((part.start().get(), part.end().get()));
        }
        borders
    };
    let ascending = [(100_000, 131_072), (131_072, 262_144), (262_144, 300_000)];
    assert_eq!(borders(&of(Lack::Gap(GapReason::Expired))), ascending);
    let mut descending = ascending;
    descending.reverse();
    assert_eq!(borders(&of(Lack::BeforeOrigin)), descending);
    // The second is done first.
    let halves = of(Lack::BeforeOrigin).halves(range(0, 7));
    assert_eq!(halves, Some([range(0, 3), range(3, 7)]));
    let halves = of(Lack::Gap(GapReason::Expired)).halves(range(0, 7));
    assert_eq!(halves, Some([range(3, 7), range(0, 3)]));
    let one = OffsetRange::new(Offset::ZERO, Offset::ZERO.plus(1)).unwrap();
    assert_eq!(of(Lack::BeforeOrigin).halves(one), None);
}

#[tokio::test]
async fn a_long_backfill_is_merged_while_no_processor_is_there() {
    let store = Store::memory();
    let mut chain = chain(&store, 0).await;
    bind(&mut chain, 1500).await;
    let fill = Fill {
        partition: Partition(0),
        range: range(0, 1500),
        lack: Lack::BeforeOrigin,
    };
    // Each of 150 parts brings a file of results and one of rejects.
    let making = Making {
        fill: &fill,
        parts: fill.parts(10),
        declaration: evaluator().declaration(),
        compactor: Compactor {
            calculations: Calculations::new(builtin),
            invocation: Invocation::new("backfill"),
            throttle: Throttle::unlimited(),
        },
        obstacles: Obstacles::default(),
    };
    let make = async |chain: &Chain, part| Ok(made(chain, part, false));
    let filled = making.run(&mut chain, make, &|_| ()).await.unwrap();
    assert_eq!((filled.counts.offsets(), filled.left), (1500, Vec::new()));
    let newest = newest(&store, 0).await;
    assert_eq!(newest.origin, Offset::ZERO);
    assert!(newest.open.segments.len() <= MANY_SEGMENTS);
    let report = audit(&store, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
    assert_eq!(report.offsets, 1500);
}
