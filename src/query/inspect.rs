//! What one file is, and whether it is whole: from its bytes and its name alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use serde::Serialize;

use crate::{
    calculation::{Declaration, Fingerprint},
    format::{
        FactsError, Layout, Manifest, Page, Segment, SegmentError, SegmentFacts, SegmentKind,
        check_segment, read_segment,
    },
    model::{Counts, Digest, Offset, OffsetRange, Partition, Sequence},
};

/// What begins a Parquet file.
const PARQUET: &[u8] = b"PAR1";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A segment of results.
    Results,
    /// A segment of rejects.
    Rejects,
    /// A segment of corrections.
    Corrections,
    /// A manifest.
    Manifest,
    /// A page.
    Page,
    /// Nothing that snapback stores, or damaged beyond recognition.
    Unknown,
}

/// A calculation that a file names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedCalculation {
    /// By which segments name it.
    pub fingerprint: Fingerprint,
    /// As in `--calculation`.
    pub calculation: String,
    /// As in `--where`.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// As in `--fields`.
    pub fields: String,
}

/// What a file lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedFiles {
    /// Segments of results.
    pub results: u64,
    /// Segments of rejects.
    pub rejects: u64,
    /// Segments of corrections.
    pub corrections: u64,
    /// Pages, and how many segments they list.
    pub pages: u64,
    /// See there.
    pub segments_in_pages: u64,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspected {
    /// What it is.
    pub kind: FileKind,
    /// Its size.
    pub bytes: u64,
    /// Whether all of it is as it was written, and its name is right.
    pub whole: bool,
    /// Whether a newer snapback wrote it: what is in it cannot be told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub newer: bool,
    /// What is wrong otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// The digest by which others name it: of a segment's whole file, of the body of a manifest or page.
    pub digest: Digest,
    /// What it says of itself, as far as that can be read.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub says: Option<Says>,
}

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Says {
    /// The events topic.
    pub topic: String,
    /// The partition of it.
    pub partition: Partition,
    /// Where its range begins.
    pub start: Offset,
    /// Where its range ends.
    pub end: Offset,
    /// What the offsets of the range are.
    pub counts: Counts,
    /// Of a segment: its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Of a manifest: its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// Of a segment: what it does not know of the events of its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_known: Option<String>,
    /// The edit that made it, or that it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<&'static str>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
    /// Of a manifest or page: what it lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lists: Option<ListedFiles>,
    /// The calculations of its rows, or of the segments that it lists.
    pub calculations: Vec<NamedCalculation>,
}

/// Reads a file called `name`.
#[must_use]
pub fn inspect(name: &str, file: Bytes) -> Inspected {
    let bytes = file.len() as u64;
    let of_file = Digest::of(&file);
    let Read {
        kind,
        digest,
        says,
        damage,
        newer,
    } = if file.starts_with(PARQUET) {
        // The decoder may panic on a damaged file.
        let read = catch_unwind(AssertUnwindSafe(|| segment(file)));
        let panicked = "decoding it panicked".to_owned();
        read.unwrap_or(Read::unknown(panicked, false))
    } else {
        document(&file)
    };
    let misnamed = || says.as_ref().and_then(|says| misnamed(name, kind, says));
    let damage = damage.or_else(misnamed);
    Inspected {
        kind,
        bytes,
        whole: damage.is_none(),
        newer,
        damage,
        digest: digest.unwrap_or(of_file),
        says,
    }
}

/// What reading a file gave.
struct Read {
    kind: FileKind,
    digest: Option<Digest>,
    says: Option<Says>,
    damage: Option<String>,
    newer: bool,
}

impl Read {
    fn unknown(damage: String, newer: bool) -> Read {
        Read {
            kind: FileKind::Unknown,
            digest: None,
            says: None,
            damage: Some(damage),
            newer,
        }
    }
}

fn segment(file: Bytes) -> Read {
    let (facts, rows, damage) = match check_segment(file.clone()) {
        Ok((facts, rows)) => (facts, rows, None),
        Err(damage) => match read_segment(file) {
            Ok(reader) => (
                reader.facts().clone(),
                reader.rows(),
                Some(damage.to_string()),
            ),
            Err(error) => {
                let newer = matches!(error, SegmentError::Facts(FactsError::Newer { .. }));
                return Read::unknown(error.to_string(), newer);
            }
        },
    };
    let kind = match facts.kind {
        SegmentKind::Results => FileKind::Results,
        SegmentKind::Rejects => FileKind::Rejects,
        SegmentKind::Corrections => FileKind::Corrections,
    };
    Read {
        kind,
        digest: None,
        says: Some(Says::of_segment(facts, rows)),
        damage,
        newer: false,
    }
}

/// A manifest or a page.
fn document(file: &[u8]) -> Read {
    let read = |kind, digest, says| Read {
        kind,
        digest: Some(digest),
        says: Some(says),
        damage: None,
        newer: false,
    };
    let not_a_manifest = match Manifest::decode(file) {
        Ok(manifest) => {
            let says = Says::of_manifest(&manifest);
            return read(FileKind::Manifest, manifest.digest(), says);
        }
        Err(error) => error,
    };
    let not_a_page = match Page::decode(file) {
        Ok(page) => return read(FileKind::Page, page.digest(), Says::of_page(&page)),
        Err(error) => error,
    };
    // One of the members that only one of them has.
    let has = |member: &str| {
        let text = String::from_utf8_lossy(file);
        text.contains(member)
    };
    let (kind, damage) = match (has("\"pipeline\":"), has("\"topic\":")) {
        (true, _) => (FileKind::Manifest, not_a_manifest.to_string()),
        (false, true) => (FileKind::Page, not_a_page.to_string()),
        (false, false) => {
            let text = "neither a Parquet file, nor a manifest or a page";
            (FileKind::Unknown, text.to_owned())
        }
    };
    Read {
        kind,
        ..Read::unknown(damage, not_a_manifest.is_newer() || not_a_page.is_newer())
    }
}

/// What is wrong with the name of a file, if it is one that a file of its kind can have.
fn misnamed(name: &str, kind: FileKind, says: &Says) -> Option<String> {
    let layout = Layout::new(&says.topic).ok()?;
    let partition = says.partition;
    let folder = match kind {
        FileKind::Results => layout.segments(SegmentKind::Results, partition),
        FileKind::Rejects => layout.segments(SegmentKind::Rejects, partition),
        FileKind::Corrections => layout.segments(SegmentKind::Corrections, partition),
        FileKind::Manifest => layout.manifests(partition),
        FileKind::Page => layout.pages(partition),
        FileKind::Unknown => return None,
    };
    let path = folder.join(name).ok()?;
    let fits = match layout.parse_manifest(&path) {
        Some((_, number)) => Some(number) == says.sequence,
        None => {
            let range = layout.parse_file(&path)?.range();
            (range.start(), range.end()) == (says.start, says.end)
        }
    };
    (!fits).then(|| format!("it is another file than its name says: {name}"))
}

impl Says {
    fn of_segment(facts: SegmentFacts, rows: u64) -> Says {
        Says {
            topic: facts.topic,
            partition: facts.partition,
            start: facts.range.start(),
            end: facts.range.end(),
            counts: facts.counts,
            rows: Some(rows),
            sequence: None,
            not_known: facts.not_known.map(|it| it.to_string()),
            edit: Some(facts.made_for.name()),
            writer: Some(facts.writer),
            lists: None,
            calculations: named(&[facts.declaration]),
        }
    }

    fn of_manifest(manifest: &Manifest) -> Says {
        let range = manifest.range();
        let in_pages = manifest.pages.iter().map(|page| page.files).sum();
        let pages = (manifest.pages.len() as u64, in_pages);
        Says {
            sequence: Some(manifest.sequence),
            edit: Some(manifest.edit.name()),
            writer: Some(manifest.writer.clone()),
            lists: Some(ListedFiles::of(manifest.open.files(), pages)),
            ..Says::of(
                (&manifest.pipeline.events_topic, manifest.partition),
                (range, manifest.counts),
                &manifest.calculations,
            )
        }
    }

    fn of_page(page: &Page) -> Says {
        Says {
            lists: Some(ListedFiles::of(page.files(), (0, 0))),
            ..Says::of(
                (&page.topic, page.partition),
                (page.range, page.counts),
                &page.calculations,
            )
        }
    }

    fn of(
        (topic, partition): (&str, Partition),
        (range, counts): (OffsetRange, Counts),
        calculations: &[Declaration],
    ) -> Says {
        Says {
            topic: topic.to_owned(),
            partition,
            start: range.start(),
            end: range.end(),
            counts,
            rows: None,
            sequence: None,
            not_known: None,
            edit: None,
            writer: None,
            lists: None,
            calculations: named(calculations),
        }
    }
}

impl ListedFiles {
    fn of<'s>(
        files: impl Iterator<Item = &'s Segment> + Clone,
        (pages, segments_in_pages): (u64, u64),
    ) -> ListedFiles {
        let of = |kind| files.clone().filter(|file| file.kind == kind).count() as u64;
        ListedFiles {
            results: of(SegmentKind::Results),
            rejects: of(SegmentKind::Rejects),
            corrections: of(SegmentKind::Corrections),
            pages,
            segments_in_pages,
        }
    }
}

fn named(declarations: &[Declaration]) -> Vec<NamedCalculation> {
    let of = |declared: &Declaration| NamedCalculation {
        fingerprint: declared.fingerprint.clone(),
        calculation: declared.calculation.clone(),
        condition: declared.condition.clone(),
        fields: declared.fields.clone(),
    };
    declarations.iter().map(of).collect()
}
