//! What manifests and pages list, a line each.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    calculation::Fingerprint,
    format::{
        Absent, Gap, GapReason, Inconsistency, NotKnown, PageLink, Rowless, RowlessRecord, Segment,
        SegmentKind, SilentRange,
    },
    model::{Counts, Digest, Offset, OffsetRange, Sequence, is_zero},
    store::Path,
};

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

pub(super) fn range(start: Offset, end: Offset) -> Result<OffsetRange, Inconsistency> {
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
    not_known: Option<String>,
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
            not_known: segment.not_known.map(|it| it.to_string()),
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
        let not_known = match line.not_known.as_deref().map(str::parse::<NotKnown>) {
            None => None,
            Some(Ok(it)) if it.before > range.start() && it.before <= range.end() => Some(it),
            Some(_) => return Err(Inconsistency::NotKnown { path: line.path }),
        };
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
            not_known,
            revision: line.revision,
        })
    }
}

/// A page as it is listed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageLine<T> {
    path: T,
    start: Offset,
    end: Offset,
    counts: Counts,
    files: u64,
    segment_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<Sequence>,
    results: BTreeMap<Fingerprint, u64>,
    bytes: u64,
    digest: Digest,
}

impl<'p, T: From<&'p str>> From<&'p PageLink> for PageLine<T> {
    fn from(page: &'p PageLink) -> Self {
        PageLine {
            path: page.path.as_str().into(),
            start: page.range.start(),
            end: page.range.end(),
            counts: page.counts,
            files: page.files,
            segment_bytes: page.segment_bytes,
            revision: page.revision,
            results: page.results.clone(),
            bytes: page.bytes,
            digest: page.digest,
        }
    }
}

impl TryFrom<PageLine<String>> for PageLink {
    type Error = Inconsistency;

    fn try_from(line: PageLine<String>) -> Result<PageLink, Inconsistency> {
        Ok(PageLink {
            path: Path::parse(&line.path).map_err(|_| Inconsistency::Path { path: line.path })?,
            range: range(line.start, line.end)?,
            counts: line.counts,
            files: line.files,
            segment_bytes: line.segment_bytes,
            revision: line.revision,
            results: line.results,
            bytes: line.bytes,
            digest: line.digest,
        })
    }
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
