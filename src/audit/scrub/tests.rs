//! The scrub on a store in memory.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arrow_array::{
    Decimal128Array, RecordBatch,
    cast::AsArray as _,
    types::{Decimal128Type, Int64Type},
};
use arrow_schema::Schema;

use super::*;
use crate::{
    audit::{
        Level, ResultsTopic,
        tests::{
            fixture::{audit, brief, chain, newest, sample, segment},
            forging::falsify,
            rows::wrong_value,
        },
    },
    calculation::{Calculation, CalculationError, Calculations, Evaluator, Outcomes, builtin},
    events::Fields,
    format::SegmentKind,
    history::{Repaired, load_page, write_repair},
    kafka::Connection,
    store::{Store, Throttle},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Nobody listens where it would ask for events.
fn scrubber(mends: bool) -> Scrubber {
    let fields = Fields::parse("number BIGINT NOT NULL").unwrap();
    Scrubber {
        recalculator: Recalculator {
            evaluator: Arc::new(Evaluator::new(fields, builtin("square").unwrap()).unwrap()),
            results: ResultsTopic {
                name: "results".into(),
                limit: 1000,
                too_large: |_, _| Vec::new(),
            },
            events: Some(Connection::new("127.0.0.1:1", Vec::new(), "tests").unwrap()),
            patience: Duration::from_millis(200),
            throttle: Throttle::unlimited(),
        },
        calculations: Calculations::new(builtin),
        invocation: Invocation::new("run"),
        mends,
        every: HOUR,
    }
}

/// What a step came to.
enum Step {
    Scrubbed(Box<Scrubbed>),
    Rest(Option<DateTime<Utc>>),
}

/// One step: what is damaged is settled.
async fn step(scrubber: &Scrubber, chain: &Chain, verified: &mut Verified) -> Step {
    let now = Utc::now();
    let newest = chain.newest().unwrap();
    let (mut page, unread) = (None, BTreeSet::new());
    let chosen = loop {
        match scrubber.next(newest, page.as_ref(), &unread, verified, now) {
            Turn::Verify(chosen) => break chosen,
            Turn::Rest(until) => return Step::Rest(until),
            Turn::Open(link) => {
                let read = load_page(chain.store(), chain.layout(), &link).await;
                let page_of = read.unwrap().unwrap();
                page = Some(OpenPage {
                    link,
                    page: page_of,
                });
            }
        }
    };
    let page = page.as_ref();
    let looked = scrubber.look(chain, newest, (chosen, page), verified, now);
    let mut scrubbed = looked.await.unwrap();
    if matches!(scrubbed.then, Then::Damaged) {
        let settled = scrubber.settle(chain, (&mut scrubbed, page), verified, now);
        settled.await.unwrap();
    }
    Step::Scrubbed(Box::new(scrubbed))
}

/// A round over partition 0: what each group came to, in the order of the turns.
async fn round(store: &Store, scrubber: &Scrubber, verified: &mut Verified) -> Vec<Scrubbed> {
    let mut done = Vec::new();
    let begin = Utc::now();
    loop {
        let chain = chain(store, 0).await;
        match step(scrubber, &chain, verified).await {
            Step::Scrubbed(scrubbed) => done.push(*scrubbed),
            Step::Rest(until) => {
                assert!(until.is_some_and(|until| until > begin));
                return done;
            }
        }
    }
}

/// Every fortieth result of the append at 200 of partition 0, or only the first of them, is one too high.
async fn with_wrong_values(store: &Store, all: bool) {
    let wrong = move |row: usize| row % 40 == 7 && (all || row == 7);
    let one_more = |batch: &RecordBatch| wrong_value(batch, wrong);
    falsify(store, 0, 200, SegmentKind::Results, one_more, |_| ()).await;
}

#[tokio::test]
async fn a_round_verifies_every_row_once_and_rests() {
    let store = sample().await;
    let mut verified = Verified::default();
    let done = round(&store, &scrubber(true), &mut verified).await;
    let rows: Vec<u64> = done.iter().map(|one| one.rows).collect();
    assert_eq!(rows, [100, 100, 100]);
    assert!(done.iter().all(|one| one.findings.is_empty()));
    let newest = newest(&store, 0).await;
    assert!(verified.since(&newest).is_some());
    assert_eq!(round(&store, &scrubber(true), &mut verified).await.len(), 0);
}

#[tokio::test]
async fn a_wrong_value_is_found_and_mended_with_one_correction() {
    let store = sample().await;
    with_wrong_values(&store, false).await;
    let mut verified = Verified::default();
    let done = round(&store, &scrubber(true), &mut verified).await;
    let found: Vec<_> = done.iter().flat_map(|one| brief(&one.findings)).collect();
    assert_eq!(found, [(FindingKind::WrongResult, 0, 208, 209)]);
    let mends = done.into_iter().filter_map(|one| match one.then {
        Then::Mend(mend) => Some(mend),
        _ => None,
    });
    let [(mend, mut repair)] = mends
        .map(|mend| *mend)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(mend.source, Source::StoredInputs);
    let mut chain = chain(&store, 0).await;
    let written = write_repair(&mut chain, &mut repair).await.unwrap();
    let Repaired::Done(segments) = written else {
        panic!()
    };
    let corrections = segments.iter().filter(|one| one.revision.is_some());
    assert_eq!(corrections.map(|one| one.rows).sum::<u64>(), 1);
    assert!(audit(&store, Level::Semantic).await.clean);
    // Only what is new is verified again: the mended range, and its correction.
    let again = round(&store, &scrubber(true), &mut verified).await;
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|one| one.findings.is_empty()));
}

#[tokio::test]
async fn many_wrong_values_are_left_to_a_person_and_so_is_everything_that_is_only_reported() {
    let store = sample().await;
    with_wrong_values(&store, true).await;
    for (mends, why) in [(true, "3 of its 100 outcomes"), (false, "report")] {
        let done = round(&store, &scrubber(mends), &mut Verified::default()).await;
        let left = done.iter().find_map(|one| match &one.then {
            Then::Left(left) => Some((left, one.findings.len())),
            _ => None,
        });
        let (left, findings) = left.unwrap();
        assert!(left.contains(why), "{left}");
        assert_eq!(findings, 3);
    }
}

#[tokio::test]
async fn ranges_of_another_calculation_are_verified_under_theirs_and_not_mended() {
    let store = sample().await;
    with_wrong_values(&store, false).await;
    let mut other = scrubber(true);
    let fields = Fields::parse("number DECIMAL(18,0) NOT NULL").unwrap();
    let evaluator = Evaluator::new(fields, builtin("square").unwrap()).unwrap();
    other.recalculator.evaluator = Arc::new(evaluator);
    let done = round(&store, &other, &mut Verified::default()).await;
    let found: Vec<_> = done.iter().flat_map(|one| brief(&one.findings)).collect();
    assert_eq!(found, [(FindingKind::WrongResult, 0, 208, 209)]);
    let left = done.iter().find_map(|one| match &one.then {
        Then::Left(why) => Some(why.clone()),
        Then::Mend(_) => panic!("it was to be mended"),
        _ => None,
    });
    assert!(left.unwrap().contains("another calculation"));
}

#[tokio::test]
async fn what_another_has_replaced_meanwhile_is_no_finding() {
    let store = sample().await;
    with_wrong_values(&store, false).await;
    let old = chain(&store, 0).await;
    let mut verified = Verified::default();
    for one in round(&store, &scrubber(true), &mut verified).await {
        if let Then::Mend(mend) = one.then {
            let mut chain = chain(&store, 0).await;
            write_repair(&mut chain, &mut { *mend }.1).await.unwrap();
        }
    }
    // A keeper that has not heard of it yet.
    let mut verified = Verified::default();
    while let Step::Scrubbed(one) = step(&scrubber(true), &old, &mut verified).await {
        assert!(one.findings.is_empty(), "{:?}", one.findings);
    }
}

#[tokio::test]
async fn a_file_that_only_kafka_can_mend_is_tried_again_when_kafka_is_away() {
    let store = sample().await;
    let live = segment(&store, 0, SegmentKind::Results, 300).await;
    store.delete(&live.path).await.unwrap();
    let chain = chain(&store, 0).await;
    let mut verified = Verified::default();
    let step = step(&scrubber(true), &chain, &mut verified).await;
    let Step::Scrubbed(scrubbed) = step else {
        panic!()
    };
    assert_eq!(scrubbed.findings[0].kind, FindingKind::MissingSegment);
    assert!(matches!(scrubbed.then, Then::Later(_)));
    // It is not taken for verified.
    assert_eq!(verified.at(&live), None);
}

#[tokio::test]
async fn what_lies_in_the_attic_is_put_back() {
    let store = sample().await;
    let live = segment(&store, 0, SegmentKind::Results, 300).await;
    let attic = crate::audit::tests::fixture::layout().attic(&live.path);
    let moved = store.rename(&live.path, &attic.unwrap()).await.unwrap();
    assert_eq!(moved, crate::store::Moved::Moved);
    let done = round(&store, &scrubber(true), &mut Verified::default()).await;
    assert!(matches!(done[0].then, Then::PutBack));
    assert!(audit(&store, Level::Semantic).await.clean);
}

/// Says that it is the square, and gives another answer each time for one of the numbers.
struct Restless {
    square: Arc<dyn Calculation>,
    calls: AtomicU64,
}

impl Calculation for Restless {
    fn name(&self) -> &str {
        self.square.name()
    }

    fn version(&self) -> u32 {
        self.square.version()
    }

    fn parameters(&self, fields: &Schema) -> String {
        self.square.parameters(fields)
    }

    fn output(&self, fields: &Schema) -> Result<arrow_schema::Fields, CalculationError> {
        self.square.output(fields)
    }

    fn calculate(&self, batch: &RecordBatch) -> Result<Outcomes, CalculationError> {
        let outcomes = self.square.calculate(batch)?;
        let call = i128::from(self.calls.fetch_add(1, Ordering::SeqCst));
        let numbers = batch.column(0).as_primitive::<Int64Type>();
        let results = outcomes.columns[0].as_primitive::<Decimal128Type>();
        let results = (0..results.len()).map(|row| match numbers.value(row) {
            208 => results.value(row) + call + 1,
            _ => results.value(row),
        });
        let results = Decimal128Array::from_iter_values(results)
            .with_precision_and_scale(38, 0)
            .unwrap();
        Ok(Outcomes {
            columns: vec![Arc::new(results)],
            ..outcomes
        })
    }
}

#[tokio::test]
async fn a_calculation_that_changes_its_mind_mends_nothing() {
    let store = sample().await;
    let restless = Restless {
        square: builtin("square").unwrap(),
        calls: AtomicU64::new(0),
    };
    let fields = Fields::parse("number BIGINT NOT NULL").unwrap();
    let evaluator = Arc::new(Evaluator::new(fields, Arc::new(restless)).unwrap());
    let mut scrubber = scrubber(true);
    scrubber.calculations = Calculations::new(builtin).with(Arc::clone(&evaluator));
    scrubber.recalculator.evaluator = evaluator;
    let done = round(&store, &scrubber, &mut Verified::default()).await;
    let found: Vec<_> = done.iter().flat_map(|one| brief(&one.findings)).collect();
    let expected = [
        (FindingKind::WrongResult, 0, 208, 209),
        (FindingKind::NotDeterministic, 0, 200, 300),
    ];
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(expected.iter().all(|one| found.contains(one)), "{found:?}");
    assert!(!done.iter().any(|one| matches!(one.then, Then::Mend(_))));
    // The documentation shows it like this.
    let findings = done.iter().flat_map(|one| &one.findings);
    let mut told = findings.filter(|one| one.kind == FindingKind::NotDeterministic);
    let told = told.next().unwrap().to_string();
    assert!(
        include_str!("../../../docs/recovery.md").contains(&told),
        "{told}"
    );
}

mod pages;
