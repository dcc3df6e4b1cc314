//! The members of a manifest's JSON document, and what becomes of them.

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    calculation::{Declaration, Fingerprint},
    format::{
        Absent, EditSummary, Forward, Gap, GapReason, Inconsistency, KnownCommit, Link, Manifest,
        Pipeline, Rowless, RowlessRecord, Segment, SegmentKind, SilentRange,
    },
    model::{Counts, Digest, Offset, OffsetRange, Partition, Sequence, is_zero},
    store::Path,
};

/// All members of a manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(rename = "format_version")]
    _format_version: u32,
    pipeline: Pipeline,
    partition: Partition,
    sequence: Sequence,
    base: Option<Link>,
    oldest: Sequence,
    committed: Option<KnownCommit>,
    origin: Offset,
    end: Offset,
    counts: Counts,
    #[serde(default)]
    forward: Option<Forward>,
    gaps: Vec<GapLine>,
    silent: Vec<SilentLine>,
    calculations: Vec<Declaration>,
    calculation: String,
    fields: String,
    edit: EditLine,
    writer: String,
    created_at: Time,
    segments: Vec<SegmentLine<String>>,
    corrections: Vec<SegmentLine<String>>,
    #[serde(rename = "digest")]
    _digest: Digest,
}

impl Document {
    pub(super) fn into_manifest(self, digest: Digest) -> Result<Manifest, Inconsistency> {
        let segments = self.segments.into_iter().map(Segment::try_from);
        let corrections = self.corrections.into_iter().map(Segment::try_from);
        let silent = self.silent.into_iter().map(SilentRange::try_from);
        Ok(Manifest {
            pipeline: self.pipeline,
            partition: self.partition,
            sequence: self.sequence,
            base: self.base,
            oldest: self.oldest,
            committed: self.committed,
            origin: self.origin,
            end: self.end,
            silent: silent.collect::<Result<_, _>>()?,
            segments: segments.collect::<Result<_, _>>()?,
            corrections: corrections.collect::<Result<_, _>>()?,
            counts: self.counts,
            forward: self.forward,
            gaps: self
                .gaps
                .into_iter()
                .map(Gap::try_from)
                .collect::<Result<_, _>>()?,
            calculations: self.calculations,
            calculation: self.calculation,
            fields: self.fields,
            edit: self.edit.try_into()?,
            writer: self.writer,
            created_at: self.created_at.0,
            digest,
        })
    }
}

/// RFC 3339 in UTC with milliseconds, and nothing else.
pub(super) struct Time(pub(super) DateTime<Utc>);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
        Ok(Time(time.with_timezone(&Utc).trunc_subsecs(3)))
    }
}

fn range(start: Offset, end: Offset) -> Result<OffsetRange, Inconsistency> {
    OffsetRange::new(start, end).map_err(Inconsistency::from)
}

/// A segment as it is listed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentLine<T> {
    path: T,
    kind: SegmentKind,
    start: Offset,
    end: Offset,
    rows: u64,
    /// Corrections account for no offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    absent: Option<u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    filtered: u64,
    bytes: u64,
    digest: Digest,
    fingerprint: Fingerprint,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<Sequence>,
}

impl<'s, T: From<&'s str>> From<&'s Segment> for SegmentLine<T> {
    fn from(segment: &'s Segment) -> Self {
        SegmentLine {
            path: segment.path.as_str().into(),
            kind: segment.kind,
            start: segment.range.start(),
            end: segment.range.end(),
            rows: segment.rows,
            absent: counts_offsets(segment.kind).then_some(segment.rowless.absent),
            filtered: segment.rowless.filtered,
            bytes: segment.bytes,
            digest: segment.digest,
            fingerprint: segment.fingerprint.clone(),
            revision: segment.revision,
        }
    }
}

/// Whether segments of a kind account for offsets.
const fn counts_offsets(kind: SegmentKind) -> bool {
    !matches!(kind, SegmentKind::Corrections)
}

impl TryFrom<SegmentLine<String>> for Segment {
    type Error = Inconsistency;

    fn try_from(line: SegmentLine<String>) -> Result<Segment, Inconsistency> {
        let range = range(line.start, line.end)?;
        let counts_offsets = counts_offsets(line.kind);
        if line.absent.is_some() != counts_offsets || line.filtered > 0 && !counts_offsets {
            return Err(Inconsistency::Rowless { path: line.path });
        }
        Ok(Segment {
            path: Path::parse(&line.path).map_err(|_| Inconsistency::Path { path: line.path })?,
            kind: line.kind,
            range,
            rows: line.rows,
            rowless: Rowless {
                absent: line.absent.unwrap_or_default(),
                filtered: line.filtered,
            },
            bytes: line.bytes,
            digest: line.digest,
            fingerprint: line.fingerprint,
            revision: line.revision,
        })
    }
}

fn segments(lines: Vec<SegmentLine<String>>) -> Result<Vec<Segment>, Inconsistency> {
    lines.into_iter().map(Segment::try_from).collect()
}

/// A gap as it is listed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GapLine {
    start: Offset,
    end: Offset,
    reason: GapReason,
    accepted_at: Time,
}

impl From<&Gap> for GapLine {
    fn from(gap: &Gap) -> Self {
        GapLine {
            start: gap.range.start(),
            end: gap.range.end(),
            reason: gap.reason,
            accepted_at: Time(gap.accepted_at),
        }
    }
}

impl TryFrom<GapLine> for Gap {
    type Error = Inconsistency;

    fn try_from(line: GapLine) -> Result<Gap, Inconsistency> {
        Ok(Gap {
            range: range(line.start, line.end)?,
            reason: line.reason,
            accepted_at: line.accepted_at.0,
        })
    }
}

/// A range without any row, as it is listed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SilentLine {
    start: Offset,
    end: Offset,
    absent: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    filtered: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
}

impl From<&SilentRange> for SilentLine {
    fn from(silent: &SilentRange) -> Self {
        SilentLine {
            start: silent.range.start(),
            end: silent.range.end(),
            absent: silent.record.absent.to_string(),
            filtered: silent.record.filtered,
            fingerprint: silent.fingerprint.clone(),
        }
    }
}

impl TryFrom<SilentLine> for SilentRange {
    type Error = Inconsistency;

    fn try_from(line: SilentLine) -> Result<SilentRange, Inconsistency> {
        let range = range(line.start, line.end)?;
        let absent: Absent = line
            .absent
            .parse()
            .map_err(|_| Inconsistency::SilentRecord { range })?;
        let filtered = line.filtered;
        let record = RowlessRecord { absent, filtered };
        Ok(SilentRange {
            range,
            record,
            fingerprint: line.fingerprint,
        })
    }
}

/// The edit, with its name as the member `kind`.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum EditLine {
    Bind,
    Append {
        start: Offset,
        end: Offset,
        counts: Counts,
    },
    AcceptLoss {
        start: Offset,
        end: Offset,
        reason: GapReason,
    },
    GiveUp {
        start: Offset,
        end: Offset,
        reason: GapReason,
        replaced: Vec<SegmentLine<String>>,
    },
    Repair {
        start: Offset,
        end: Offset,
        counts: Counts,
        replaced: Vec<SegmentLine<String>>,
    },
    Compact {
        start: Offset,
        end: Offset,
        replaced: Vec<SegmentLine<String>>,
    },
    Retire {
        oldest: Sequence,
    },
}

impl From<&EditSummary> for EditLine {
    fn from(edit: &EditSummary) -> Self {
        match *edit {
            EditSummary::Bind => EditLine::Bind,
            EditSummary::Append { range, counts } => EditLine::Append {
                start: range.start(),
                end: range.end(),
                counts,
            },
            EditSummary::AcceptLoss { range, reason } => EditLine::AcceptLoss {
                start: range.start(),
                end: range.end(),
                reason,
            },
            EditSummary::GiveUp {
                range,
                reason,
                ref replaced,
            } => EditLine::GiveUp {
                start: range.start(),
                end: range.end(),
                reason,
                replaced: replaced.iter().map(SegmentLine::from).collect(),
            },
            EditSummary::Repair {
                range,
                counts,
                ref replaced,
            } => EditLine::Repair {
                start: range.start(),
                end: range.end(),
                counts,
                replaced: replaced.iter().map(SegmentLine::from).collect(),
            },
            EditSummary::Compact {
                range,
                ref replaced,
            } => EditLine::Compact {
                start: range.start(),
                end: range.end(),
                replaced: replaced.iter().map(SegmentLine::from).collect(),
            },
            EditSummary::Retire { oldest } => EditLine::Retire { oldest },
        }
    }
}

impl TryFrom<EditLine> for EditSummary {
    type Error = Inconsistency;

    fn try_from(line: EditLine) -> Result<EditSummary, Inconsistency> {
        Ok(match line {
            EditLine::Bind => EditSummary::Bind,
            EditLine::Append { start, end, counts } => EditSummary::Append {
                range: range(start, end)?,
                counts,
            },
            EditLine::AcceptLoss { start, end, reason } => EditSummary::AcceptLoss {
                range: range(start, end)?,
                reason,
            },
            EditLine::GiveUp {
                start,
                end,
                reason,
                replaced,
            } => EditSummary::GiveUp {
                range: range(start, end)?,
                reason,
                replaced: segments(replaced)?,
            },
            EditLine::Repair {
                start,
                end,
                counts,
                replaced,
            } => EditSummary::Repair {
                range: range(start, end)?,
                counts,
                replaced: segments(replaced)?,
            },
            EditLine::Compact {
                start,
                end,
                replaced,
            } => EditSummary::Compact {
                range: range(start, end)?,
                replaced: segments(replaced)?,
            },
            EditLine::Retire { oldest } => EditSummary::Retire { oldest },
        })
    }
}
