//! Pages as bytes: the same form as manifests, with other members.

use bytes::Bytes;
use serde::Deserialize;

use super::{
    FORMAT_VERSION, Unopened, closed,
    lines::{GapLine, SegmentLine, SilentLine},
    list, member, open,
};
use crate::{
    calculation::Declaration,
    format::{Gap, Inconsistency, Page, Segment, SilentRange, validate},
    model::{Counts, Digest, Offset, OffsetRange, Partition},
};

/// Why bytes are not a page.
#[derive(Debug, thiserror::Error)]
pub enum NotAPage {
    /// A newer snapback wrote it: refuse, never treat as damaged.
    #[error(
        "format version {found} is newer than {supported}, the newest that this snapback reads: \
         use the snapback that wrote it"
    )]
    Newer {
        /// The version that the page states.
        found: u64,
        /// The newest version that is understood.
        supported: u32,
    },
    /// It does not start and end as a page does.
    #[error("not a page: {0}")]
    Form(&'static str),
    /// Its body is not what its digest says.
    #[error("the body's digest is {actual}, the page states {stated}")]
    DigestMismatch {
        /// The digest in the document.
        stated: Digest,
        /// The digest of the body before it.
        actual: Digest,
    },
    /// The digest is right, but members are missing, unknown or of another type.
    #[error("not a page of format version {FORMAT_VERSION}: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Its members contradict each other.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
}

impl NotAPage {
    /// Whether a newer snapback wrote the page; otherwise it is damaged.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        matches!(self, NotAPage::Newer { .. })
    }
}

impl From<Unopened> for NotAPage {
    fn from(unopened: Unopened) -> NotAPage {
        let supported = FORMAT_VERSION;
        match unopened {
            Unopened::Newer { found } => NotAPage::Newer { found, supported },
            Unopened::Form(why) => NotAPage::Form(why),
            Unopened::Digest { stated, actual } => NotAPage::DigestMismatch { stated, actual },
        }
    }
}

/// All members of a page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "format_version")]
    _format_version: u32,
    topic: String,
    partition: Partition,
    start: Offset,
    end: Offset,
    counts: Counts,
    gaps: Vec<GapLine>,
    silent: Vec<SilentLine>,
    calculations: Vec<Declaration>,
    segments: Vec<SegmentLine<String>>,
    corrections: Vec<SegmentLine<String>>,
    #[serde(rename = "digest")]
    _digest: Digest,
}

impl Document {
    fn into_page(self, digest: Digest) -> Result<Page, Inconsistency> {
        let gaps = self.gaps.into_iter().map(Gap::try_from);
        let silent = self.silent.into_iter().map(SilentRange::try_from);
        let segments = self.segments.into_iter().map(Segment::try_from);
        let corrections = self.corrections.into_iter().map(Segment::try_from);
        Ok(Page {
            topic: self.topic,
            partition: self.partition,
            range: OffsetRange::new(self.start, self.end)?,
            counts: self.counts,
            gaps: gaps.collect::<Result<_, _>>()?,
            silent: silent.collect::<Result<_, _>>()?,
            segments: segments.collect::<Result<_, _>>()?,
            corrections: corrections.collect::<Result<_, _>>()?,
            calculations: self.calculations,
            digest,
        })
    }
}

impl Page {
    /// The stored form: as that of a manifest, with other members.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        closed(body(self)).1
    }

    /// Reads the stored form, checking digest, version, paths and counts (I4), in this order.
    ///
    /// # Errors
    /// [`NotAPage::Newer`] when its digest is right and a newer snapback wrote it; any other error means that the bytes are
    /// damaged.
    pub fn decode(bytes: &[u8]) -> Result<Page, NotAPage> {
        let stated = open(bytes)?;
        let document: Document = serde_json::from_slice(bytes)?;
        let page = document.into_page(stated)?;
        validate::check_page(&page)?;
        Ok(page)
    }
}

/// Sets the digest to that of the body, and gives the stored form, which had to be made for it.
pub(in crate::format) fn seal_page(mut page: Page) -> (Page, Bytes) {
    let (digest, bytes) = closed(body(&page));
    page.digest = digest;
    (page, bytes)
}

fn body(page: &Page) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024 + 384 * page.segments.len());
    out.extend_from_slice(b"{\n");
    member(&mut out, "format_version", &FORMAT_VERSION);
    member(&mut out, "topic", &page.topic);
    member(&mut out, "partition", &page.partition);
    member(&mut out, "start", &page.range.start());
    member(&mut out, "end", &page.range.end());
    member(&mut out, "counts", &page.counts);
    list(&mut out, "gaps", page.gaps.iter().map(GapLine::from));
    let silent = page.silent.iter().map(SilentLine::from);
    list(&mut out, "silent", silent);
    list(&mut out, "calculations", page.calculations.iter());
    let segments = page.segments.iter().map(SegmentLine::<&str>::from);
    list(&mut out, "segments", segments);
    let corrections = page.corrections.iter().map(SegmentLine::<&str>::from);
    list(&mut out, "corrections", corrections);
    out
}
