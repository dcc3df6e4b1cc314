//! Manifests as bytes: the JSON document, its digest, and the checks on what was read.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    EditSummary, Gap, GapReason, Link, Manifest, Pipeline, Segment, SegmentKind,
    manifest::FORMAT_VERSION,
    validate::{self, Inconsistency},
};
use crate::{
    calculation::Fingerprint,
    model::{Counts, Digest, Offset, OffsetRange, Partition, Sequence},
    store::Path,
};

/// No manifest is read beyond this size.
pub const MAX_MANIFEST_BYTES: u64 = 256 << 20;

const DIGEST_LINE: &[u8] = b"\"digest\":\"";
const LAST_LINES: &[u8] = b"\"\n}\n";
/// `sha256:` and 64 hexadecimal digits.
const DIGEST_CHARS: usize = 71;

/// Why bytes are not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A newer snapback wrote it: refuse, never treat as damaged.
    #[error(
        "format version {found} is newer than {supported}, the newest that this snapback reads: \
         use the snapback that wrote it"
    )]
    Newer {
        /// The version that the manifest states.
        found: u64,
        /// The newest version that is understood.
        supported: u32,
    },
    /// It does not start and end as a manifest does.
    #[error("not a manifest: {0}")]
    NotAManifest(&'static str),
    /// Its body is not what its digest says.
    #[error("the body's digest is {actual}, the manifest states {stated}")]
    DigestMismatch {
        /// The digest in the document.
        stated: Digest,
        /// The digest of the body before it.
        actual: Digest,
    },
    /// The digest is right, but members are missing, unknown or of another type.
    #[error("not a manifest of format version {FORMAT_VERSION}: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Its members contradict each other.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
}

impl ManifestError {
    /// Whether a newer snapback wrote the manifest; otherwise it is damaged.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        matches!(self, ManifestError::Newer { .. })
    }
}

impl Manifest {
    /// The stored form.
    ///
    /// A JSON object, one member and one segment per line, members in a fixed order. It starts with
    /// `format_version`; its last two lines are the member `digest` and the closing brace. **The digest is
    /// the SHA-256 of all lines before those two**, their line ends included, so that
    /// `head -n -2 FILE | sha256sum` gives what `jq -r .digest FILE` shows.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode(self)
    }

    /// Reads the stored form, checking version, digest, paths and counts (I4), in this order.
    ///
    /// # Errors
    /// [`ManifestError::Newer`] when a newer snapback wrote it, whatever the rest looks like; any other
    /// error means that the bytes are damaged.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        decode(bytes)
    }
}

fn encode(manifest: &Manifest) -> Bytes {
    let mut out = body(manifest);
    let digest = Digest::of(&out);
    out.extend_from_slice(DIGEST_LINE);
    out.extend_from_slice(digest.to_string().as_bytes());
    out.extend_from_slice(LAST_LINES);
    Bytes::from(out)
}

/// Sets the digest to that of the body.
pub(super) fn seal(mut manifest: Manifest) -> Manifest {
    manifest.digest = Digest::of(&body(&manifest));
    manifest
}

fn body(manifest: &Manifest) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024 + 384 * manifest.segments.len());
    out.extend_from_slice(b"{\n");
    member(&mut out, "format_version", &version_of(&manifest.edit));
    member(&mut out, "pipeline", &manifest.pipeline);
    member(&mut out, "partition", &manifest.partition);
    member(&mut out, "sequence", &manifest.sequence);
    member(&mut out, "base", &manifest.base);
    member(&mut out, "origin", &manifest.origin);
    member(&mut out, "end", &manifest.end);
    member(&mut out, "counts", &manifest.counts);
    lines(&mut out, "gaps", manifest.gaps.iter().map(GapLine::from));
    member(&mut out, "calculation", &manifest.calculation);
    member(&mut out, "fields", &manifest.fields);
    member(&mut out, "edit", &EditLine::from(&manifest.edit));
    member(&mut out, "writer", &manifest.writer);
    member(&mut out, "created_at", &Time(manifest.created_at));
    let segments = manifest.segments.iter().map(SegmentLine::<&str>::from);
    lines(&mut out, "segments", segments);
    out
}

/// The oldest version that knows this edit.
const fn version_of(edit: &EditSummary) -> u32 {
    match edit {
        EditSummary::Bind | EditSummary::Append { .. } | EditSummary::AcceptLoss { .. } => 1,
        EditSummary::Repair { .. } => 2,
    }
}

fn value(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("numbers and strings into memory cannot fail");
}

fn member(out: &mut Vec<u8>, name: &str, of: &impl Serialize) {
    value(out, &name);
    out.push(b':');
    value(out, of);
    out.extend_from_slice(b",\n");
}

/// An array with one element per line.
fn lines<T: Serialize>(out: &mut Vec<u8>, name: &str, elements: impl Iterator<Item = T>) {
    value(out, &name);
    out.extend_from_slice(b":[");
    for (index, element) in elements.enumerate() {
        out.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        value(out, &element);
    }
    out.extend_from_slice(b"],\n");
}

fn decode(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let found = version(bytes)?;
    if found > u64::from(FORMAT_VERSION) {
        return Err(ManifestError::Newer {
            found,
            supported: FORMAT_VERSION,
        });
    }
    let (body, stated) = split(bytes).ok_or(ManifestError::NotAManifest(
        "it does not end with its digest (cut short?)",
    ))?;
    let actual = Digest::of(body);
    if actual != stated {
        return Err(ManifestError::DigestMismatch { stated, actual });
    }
    let document: Document = serde_json::from_slice(bytes)?;
    let manifest = document.into_manifest(stated)?;
    if found != u64::from(version_of(&manifest.edit)) {
        return Err(ManifestError::NotAManifest(
            "its format version is not that of its edit",
        ));
    }
    validate::check(&manifest)?;
    Ok(manifest)
}

/// The format version, found without parsing the rest: in every version it is the first member.
fn version(bytes: &[u8]) -> Result<u64, ManifestError> {
    let digits = bytes
        .strip_prefix(b"{\n\"format_version\":")
        .and_then(|rest| {
            let end = rest.iter().position(|c| !c.is_ascii_digit())?;
            std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
        });
    match digits {
        Some(0) | None => Err(ManifestError::NotAManifest(
            "it does not start with its format version",
        )),
        Some(version) => Ok(version),
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], Digest)> {
    let rest = bytes.strip_suffix(LAST_LINES)?;
    let (rest, digest) = rest.split_at_checked(rest.len().checked_sub(DIGEST_CHARS)?)?;
    let body = rest.strip_suffix(DIGEST_LINE)?;
    let text = std::str::from_utf8(digest).ok()?;
    let digest: Digest = text.parse().ok()?;
    // Upper-case digits parse as well, but are not what was written.
    if digest.to_string() != text {
        return None;
    }
    (body.last() == Some(&b'\n')).then_some((body, digest))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "format_version")]
    _format_version: u32,
    pipeline: Pipeline,
    partition: Partition,
    sequence: Sequence,
    base: Option<Link>,
    origin: Offset,
    end: Offset,
    counts: Counts,
    gaps: Vec<GapLine>,
    calculation: String,
    fields: String,
    edit: EditLine,
    writer: String,
    created_at: Time,
    segments: Vec<SegmentLine<String>>,
    #[serde(rename = "digest")]
    _digest: Digest,
}

impl Document {
    fn into_manifest(self, digest: Digest) -> Result<Manifest, ManifestError> {
        let segments = self.segments.into_iter().map(Segment::try_from);
        Ok(Manifest {
            pipeline: self.pipeline,
            partition: self.partition,
            sequence: self.sequence,
            base: self.base,
            origin: self.origin,
            end: self.end,
            segments: segments.collect::<Result<_, _>>()?,
            counts: self.counts,
            gaps: self
                .gaps
                .into_iter()
                .map(Gap::try_from)
                .collect::<Result<_, _>>()?,
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
struct Time(DateTime<Utc>);

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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentLine<T> {
    path: T,
    kind: SegmentKind,
    start: Offset,
    end: Offset,
    rows: u64,
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
            bytes: segment.bytes,
            digest: segment.digest,
            fingerprint: segment.fingerprint.clone(),
            revision: segment.revision,
        }
    }
}

impl TryFrom<SegmentLine<String>> for Segment {
    type Error = Inconsistency;

    fn try_from(line: SegmentLine<String>) -> Result<Segment, Inconsistency> {
        let range = range(line.start, line.end)?;
        Ok(Segment {
            path: Path::parse(&line.path).map_err(|_| Inconsistency::Path { path: line.path })?,
            kind: line.kind,
            range,
            rows: line.rows,
            bytes: line.bytes,
            digest: line.digest,
            fingerprint: line.fingerprint,
            revision: line.revision,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GapLine {
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

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum EditLine {
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
    Repair {
        start: Offset,
        end: Offset,
        counts: Counts,
        replaced: Vec<SegmentLine<String>>,
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
            EditLine::Repair {
                start,
                end,
                counts,
                replaced,
            } => EditSummary::Repair {
                range: range(start, end)?,
                counts,
                replaced: replaced
                    .into_iter()
                    .map(Segment::try_from)
                    .collect::<Result<_, _>>()?,
            },
        })
    }
}
