//! What became of one offset: its stored outcome, every correction of it, or why it has none.

use arrow_array::{Array as _, BinaryArray, RecordBatch};
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::value::RawValue;

mod row;

use super::{
    QueryError,
    topics::{TopicError, manifests},
};
use crate::{
    events::{MessageBuffer, ResultEncoder, columns},
    format::{
        Absent, GapReason, Layout, Listed, Manifest, OutcomeText, Segment, SegmentError,
        SegmentKind, each_change,
    },
    history::{load_tail, read_listed_of},
    model::{Offset, OffsetRange, Partition, Sequence},
    store::Store,
};

/// What became of an offset.
#[derive(Debug, Serialize)]
pub struct Lookup {
    /// The partition.
    pub partition: Partition,
    /// The offset.
    pub offset: Offset,
    /// The manifest that says so: the newest one that can be read.
    pub snapshot: Sequence,
    /// Newer manifests, which are damaged: what they say is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Sequence>,
    /// Its fate.
    #[serde(flatten)]
    pub fate: Fate,
    /// The corrections of it, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<Correction>,
}

/// The fate of an offset.
#[derive(Debug, Serialize)]
#[serde(tag = "fate", rename_all = "kebab-case")]
pub enum Fate {
    /// Its event has a result.
    Result(StoredResult),
    /// Its event was rejected.
    Reject(StoredReject),
    /// The condition of `--where` leaves its event out.
    Filtered,
    /// It has no row, and the record does not tell whether it is absent or filtered: that is a digest.
    AbsentOrFiltered,
    /// The log never delivered it: a transaction's marker, an aborted or compacted record.
    Absent,
    /// It was gone before it was read, or what was stored of it is, which an operator accepted.
    Lost {
        /// Why.
        reason: GapReason,
    },
    /// The history begins after it.
    BeforeOrigin {
        /// Where it begins.
        origin: Offset,
    },
    /// The snapshots end before it.
    NotStored {
        /// Where they end.
        end: Offset,
    },
}

/// Where an outcome comes from, and where it is.
#[derive(Debug, Serialize)]
pub struct Stored {
    /// The event's time, as RFC 3339.
    pub kafka_timestamp: Option<String>,
    /// It as the event has it, if it lies outside of the years that can be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka_timestamp_raw: Option<i64>,
    /// The event's key, as text.
    pub key: Option<String>,
    /// Which of them are not known: the result was made again from its message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_known: Vec<&'static str>,
    /// The segment, relative to the store's root.
    pub segment: String,
    /// The fingerprint of the calculation that made it.
    pub fingerprint: String,
}

/// A stored result.
#[derive(Debug, Serialize)]
pub struct StoredResult {
    /// Its message, as it is published.
    pub message: Box<RawValue>,
    /// Where it comes from and is.
    #[serde(flatten)]
    pub stored: Stored,
}

/// A stored reject.
#[derive(Debug, Serialize)]
pub struct StoredReject {
    /// Why it was rejected.
    pub reason: String,
    /// The event's payload, as text.
    pub payload: Option<String>,
    /// Where it comes from and is.
    #[serde(flatten)]
    pub stored: Stored,
}

/// What an outcome was, and what it was changed to.
#[derive(Debug, Serialize)]
pub struct Correction {
    /// The revision under which it is published.
    pub revision: Sequence,
    /// What it was; `None` where that is not known.
    pub was: Option<Corrected>,
    /// What it became.
    pub is: Corrected,
}

/// What a corrected outcome was or became.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Corrected {
    /// A result.
    Result {
        /// Its message.
        message: Box<RawValue>,
    },
    /// A reject.
    Reject {
        /// Why.
        reason: String,
    },
    /// Left out by the condition.
    Filtered,
}

impl Corrected {
    fn of(outcome: OutcomeText<'_>) -> Result<Corrected, serde_json::Error> {
        Ok(match outcome {
            OutcomeText::Result { message } => {
                let message = RawValue::from_string(message.to_owned())?;
                Corrected::Result { message }
            }
            OutcomeText::Reject { reason } => {
                let reason = reason.to_owned();
                Corrected::Reject { reason }
            }
            OutcomeText::Filtered => Corrected::Filtered,
        })
    }
}

/// Looks up one offset: newest manifest, page, segment, row. Of a large segment only the end is read, which says where its rows
/// are, and the part that must have the row: it is known to be what was stored as far as it can be decoded; the whole segment is
/// what `snapback verify` proves. What cannot be decoded is read as a whole, and named. Memory: one segment of up to
/// 256 KiB, or a part of a row group.
///
/// # Errors
/// When there is no such partition, or the store cannot be read; when a segment is damaged or gone, it is named.
pub async fn lookup(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    offset: Offset,
) -> Result<Lookup, QueryError> {
    let tail = load_tail(store, layout, partition).await?;
    if tail.highest.is_none() {
        return Err(missing(store, layout, partition).await?.into());
    }
    let newest = tail.newest.ok_or_else(|| QueryError::Damaged {
        location: store.locate(&layout.manifests(partition)),
        detail: "none of its manifests can be read".to_owned(),
    })?;
    let newest = of_offset(store, layout, newest, offset).await?;
    let place = Place {
        store,
        layout,
        newest: &newest,
        offset,
    };
    Ok(Lookup {
        partition,
        offset,
        snapshot: newest.sequence,
        damaged: tail.damaged.iter().map(|one| one.sequence).collect(),
        fate: place.fate().await?,
        corrections: place.corrections().await?,
    })
}

/// What there is instead of the partition: that takes a listing of all of them.
async fn missing(
    store: &Store,
    layout: &Layout,
    partition: Partition,
) -> Result<TopicError, QueryError> {
    let there = manifests(store, layout).await?;
    if there.is_empty() {
        return Ok(TopicError::missing(store, layout).await?);
    }
    let (topic, there) = (layout.topic().to_owned(), there.into_keys().collect());
    Ok(TopicError::NoSuchPartition {
        topic,
        partition,
        there,
    })
}

/// The newest manifest, with the page that accounts for the offset: no other is read.
async fn of_offset(
    store: &Store,
    layout: &Layout,
    newest: Manifest,
    offset: Offset,
) -> Result<Listed, QueryError> {
    let range = OffsetRange::new(offset, offset.plus(1));
    let range = range.unwrap_or(OffsetRange::empty(offset));
    let listed = read_listed_of(store, layout, newest, range).await?;
    match listed.unread().first() {
        Some(unread) => Err(QueryError::Damaged {
            location: store.locate(&unread.link.path),
            detail: unread.why(),
        }),
        None => Ok(listed),
    }
}

/// An offset in a partition's newest manifest.
struct Place<'p> {
    store: &'p Store,
    layout: &'p Layout,
    newest: &'p Listed,
    offset: Offset,
}

impl Place<'_> {
    async fn fate(&self) -> Result<Fate, QueryError> {
        let (newest, offset) = (self.newest, self.offset);
        if offset < newest.origin {
            let origin = newest.origin;
            return Ok(Fate::BeforeOrigin { origin });
        }
        if offset >= newest.end {
            return Ok(Fate::NotStored { end: newest.end });
        }
        if let Some(gap) = newest.gaps.iter().find(|gap| gap.range.contains(offset)) {
            return Ok(Fate::Lost { reason: gap.reason });
        }
        let mut silent = newest.silent().iter();
        let silent = silent.find(|silent| silent.range.contains(offset));
        let mut record = silent.map(|silent| silent.record.clone());
        for segment in self.segments(SegmentKind::Results) {
            let (of_file, row) = self.row(segment).await?;
            record = Some(of_file);
            if let Some(row) = row {
                let message = self.message(segment, &row)?;
                let stored = stored(segment, &row);
                return Ok(Fate::Result(StoredResult { message, stored }));
            }
        }
        for segment in self.segments(SegmentKind::Rejects) {
            let (of_file, row) = self.row(segment).await?;
            record = Some(of_file);
            if let Some(row) = row {
                let reasons = columns::reasons(&row).filter(|reasons| reasons.is_valid(0));
                return Ok(Fate::Reject(StoredReject {
                    reason: reasons.map_or_else(String::new, |r| r.value(0).to_owned()),
                    payload: text(columns::payloads(&row)),
                    stored: stored(segment, &row),
                }));
            }
        }
        Ok(
            match record.map(|record| (record.absent, record.filtered)) {
                None | Some((Absent::Digest(_), 0)) => Fate::Absent,
                Some((Absent::Digest(_), _)) => Fate::AbsentOrFiltered,
                Some((Absent::Ranges(runs), filtered)) => {
                    let is_absent = runs.iter().any(|run| run.contains(offset));
                    let rejects = self.segments(SegmentKind::Rejects);
                    let first = self.segments(SegmentKind::Results).chain(rejects).next();
                    match (is_absent, filtered, first) {
                        (true, ..) => Fate::Absent,
                        (false, 0, Some(segment)) => {
                            let detail = "it has no row of this offset, which is not absent";
                            return Err(self.damaged(segment, &detail));
                        }
                        (false, 0, None) => Fate::Absent,
                        (false, ..) => Fate::Filtered,
                    }
                }
            },
        )
    }

    async fn corrections(&self) -> Result<Vec<Correction>, QueryError> {
        let mut found = Vec::new();
        for segment in self.segments(SegmentKind::Corrections) {
            let Some(revision) = segment.revision else {
                continue;
            };
            let (_, Some(row)) = self.row(segment).await? else {
                continue;
            };
            let (topic, partition) = (self.layout.topic(), self.newest.partition);
            let mut texts = Ok(None);
            each_change(topic, partition, &row, |change| {
                let was = change.before.map(Corrected::of).transpose();
                texts = was.and_then(|was| Ok(Some((was, Corrected::of(change.now)?))));
                Ok::<(), SegmentError>(())
            })
            .map_err(|error| self.damaged(segment, &error))?;
            let texts = texts.map_err(|error| self.damaged(segment, &error))?;
            found.extend(texts.map(|(was, is)| Correction { revision, was, is }));
        }
        found.sort_by_key(|correction| correction.revision);
        Ok(found)
    }

    /// The segments of a kind whose range has the offset.
    fn segments(&self, kind: SegmentKind) -> impl Iterator<Item = &Segment> {
        let all = self.newest.files();
        all.filter(move |segment| segment.kind == kind && segment.range.contains(self.offset))
    }

    fn message(&self, segment: &Segment, row: &RecordBatch) -> Result<Box<RawValue>, QueryError> {
        let topic = self.layout.topic();
        let encoded = ResultEncoder::new(topic, row.schema_ref()).and_then(|encoder| {
            let mut messages = MessageBuffer::new();
            encoder.encode(self.newest.partition, row, &mut messages)?;
            Ok(messages)
        });
        let messages = encoded.map_err(|error| self.damaged(segment, &error))?;
        let value = messages.get(0).map_or(&b"null"[..], |(_, value)| value);
        let value = String::from_utf8_lossy(value).into_owned();
        RawValue::from_string(value).map_err(|error| self.damaged(segment, &error))
    }

    fn damaged(&self, segment: &Segment, error: &impl ToString) -> QueryError {
        QueryError::Damaged {
            location: self.store.locate(&segment.path),
            detail: error.to_string(),
        }
    }
}

fn stored(segment: &Segment, row: &RecordBatch) -> Stored {
    let timestamp = columns::Timestamps::of(row).and_then(|timestamps| timestamps.get(0));
    let (shown, raw) = columns::split_timestamp(timestamp);
    let time = shown.and_then(DateTime::from_timestamp_millis);
    let key = text(columns::keys(row));
    let at = columns::offsets(row).and_then(|offsets| offsets.first().copied());
    let missing = segment.not_known;
    let missing = missing.filter(|it| at.is_some_and(|at| at < it.before.get()));
    let mut not_known = Vec::new();
    if missing.is_some() && timestamp.is_none() {
        not_known.push(columns::TIMESTAMP);
    }
    if missing.is_some_and(|it| it.key) && key.is_none() {
        not_known.push(columns::KEY);
    }
    Stored {
        kafka_timestamp: time.map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true)),
        kafka_timestamp_raw: raw,
        key,
        not_known,
        segment: segment.path.to_string(),
        fingerprint: segment.fingerprint.to_string(),
    }
}

fn text(column: Option<&BinaryArray>) -> Option<String> {
    let column = column.filter(|column| column.is_valid(0))?;
    Some(String::from_utf8_lossy(column.value(0)).into_owned())
}
