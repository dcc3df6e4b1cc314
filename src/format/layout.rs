//! Where everything lies in the store: names are built here and read back here, nowhere else.

use std::str::FromStr;

use super::{FileName, PageName, SegmentId, SegmentKind, SegmentName};
use crate::{
    model::{Offset, OffsetRange, Partition, Sequence},
    store::Path,
};

/// Digits of an offset or a sequence in a file name: with them, sorting by name is sorting by number.
const DIGITS: usize = 20;
const MANIFESTS: &str = "_manifests";
const PAGES: &str = "_pages";
const ATTIC: &str = "_attic";
const VERIFIED: &str = "_verified";
const GC: &str = "_gc";

/// A name that no Kafka topic can have, or one that the store keeps for itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{topic:?} cannot be the folder of an events topic: a topic's name has 1 to 249 characters of \
     a-z A-Z 0-9 . _ - and is none of `.`, `..`, `.staging`, `_probe`"
)]
pub struct LayoutError {
    topic: String,
}

/// The folders and names of one events topic.
///
/// ```text
/// <topic>/results/partition=<p>/<start>-<end>-<id>.parquet      (rejects, corrections: the same)
/// <topic>/_manifests/partition=<p>/<sequence>.json
/// <topic>/_pages/partition=<p>/<start>-<end>-<id>.json
/// <topic>/_attic/results/partition=<p>/<start>-<end>-<id>.parquet
/// <topic>/_verified/partition=<p>.json
/// <topic>/_gc/partition=<p>.json
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    topic: String,
}

impl Layout {
    /// The layout of `events_topic`.
    ///
    /// # Errors
    /// When the name is not one that a Kafka topic can have.
    pub fn new(events_topic: &str) -> Result<Layout, LayoutError> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        let reserved = [".", "..", ".staging", "_probe"];
        if events_topic.is_empty()
            || events_topic.len() > 249
            || !events_topic.bytes().all(legal)
            || reserved.contains(&events_topic)
        {
            return Err(LayoutError {
                topic: events_topic.to_owned(),
            });
        }
        Ok(Layout {
            topic: events_topic.to_owned(),
        })
    }

    /// The events topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The path of a segment.
    #[must_use]
    pub fn segment(
        &self,
        kind: SegmentKind,
        partition: Partition,
        range: OffsetRange,
        id: SegmentId,
    ) -> Path {
        path(format!(
            "{}/{kind}/partition={partition}/{:0DIGITS$}-{:0DIGITS$}-{id}.parquet",
            self.topic,
            range.start().get(),
            range.end().get(),
        ))
    }

    /// The path of the segment or page of that name.
    #[must_use]
    pub fn named(&self, name: &FileName) -> Path {
        match name {
            FileName::Segment(name) => self.segment(name.kind, name.partition, name.range, name.id),
            FileName::Page(name) => self.page(name.partition, name.range, name.id),
        }
    }

    /// What the path of a segment or page says; `None` for any other path, and in the attic.
    #[must_use]
    pub fn parse_file(&self, own: &Path) -> Option<FileName> {
        let segment = self.parse_segment(own).map(FileName::Segment);
        segment.or_else(|| self.parse_page(own).map(FileName::Page))
    }

    /// The file in which gc notes what no manifest of a partition lists.
    #[must_use]
    pub fn gc_notes(&self, partition: Partition) -> Path {
        path(format!("{}/{GC}/partition={partition}.json", self.topic))
    }

    /// The folder of one partition's segments of one kind.
    #[must_use]
    pub fn segments(&self, kind: SegmentKind, partition: Partition) -> Path {
        path(format!("{}/{kind}/partition={partition}", self.topic))
    }

    /// The folder of every partition's segments of one kind.
    #[must_use]
    pub fn all_segments(&self, kind: SegmentKind) -> Path {
        path(format!("{}/{kind}", self.topic))
    }

    /// The glob of every partition's segments of one kind, for readers of the store at `root`.
    #[must_use]
    pub fn glob(&self, root: &str, kind: SegmentKind) -> String {
        let root = root.trim_end_matches('/');
        format!("{root}/{}/{kind}/partition=*/*.parquet", self.topic)
    }

    /// In which partition's folder of segments a file lies, whatever the file is.
    #[must_use]
    pub fn partition_of(&self, own: &Path) -> Option<Partition> {
        let mut parts = self.inside(own)?.split('/');
        SegmentKind::from_name(parts.next()?)?;
        let partition = parse_partition(parts.next()?)?;
        parts.next().map(|_| partition)
    }

    /// The path of a manifest.
    #[must_use]
    pub fn manifest(&self, partition: Partition, sequence: Sequence) -> Path {
        path(format!(
            "{}/{MANIFESTS}/partition={partition}/{:0DIGITS$}.json",
            self.topic, sequence.0,
        ))
    }

    /// The folder of one partition's manifests.
    #[must_use]
    pub fn manifests(&self, partition: Partition) -> Path {
        path(format!("{}/{MANIFESTS}/partition={partition}", self.topic))
    }

    /// The folder of every partition's manifests.
    #[must_use]
    pub fn all_manifests(&self) -> Path {
        path(format!("{}/{MANIFESTS}", self.topic))
    }

    /// The path of what a scrub knows of one partition: when each segment was last verified.
    #[must_use]
    pub fn verified(&self, partition: Partition) -> Path {
        path(format!(
            "{}/{VERIFIED}/partition={partition}.json",
            self.topic
        ))
    }

    /// The path of a page.
    #[must_use]
    pub fn page(&self, partition: Partition, range: OffsetRange, id: SegmentId) -> Path {
        path(format!(
            "{}/{PAGES}/partition={partition}/{:0DIGITS$}-{:0DIGITS$}-{id}.json",
            self.topic,
            range.start().get(),
            range.end().get(),
        ))
    }

    /// The folder of one partition's pages.
    #[must_use]
    pub fn pages(&self, partition: Partition) -> Path {
        path(format!("{}/{PAGES}/partition={partition}", self.topic))
    }

    /// Where the attic keeps what had its own place at `own`.
    ///
    /// `None` when `own` is not a path of this topic's data, or so long that the attic has no room for it: nothing
    /// of ours is.
    #[must_use]
    pub fn attic(&self, own: &Path) -> Option<Path> {
        let rest = self.inside(own)?;
        if rest.starts_with('_') {
            return None;
        }
        Path::parse(&format!("{}/{ATTIC}/{rest}", self.topic)).ok()
    }

    /// The place of its own that a file of the attic had.
    #[must_use]
    pub fn out_of_attic(&self, kept: &Path) -> Option<Path> {
        let rest = self.inside(kept)?.strip_prefix(ATTIC)?.strip_prefix('/')?;
        Path::parse(&format!("{}/{rest}", self.topic)).ok()
    }

    /// What the path of a segment says; `None` for any other path, and for a segment in the attic.
    #[must_use]
    pub fn parse_segment(&self, own: &Path) -> Option<SegmentName> {
        let mut parts = self.inside(own)?.split('/');
        let kind = SegmentKind::from_name(parts.next()?)?;
        let partition = parse_partition(parts.next()?)?;
        let (range, id) = parse_range(parts.next()?.strip_suffix(".parquet")?)?;
        parts.next().is_none().then_some(SegmentName {
            kind,
            partition,
            range,
            id,
        })
    }

    /// What the path of a page says; `None` for any other path.
    #[must_use]
    pub fn parse_page(&self, own: &Path) -> Option<PageName> {
        let mut parts = self.inside(own)?.split('/');
        if parts.next()? != PAGES {
            return None;
        }
        let partition = parse_partition(parts.next()?)?;
        let (range, id) = parse_range(parts.next()?.strip_suffix(".json")?)?;
        parts.next().is_none().then_some(PageName {
            partition,
            range,
            id,
        })
    }

    /// Which manifest a path names; `None` for any other path.
    #[must_use]
    pub fn parse_manifest(&self, own: &Path) -> Option<(Partition, Sequence)> {
        let mut parts = self.inside(own)?.split('/');
        if parts.next()? != MANIFESTS {
            return None;
        }
        let partition = parse_partition(parts.next()?)?;
        let sequence: u64 = parse_number(parts.next()?.strip_suffix(".json")?)?;
        (sequence > 0 && parts.next().is_none()).then_some((partition, Sequence(sequence)))
    }

    fn inside<'p>(&self, own: &'p Path) -> Option<&'p str> {
        let rest = own.as_str().strip_prefix(self.topic.as_str())?;
        rest.strip_prefix('/')
    }
}

#[expect(
    clippy::expect_used,
    reason = "a topic's name, fixed words and digits make a valid path"
)]
fn path(text: String) -> Path {
    Path::parse(&text).expect("a topic's name, fixed words and digits make a valid path")
}

/// `<start>-<end>-<id>`.
fn parse_range(name: &str) -> Option<(OffsetRange, SegmentId)> {
    let mut parts = name.split('-');
    let start = Offset::new(parse_number(parts.next()?)?)?;
    let end = Offset::new(parse_number(parts.next()?)?)?;
    let id = parts.next()?.parse().ok()?;
    let range = OffsetRange::new(start, end).ok()?;
    parts.next().is_none().then_some((range, id))
}

/// Exactly the digits that the layout writes: one name, one spelling.
fn parse_number<T: FromStr>(text: &str) -> Option<T> {
    if text.len() != DIGITS || !text.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn parse_partition(folder: &str) -> Option<Partition> {
    let text = folder.strip_prefix("partition=")?;
    let number: i32 = text.parse().ok()?;
    (number >= 0 && number.to_string() == text).then_some(Partition(number))
}

#[cfg(test)]
mod tests;
