//! Ways to write stored history anew, so that every digest agrees with what it should not say.

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    file::{metadata::KeyValue, properties::WriterProperties},
};

use super::fixture::{FIELDS, at, declaration, get, layout, newest};
use crate::{
    format::{Edit, EditSummary, Manifest, Rowless, SegmentKind, Stamp, apply, testing},
    model::{Counts, Digest, Partition, Sequence},
    store::Store,
};

/// Rewrites one append of a partition so that every digest and every count agrees: the rows of one kind,
/// the counts in both files' metadata, every manifest from the append on, and their links.
pub(in crate::audit) async fn falsify(
    store: &Store,
    partition: i32,
    start: i64,
    kind: SegmentKind,
    rows: impl Fn(&RecordBatch) -> RecordBatch,
    counts: impl Fn(&mut Counts),
) {
    let mut history = history(store, partition).await;
    for (edit, _) in &mut history {
        let Edit::Append {
            range,
            segments,
            counts: stated,
            record,
        } = edit
        else {
            continue;
        };
        if range.start() != at(start) {
            continue;
        }
        counts(stated);
        *record = testing::record(*range, *stated);
        for segment in segments {
            let file = get(store, &segment.path).await;
            let (file, stored) = rewrite(file, *stated, |batch| match segment.kind == kind {
                true => rows(batch),
                false => batch.clone(),
            });
            segment.rows = stored;
            segment.rowless = Rowless::of(*stated);
            segment.bytes = file.len() as u64;
            segment.digest = Digest::of(&file);
            store.put(&segment.path, file).await.unwrap();
        }
    }
    replay(store, partition, history).await;
}

/// The edits of a partition's chain.
pub(super) async fn history(store: &Store, partition: i32) -> Vec<(Edit, Stamp)> {
    let mut history = Vec::new();
    for number in 1..=newest(store, partition).await.sequence.0 {
        let path = layout().manifest(Partition(partition), Sequence(number));
        let manifest = Manifest::decode(&get(store, &path).await).unwrap();
        let edit = match manifest.edit.clone() {
            EditSummary::Bind => Edit::Bind {
                pipeline: manifest.pipeline.clone(),
                partition: manifest.partition,
                origin: manifest.origin,
            },
            EditSummary::Append { range, counts } => Edit::Append {
                range,
                segments: manifest.added().cloned().collect(),
                counts,
                record: testing::record(range, counts),
            },
            EditSummary::AcceptLoss { range, reason } => Edit::AcceptLoss { range, reason },
            EditSummary::GiveUp {
                range,
                reason,
                replaced,
            } => Edit::GiveUp {
                range,
                reason,
                replaced,
            },
            EditSummary::Backfill { range, counts } => Edit::Backfill {
                range,
                segments: manifest.added().cloned().collect(),
                counts,
                record: testing::record(range, counts),
            },
            EditSummary::Retire { oldest } => Edit::Retire { oldest },
            EditSummary::Seal { .. } | EditSummary::Reopen { .. } => {
                panic!("the fixture has no pages")
            }
            EditSummary::Compact { range, replaced } => Edit::Compact {
                range,
                replaced,
                segments: manifest.added().cloned().collect(),
            },
            EditSummary::Repair {
                range,
                replaced,
                counts,
            } => Edit::Repair {
                range,
                replaced,
                segments: manifest.added().cloned().collect(),
                record: testing::record(range, counts),
            },
        };
        let stamp = Stamp {
            writer: manifest.writer.clone(),
            created_at: manifest.created_at,
            calculation: declaration(FIELDS),
            known: manifest.calculations.clone(),
            committed: manifest.committed,
            skipped: Vec::new(),
        };
        history.push((edit, stamp));
    }
    history
}

/// Writes a chain anew.
pub(super) async fn replay(store: &Store, partition: i32, history: Vec<(Edit, Stamp)>) {
    let mut base: Option<Manifest> = None;
    for (edit, stamp) in history {
        let manifest = apply(base.as_ref(), edit, stamp).unwrap();
        let path = layout().manifest(Partition(partition), manifest.sequence);
        store.put(&path, manifest.encode()).await.unwrap();
        base = Some(manifest);
    }
}

/// The same file with other rows and counts; and how many rows.
pub(super) fn rewrite(
    file: Bytes,
    counts: Counts,
    rows: impl Fn(&RecordBatch) -> RecordBatch,
) -> (Bytes, u64) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let pairs = reader
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .unwrap()
        .clone();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    let batch = rows(&concat_batches(&batches[0].schema(), &batches).unwrap());
    let pairs = pairs
        .into_iter()
        .filter(|pair| pair.key.starts_with("snapback."))
        .map(|pair| {
            let count = match pair.key.as_str() {
                "snapback.results" => counts.results,
                "snapback.rejects" => counts.rejects,
                "snapback.absent" => counts.absent,
                _ => return pair,
            };
            KeyValue::new(pair.key, count.to_string())
        });
    let properties = WriterProperties::builder()
        .set_key_value_metadata(Some(pairs.collect()))
        .set_max_row_group_row_count(Some(1_000))
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    (
        Bytes::from(writer.into_inner().unwrap()),
        batch.num_rows() as u64,
    )
}
