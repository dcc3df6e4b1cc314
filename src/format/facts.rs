//! What a segment says about itself, in the key-value metadata of its Parquet footer.

use std::str::FromStr;

use parquet::file::metadata::KeyValue;

use super::{
    Absent, NotKnown, Rowless, RowlessRecord, SegmentKind, manifest::FORMAT_VERSION, own_digest,
};
use crate::{
    calculation::{Declaration, Fingerprint},
    events::Fields,
    model::{Counts, Digest, Offset, OffsetRange, Partition},
};

/// Who writes the segments of one partition, and with what calculation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The events topic.
    pub topic: String,
    /// The partition of it.
    pub partition: Partition,
    /// The calculation.
    pub declaration: Declaration,
    /// The process or worker that writes, by a name that it keeps over a restart.
    pub writer: String,
}

/// Which kind of edit a segment was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeFor {
    /// New outcomes.
    Append,
    /// Other outcomes for offsets that the chain held.
    Repair,
    /// The same outcomes in fewer files.
    Compact,
}

impl MadeFor {
    const ALL: [MadeFor; 3] = [MadeFor::Append, MadeFor::Repair, MadeFor::Compact];

    /// The edit's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            MadeFor::Append => "append",
            MadeFor::Repair => "repair",
            MadeFor::Compact => "compact",
        }
    }
}

impl FromStr for MadeFor {
    type Err = ();

    fn from_str(text: &str) -> Result<MadeFor, ()> {
        let found = MadeFor::ALL.into_iter().find(|edit| edit.name() == text);
        found.ok_or(())
    }
}

/// What a segment is, read from the file itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    /// What its rows are.
    pub kind: SegmentKind,
    /// The events topic.
    pub topic: String,
    /// The partition of it.
    pub partition: Partition,
    /// The offsets that it covers.
    pub range: OffsetRange,
    /// The calculation that made its rows.
    pub declaration: Declaration,
    /// The edit that it was made for: only what was made for an append may be added to a chain whose manifest was lost.
    pub made_for: MadeFor,
    /// What the offsets of the append that it belongs to are, its own rows and its twin's.
    pub counts: Counts,
    /// Which of them are absent: as many as the counts say.
    pub absent: Absent,
    /// The calculation under which the same offsets had been published before: the edit comes with corrections.
    pub replaces: Option<Fingerprint>,
    /// How many corrections it comes with: one for each outcome of an append, one for each changed outcome of a repair.
    pub corrections: u64,
    /// Of rejects: the fields of which payloads were made that the events themselves did not have; `None` when all payloads
    /// are the events' own.
    pub payload_fields: Option<Fields>,
    /// What it does not know of the events of its rows; `None` when it knows everything.
    pub not_known: Option<NotKnown>,
    /// Who wrote it.
    pub writer: String,
}

/// Why a file's metadata are not those of a segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// A newer snapback wrote it.
    #[error(
        "segment format version {found} is newer than {supported}, the newest that this snapback \
         reads: use the snapback that wrote it"
    )]
    Newer {
        /// The version that the file states.
        found: u64,
        /// The newest version that is understood.
        supported: u32,
    },
    /// A key is missing.
    #[error("not a segment of snapback: its metadata have no {key}")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value makes no sense.
    #[error("not a segment of snapback: {key} cannot be {value:?}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
    /// The counts do not add up to the range (I4).
    #[error("the counts {counts:?} do not add up to the range {range}")]
    Sum {
        /// The counts.
        counts: Counts,
        /// The range.
        range: OffsetRange,
    },
}

const VERSION: &str = "snapback.format_version";
const KIND: &str = "snapback.kind";
const TOPIC: &str = "snapback.topic";
const PARTITION: &str = "snapback.partition";
const START: &str = "snapback.start";
const END: &str = "snapback.end";
const CALCULATION: &str = "snapback.calculation";
const CONDITION: &str = "snapback.where";
const FIELDS: &str = "snapback.fields";
const PUBLISH: &str = "snapback.publish";
const CARRY: &str = "snapback.carry";
const RESULT_COLUMNS: &str = "snapback.result_columns";
const FINGERPRINT: &str = "snapback.fingerprint";
const RESULTS: &str = "snapback.results";
const REJECTS: &str = "snapback.rejects";
const FILTERED: &str = "snapback.filtered";
const ABSENT: &str = "snapback.absent";
const ABSENT_RANGES: &str = "snapback.absent_ranges";
const REPLACES: &str = "snapback.replaces";
const CORRECTIONS: &str = "snapback.corrections";
const PAYLOAD_FIELDS: &str = "snapback.payload_fields";
const NOT_KNOWN: &str = "snapback.not_known";
const EDIT: &str = "snapback.edit";
const WRITER: &str = "snapback.writer";

impl SegmentFacts {
    pub(super) fn new(
        kind: SegmentKind,
        range: OffsetRange,
        counts: Counts,
        absent: Absent,
        replaces: Option<Fingerprint>,
        identity: &Identity,
    ) -> SegmentFacts {
        SegmentFacts {
            kind,
            topic: identity.topic.clone(),
            partition: identity.partition,
            range,
            declaration: identity.declaration.clone(),
            made_for: MadeFor::Append,
            counts,
            absent,
            corrections: replaces.as_ref().map_or(0, |_| counts.outcomes()),
            replaces,
            payload_fields: None,
            not_known: None,
            writer: identity.writer.clone(),
        }
    }

    /// The rows that a segment of this kind has in an edit with these counts.
    #[must_use]
    pub fn expected_rows(&self) -> Option<u64> {
        match self.kind {
            SegmentKind::Results => Some(self.counts.results),
            SegmentKind::Rejects => Some(self.counts.rejects),
            SegmentKind::Corrections => Some(self.corrections),
        }
    }

    /// Which offsets of the append have no row in any of its files.
    #[must_use]
    pub fn record(&self) -> RowlessRecord {
        RowlessRecord {
            absent: self.absent.clone(),
            filtered: self.counts.filtered,
        }
    }

    /// What its manifest says of the offsets of its range without a row.
    #[must_use]
    pub fn rowless(&self) -> Rowless {
        match self.kind {
            SegmentKind::Corrections => Rowless::default(),
            SegmentKind::Results | SegmentKind::Rejects => Rowless::of(self.counts),
        }
    }

    pub(super) fn to_metadata(&self) -> Vec<KeyValue> {
        let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
        let mut pairs = vec![
            pair(VERSION, FORMAT_VERSION.to_string()),
            pair(KIND, self.kind.to_string()),
            pair(TOPIC, self.topic.clone()),
            pair(PARTITION, self.partition.to_string()),
            pair(START, self.range.start().to_string()),
            pair(END, self.range.end().to_string()),
            pair(CALCULATION, self.declaration.calculation.clone()),
            pair(FIELDS, self.declaration.fields.clone()),
            pair(RESULT_COLUMNS, self.declaration.results.clone()),
            pair(FINGERPRINT, self.declaration.fingerprint.to_string()),
            pair(EDIT, self.made_for.name().to_owned()),
            pair(RESULTS, self.counts.results.to_string()),
            pair(REJECTS, self.counts.rejects.to_string()),
            pair(ABSENT, self.counts.absent.to_string()),
            pair(ABSENT_RANGES, self.absent.to_string()),
            pair(WRITER, self.writer.clone()),
            pair(own_digest::KEY, own_digest::UNKNOWN.to_owned()),
        ];
        if let Some(condition) = &self.declaration.condition {
            pairs.push(pair(CONDITION, condition.clone()));
        }
        if let Some(publish) = &self.declaration.publish {
            pairs.push(pair(PUBLISH, publish.clone()));
        }
        if let Some(carry) = &self.declaration.carry {
            pairs.push(pair(CARRY, carry.clone()));
        }
        if self.counts.filtered > 0 {
            pairs.push(pair(FILTERED, self.counts.filtered.to_string()));
        }
        if let Some(replaces) = &self.replaces {
            pairs.push(pair(REPLACES, replaces.to_string()));
            if self.corrections != self.counts.outcomes() {
                pairs.push(pair(CORRECTIONS, self.corrections.to_string()));
            }
        }
        if let Some(fields) = &self.payload_fields {
            pairs.push(pair(PAYLOAD_FIELDS, fields.to_string()));
        }
        if let Some(not_known) = self.not_known {
            pairs.push(pair(NOT_KNOWN, not_known.to_string()));
        }
        pairs
    }

    /// The facts, and the digest that the file states of itself.
    pub(super) fn from_metadata(pairs: &[KeyValue]) -> Result<(SegmentFacts, Digest), FactsError> {
        let found: u64 = number(pairs, VERSION)?;
        if found > u64::from(FORMAT_VERSION) {
            return Err(FactsError::Newer {
                found,
                supported: FORMAT_VERSION,
            });
        }
        let (start, end) = (offset(pairs, START)?, offset(pairs, END)?);
        let range = OffsetRange::new(start, end).map_err(|_| invalid(END, end))?;
        let counts = Counts {
            results: number(pairs, RESULTS)?,
            rejects: number(pairs, REJECTS)?,
            filtered: optional(pairs, FILTERED)?.unwrap_or(0),
            absent: number(pairs, ABSENT)?,
            lost: 0,
        };
        super::validate::check_sum(counts, range).map_err(|_| FactsError::Sum { counts, range })?;
        let kind = text(pairs, KIND)?;
        let replaces: Option<Fingerprint> = optional(pairs, REPLACES)?;
        let corrections: Option<u64> = optional(pairs, CORRECTIONS)?;
        let partition: i32 = number(pairs, PARTITION)?;
        if partition < 0 {
            return Err(invalid(PARTITION, partition));
        }
        let own_digest = number(pairs, own_digest::KEY)?;
        let facts = SegmentFacts {
            kind: SegmentKind::from_name(kind).ok_or_else(|| invalid(KIND, kind))?,
            topic: text(pairs, TOPIC)?.to_owned(),
            partition: Partition(partition),
            range,
            declaration: Declaration {
                fingerprint: number(pairs, FINGERPRINT)?,
                calculation: text(pairs, CALCULATION)?.to_owned(),
                condition: optional(pairs, CONDITION)?,
                fields: text(pairs, FIELDS)?.to_owned(),
                results: text(pairs, RESULT_COLUMNS)?.to_owned(),
                publish: optional(pairs, PUBLISH)?,
                carry: optional(pairs, CARRY)?,
            },
            made_for: number(pairs, EDIT)?,
            counts,
            absent: number(pairs, ABSENT_RANGES)?,
            corrections: match (&replaces, corrections) {
                (None, _) => 0,
                (Some(_), Some(corrections)) => corrections,
                (Some(_), None) => counts.outcomes(),
            },
            replaces,
            payload_fields: optional(pairs, PAYLOAD_FIELDS)?,
            not_known: optional(pairs, NOT_KNOWN)?,
            writer: text(pairs, WRITER)?.to_owned(),
        };
        Ok((facts, own_digest))
    }
}

fn invalid(key: &'static str, value: impl ToString) -> FactsError {
    FactsError::Invalid {
        key,
        value: value.to_string(),
    }
}

fn text<'p>(pairs: &'p [KeyValue], key: &'static str) -> Result<&'p str, FactsError> {
    let pair = pairs.iter().find(|pair| pair.key == key);
    pair.and_then(|pair| pair.value.as_deref())
        .ok_or(FactsError::Missing { key })
}

fn number<T: FromStr>(pairs: &[KeyValue], key: &'static str) -> Result<T, FactsError> {
    let text = text(pairs, key)?;
    text.parse().map_err(|_| invalid(key, text))
}

/// A value that need not be there.
fn optional<T: FromStr>(pairs: &[KeyValue], key: &'static str) -> Result<Option<T>, FactsError> {
    match text(pairs, key) {
        Ok(_) => number(pairs, key).map(Some),
        Err(_) => Ok(None),
    }
}

fn offset(pairs: &[KeyValue], key: &'static str) -> Result<Offset, FactsError> {
    let value: i64 = number(pairs, key)?;
    Offset::new(value).ok_or_else(|| invalid(key, value))
}
