//! Manifests: what the product's `apply` makes of an edit. Each is made once and kept, so that a state needs only numbers.

use std::collections::HashMap;

use chrono::DateTime;
use snapback::{
    format::{
        AbsentBuilder, Damaged, Edit, FileName, Head, KnownCommit, Layout, Manifest, Page, Rowless,
        RowlessRecord, Segment, SegmentId, SegmentKind, Stamp, apply,
    },
    history::{are_live, gc_choice::Link},
    model::{Counts, Digest, Sequence},
};

use super::{
    super::{
        state::Span,
        values::{PARTITION, at, byte, declaration, fingerprint, pipeline, range},
    },
    state::{ManifestId, Set, members},
};

/// An edit by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    Bind,
    Append {
        file: u8,
        span: Span,
    },
    Compact {
        output: u8,
        span: Span,
        inputs: Set,
    },
    Retire {
        oldest: u8,
    },
    /// What the open list of a manifest had of a span is in a page.
    Seal {
        page: u8,
        span: Span,
        of: ManifestId,
    },
    Reopen {
        page: u8,
    },
}

/// What else a manifest says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Said {
    /// The manifest that the last commit names which the writer knows.
    pub committed: ManifestId,
    /// The highest number: those between it and the base cannot be read.
    pub highest: u8,
}

/// A manifest and what follows from it.
pub struct Entry {
    pub real: Manifest,
    pub link: Link,
    pub number: u8,
    pub base: ManifestId,
    /// The files of the open list, and the pages.
    pub itself: Set,
    /// These, and the files of the pages.
    pub listed: Set,
    /// The files of the open list with their spans, in order.
    pub live: Vec<(u8, Span)>,
    pub pages: Vec<ListedPage>,
    pub end: u8,
    pub oldest: u8,
}

/// A page of a manifest.
#[derive(Clone)]
pub struct ListedPage {
    pub file: u8,
    pub span: Span,
    pub files: Set,
    value: Page,
}

#[derive(Default)]
pub struct Arena {
    entries: Vec<Entry>,
    names: HashMap<(u8, Span, bool), FileName>,
    made: HashMap<(ManifestId, Change, Said), Option<ManifestId>>,
}

pub fn layout() -> Layout {
    Layout::new("events").expect("a topic's name")
}

/// The file of that name.
pub fn file(name: &FileName) -> u8 {
    let id = match name {
        FileName::Segment(name) => name.id,
        FileName::Page(name) => name.id,
    };
    id.0 as u8
}

fn files(segments: &[Segment]) -> impl Iterator<Item = (u8, Span)> {
    segments.iter().filter_map(|segment| {
        let name = layout().parse_file(&segment.path)?;
        let span = Span::new(byte(segment.range.start()), byte(segment.range.end()));
        Some((file(&name), span))
    })
}

pub fn segment(file: u8, span: Span) -> Segment {
    let range = range(span);
    Segment {
        path: layout().segment(
            SegmentKind::Results,
            PARTITION,
            range,
            SegmentId(file.into()),
        ),
        kind: SegmentKind::Results,
        range,
        rows: range.len(),
        rowless: Rowless::default(),
        bytes: 100,
        digest: Digest::of(&[file, span.start, span.end]),
        fingerprint: fingerprint(0),
        not_known: None,
        revision: None,
    }
}

impl Arena {
    pub fn get(&self, id: ManifestId) -> Option<&Entry> {
        self.entries.get(usize::from(id).checked_sub(1)?)
    }

    /// The name of a file that was put.
    pub fn name(&mut self, file: u8, span: Span, is_page: bool) -> FileName {
        let path = || match is_page {
            true => layout().page(PARTITION, range(span), SegmentId(file.into())),
            false => segment(file, span).path,
        };
        let named = || layout().parse_file(&path());
        *self
            .names
            .entry((file, span, is_page))
            .or_insert_with(|| named().expect("a name"))
    }

    /// What the open list of a manifest has of a span, as a page.
    pub fn page(&self, of: ManifestId, span: Span) -> Option<(Page, u64)> {
        let made = Page::of(&self.get(of)?.real, range(span), None);
        made.ok().map(|(page, stored)| (page, stored.len() as u64))
    }

    /// A manifest that is there.
    pub fn entry(&self, id: ManifestId) -> &Entry {
        &self.entries[usize::from(id) - 1]
    }

    /// The manifest that follows `base` by `change`, when there is one.
    pub fn apply(&mut self, base: ManifestId, change: Change, said: Said) -> Option<ManifestId> {
        let key = (base, change, said);
        if let Some(known) = self.made.get(&key) {
            return *known;
        }
        let entry = self.make(base, change, said);
        let id = entry.map(|entry| {
            self.entries.push(entry);
            self.entries.len() as ManifestId
        });
        self.made.insert(key, id);
        id
    }

    fn make(&self, base: ManifestId, change: Change, said: Said) -> Option<Entry> {
        let before = self.get(base);
        let skipped = before.map_or(0, |before| before.number) + 1..=said.highest;
        let head = self.get(said.committed).map(|entry| entry.real.head());
        let stamp = Stamp {
            writer: "host-0".to_owned(),
            created_at: DateTime::UNIX_EPOCH,
            calculation: declaration(0),
            known: Vec::new(),
            committed: head
                .map(|(sequence, digest)| KnownCommit::new(Head { sequence, digest }, None)),
            skipped: skipped
                .map(|number| Damaged {
                    sequence: Sequence(number.into()),
                    digest: None,
                })
                .collect(),
        };
        let edit = match change {
            Change::Bind => Edit::Bind {
                pipeline: pipeline(),
                partition: PARTITION,
                origin: at(0),
            },
            Change::Append { file, span } => Edit::Append {
                range: range(span),
                segments: vec![segment(file, span)],
                counts: Counts {
                    results: range(span).len(),
                    ..Counts::default()
                },
                record: RowlessRecord {
                    absent: AbsentBuilder::default().finish(),
                    filtered: 0,
                },
            },
            Change::Compact {
                output,
                span,
                inputs,
            } => Edit::Compact {
                range: range(span),
                replaced: self.segments(base, inputs),
                segments: vec![segment(output, span)],
            },
            Change::Retire { oldest } => Edit::Retire {
                oldest: Sequence(oldest.into()),
            },
            Change::Seal { page, span, of } => {
                let (value, bytes) = self.page(of, span)?;
                Edit::Seal {
                    page: Box::new(value),
                    path: layout().page(PARTITION, range(span), SegmentId(page.into())),
                    bytes,
                }
            }
            Change::Reopen { page } => {
                let mut pages = before?.pages.iter();
                let page = pages.find(|listed| listed.file == page)?;
                Edit::Reopen {
                    page: Box::new(page.value.clone()),
                }
            }
        };
        let mut pages = before
            .map(|before| before.pages.clone())
            .unwrap_or_default();
        match change {
            Change::Seal { page, span, of } => {
                let (value, _) = self.page(of, span)?;
                pages.push(ListedPage {
                    file: page,
                    span,
                    files: files(&value.segments).map(|(file, _)| 1 << file).sum(),
                    value,
                });
            }
            Change::Reopen { page } => pages.retain(|listed| listed.file != page),
            _ => {}
        }
        let real = apply(before.map(|entry| &entry.real), edit, stamp).ok()?;
        let link = Link::of(&layout(), &real);
        let live: Vec<(u8, Span)> = files(&real.open.segments).collect();
        let open = live.iter().fold(0, |open, (file, _)| open | 1 << file);
        let itself = pages.iter().fold(open, |all, page| all | 1 << page.file);
        Some(Entry {
            number: real.sequence.0 as u8,
            base,
            itself,
            listed: pages.iter().fold(itself, |all, page| all | page.files),
            live,
            pages,
            end: byte(real.end),
            oldest: real.oldest.0 as u8,
            link,
            real,
        })
    }

    /// Those of a manifest's segments.
    fn segments(&self, manifest: ManifestId, files: Set) -> Vec<Segment> {
        let segments = self
            .get(manifest)
            .into_iter()
            .flat_map(|entry| &entry.real.open.segments);
        let of = |segment: &&Segment| {
            let name = layout().parse_file(&segment.path);
            name.is_some_and(|name| files >> file(&name) & 1 != 0)
        };
        segments.filter(of).cloned().collect()
    }

    /// Whether all of these files are live.
    pub fn is_live(&self, files: Set, view: ManifestId) -> bool {
        let inputs = self.segments(view, files);
        inputs.len() == members(files).count()
            && are_live(&inputs, &self.entry(view).real.open.segments)
    }
}
