//! Damage to what is stored, done by hand while the processor runs.
//!
//! A flipped byte is what a disk does. A wrong value is what a defective program does: the file is written anew with one
//! result changed, and an edit of the chain lists it, so that every digest and every count agrees with it.

use std::sync::Arc;

use arrow_array::{
    Array as _, Decimal128Array, RecordBatch,
    cast::AsArray as _,
    types::{Decimal128Type, Int64Type},
};

use super::{
    DemoError,
    damaged::{Damage, Kind},
    setup::Setup,
};
use crate::{
    calculation::Declaration,
    events::{columns::RESULT, source_key},
    format::{
        Absent, Encoded, EncodedSegment, Identity, MadeFor, Manifest, RowlessRecord, Segment,
        SegmentError, SegmentKind, SegmentWriter, read_segment,
    },
    history::{Chain, Clock, Repair, Repaired, fetch_segment, load_tail, write_repair},
    model::{Counts, Offset, Partition},
};

impl Setup<'_> {
    /// Damages something; `None` when nothing is stored that could be.
    pub(super) async fn damage(&self, kind: Kind) -> Result<Option<Damage>, DemoError> {
        let (store, layout) = (&self.observer.store, &self.observer.layout);
        let mut chosen: Option<(Manifest, Segment)> = None;
        for partition in (0..).map(Partition).take(self.observer.partitions as usize) {
            let Some(newest) = load_tail(store, layout, partition).await?.newest else {
                continue;
            };
            let is_results = |segment: &&Segment| segment.kind == SegmentKind::Results;
            let Some(segment) = newest.open.segments.iter().find(is_results).cloned() else {
                continue;
            };
            chosen = Some((newest, segment));
            // One in the first partition, the other in the last.
            if kind == Kind::FlippedByte {
                break;
            }
        }
        let Some((newest, segment)) = chosen else {
            return Ok(None);
        };
        Ok(Some(match kind {
            Kind::FlippedByte => self.flip(newest.partition, &segment).await?,
            Kind::WrongValue => self.falsify(&newest, segment).await?,
        }))
    }

    async fn flip(&self, partition: Partition, segment: &Segment) -> Result<Damage, DemoError> {
        let store = &self.observer.store;
        let file = store.get(&segment.path, segment.bytes).await?;
        let (mut file, at) = (file.to_vec(), file.len() / 2);
        file[at] ^= 1;
        let bytes = file.len();
        store.put(&segment.path, file.into()).await?;
        Ok(Damage::FlippedByte {
            partition,
            path: segment.path.clone(),
            at,
            bytes,
        })
    }

    /// Writes the files of a range anew, one result of them one too high, and brings them into the chain.
    async fn falsify(&self, newest: &Manifest, segment: Segment) -> Result<Damage, DemoError> {
        let (store, layout) = (&self.observer.store, &self.observer.layout);
        let partition = newest.partition;
        let range = segment.range;
        let beside = newest.open.segments.iter();
        let rejects = beside
            .filter(|other| other.kind == SegmentKind::Rejects && other.range == range)
            .cloned();
        let replaced: Vec<Segment> = [segment.clone()].into_iter().chain(rejects).collect();
        let declaration = newest.declaration(&segment.fingerprint).cloned();
        let declaration = declaration.unwrap_or_else(|| unlisted(newest, &segment));
        let (mut encoded, mut changed, mut outcomes) = (Vec::new(), None, None);
        for segment in &replaced {
            let bytes = fetch_segment(store, layout, segment).await?.bytes;
            let reader = read_segment(bytes.clone())?;
            let mut facts = reader.facts().clone();
            facts.made_for = MadeFor::Repair;
            outcomes = Some((facts.counts, facts.absent.clone()));
            if segment.kind != SegmentKind::Results {
                encoded.push(EncodedSegment {
                    facts,
                    bytes,
                    rows: segment.rows,
                    digest: segment.digest,
                });
                continue;
            }
            let mut writer =
                SegmentWriter::new(segment.kind, range.start(), Arc::clone(reader.schema()))?;
            for batch in reader {
                let batch = batch?;
                let batch = match changed.is_none() {
                    true => one_too_high(&batch, &mut changed)?,
                    false => batch,
                };
                writer.write(&batch)?;
            }
            encoded.push(writer.close(facts)?);
        }
        let (counts, absent) = outcomes.unwrap_or((Counts::default(), Absent::none()));
        let mut files = encoded.into_iter();
        let encoded = Encoded {
            range,
            counts,
            record: RowlessRecord {
                absent,
                filtered: 0,
            },
            absent: None,
            results: files.next(),
            rejects: files.next(),
            corrections: None,
        };
        let identity = Identity {
            topic: layout.topic().to_owned(),
            partition,
            declaration,
            writer: "a defective program (snapback demo --damage)".to_owned(),
        };
        let mut chain = Chain::load(store.clone(), identity, Clock::system()).await?;
        let written = write_repair(&mut chain, &mut Repair::new(replaced, encoded)).await?;
        let path = match written {
            Repaired::Done(segments) => segments
                .into_iter()
                .find(|segment| segment.kind == SegmentKind::Results)
                .map(|segment| segment.path),
            Repaired::Overtaken => None,
        };
        let (offset, was, is) = changed.unwrap_or((range.start(), 0, 0));
        Ok(Damage::WrongValue {
            partition,
            path: path.unwrap_or(segment.path),
            offset,
            key: source_key(layout.topic(), partition, offset),
            was: was.to_string(),
            is: is.to_string(),
        })
    }
}

/// What a manifest says of a fingerprint that it does not list, which none does.
fn unlisted(newest: &Manifest, segment: &Segment) -> Declaration {
    Declaration {
        fingerprint: segment.fingerprint.clone(),
        calculation: newest.calculation.clone(),
        condition: None,
        publish: None,
        carry: None,
        fields: newest.fields.clone(),
        results: String::new(),
    }
}

/// The batch with the result in its middle one too high; says which offset that is, what it was and is.
fn one_too_high(
    batch: &RecordBatch,
    changed: &mut Option<(Offset, i128, i128)>,
) -> Result<RecordBatch, SegmentError> {
    let row = batch.num_rows() / 2;
    let (Ok(index), Some(offsets)) = (
        batch.schema().index_of(RESULT),
        batch.column(0).as_primitive_opt::<Int64Type>(),
    ) else {
        return Ok(batch.clone());
    };
    let Some(results) = batch.column(index).as_primitive_opt::<Decimal128Type>() else {
        return Ok(batch.clone());
    };
    let wrong = results
        .iter()
        .enumerate()
        .map(|(at, value)| match at == row {
            true => value.map(|value| value + 1),
            false => value,
        });
    let wrong: Decimal128Array = wrong.collect();
    let mut columns = batch.columns().to_vec();
    columns[index] = Arc::new(wrong.with_data_type(results.data_type().clone()));
    let was = results.value(row);
    *changed = Offset::new(offsets.value(row)).map(|offset| (offset, was, was + 1));
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}
