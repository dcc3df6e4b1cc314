//! Manifests as bytes: the JSON document, its digest, and the checks on what was read.

mod document;
mod lines;
mod page;

use bytes::Bytes;
use serde::Serialize;

use super::{Inconsistency, Manifest, manifest::FORMAT_VERSION, validate};
use crate::model::Digest;
use document::{Document, EditLine};
use lines::{GapLine, PageLine, SegmentLine, SilentLine, Time};
pub use page::NotAPage;
pub(super) use page::seal_page;

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

    /// Reads the stored form, checking digest, version, paths and counts (I4), in this order.
    ///
    /// # Errors
    /// [`ManifestError::Newer`] when its digest is right and a newer snapback wrote it, whatever the rest looks like; any
    /// other error means that the bytes are damaged. A version counts only under a digest that holds, so that no flipped
    /// digit makes a manifest of ours look like a newer one.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        decode(bytes)
    }
}

fn encode(manifest: &Manifest) -> Bytes {
    closed(body(manifest)).1
}

/// A manifest's digest and its bytes, from those before its last two lines.
fn closed(mut out: Vec<u8>) -> (Digest, Bytes) {
    let digest = Digest::of(&out);
    out.extend_from_slice(DIGEST_LINE);
    out.extend_from_slice(digest.to_string().as_bytes());
    out.extend_from_slice(LAST_LINES);
    (digest, Bytes::from(out))
}

/// Sets the digest to that of the body, and gives the stored form, which had to be made for it.
pub(super) fn seal(mut manifest: Manifest) -> (Manifest, Bytes) {
    let (digest, bytes) = closed(body(&manifest));
    manifest.digest = digest;
    (manifest, bytes)
}

fn body(manifest: &Manifest) -> Vec<u8> {
    let mut out =
        Vec::with_capacity(1024 + 384 * (manifest.open.segments.len() + manifest.pages.len()));
    out.extend_from_slice(b"{\n");
    member(&mut out, "format_version", &FORMAT_VERSION);
    member(&mut out, "pipeline", &manifest.pipeline);
    member(&mut out, "partition", &manifest.partition);
    member(&mut out, "sequence", &manifest.sequence);
    member(&mut out, "base", &manifest.base);
    member(&mut out, "oldest", &manifest.oldest);
    member(&mut out, "committed", &manifest.committed);
    member(&mut out, "origin", &manifest.origin);
    if let Some(from) = &manifest.published_from {
        member(&mut out, "published_from", from);
    }
    member(&mut out, "end", &manifest.end);
    member(&mut out, "counts", &manifest.counts);
    if let Some(forward) = &manifest.forward {
        member(&mut out, "forward", forward);
    }
    list(&mut out, "gaps", manifest.gaps.iter().map(GapLine::from));
    let silent = manifest.open.silent.iter().map(SilentLine::from);
    list(&mut out, "silent", silent);
    list(&mut out, "calculations", manifest.calculations.iter());
    member(&mut out, "calculation", &manifest.calculation);
    member(&mut out, "fields", &manifest.fields);
    member(&mut out, "edit", &EditLine::from(&manifest.edit));
    member(&mut out, "writer", &manifest.writer);
    member(&mut out, "created_at", &Time(manifest.created_at));
    if !manifest.pages.is_empty() {
        let pages = manifest.pages.iter().map(PageLine::<&str>::from);
        list(&mut out, "pages", pages);
    }
    let segments = manifest.open.segments.iter();
    let segments = segments.map(SegmentLine::<&str>::from);
    list(&mut out, "segments", segments);
    let corrections = manifest.open.corrections.iter();
    let corrections = corrections.map(SegmentLine::<&str>::from);
    list(&mut out, "corrections", corrections);
    out
}

#[expect(
    clippy::expect_used,
    reason = "numbers and strings into memory cannot fail"
)]
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
fn list<T: Serialize>(out: &mut Vec<u8>, name: &str, elements: impl Iterator<Item = T>) {
    value(out, &name);
    out.extend_from_slice(b":[");
    for (index, element) in elements.enumerate() {
        out.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        value(out, &element);
    }
    out.extend_from_slice(b"],\n");
}

fn decode(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let stated = open(bytes)?;
    let document: Document = serde_json::from_slice(bytes)?;
    let manifest = document.into_manifest(stated)?;
    validate::check(&manifest)?;
    Ok(manifest)
}

/// Why a document's body is not looked at.
enum Unopened {
    Newer { found: u64 },
    Form(&'static str),
    Digest { stated: Digest, actual: Digest },
}

impl From<Unopened> for ManifestError {
    fn from(unopened: Unopened) -> ManifestError {
        let supported = FORMAT_VERSION;
        match unopened {
            Unopened::Newer { found } => ManifestError::Newer { found, supported },
            Unopened::Form(why) => ManifestError::NotAManifest(why),
            Unopened::Digest { stated, actual } => ManifestError::DigestMismatch { stated, actual },
        }
    }
}

/// Compares a document's digest with its body, and then its version with ours; gives the digest.
fn open(bytes: &[u8]) -> Result<Digest, Unopened> {
    let form = Unopened::Form("it does not end with its digest (cut short?)");
    let (body, stated) = split(bytes).ok_or(form)?;
    let actual = Digest::of(body);
    if actual != stated {
        return Err(Unopened::Digest { stated, actual });
    }
    match version(bytes)? {
        found if found > u64::from(FORMAT_VERSION) => Err(Unopened::Newer { found }),
        _ => Ok(stated),
    }
}

/// The format version, found without parsing the rest: in every version it is the first member.
fn version(bytes: &[u8]) -> Result<u64, Unopened> {
    let digits = bytes
        .strip_prefix(b"{\n\"format_version\":")
        .and_then(|rest| {
            let end = rest.iter().position(|c| !c.is_ascii_digit())?;
            std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
        });
    match digits {
        Some(0) | None => Err(Unopened::Form("it does not start with its format version")),
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
