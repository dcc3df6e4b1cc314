//! Damage that keeps every digest and every count consistent through the whole chain.

use std::sync::Arc;

use arrow_array::{
    BinaryArray, Int64Array, RecordBatch, StringArray, cast::AsArray as _, types::Int64Type,
};
use arrow_select::concat::concat_batches;

use super::{
    fixture::{audit, audit_with, brief, sample},
    forging::falsify,
    rows::{replace, row, take, without, wrong_value},
};
use crate::{
    audit::{FindingKind, Level, Report},
    format::SegmentKind::{self, Rejects, Results},
    model::Counts,
    store::Store,
};

fn unchanged(_: &mut Counts) {}

fn result_to_absent(counts: &mut Counts) {
    counts.results -= 1;
    counts.absent += 1;
}

/// At which levels the store is found out; clean at all levels before.
async fn found_out(store: &Store, from: Level) -> Report {
    for level in Level::ALL.into_iter().filter(|level| *level < from) {
        let report = audit(store, level).await;
        assert!(
            report.clean && report.findings.is_empty(),
            "{level}: {:#?}",
            report.findings
        );
    }
    let report = audit(store, from).await;
    assert!(!report.clean);
    report
}

async fn damaged(
    partition: i32,
    start: i64,
    kind: SegmentKind,
    rows: impl Fn(&RecordBatch) -> RecordBatch,
    counts: impl Fn(&mut Counts),
) -> Store {
    let store = sample().await;
    falsify(&store, partition, start, kind, rows, counts).await;
    store
}

#[tokio::test]
async fn rewriting_without_a_change_leaves_a_clean_store() {
    let store = damaged(0, 200, Results, RecordBatch::clone, unchanged).await;
    let report = audit(&store, Level::Semantic).await;
    assert!(report.clean, "{:#?}", report.findings);
}

#[tokio::test]
async fn a_wrong_value_is_found_by_calculating_it_again() {
    let store = damaged(
        0,
        200,
        Results,
        |b| wrong_value(b, |r| r == row(b, 250)),
        unchanged,
    )
    .await;
    let report = found_out(&store, Level::Semantic).await;
    assert_eq!(
        brief(&report.findings),
        [(FindingKind::WrongResult, 0, 250, 251)]
    );
    let finding = &report.findings[0];
    assert!(
        finding.detail.contains("62501") && finding.detail.contains("62500"),
        "{finding}"
    );
    assert!(
        finding
            .segment
            .as_deref()
            .unwrap()
            .contains("results/partition=0")
    );
}

#[tokio::test]
async fn a_changed_input_is_found_by_its_result() {
    let other = |batch: &RecordBatch| {
        let numbers = batch
            .column_by_name("number")
            .unwrap()
            .as_primitive::<Int64Type>();
        let numbers = numbers
            .values()
            .iter()
            .map(|n| if *n == 250 { 251 } else { *n });
        replace(
            batch,
            "number",
            Arc::new(Int64Array::from_iter_values(numbers)),
        )
    };
    let store = damaged(0, 200, Results, other, unchanged).await;
    let report = found_out(&store, Level::Semantic).await;
    assert_eq!(
        brief(&report.findings),
        [(FindingKind::WrongResult, 0, 250, 251)]
    );
}

#[tokio::test]
async fn a_dropped_row_is_a_hole_although_it_was_counted_as_absent() {
    let store = damaged(0, 200, Results, |b| without(b, 250), result_to_absent).await;
    let report = found_out(&store, Level::Coverage).await;
    assert_eq!(brief(&report.findings), [(FindingKind::Hole, 0, 250, 251)]);
    // Beside offsets that are absent indeed, too.
    let store = damaged(1, 0, Results, |b| without(b, 50), result_to_absent).await;
    let report = found_out(&store, Level::Coverage).await;
    assert_eq!(brief(&report.findings), [(FindingKind::Hole, 1, 50, 51)]);
}

#[tokio::test]
async fn a_dropped_reject_is_a_hole() {
    let counts = |counts: &mut Counts| {
        counts.rejects -= 1;
        counts.absent += 1;
    };
    let store = damaged(0, 200, Rejects, |b| without(b, 224), counts).await;
    let report = found_out(&store, Level::Coverage).await;
    assert_eq!(brief(&report.findings), [(FindingKind::Hole, 0, 224, 225)]);
}

#[tokio::test]
async fn a_doubled_row_is_an_overlap_whatever_the_counts_say() {
    // In the place of its neighbour: the counts stay.
    let instead = |batch: &RecordBatch| {
        let (at, next) = (row(batch, 250), row(batch, 251));
        take(
            batch,
            (0..batch.num_rows()).map(|row| if row == next { at } else { row }),
        )
    };
    let store = damaged(0, 200, Results, instead, unchanged).await;
    let report = found_out(&store, Level::Coverage).await;
    let expected = [
        (FindingKind::Overlap, 0, 250, 251),
        (FindingKind::Hole, 0, 251, 252),
    ];
    assert_eq!(brief(&report.findings), expected);
    // As one more row, for an offset less that is absent.
    let more = |batch: &RecordBatch| {
        let at = row(batch, 50);
        take(batch, (0..=at).chain(at..batch.num_rows()))
    };
    let counts = |counts: &mut Counts| {
        counts.results += 1;
        counts.absent -= 1;
    };
    let store = damaged(1, 0, Results, more, counts).await;
    let report = found_out(&store, Level::Coverage).await;
    assert_eq!(brief(&report.findings), [(FindingKind::Overlap, 1, 50, 51)]);
}

#[tokio::test]
async fn an_outcome_at_an_absent_offset_is_an_overlap() {
    let invented = |batch: &RecordBatch| {
        let offsets = batch.column(0).as_primitive::<Int64Type>();
        let offsets = offsets
            .values()
            .iter()
            .map(|o| if *o == 50 { 49 } else { *o });
        replace(
            batch,
            "kafka_offset",
            Arc::new(Int64Array::from_iter_values(offsets)),
        )
    };
    let store = damaged(1, 0, Results, invented, unchanged).await;
    let report = found_out(&store, Level::Coverage).await;
    let expected = [
        (FindingKind::Overlap, 1, 49, 50),
        (FindingKind::Hole, 1, 50, 51),
    ];
    assert_eq!(brief(&report.findings), expected);
}

#[tokio::test]
async fn an_offset_with_a_result_and_a_reject_is_an_overlap() {
    let moved = |batch: &RecordBatch| {
        let offsets = batch.column(0).as_primitive::<Int64Type>();
        let offsets = offsets
            .values()
            .iter()
            .map(|o| if *o == 224 { 225 } else { *o });
        replace(
            batch,
            "kafka_offset",
            Arc::new(Int64Array::from_iter_values(offsets)),
        )
    };
    let store = damaged(0, 200, Rejects, moved, unchanged).await;
    let report = found_out(&store, Level::Coverage).await;
    let expected = [
        (FindingKind::Hole, 0, 224, 225),
        (FindingKind::Overlap, 0, 225, 226),
    ];
    assert_eq!(brief(&report.findings), expected);
}

#[tokio::test]
async fn a_reject_that_decodes_or_has_another_reason_is_wrong() {
    let decodes = |batch: &RecordBatch| {
        let payloads = vec![Some(b"{\"number\": 7}".as_slice()); batch.num_rows()];
        replace(batch, "payload", Arc::new(BinaryArray::from(payloads)))
    };
    let store = damaged(0, 200, Rejects, decodes, unchanged).await;
    let report = found_out(&store, Level::Semantic).await;
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.kind == FindingKind::WrongReject)
    );
    assert_eq!(
        report.findings.len() as u64,
        (200..300).filter(|o| super::fixture::is_bad(*o)).count() as u64
    );

    let reasons = |reason: &'static str| {
        move |batch: &RecordBatch| {
            replace(
                batch,
                "reason",
                Arc::new(StringArray::from(vec![reason; batch.num_rows()])),
            )
        }
    };
    let store = damaged(
        0,
        200,
        Rejects,
        reasons("not-json: it is something else"),
        unchanged,
    )
    .await;
    let report = found_out(&store, Level::Semantic).await;
    assert_eq!(report.findings[0].kind, FindingKind::WrongReject);
    // The text after the code is free to improve.
    let store = damaged(
        0,
        200,
        Rejects,
        reasons("wrong-type: said otherwise"),
        unchanged,
    )
    .await;
    assert!(audit(&store, Level::Semantic).await.clean);
}

#[tokio::test]
async fn what_the_broker_refused_is_a_right_reject_though_it_decodes() {
    let refused = |batch: &RecordBatch| {
        let payloads = vec![Some(b"{\"number\": 7}".as_slice()); batch.num_rows()];
        let batch = replace(batch, "payload", Arc::new(BinaryArray::from(payloads)));
        let reasons = vec!["too-large: 2 MB, the topic takes 1 MB"; batch.num_rows()];
        replace(&batch, "reason", Arc::new(StringArray::from(reasons)))
    };
    let store = damaged(0, 200, Rejects, refused, unchanged).await;
    assert!(audit(&store, Level::Semantic).await.clean);
}

#[tokio::test]
async fn unsorted_rows_are_found_by_reading_them() {
    let reversed = |batch: &RecordBatch| take(batch, (0..batch.num_rows()).rev());
    let store = damaged(0, 200, Results, reversed, unchanged).await;
    let report = found_out(&store, Level::Integrity).await;
    assert_eq!(
        brief(&report.findings),
        [(FindingKind::Unsorted, 0, 200, 300)]
    );
    let beyond = |batch: &RecordBatch| {
        let offsets = batch.column(0).as_primitive::<Int64Type>();
        let offsets = offsets
            .values()
            .iter()
            .map(|o| if *o == 299 { 300 } else { *o });
        replace(
            batch,
            "kafka_offset",
            Arc::new(Int64Array::from_iter_values(offsets)),
        )
    };
    let store = damaged(0, 200, Results, beyond, unchanged).await;
    let report = found_out(&store, Level::Integrity).await;
    assert_eq!(
        brief(&report.findings),
        [(FindingKind::Unsorted, 0, 200, 300)]
    );
}

#[tokio::test]
async fn findings_are_bounded_however_much_is_wrong() {
    let store = damaged(0, 200, Results, |b| wrong_value(b, |_| true), unchanged).await;
    let few = found_out(&store, Level::Semantic).await.findings.len();
    assert_eq!(
        few as u64,
        (200..300).filter(|o| !super::fixture::is_bad(*o)).count() as u64
    );

    let store = Store::memory();
    let mut chain = super::fixture::chain(&store, 0).await;
    super::fixture::bind(&mut chain, 0).await;
    super::fixture::snapshot(&mut chain, 0, 5_000, |_| false).await;
    falsify(
        &store,
        0,
        0,
        Results,
        |b| wrong_value(b, |_| true),
        unchanged,
    )
    .await;
    let report = found_out(&store, Level::Semantic).await;
    assert_eq!(report.findings.len(), 101);
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.detail.ends_with("more in this range"))
    );
}

#[tokio::test]
async fn any_number_of_tasks_finds_the_same() {
    let store = damaged(
        0,
        200,
        Results,
        |b| wrong_value(b, |r| r % 7 == 0),
        unchanged,
    )
    .await;
    falsify(
        &store,
        0,
        100,
        Results,
        |b| without(b, 150),
        result_to_absent,
    )
    .await;
    let twice = |batch: &RecordBatch| {
        let all = concat_batches(&batch.schema(), [batch, batch]).unwrap();
        take(&all, 0..batch.num_rows())
    };
    falsify(&store, 1, 0, Results, twice, unchanged).await;
    let serial = audit_with(&store, Level::Semantic, 1, None).await;
    assert!(serial.findings.len() > 5);
    for parallelism in [2, 3, 16] {
        assert_eq!(
            audit_with(&store, Level::Semantic, parallelism, None).await,
            serial
        );
    }
}
