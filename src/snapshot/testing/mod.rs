//! What the tests of this module share: made-up outcomes, a pipeline, and stores that misbehave on demand.

mod faults;

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Decimal128Array, Int64Array, RecordBatch, TimestampMillisecondArray,
    cast::AsArray, types::Int64Type,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, Utc};

pub(super) use self::faults::{Fault, Faulty};
use super::{
    Accumulation, Chain, Clock, Edit, Encoded, EncodedSegment, Identity, Outcomes, Pending,
    Pipeline, Segment, Stamp, read_segment,
};
use crate::{
    calculation::Evaluated,
    model::{Offset, OffsetRange, Partition, Reject},
    store::{Path, Store},
};

pub(super) const PARTITION: Partition = Partition(3);

pub(super) fn at(offset: i64) -> Offset {
    Offset::new(offset).unwrap()
}

pub(super) fn range(start: i64, end: i64) -> OffsetRange {
    OffsetRange::new(at(start), at(end)).unwrap()
}

pub(super) fn time() -> DateTime<Utc> {
    "2026-11-22T17:00:00.123Z".parse().unwrap()
}

pub(super) fn identity(writer: &str) -> Identity {
    Identity {
        topic: "events".into(),
        partition: PARTITION,
        calculation: "square(number)".into(),
        fingerprint: "00112233445566aa".parse().unwrap(),
        fields: "number BIGINT NOT NULL".into(),
        writer: writer.into(),
    }
}

pub(super) fn pipeline() -> Pipeline {
    Pipeline {
        cluster_id: Some("MkU3OEVBNTcwNTJENDM2Qg".into()),
        group: "recalc_group".into(),
        events_topic: "events".into(),
        events_topic_id: None,
        results_topic: "results".into(),
        results_partitions: 8,
    }
}

pub(super) fn stamp() -> Stamp {
    Stamp {
        writer: "tests".into(),
        created_at: time(),
        calculation: "square(number)".into(),
        fields: "number BIGINT NOT NULL".into(),
        skipped: Vec::new(),
    }
}

pub(super) fn bind(origin: i64) -> Edit {
    Edit::Bind {
        pipeline: pipeline(),
        partition: PARTITION,
        origin: at(origin),
    }
}

pub(super) fn results_schema() -> SchemaRef {
    let timestamp = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("kafka_offset", DataType::Int64, false),
        Field::new("kafka_timestamp", timestamp, true),
        Field::new("key", DataType::Binary, true),
        Field::new("number", DataType::Int64, false),
        Field::new("result", DataType::Decimal128(38, 0), false),
    ]))
}

/// The results of these offsets; the number is the offset.
pub(super) fn results(offsets: impl IntoIterator<Item = i64>) -> RecordBatch {
    let offsets: Vec<i64> = offsets.into_iter().collect();
    let base = time().timestamp_millis();
    let timestamps = offsets.iter().map(|o| Some(base + o));
    let timestamps = TimestampMillisecondArray::from_iter(timestamps).with_timezone("UTC");
    let keys = offsets
        .iter()
        .map(|o| (o % 3 == 0).then(|| format!("key-{}", o % 7)));
    let keys: BinaryArray = keys.collect::<Vec<_>>().into_iter().collect();
    let squares = offsets.iter().map(|o| i128::from(*o) * i128::from(*o));
    let squares = Decimal128Array::from_iter_values(squares);
    let squares = squares.with_precision_and_scale(38, 0).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(offsets.clone())),
        Arc::new(timestamps),
        Arc::new(keys),
        Arc::new(Int64Array::from(offsets)),
        Arc::new(squares),
    ];
    RecordBatch::try_new(results_schema(), columns).unwrap()
}

pub(super) fn reject(offset: i64) -> Reject {
    Reject {
        offset: at(offset),
        timestamp: None,
        key: None,
        payload: Some(format!("{{\"number\": {offset}").into_bytes()),
        reason: "not-json: EOF while parsing an object".into(),
    }
}

/// Outcomes of `[start, end)` by a fixed rule: every tenth offset is absent, every fifth a reject.
pub(super) fn evaluated(range: OffsetRange) -> Evaluated {
    let offsets = || range.start().get()..range.end().get();
    Evaluated {
        results: results(offsets().filter(|o| o % 5 != 0)),
        rejects: offsets()
            .filter(|o| o % 5 == 0 && o % 10 != 0)
            .map(reject)
            .collect(),
    }
}

/// The outcomes of the offsets from `start` up to each of `ends`, appended one after the other.
pub(super) fn accumulated(start: i64, ends: &[i64]) -> Accumulation {
    let mut accumulation = Accumulation::new(at(start));
    append(&mut accumulation, ends);
    accumulation
}

/// Appends outcomes up to each of `ends`.
pub(super) fn append(accumulation: &mut Accumulation, ends: &[i64]) {
    for end in ends {
        let over = range(accumulation.end().get(), *end);
        let outcomes = Outcomes::new(over, evaluated(over)).unwrap();
        accumulation.append(&outcomes).unwrap();
    }
}

/// The files of the outcomes of `[start, end)`.
pub(super) fn encoded(start: i64, end: i64, identity: &Identity) -> Encoded {
    accumulated(start, &[end]).close(identity).unwrap()
}

/// What a keeper would store of `[start, end)`.
pub(super) fn pending(start: i64, end: i64) -> Pending {
    Pending::from(encoded(start, end, &identity("writer")))
}

pub(super) fn clock() -> Clock {
    Clock::manual(time(), 0xa000_0000)
}

/// A writer's view of the chain of [`PARTITION`].
pub(super) async fn chain(store: &Store, writer: &str, clock: &Clock) -> Chain {
    Chain::load(store.clone(), identity(writer), clock.clone())
        .await
        .unwrap()
}

/// A chain that is bound at its origin.
pub(super) async fn bound(store: &Store, writer: &str, clock: &Clock, origin: i64) -> Chain {
    let mut chain = chain(store, writer, clock).await;
    let won = chain.append(bind(origin), None).await.unwrap();
    assert!(matches!(won, super::Appended::Won { .. }));
    chain
}

pub(super) fn batch_offsets(batch: &RecordBatch) -> Vec<i64> {
    batch
        .column(0)
        .as_primitive::<Int64Type>()
        .values()
        .to_vec()
}

/// The offsets of all rows of a file; none when there is no file.
pub(super) fn file_offsets(file: Option<&EncodedSegment>) -> Vec<i64> {
    let read = |file: &EncodedSegment| read_segment(file.bytes.clone()).unwrap();
    file.into_iter()
        .flat_map(read)
        .flat_map(|batch| batch_offsets(&batch.unwrap()))
        .collect()
}

/// The offsets of all rows below a folder: what the plain glob sees.
pub(super) async fn glob(store: &Store, folder: &str) -> Vec<i64> {
    let mut offsets = Vec::new();
    for entry in store.list(&Path::parse(folder).unwrap()).await.unwrap() {
        let bytes = store.get(&entry.path, entry.size).await.unwrap();
        for batch in read_segment(bytes).unwrap() {
            offsets.extend(batch_offsets(&batch.unwrap()));
        }
    }
    offsets.sort_unstable();
    offsets
}

/// Checks that the plain glob holds exactly the outcomes of `[start, end)`, once.
pub(super) async fn assert_glob(store: &Store, start: i64, end: i64) {
    let expected: Vec<i64> = (start..end).filter(|o| o % 5 != 0).collect();
    assert_eq!(glob(store, "events/results").await, expected);
    let expected: Vec<i64> = (start..end).filter(|o| o % 5 == 0 && o % 10 != 0).collect();
    assert_eq!(glob(store, "events/rejects").await, expected);
}

pub(super) async fn paths(store: &Store, folder: &str) -> Vec<Path> {
    let entries = store.list(&Path::parse(folder).unwrap()).await.unwrap();
    entries.into_iter().map(|entry| entry.path).collect()
}

pub(super) fn names(segments: &[Segment]) -> Vec<Path> {
    segments
        .iter()
        .map(|segment| segment.path.clone())
        .collect()
}
