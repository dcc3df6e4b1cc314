//! Reading the store: the plain glob as an analyst sees it, and the newest manifests.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Decimal128Type, Int64Type},
};
use bytes::Bytes;

use super::{
    DemoError,
    readings::{Calculated, Outcome, PartitionReadings, Stored},
};
use crate::{
    events::reason_code,
    format::{Layout, SegmentKind, SegmentName, read_segment},
    history::{list_manifests, load_tail},
    load::Content,
    model::{Digest, Offset, OffsetRange, Partition},
    store::{Path, Store},
};

/// More than any file that a demo writes.
const LARGEST: u64 = 1 << 30;

/// What a partition's snapshots reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frontier {
    /// Everything that the newest manifest accounts for.
    pub(super) chain: OffsetRange,
}

/// Where the newest manifest of each partition ends; partitions without one are left out.
pub(super) async fn frontiers(
    store: &Store,
    layout: &Layout,
    partitions: u32,
) -> Result<BTreeMap<Partition, Frontier>, DemoError> {
    let mut found = BTreeMap::new();
    for partition in (0..).map(Partition).take(partitions as usize) {
        if let Some(manifest) = load_tail(store, layout, partition).await?.newest {
            let chain = manifest.range();
            found.insert(partition, Frontier { chain });
        }
    }
    Ok(found)
}

/// Adds what the store holds to `partitions`. What cannot be read is returned, in words.
pub(super) async fn read(
    store: &Store,
    layout: &Layout,
    partitions: &mut [PartitionReadings],
) -> Result<Vec<String>, DemoError> {
    let mut unreadable = Vec::new();
    let mut digests = BTreeMap::new();
    for read in partitions.iter_mut() {
        let tail = load_tail(store, layout, read.partition).await?;
        let numbers = list_manifests(store, layout, read.partition).await?;
        for damaged in &tail.damaged {
            let path = layout.manifest(read.partition, damaged.sequence);
            unreadable.push(format!(
                "{}: a manifest that cannot be read",
                store.locate(&path)
            ));
        }
        // The first binds the partition to the store and holds no outcome.
        read.snapshots = (numbers.len() as u64).saturating_sub(1);
        if let Some(manifest) = tail.newest {
            read.chain = Some(manifest.range());
            read.gaps = manifest.gaps.iter().map(|gap| gap.range).collect();
            let listed = manifest.segments.into_iter();
            digests.extend(listed.map(|segment| (segment.path, segment.digest)));
        }
    }
    for kind in [SegmentKind::Results, SegmentKind::Rejects] {
        for read in partitions.iter_mut() {
            let glob = layout.segments(kind, read.partition);
            for entry in store.list(&glob).await? {
                let Some(name) = layout.parse_segment(&entry.path) else {
                    continue;
                };
                read.segments += 1;
                read.bytes += entry.size;
                let digest = digests.remove(&entry.path);
                let bytes = store.get(&entry.path, LARGEST).await?;
                match rows(name, bytes, digest) {
                    Ok(rows) => read.stored.extend(rows),
                    Err(why) => unreadable.push(format!("{}: {why}", store.locate(&entry.path))),
                }
            }
        }
    }
    let missing = |path: &Path| {
        format!(
            "{}: listed by a manifest, but not there",
            store.locate(path)
        )
    };
    unreadable.extend(digests.keys().map(missing));
    Ok(unreadable)
}

/// The rows of a segment; why not, when it is damaged.
fn rows(name: SegmentName, bytes: Bytes, digest: Option<Digest>) -> Result<Vec<Stored>, String> {
    // Parquet has no checksums, and its decoder may panic on damaged pages: the digest comes first.
    if digest.is_some_and(|digest| digest != Digest::of(&bytes)) {
        return Err("its bytes are not the ones that were written (another digest)".to_owned());
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let mut rows = Vec::new();
        for batch in read_segment(bytes).map_err(|error| error.to_string())? {
            let batch = batch.map_err(|error| error.to_string())?;
            rows.extend(decode(name.kind, &batch).ok_or("it has other columns than a demo's")?);
        }
        Ok(rows)
    }));
    decoded.unwrap_or_else(|_| Err("it cannot be decoded".to_owned()))
}

fn decode(kind: SegmentKind, batch: &RecordBatch) -> Option<Vec<Stored>> {
    let offsets = batch
        .column_by_name("kafka_offset")?
        .as_primitive_opt::<Int64Type>()?;
    let outcomes: Vec<Outcome> = match kind {
        SegmentKind::Results => results(batch)?,
        SegmentKind::Rejects => rejects(batch)?,
        SegmentKind::Corrections => Vec::new(),
    };
    let rows = offsets.values().iter().zip(outcomes);
    rows.map(|(offset, outcome)| {
        Some(Stored {
            source: Offset::new(*offset)?,
            outcome,
        })
    })
    .collect()
}

fn results(batch: &RecordBatch) -> Option<Vec<Outcome>> {
    let numbers = batch
        .column_by_name("number")?
        .as_primitive_opt::<Int64Type>()?;
    let results = batch
        .column_by_name("result")?
        .as_primitive_opt::<Decimal128Type>()?;
    let rows = numbers.values().iter().zip(results.values());
    let calculated = rows.map(|(number, result)| {
        Outcome::Result(Calculated {
            number: *number,
            result: *result,
        })
    });
    Some(calculated.collect())
}

fn rejects(batch: &RecordBatch) -> Option<Vec<Outcome>> {
    let payloads = batch.column_by_name("payload")?.as_binary_opt::<i32>()?;
    let reasons = batch.column_by_name("reason")?.as_string_opt::<i32>()?;
    let rows = (0..batch.num_rows()).map(|row| Outcome::Reject {
        reason: reason_code(reasons.value(row)).to_owned(),
        content: Content::of(payloads.is_valid(row).then(|| payloads.value(row))),
    });
    Some(rows.collect())
}
