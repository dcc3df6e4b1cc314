//! What the names of segments and pages say.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::model::{OffsetRange, Partition};

/// What the rows of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentKind {
    /// Results: the event's fields and the calculated value.
    Results,
    /// Events that could not be decoded or calculated, with the reason.
    Rejects,
    /// Changed outcomes that are to be published again.
    Corrections,
}

impl SegmentKind {
    /// Every kind, in the order in which a manifest lists them for one range.
    pub const ALL: [SegmentKind; 3] = [
        SegmentKind::Results,
        SegmentKind::Rejects,
        SegmentKind::Corrections,
    ];

    /// The kind's name: the folder, the JSON value, and the Parquet metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SegmentKind::Results => "results",
            SegmentKind::Rejects => "rejects",
            SegmentKind::Corrections => "corrections",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<SegmentKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for SegmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The random part of a segment's name, eight hexadecimal digits: two attempts never share a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u32);

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Text that is not eight lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a segment id (expected 8 hexadecimal digits): {0:?}")]
pub struct NotASegmentId(String);

impl FromStr for SegmentId {
    type Err = NotASegmentId;

    fn from_str(text: &str) -> Result<SegmentId, NotASegmentId> {
        let digit = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        let number = Some(text).filter(|text| text.len() == 8 && text.bytes().all(digit));
        number
            .and_then(|text| u32::from_str_radix(text, 16).ok())
            .map(SegmentId)
            .ok_or_else(|| NotASegmentId(text.to_owned()))
    }
}

/// What a segment's path says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// What its rows are.
    pub kind: SegmentKind,
    /// The partition of the events topic.
    pub partition: Partition,
    /// The offsets that it covers.
    pub range: OffsetRange,
    /// The random part.
    pub id: SegmentId,
}

/// What a page's path says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageName {
    /// The partition of the events topic.
    pub partition: Partition,
    /// The offsets that it accounts for.
    pub range: OffsetRange,
    /// The random part.
    pub id: SegmentId,
}

/// What the path of a file that manifests list says about it: of a segment, or of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// A segment, which the open list or a page lists.
    Segment(SegmentName),
    /// A page, which manifests list.
    Page(PageName),
}

impl FileName {
    /// The offsets that it is about.
    #[must_use]
    pub const fn range(&self) -> OffsetRange {
        match self {
            FileName::Segment(name) => name.range,
            FileName::Page(name) => name.range,
        }
    }
}
