use std::collections::BTreeSet;

use arrow_array::{RecordBatch, cast::AsArray as _};

use super::*;
use crate::{
    audit::{Level, Options, tests::fixture::chain_of, verify},
    calculation::builtin,
    events::{Fields, MessageBuffer, ResultEncoder},
    format::{Buffer, Edit, Layout, Manifest, Pipeline, SegmentKind, read_segment},
    history::{Appended, CorrectionsProgress, Pending, Repaired, write_repair, write_snapshot},
    model::{Event, Offset, OffsetRange, Partition, Sequence},
    store::Store,
};

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
        events: Connection::new("127.0.0.1:1", Vec::new(), "tests").unwrap(),
        patience: Duration::from_millis(200),
    }
}

async fn bind(store: &Store, evaluator: &Evaluator) -> Chain {
    let mut chain = chain(store, evaluator).await;
    let pipeline = Pipeline {
        cluster_id: None,
        group: "group".into(),
        events_topic: "events".into(),
        events_topic_id: None,
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
    let mut buffer = Buffer::new(start);
    buffer
        .append(range, evaluator.evaluate(events.into_iter()).unwrap())
        .unwrap();
    buffer.mark_committed(range.end()).unwrap();
    let mut pending = Pending::from(buffer.take_committed().unwrap());
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
        let Some(range) = outdated(newest, recalculator.evaluator.fingerprint(), all)
            .into_iter()
            .next()
        else {
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
    let options = arrow_cast::display::FormatOptions::new().with_null("NULL");
    let shown = arrow_cast::display::ArrayFormatter::try_new(column, &options).unwrap();
    (0..batch.num_rows())
        .map(|row| shown.value(row).to_string())
        .collect()
}

/// Every level, under this calculation: no finding at all.
async fn assert_clean(store: &Store, fields: &str, calculation: &str) {
    let (options, layout) = (Options::default(), Layout::new("events").unwrap());
    let fields = Fields::parse(fields).unwrap();
    let calculation = builtin(calculation).unwrap();
    let level = Level::Semantic;
    let report = verify(
        store,
        &layout,
        level,
        &fields,
        &calculation,
        &options,
        &|_| {},
    );
    let report = report.await.unwrap();
    assert!(
        report.clean && report.findings.is_empty(),
        "{:#?}",
        report.findings
    );
}

const AB: &str = "a BIGINT, b BIGINT";

#[tokio::test]
async fn results_and_rejects_change_both_ways_and_what_is_absent_stays() {
    let store = Store::memory();
    let old = evaluator(AB, "square(a)");
    let mut chain = bind(&store, &old).await;
    let payloads = [
        r#"{"a":2,"b":3}"#,
        "",
        r#"{"a":5}"#,
        r#"{"b":6,"c":[1]}"#,
        "",
        r#"{"a":1,"b":1}"#,
        "no JSON",
        r#"{"c":1}"#,
    ];
    snapshot(&mut chain, &old, &payloads).await;
    snapshot(&mut chain, &old, &["", ""]).await;
    snapshot(&mut chain, &old, &[r#"{"a":4,"b":4}"#]).await;
    let before = chain.newest().unwrap().clone();
    let done = recalculate(&store, evaluator(AB, "square(b)"))
        .await
        .unwrap();
    let [first, second] = &done[..] else {
        panic!("two ranges have outcomes: {}", done.len())
    };
    assert_eq!(second.counts, before.counts);
    let results = rows(&store, first, SegmentKind::Results).await.unwrap();
    assert_eq!(text(&results, "kafka_offset"), ["0", "3", "5"]);
    assert_eq!(text(&results, "result"), ["9", "36", "1"]);
    let rejects = rows(&store, first, SegmentKind::Rejects).await.unwrap();
    assert_eq!(text(&rejects, "kafka_offset"), ["2", "6", "7"]);
    let payloads = rejects
        .column_by_name("payload")
        .unwrap()
        .as_binary::<i32>();
    assert_eq!(payloads.value(0), br#"{"a":5,"b":null}"#);
    assert_eq!(payloads.value(1), b"no JSON");
    let corrections = rows(&store, first, SegmentKind::Corrections).await.unwrap();
    // 5 has the same result, 6 the same reason; the reason of 7 names another field.
    assert_eq!(text(&corrections, "kafka_offset"), ["0", "2", "3", "7"]);
    let (old_kinds, new_kinds) = (
        text(&corrections, "old_kind"),
        text(&corrections, "new_kind"),
    );
    assert_eq!(old_kinds, ["result", "result", "reject", "reject"]);
    assert_eq!(new_kinds, ["result", "reject", "result", "reject"]);
    // Nothing changed there, but it is of the new calculation.
    assert!(
        rows(&store, second, SegmentKind::Corrections)
            .await
            .is_none()
    );
    assert_clean(&store, AB, "square(b)").await;

    // And back: the payload that was made of the stored fields gives the old result again.
    let back = recalculate(&store, evaluator(AB, "square(a)"))
        .await
        .unwrap();
    assert_eq!(back.last().unwrap().counts, before.counts);
    let results = rows(&store, &back[0], SegmentKind::Results).await.unwrap();
    assert_eq!(text(&results, "kafka_offset"), ["0", "2", "5"]);
    assert_eq!(text(&results, "result"), ["4", "25", "1"]);
    assert_clean(&store, AB, "square(a)").await;
}

#[tokio::test]
async fn fewer_fields_are_taken_from_those_that_are_stored() {
    let store = Store::memory();
    let old = evaluator("a BIGINT, b BIGINT, c VARCHAR", "square(a)");
    let mut chain = bind(&store, &old).await;
    let payloads = [
        r#"{"a":2,"b":3,"c":"x \"y\""}"#,
        r#"{"a":5,"c":"z"}"#,
        r#"{"b":"six"}"#,
    ];
    snapshot(&mut chain, &old, &payloads).await;
    let now = "b BIGINT NOT NULL";
    let done = recalculate(&store, evaluator(now, "square")).await.unwrap();
    let results = rows(&store, &done[0], SegmentKind::Results).await.unwrap();
    assert_eq!(text(&results, "result"), ["9"]);
    assert!(results.column_by_name("a").is_none());
    let rejects = rows(&store, &done[0], SegmentKind::Rejects).await.unwrap();
    let payloads = rejects
        .column_by_name("payload")
        .unwrap()
        .as_binary::<i32>();
    assert_eq!(payloads.value(0), br#"{"a":5,"b":null,"c":"z"}"#);
    assert!(
        text(&rejects, "reason")[0].starts_with("null-field: "),
        "{rejects:?}"
    );
    // The last is rejected for the same reason as before.
    let corrections = rows(&store, &done[0], SegmentKind::Corrections)
        .await
        .unwrap();
    assert_eq!(text(&corrections, "kafka_offset"), ["0", "1"]);
    assert_clean(&store, now, "square").await;

    // That payload has what was stored, not what the event had: no other field is taken from it.
    let error = recalculate(
        &store,
        evaluator("b BIGINT NOT NULL, d BIGINT", "square(b)"),
    )
    .await;
    assert!(
        matches!(error, Err(RecalculateError::Events { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn fields_that_are_not_stored_are_asked_of_kafka_only() {
    for now in ["a BIGINT, c BIGINT", "a DOUBLE", "a DECIMAL(10,0)"] {
        let store = Store::memory();
        let old = evaluator("a BIGINT", "square");
        let mut chain = bind(&store, &old).await;
        snapshot(&mut chain, &old, &[r#"{"a":2,"c":3}"#]).await;
        let before = chain.newest().unwrap().clone();
        let error = recalculate(&store, evaluator(now, "square(a)"))
            .await
            .unwrap_err();
        assert!(error.is_retryable(), "nobody listens there: {error}");
        chain.reload().await.unwrap();
        assert_eq!(chain.newest(), Some(&before));
    }
}

#[tokio::test]
async fn a_result_too_large_for_its_topic_becomes_a_reject() {
    let store = Store::memory();
    let fields = "a BIGINT, b BIGINT, note VARCHAR";
    let old = evaluator(fields, "square(a)");
    let mut chain = bind(&store, &old).await;
    let long = format!(r#"{{"a":1,"b":2,"note":"{}"}}"#, "x".repeat(2000));
    let rejected = format!(r#"{{"b":2,"note":"{}"}}"#, "x".repeat(2000));
    snapshot(&mut chain, &old, &[r#"{"a":1,"b":2}"#, &long, &rejected]).await;
    let done = recalculate(&store, evaluator(fields, "square(b)"))
        .await
        .unwrap();
    let rejects = rows(&store, &done[0], SegmentKind::Rejects).await.unwrap();
    assert_eq!(text(&rejects, "kafka_offset"), ["1", "2"]);
    assert!(
        text(&rejects, "reason")
            .iter()
            .all(|reason| reason.starts_with("too-large: "))
    );
    let payloads = rejects
        .column_by_name("payload")
        .unwrap()
        .as_binary::<i32>();
    assert_eq!(payloads.value(0), long.as_bytes());
    assert_eq!(payloads.value(1), rejected.as_bytes());
    assert_clean(&store, fields, "square(b)").await;
}

#[tokio::test]
async fn a_damaged_segment_is_left_as_it_is() {
    let store = Store::memory();
    let old = evaluator(AB, "square(a)");
    let mut chain = bind(&store, &old).await;
    snapshot(&mut chain, &old, &[r#"{"a":2,"b":3}"#]).await;
    let segment = chain.newest().unwrap().segments[0].clone();
    let mut bytes = store
        .get(&segment.path, segment.bytes)
        .await
        .unwrap()
        .to_vec();
    bytes[40] ^= 1;
    store.put(&segment.path, bytes.into()).await.unwrap();
    let error = recalculate(&store, evaluator(AB, "square(b)"))
        .await
        .unwrap_err();
    assert!(
        !error.is_retryable() && error.to_string().contains("damaged"),
        "{error}"
    );
    let now = crate::history::load_tail(&store, chain.layout(), Partition(0))
        .await
        .unwrap();
    assert_eq!(now, *chain.tail());
}

#[tokio::test]
async fn ranges_with_corrections_on_their_way_are_not_chosen() {
    let store = Store::memory();
    let old = evaluator(AB, "square(a)");
    let mut chain = bind(&store, &old).await;
    for _ in 0..3 {
        snapshot(&mut chain, &old, &[r#"{"a":2,"b":3}"#, "no JSON"]).await;
    }
    let now = evaluator(AB, "square(b)");
    let ranges = |manifest: &Manifest, evaluator: &Evaluator, done: Option<u64>| {
        let done = done.map(|sequence| CorrectionsProgress {
            sequence: Sequence(sequence),
            rows: 1,
        });
        let ranges = outdated(manifest, evaluator.fingerprint(), done);
        ranges
            .iter()
            .map(|range| range.range.start().get())
            .collect::<Vec<_>>()
    };
    let newest = chain.newest().unwrap().clone();
    assert!(ranges(&newest, &old, None).is_empty());
    assert_eq!(ranges(&newest, &now, None), [0, 2, 4]);
    let first = &outdated(&newest, now.fingerprint(), None)[0];
    assert_eq!((first.segments.len(), first.rows()), (2, 2));
    assert!(first.bytes() > 0);
    let manifests = recalculate(&store, now).await.unwrap();
    let newest = manifests.last().unwrap();
    // Manifests 5, 6 and 7 brought a correction each.
    assert!(ranges(newest, &old, None).is_empty());
    assert_eq!(ranges(newest, &old, Some(5)), [0]);
    assert_eq!(ranges(newest, &old, Some(6)), [0, 2]);
    assert_eq!(ranges(newest, &old, Some(7)), [0, 2, 4]);
}

#[tokio::test]
async fn a_repair_that_is_not_what_its_base_gives_breaks_the_chain() {
    let store = Store::memory();
    let old = evaluator(AB, "square(a)");
    let mut chain = bind(&store, &old).await;
    for _ in 0..2 {
        snapshot(&mut chain, &old, &[r#"{"a":2,"b":3}"#, r#"{"a":5}"#]).await;
    }
    let base = chain.newest().unwrap().clone();
    let manifests = recalculate(&store, evaluator(AB, "square(b)"))
        .await
        .unwrap();
    let good = manifests[0].clone();
    assert_eq!(super::super::succession::difference(&base, &good), None);
    let difference = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        super::super::succession::difference(&base, &manifest)
    };
    let named = |manifest: &mut Manifest, change: fn(&mut Vec<crate::format::Segment>)| {
        if let crate::format::EditSummary::Repair { replaced, .. } = &mut manifest.edit {
            change(replaced);
        }
    };
    let changes: [&dyn Fn(&mut Manifest); 7] = [
        &|manifest| manifest.end = manifest.end.plus(1),
        &|manifest| named(manifest, |replaced| replaced[0].rows += 1),
        &|manifest| named(manifest, Vec::clear),
        &|manifest| manifest.counts.results += 1,
        &|manifest| {
            manifest
                .segments
                .retain(|segment| segment.range.start() != at(2))
        },
        &|manifest| {
            let other = manifest
                .segments
                .iter_mut()
                .find(|s| s.range.start() == at(2));
            other.unwrap().rows += 1;
        },
        &|manifest| {
            manifest.gaps.extend([crate::format::Gap {
                range: OffsetRange::empty(at(0)),
                reason: crate::format::GapReason::Expired,
                accepted_at: manifest.created_at,
            }])
        },
    ];
    let found: BTreeSet<String> = changes
        .iter()
        .map(|change| difference(change).unwrap())
        .collect();
    assert!(found.len() >= 6, "{found:#?}");
}

#[test]
fn a_result_whose_message_stays_the_same_has_not_changed_whatever_its_columns() {
    let payloads = [r#"{"number":7}"#, r#"{"number":10000000001}"#];
    let evaluate = |fields: &str| {
        let events = (0..).zip(payloads).map(|(offset, payload)| Event {
            offset: at(offset),
            timestamp: None,
            key: None,
            payload: Some(payload.as_bytes()),
        });
        let events: Vec<Event<'_>> = events.collect();
        let evaluator = evaluator(fields, "square(number)");
        evaluator.evaluate(events.into_iter()).unwrap()
    };
    let messages = |results: &RecordBatch| {
        let encoder = ResultEncoder::new("events", results.schema_ref()).ok()?;
        let mut messages = MessageBuffer::new();
        let encoded = encoder.encode(Partition(0), results, &mut messages);
        encoded.is_ok().then_some(messages)
    };
    let before = window::Window {
        results: Some(evaluate("number BIGINT NOT NULL").results),
        rejects: None,
    };
    let now = evaluate("number DECIMAL(20,0) NOT NULL");
    let changes = changes::changes(&before, &now, messages).unwrap();
    assert!(changes.results.is_empty() && changes.rejects.is_empty());
    // Two digits behind the point are another message: 7.00.
    let now = evaluate("number DECIMAL(20,2) NOT NULL");
    let changes = changes::changes(&before, &now, messages).unwrap();
    assert_eq!(changes.results.len(), 2);
}
