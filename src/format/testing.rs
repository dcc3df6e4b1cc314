//! What the tests of the stored format share: made-up outcomes and a pipeline.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Decimal128Array, Int64Array, RecordBatch, TimestampMillisecondArray,
    cast::AsArray, new_null_array, types::Int64Type,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    file::properties::{EnabledStatistics, WriterProperties},
};

use super::{
    Absent, AbsentBuilder, Accumulation, Edit, Encoded, EncodedSegment, Identity, Layout, Manifest,
    PageLink, Pipeline, RangeOutcomes, RowlessRecord, SegmentId, Stamp, apply, read_segment,
};
use crate::{
    calculation::{Declaration, Evaluated, Fingerprint},
    events::columns,
    model::{Counts, Digest, Offset, OffsetRange, Partition, Reject, Sequence},
};

pub(crate) const PARTITION: Partition = Partition(3);

pub(crate) fn at(offset: i64) -> Offset {
    Offset::new(offset).unwrap()
}

pub(crate) fn range(start: i64, end: i64) -> OffsetRange {
    OffsetRange::new(at(start), at(end)).unwrap()
}

pub(crate) fn time() -> DateTime<Utc> {
    "2026-11-22T17:00:00.123Z".parse().unwrap()
}

pub(crate) fn declaration() -> Declaration {
    Declaration {
        fingerprint: "00112233445566aa".parse().unwrap(),
        calculation: "square(number)".into(),
        condition: None,
        publish: None,
        carry: None,
        fields: "number BIGINT NOT NULL".into(),
        results: "result DECIMAL(38,0) NOT NULL".into(),
    }
}

pub(crate) fn identity(writer: &str) -> Identity {
    Identity {
        topic: "events".into(),
        partition: PARTITION,
        declaration: declaration(),
        writer: writer.into(),
    }
}

pub(crate) fn pipeline() -> Pipeline {
    Pipeline {
        cluster_id: Some("MkU3OEVBNTcwNTJENDM2Qg".into()),
        group: "recalc_group".into(),
        events_topic: "events".into(),
        events_topic_id: None,
        events_partitions: None,
        results_topic: "results".into(),
        results_partitions: 8,
    }
}

pub(crate) fn stamp() -> Stamp {
    Stamp {
        writer: "tests".into(),
        created_at: time(),
        calculation: declaration(),
        known: Vec::new(),
        committed: None,
        skipped: Vec::new(),
    }
}

/// The same rows in row groups of so many, as a large file has them.
pub(crate) fn in_row_groups(file: &Bytes, rows: usize) -> Bytes {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    let pairs = reader.metadata().file_metadata().key_value_metadata();
    let pairs = pairs.unwrap().iter();
    let made_anew = ["ARROW:schema", "snapback.index_digest"];
    let own = pairs
        .filter(|pair| !made_anew.contains(&pair.key.as_str()))
        .cloned();
    let properties = WriterProperties::builder()
        .set_key_value_metadata(Some(own.collect()))
        .set_max_row_group_row_count(Some(rows))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), reader.schema().clone(), Some(properties)).unwrap();
    for batch in reader.build().unwrap() {
        writer.write(&batch.unwrap()).unwrap();
    }
    writer.into_inner().unwrap().into()
}

/// A range in which a condition leaves all events out, and each `every`th offset is a marker.
pub(crate) fn beside_markers(over: OffsetRange, every: usize) -> (Counts, RowlessRecord) {
    let mut absent = AbsentBuilder::default();
    for marker in (over.start().get()..over.end().get())
        .skip(every - 1)
        .step_by(every)
    {
        absent.push(range(marker, marker + 1));
    }
    let markers = over.len() / every as u64;
    let filtered = over.len() - markers;
    let counts = Counts {
        filtered,
        absent: markers,
        ..Counts::default()
    };
    let record = RowlessRecord {
        absent: absent.finish(),
        filtered,
    };
    (counts, record)
}

/// Its append.
pub(crate) fn append_beside_markers(over: OffsetRange, every: usize) -> Edit {
    let (counts, record) = beside_markers(over, every);
    Edit::Append {
        range: over,
        segments: Vec::new(),
        counts,
        record,
    }
}

/// One of two fingerprints.
pub(crate) fn one_of_two(second: bool) -> Fingerprint {
    let text = if second {
        "8888888888888888"
    } else {
        "7777777777777777"
    };
    text.parse().unwrap()
}

pub(crate) fn bind(origin: i64) -> Edit {
    Edit::Bind {
        pipeline: pipeline(),
        partition: PARTITION,
        origin: at(origin),
    }
}

/// A record for an append with these counts; of which offsets it is, is known only if it is of all.
pub(crate) fn record(over: OffsetRange, counts: Counts) -> RowlessRecord {
    match (counts.results, counts.rejects) {
        (0, 0) => RowlessRecord::all_absent(over),
        _ => RowlessRecord {
            absent: Absent::Digest([7; 32]),
            filtered: counts.filtered,
        },
    }
}

pub(crate) fn results_schema() -> SchemaRef {
    let [offset, timestamp, raw, key] = columns::source();
    Arc::new(Schema::new(vec![
        offset,
        timestamp,
        raw,
        key,
        Field::new("number", DataType::Int64, false),
        Field::new(columns::RESULT, DataType::Decimal128(38, 0), false),
    ]))
}

/// The results of these offsets; the number is the offset.
pub(crate) fn results(offsets: impl IntoIterator<Item = i64>) -> RecordBatch {
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
        new_null_array(&DataType::Int64, offsets.len()),
        Arc::new(keys),
        Arc::new(Int64Array::from(offsets)),
        Arc::new(squares),
    ];
    RecordBatch::try_new(results_schema(), columns).unwrap()
}

pub(crate) fn reject(offset: i64) -> Reject {
    Reject {
        offset: at(offset),
        timestamp: None,
        key: None,
        payload: Some(format!("{{\"number\": {offset}").into_bytes()),
        reason: "not-json: EOF while parsing an object".into(),
    }
}

/// Outcomes of `[start, end)` by a fixed rule: every tenth offset is absent, every fifth a reject.
pub(crate) fn evaluated(range: OffsetRange) -> Evaluated {
    let offsets = || range.start().get()..range.end().get();
    Evaluated {
        results: results(offsets().filter(|o| o % 5 != 0)),
        rejects: offsets()
            .filter(|o| o % 5 == 0 && o % 10 != 0)
            .map(reject)
            .collect(),
        filtered: Vec::new(),
    }
}

pub(crate) fn batch_offsets(batch: &RecordBatch) -> Vec<i64> {
    batch
        .column(0)
        .as_primitive::<Int64Type>()
        .values()
        .to_vec()
}

/// The outcomes of the offsets from `start` up to each of `ends`, appended one after the other.
pub(crate) fn accumulated(start: i64, ends: &[i64]) -> Accumulation {
    let mut accumulation = Accumulation::new(at(start));
    append(&mut accumulation, ends);
    accumulation
}

/// Appends outcomes up to each of `ends`.
pub(crate) fn append(accumulation: &mut Accumulation, ends: &[i64]) {
    for end in ends {
        let over = range(accumulation.end().get(), *end);
        let outcomes = RangeOutcomes::new(over, evaluated(over)).unwrap();
        accumulation.append(&outcomes).unwrap();
    }
}

/// The files of the outcomes of `[start, end)`.
pub(crate) fn encoded(start: i64, end: i64, identity: &Identity) -> Encoded {
    accumulated(start, &[end]).close(identity).unwrap()
}

/// The offsets of all rows of a file; none when there is no file.
pub(crate) fn file_offsets(file: Option<&EncodedSegment>) -> Vec<i64> {
    let read = |file: &EncodedSegment| read_segment(file.bytes.clone()).unwrap();
    file.into_iter()
        .flat_map(read)
        .flat_map(|batch| batch_offsets(&batch.unwrap()))
        .collect()
}

/// A first manifest whose only corrections, of this revision, are in a page.
pub(crate) fn with_sealed_corrections(revision: u64) -> Manifest {
    let mut manifest = apply(None, bind(0), stamp()).unwrap();
    let layout = Layout::new("events").unwrap();
    manifest.pages.push(PageLink {
        path: layout.page(PARTITION, range(0, 10), SegmentId(1)),
        range: range(0, 10),
        counts: Counts::default(),
        files: 2,
        segment_bytes: 2000,
        revision: Some(Sequence(revision)),
        results: std::collections::BTreeMap::new(),
        bytes: 500,
        digest: Digest::of(b"page"),
    });
    manifest
}
