//! Stores of several calculations, of one that this program does not have, and of one that is not what it says.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, RecordBatch,
    cast::AsArray as _,
    types::{Decimal128Type, Int64Type},
};
use arrow_schema::{DataType, Field, Schema};

use super::{
    damage::kinds,
    fixture::{
        FIELDS, audit, audit_with, bind, brief, chain, chain_of, declaration, evaluator_of, layout,
        newest, sample, snapshot, snapshot_of,
    },
    forging::{falsify, history, replay},
    rows::wrong_value,
};
use crate::{
    audit::{FindingKind, Level, Options, Report, verify},
    calculation::{
        Calculation, CalculationError, Calculations, Declaration, Evaluator, Find, Outcomes,
        builtin,
    },
    events::Fields,
    format::{Manifest, SegmentKind},
    model::{Partition, Sequence},
    recovery::Invocation,
    store::Store,
};

/// A calculation of the user's own.
struct Twice;

impl Calculation for Twice {
    fn name(&self) -> &str {
        "twice"
    }

    fn version(&self) -> u32 {
        1
    }

    fn output(&self, _: &Schema) -> Result<arrow_schema::Fields, CalculationError> {
        Ok(vec![Field::new("result", DataType::Decimal128(38, 0), true)].into())
    }

    fn calculate(&self, batch: &RecordBatch) -> Result<Outcomes, CalculationError> {
        let numbers = batch["number"].as_primitive::<Int64Type>();
        let twice = numbers.unary::<_, Decimal128Type>(|number| 2 * i128::from(number));
        let twice = twice.with_precision_and_scale(38, 0).unwrap();
        let results: ArrayRef = Arc::new(twice);
        Ok(Outcomes {
            columns: vec![results],
            rejections: Vec::new(),
        })
    }
}

fn twice() -> Evaluator {
    Evaluator::new(Fields::parse("number BIGINT").unwrap(), Arc::new(Twice)).unwrap()
}

fn own(text: &str) -> Result<Arc<dyn Calculation>, CalculationError> {
    match text {
        "twice" => Ok(Arc::new(Twice)),
        other => builtin(other),
    }
}

/// `[0, 100)` under the square of a number that is never null, `[100, 200)` under this evaluator.
async fn store_of_two(second: &Evaluator) -> Store {
    let store = Store::memory();
    let mut first = chain(&store, 0).await;
    bind(&mut first, 0).await;
    snapshot(&mut first, 0, 100, |_| false).await;
    let mut next = chain_of(&store, 0, second).await;
    snapshot_of(&mut next, second, 100, 200, |_| false).await;
    store
}

async fn verified(store: &Store, find: Find) -> Report {
    let options = Options {
        invocation: Invocation::new("verify")
            .with("--level", "semantic")
            .with("--events", "events")
            .with("--store", "s3://bucket/a b"),
        ..Options::default()
    };
    let calculations = Calculations::new(find);
    let (level, layout) = (Level::Semantic, layout());
    let report = verify(store, &layout, level, &calculations, &options, &|_| {});
    report.await.unwrap()
}

#[tokio::test]
async fn each_segment_is_compared_with_its_own_calculation_whichever_is_given() {
    let nullable = evaluator_of("number BIGINT");
    let store = store_of_two(&nullable).await;
    for given in [None, Some(FIELDS), Some("number BIGINT")] {
        let report = audit_with(&store, Level::Semantic, 2, given).await;
        assert!(report.clean && report.not_compared == 0);
        let notices = usize::from(given.is_some());
        assert_eq!(report.findings.len(), notices, "{:#?}", report.findings);
        let outcomes: u64 = report.calculations.iter().map(|with| with.outcomes).sum();
        assert_eq!((report.calculations.len(), outcomes), (2, 200));
    }
    // What is wrong is found under either.
    for start in [0, 100] {
        let store = store_of_two(&nullable).await;
        let wrong = |batch: &RecordBatch| wrong_value(batch, |row| row == 7);
        falsify(&store, 0, start, SegmentKind::Results, wrong, |_| {}).await;
        for given in [None, Some(FIELDS), Some("number DOUBLE")] {
            let report = audit_with(&store, Level::Semantic, 2, given).await;
            assert!(!report.clean);
            assert!(kinds(&report.findings).contains(&FindingKind::WrongResult));
        }
    }
}

#[tokio::test]
async fn what_this_program_cannot_calculate_is_counted_and_the_store_is_not_clean() {
    let store = store_of_two(&twice()).await;
    assert!(verified(&store, own).await.clean);
    let report = verified(&store, builtin).await;
    assert_eq!((report.clean, report.not_compared), (false, 100));
    assert_eq!(report.results + report.rejects, 200);
    let expected = [(FindingKind::NotCompared, 0, 100, 200)];
    assert_eq!(brief(&report.findings), expected);
    let finding = &report.findings[0];
    assert!(finding.detail.contains("(twice on number BIGINT)"));
    let command = "`snapback verify --events events --store 's3://bucket/a b'`";
    assert!(finding.remedy.contains(command), "{}", finding.remedy);
    // The values are the calculation's business, the rest is not.
    let coverage = Level::Coverage;
    let report = audit(&store, coverage).await;
    assert!(report.clean && report.not_compared == 0);
}

/// Writes manifests anew with other declarations, every digest right.
async fn redeclare(store: &Store, from: u64, change: impl Fn(&mut Declaration)) {
    let mut base: Option<Manifest> = None;
    for number in from..=newest(store, 0).await.sequence.0 {
        let path = layout().manifest(Partition(0), Sequence(number));
        let bytes = store.get(&path, u64::MAX).await.unwrap();
        let mut manifest = Manifest::decode(&bytes).unwrap();
        manifest.calculations.iter_mut().for_each(&change);
        if let (Some(link), Some(base)) = (&mut manifest.base, &base) {
            link.digest = base.digest();
        }
        store.put(&path, manifest.encode()).await.unwrap();
        base = Some(Manifest::decode(&manifest.encode()).unwrap());
    }
}

#[tokio::test]
async fn a_declaration_that_was_changed_stands_for_nothing() {
    let changes: [fn(&mut Declaration); 4] = [
        |declared| declared.calculation = "twice".into(),
        |declared| declared.fields = "number BIGINT".into(),
        |declared| declared.fields = "no fields at all".into(),
        |declared| declared.results = "result BIGINT NOT NULL".into(),
    ];
    for change in changes {
        // In the newest manifest only, and in all of them.
        for from in [4, 1] {
            let store = sample().await;
            redeclare(&store, from, change).await;
            let report = verified(&store, own).await;
            assert!(!report.clean && report.not_compared >= 300);
            let found = kinds(&report.findings);
            assert!(found.contains(&FindingKind::NotCompared));
            assert_eq!(found.contains(&FindingKind::ChainBroken), from == 4);
        }
    }
}

#[tokio::test]
async fn a_history_that_was_made_up_from_beginning_to_end_shows_under_what_it_is_clean() {
    let twice = twice();
    let store = sample().await;
    let mut made_up = history(&store, 0).await;
    made_up.truncate(1);
    replay(&store, 0, made_up).await;
    for number in 2..=4 {
        let path = layout().manifest(Partition(0), Sequence(number));
        store.delete(&path).await.unwrap();
    }
    let mut forged = chain_of(&store, 0, &twice).await;
    snapshot_of(&mut forged, &twice, 100, 400, |_| false).await;
    let report = verified(&store, own).await;
    let with = |report: &Report| {
        let with = report.calculations.iter();
        with.map(|with| with.declaration.to_string())
            .collect::<Vec<_>>()
    };
    assert!(with(&report).contains(&"twice on number BIGINT".to_owned()));
    // Who says what it should be is told.
    let options = Options {
        given: Some(declaration(FIELDS)),
        ..Options::default()
    };
    let calculations = Calculations::new(own);
    let (level, layout) = (Level::Semantic, layout());
    let report = verify(&store, &layout, level, &calculations, &options, &|_| {});
    let found = kinds(&report.await.unwrap().findings);
    assert!(found.contains(&FindingKind::OtherCalculation));
}
