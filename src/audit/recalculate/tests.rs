mod differences;
mod left_alone;
mod other_fields;
mod outcomes;

use std::collections::BTreeSet;

use arrow_array::{RecordBatch, cast::AsArray as _};

use super::*;
use crate::{
    audit::{FindingKind, Level, Options, semantic, tests::fixture::chain_of, verify},
    calculation::{Calculations, Evaluated, builtin},
    events::{Fields, MessageBuffer, ResultEncoder},
    format::{
        Absent, Accumulation, Changes, Edit, Layout, Manifest, NotKnown, OutcomeText, Pipeline,
        RangeOutcomes, Rewriter, SegmentKind, read_segment,
    },
    history::{Appended, CorrectionsProgress, Pending, Repaired, write_repair, write_snapshot},
    model::{Event, Offset, OffsetRange, Partition, Sequence},
    store::{Store, Throttle},
};

/// The square of one of two fields; without it, the event is a reject whose reason says which.
const SQUARE_OF_A: &str = "coalesce(square(a), CAST('no a' AS DECIMAL(38,0)))";
const SQUARE_OF_B: &str = "coalesce(square(b), CAST('no b' AS DECIMAL(38,0)))";

fn at(offset: i64) -> Offset {
    Offset::new(offset).unwrap()
}

fn evaluator(fields: &str, calculation: &str) -> Evaluator {
    let fields = Fields::parse(fields).unwrap();
    Evaluator::new(fields, builtin(calculation).unwrap()).unwrap()
}

async fn chain(store: &Store, evaluator: &Evaluator) -> Chain {
    chain_of(store, 0, evaluator).await
}

fn too_large(messages: &MessageBuffer, limit: u64) -> Vec<usize> {
    let sizes = messages.iter().map(|(_, value)| value.len() as u64);
    let large = sizes.enumerate().filter(|(_, size)| *size > limit);
    large.map(|(row, _)| row).collect()
}

/// Nobody listens there.
fn recalculator(evaluator: Evaluator) -> Recalculator {
    Recalculator {
        evaluator: Arc::new(evaluator),
        results: ResultsTopic {
            name: "results".into(),
            limit: 1000,
            too_large,
        },
        events: Some(Connection::new("127.0.0.1:1", Vec::new(), "tests").unwrap()),
        patience: Duration::from_millis(200),
        throttle: Throttle::unlimited(),
    }
}

async fn bind(store: &Store, evaluator: &Evaluator) -> Chain {
    let mut chain = chain(store, evaluator).await;
    let pipeline = Pipeline {
        cluster_id: None,
        group: "group".into(),
        events_topic: "events".into(),
        events_topic_id: None,
        events_partitions: Some(8),
        results_topic: "results".into(),
        results_partitions: 1,
    };
    let edit = Edit::Bind {
        pipeline,
        partition: Partition(0),
        origin: at(0),
    };
    let bound = chain.append(edit, None).await.unwrap();
    assert!(matches!(bound, Appended::Won { .. }));
    chain
}

/// A snapshot of these payloads from the chain's end on; an empty one is an offset that the log does not deliver.
async fn snapshot(chain: &mut Chain, evaluator: &Evaluator, payloads: &[&str]) {
    let start = chain.end().unwrap();
    let events = (0..)
        .zip(payloads)
        .filter(|(_, payload)| !payload.is_empty());
    let events: Vec<Event<'_>> = events
        .map(|(index, payload)| Event {
            offset: start.plus(index),
            timestamp: Some(1_000),
            key: Some(b"key"),
            payload: Some(payload.as_bytes()),
        })
        .collect();
    let range = OffsetRange::new(start, start.plus(payloads.len() as u64)).unwrap();
    let evaluated = evaluator.evaluate(events.into_iter()).unwrap();
    let mut accumulation = Accumulation::new(start);
    let outcomes = RangeOutcomes::new(range, evaluated).unwrap();
    accumulation.append(&outcomes).unwrap();
    let mut pending = Pending::from(accumulation.close(chain.identity()).unwrap());
    write_snapshot(chain, &mut pending).await.unwrap();
}

/// Brings everything under `evaluator`'s calculation; the manifests that did it.
async fn recalculate(store: &Store, now: Evaluator) -> Result<Vec<Manifest>, RecalculateError> {
    let mut chain = chain(store, &now).await;
    let recalculator = recalculator(now);
    let mut manifests = Vec::new();
    loop {
        let newest = chain.newest().unwrap();
        let all = Some(CorrectionsProgress {
            sequence: newest.sequence.next(),
            rows: 0,
        });
        let listed = crate::format::Listed::open_list_of(newest);
        let ours = recalculator.evaluator.declaration();
        let Some(range) = outdated(&listed, &ours, all).into_iter().next() else {
            return Ok(manifests);
        };
        let mut repair = recalculator.recalculate(&chain, &range).await?;
        let done = write_repair(&mut chain, &mut repair).await.unwrap();
        assert!(matches!(done, Repaired::Done(_)));
        manifests.push(chain.newest().unwrap().clone());
    }
}

async fn rows(store: &Store, manifest: &Manifest, kind: SegmentKind) -> Option<RecordBatch> {
    let segment = manifest.added().find(|segment| segment.kind == kind)?;
    let bytes = store.get(&segment.path, segment.bytes).await.unwrap();
    read_segment(bytes).unwrap().next().map(Result::unwrap)
}

fn text(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch.column_by_name(column).unwrap();
    (0..batch.num_rows())
        .map(|row| semantic::display(column, row))
        .collect()
}

/// Every level, under this calculation: no finding at all.
async fn assert_clean(store: &Store, fields: &str, calculation: &str) {
    let layout = Layout::new("events").unwrap();
    let evaluator = Evaluator::new(
        Fields::parse(fields).unwrap(),
        builtin(calculation).unwrap(),
    );
    let options = Options {
        given: Some(evaluator.unwrap().declaration()),
        ..Options::default()
    };
    let (level, calculations) = (Level::Semantic, Calculations::new(builtin));
    let report = verify(store, &layout, level, &calculations, &options, &|_| {});
    let report = report.await.unwrap();
    assert!(
        report.clean && report.findings.is_empty(),
        "{:#?}",
        report.findings
    );
}

const AB: &str = "a BIGINT, b BIGINT";
