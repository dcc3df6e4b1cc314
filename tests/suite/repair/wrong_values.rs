//! Values that a defective program stored: every digest agrees with them.

use arrow_array::{
    Array as _, Decimal128Array, RecordBatch, cast::AsArray as _, types::Decimal128Type,
};
use serde_json::Value;
use snapback::calculation::{Evaluated, Evaluator, builtin};
use snapback::events::Fields;
use snapback::format::{Absent, Changes, Identity, Rewriter, Segment, SegmentKind, read_segment};
use snapback::history::{Chain, Clock, Repair, Repaired, fetch_segment, write_repair};
use snapback::model::{Event, Partition, Reject};

use super::apply;
use crate::corrections::{published, value};
use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::support::{Status, block_on, eventually, snapback};

/// Stores the results of partition 0's newest snapshot one too high where `wrong` says so, as such a program does.
pub async fn store_wrong_values(pipeline: &Pipeline, wrong: impl Fn(usize) -> bool) {
    store_wrong_column(
        pipeline,
        ("number BIGINT NOT NULL", "square"),
        "result",
        wrong,
    )
    .await;
}

/// The same for fields and a calculation: the values of one of its columns, a DECIMAL, are one unit of its last digit too high.
pub async fn store_wrong_column(
    pipeline: &Pipeline,
    (fields, calculation): (&str, &str),
    column: &str,
    wrong: impl Fn(usize) -> bool,
) {
    let store = pipeline.open_store().await;
    let fields = Fields::parse(fields).expect("a declaration");
    let calculation = builtin(calculation).expect("a calculation");
    let evaluator = Evaluator::new(fields, calculation).expect("they fit");
    let identity = Identity {
        topic: pipeline.events.clone(),
        partition: Partition(0),
        declaration: evaluator.declaration(),
        writer: "a defective program".to_owned(),
    };
    let chain = Chain::load(store, identity.clone(), Clock::system());
    let mut chain = chain.await.expect("a chain");
    let newest = chain.newest().expect("a manifest").clone();
    let live = newest.open.segments.iter();
    let all: Vec<_> = live
        .filter(|segment| segment.range.end() == newest.end)
        .cloned()
        .collect();
    let is_result = |segment: &&Segment| segment.kind == SegmentKind::Results;
    let segment = all.iter().find(is_result).expect("results").clone();
    let file = fetch_segment(chain.store(), chain.layout(), &segment).await;
    let batches = read_segment(file.expect("a file").bytes).expect("a segment");
    let (before, absent) = (segment.fingerprint.clone(), Absent::none());
    let schema = evaluator.results_schema();
    let mut writer = Rewriter::new(segment.range, absent, before, &schema, identity);
    for batch in batches {
        let results = one_more(&batch.expect("rows"), column, &wrong);
        let rejects = rejects(&evaluator, &all);
        let outcomes = Evaluated {
            results,
            rejects,
            filtered: Vec::new(),
        };
        let written = writer.write(&outcomes, &Changes::default());
        written.expect("rows of the range");
    }
    let encoded = writer.finish(None).expect("files");
    let mut repair = Repair::new(all, encoded);
    let done = write_repair(&mut chain, &mut repair)
        .await
        .expect("an edit");
    assert!(matches!(done, Repaired::Done(_)), "{done:?}");
}

/// The reject of a malformed event at the start of the range, if these segments have one.
fn rejects(evaluator: &Evaluator, segments: &[Segment]) -> Vec<Reject> {
    let is_reject = |segment: &&Segment| segment.kind == SegmentKind::Rejects;
    let events = segments.iter().find(is_reject).map(|segment| Event {
        offset: segment.range.start(),
        timestamp: None,
        key: None,
        payload: Some(b"malformed"),
    });
    let evaluated = evaluator.evaluate(events.into_iter());
    evaluated.expect("a reject").rejects
}

fn one_more(batch: &RecordBatch, column: &str, wrong: impl Fn(usize) -> bool) -> RecordBatch {
    let index = batch.schema().index_of(column).expect("a column");
    let results = batch.column(index).as_primitive::<Decimal128Type>();
    let rows = 0..results.len();
    let value = |row| (results.is_valid(row)).then(|| results.value(row) + i128::from(wrong(row)));
    let wrong = Decimal128Array::from_iter(rows.map(value));
    let wrong = wrong.with_data_type(results.data_type().clone());
    let mut columns = batch.columns().to_vec();
    columns[index] = std::sync::Arc::new(wrong);
    RecordBatch::try_new(batch.schema(), columns).expect("the same columns")
}

#[test]
fn they_are_calculated_again_and_a_running_processor_publishes_each_correction_once() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..10);
    pipeline.run_to_end().run().expect_code(0);
    block_on(store_wrong_values(&pipeline, |row| row % 4 == 3));
    assert_eq!(pipeline.findings(), ["wrong-result".to_owned()].into());

    let mut running = pipeline
        .run()
        .args(["--snapshot-interval", "200ms"])
        .args(Status::ANYWHERE)
        .spawn();
    let status = Status::of(&running);
    let finds = |seen: &Value| Status::detail(seen, "findings").is_some();
    status.wait_until(LIMIT, "what is wrong", finds);
    pipeline.send_numbers(0, 10..20);
    wait_until_committed(&pipeline, 20);
    let done = apply(&pipeline, 0);
    assert_eq!(
        (&done["ranges"], &done["corrections"]),
        (&1.into(), &2.into())
    );
    eventually(LIMIT, "both corrections", || {
        let published = published(&pipeline);
        let both = [3, 7].iter().all(|offset| published[offset].len() == 2);
        both.then_some(())
    });
    // What was found at its start is not wrong any more.
    status.wait_until(LIMIT, "nothing wrong", |seen| !finds(seen));
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);

    // Each once, under the revision of the edit; nothing else a second time.
    let published = published(&pipeline);
    for (offset, publications) in &published {
        let square = format!(r#"{{"number":{offset},"result":{}}}"#, offset * offset);
        let [first, rest @ ..] = publications.as_slice() else {
            panic!("nothing is published for {offset}")
        };
        assert_eq!(*first, (None, value(&square)));
        match rest {
            [] => assert!(![3, 7].contains(offset), "{offset}"),
            [(Some(_), corrected)] => assert_eq!(*corrected, value(&square)),
            more => panic!("{offset} is corrected by {more:?}"),
        }
    }
    assert_eq!(published.len(), 20);
    pipeline.verify_published(0);
}

#[test]
fn what_is_stored_suffices_and_kafka_is_not_asked() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..10);
    pipeline.run_to_end().run().expect_code(0);
    block_on(store_wrong_values(&pipeline, |row| row == 3));
    let finished = snapback(["repair", "--apply", "--brokers", "127.0.0.1:1"])
        .args(["--events", &pipeline.events])
        .args(pipeline.store_args())
        .run()
        .expect_code(0);
    assert!(finished.stdout.contains("mended 1 ranges"), "{finished:?}");
    pipeline.verify(0);
}

#[test]
fn what_may_have_been_published_wrong_is_published_again_when_it_is_made_from_kafka() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..10);
    pipeline.run_to_end().run().expect_code(0);
    block_on(store_wrong_values(&pipeline, |row| row == 3));
    pipeline.send(0, ["malformed"]);
    pipeline.send_numbers(0, 11..20);
    let run = pipeline.run_to_end().args(["--scrub", "off"]);
    run.run().expect_code(1);
    // The same values beside a file that is damaged: the stored inputs of the range do not suffice.
    block_on(store_wrong_values(&pipeline, |row| row == 3));
    super::flip_a_byte(&pipeline.segments("rejects", 0)[0]);
    let kinds = ["digest-mismatch", "wrong-result"].map(str::to_owned);
    assert_eq!(pipeline.findings(), kinds.into());
    let done = apply(&pipeline, 0);
    // One of the first range, and all ten of the second.
    assert_eq!(
        (&done["ranges"], &done["corrections"]),
        (&2.into(), &11.into())
    );
    pipeline.run_to_end().run().expect_code(0);
    let published = published(&pipeline);
    let twice = |offset: &i64| published[offset].len() == 2;
    let expected: Vec<i64> = [3].into_iter().chain(11..20).collect();
    let found: Vec<i64> = published.keys().copied().filter(twice).collect();
    assert_eq!(found, expected);
    pipeline.verify(0);
}
