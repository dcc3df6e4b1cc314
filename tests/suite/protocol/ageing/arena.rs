//! Manifests: what the product's `apply` makes of an edit. Each is made once and kept, so that a state needs only numbers.

use std::collections::HashMap;

use chrono::DateTime;
use snapback::{
    format::{
        AbsentBuilder, Damaged, Edit, FileName, GapReason, Head, KnownCommit, Layout, Manifest,
        Page, Rowless, RowlessRecord, Segment, SegmentId, SegmentKind, Stamp, apply,
    },
    history::{CorrectionsProgress, are_live, gc_choice::Link},
    model::{Counts, Digest, Sequence},
};

use super::{
    super::{
        state::Span,
        values::{PARTITION, at, byte, declaration, fingerprint, pipeline, range, span},
    },
    accounts::{is_whole, lost},
    state::{Fill, Kind, ManifestId, Set, members},
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
        /// As if all corrections were published.
        all: bool,
    },
    Reopen {
        page: u8,
    },
    /// The end moves past outcomes that nobody has.
    Lose {
        span: Span,
    },
    /// A gap instead of a file.
    GiveUp {
        file: u8,
        span: Span,
    },
    /// Outcomes instead of a gap.
    Fill {
        fill: Fill,
    },
}

/// What else a manifest says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Said {
    /// The manifest that the last commit names which the writer knows.
    pub committed: ManifestId,
    /// The highest number: those between it and the base cannot be read.
    pub highest: u8,
    /// The revision up to which corrections are published, by that commit.
    pub published: u8,
}

/// A manifest and what follows from it.
pub struct Entry {
    pub real: Manifest,
    pub link: Link,
    pub number: u8,
    pub base: ManifestId,
    /// The files of the open list, corrections among them, and the pages.
    pub itself: Set,
    /// These, and the files of the pages.
    pub listed: Set,
    /// The results of the open list with their spans, in order.
    pub live: Vec<(u8, Span)>,
    /// The corrections of the open list.
    pub outbox: Set,
    /// All corrections that the chain has ever had, with their revisions.
    pub revisions: Vec<(u8, u8)>,
    /// The offsets in gaps.
    pub lost: u8,
    /// Whether files and gaps have each offset once, and as many as the counts say.
    pub is_whole: bool,
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
    names: HashMap<(u8, Span, Kind), FileName>,
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

fn files<'s>(segments: impl IntoIterator<Item = &'s Segment>) -> impl Iterator<Item = (u8, Span)> {
    segments.into_iter().filter_map(|segment| {
        let name = layout().parse_file(&segment.path)?;
        Some((file(&name), span(segment.range)))
    })
}

fn set(files: impl Iterator<Item = (u8, Span)>) -> Set {
    files.fold(0, |all, (file, _)| all | 1 << file)
}

/// Published corrections up to a revision, all of their rows.
pub fn progress(published: u8) -> Option<CorrectionsProgress> {
    (published > 0).then_some(CorrectionsProgress {
        sequence: Sequence(published.into()),
        rows: u64::MAX,
    })
}

pub fn segment(file: u8, span: Span) -> Segment {
    of_kind(SegmentKind::Results, file, span)
}

fn of_kind(kind: SegmentKind, file: u8, span: Span) -> Segment {
    let range = range(span);
    Segment {
        path: layout().segment(kind, PARTITION, range, SegmentId(file.into())),
        kind,
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

fn results(span: Span) -> Counts {
    Counts {
        results: range(span).len(),
        ..Counts::default()
    }
}

fn nothing_absent() -> RowlessRecord {
    RowlessRecord {
        absent: AbsentBuilder::default().finish(),
        filtered: 0,
    }
}

impl Arena {
    pub fn get(&self, id: ManifestId) -> Option<&Entry> {
        self.entries.get(usize::from(id).checked_sub(1)?)
    }

    /// The name of a file that was put.
    pub fn name(&mut self, file: u8, span: Span, kind: Kind) -> FileName {
        let path = || match kind {
            Kind::Page => layout().page(PARTITION, range(span), SegmentId(file.into())),
            Kind::Corrections => of_kind(SegmentKind::Corrections, file, span).path,
            Kind::Results => segment(file, span).path,
        };
        let named = || layout().parse_file(&path());
        *self
            .names
            .entry((file, span, kind))
            .or_insert_with(|| named().expect("a name"))
    }

    /// What the open list of a manifest has of a span, as a page; with `all` corrections, or those that are published.
    pub fn page(&self, of: ManifestId, span: Span, all: bool) -> Option<(Page, u64)> {
        let of = self.get(of)?;
        let published = match all {
            true => progress(of.number),
            false => of.real.committed.and_then(|commit| commit.corrections),
        };
        let made = Page::of(&of.real, range(span), published);
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
        let known = match (change, before) {
            (Change::Seal { all: true, .. }, Some(before)) => Some((before, before.number)),
            _ => self
                .get(said.committed)
                .map(|entry| (entry, said.published)),
        };
        let stamp = Stamp {
            writer: "host-0".to_owned(),
            created_at: DateTime::UNIX_EPOCH,
            calculation: declaration(0),
            known: Vec::new(),
            committed: known.map(|(entry, published)| {
                let (sequence, digest) = entry.real.head();
                KnownCommit::new(Head { sequence, digest }, progress(published))
            }),
            skipped: skipped
                .map(|number| Damaged {
                    sequence: Sequence(number.into()),
                    digest: None,
                })
                .collect(),
        };
        let sealed = match change {
            Change::Seal { span, of, all, .. } => Some(self.page(of, span, all)?),
            _ => None,
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
                counts: results(span),
                record: nothing_absent(),
            },
            Change::Lose { span } => Edit::AcceptLoss {
                range: range(span),
                reason: GapReason::Expired,
            },
            Change::GiveUp { file, span } => Edit::GiveUp {
                range: range(span),
                reason: GapReason::Damaged,
                replaced: self.segments(base, 1 << file),
            },
            Change::Fill { fill } => Edit::Backfill {
                range: range(fill.span),
                segments: vec![
                    segment(fill.output, fill.span),
                    of_kind(SegmentKind::Corrections, fill.corrections, fill.span),
                ],
                counts: results(fill.span),
                record: nothing_absent(),
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
            Change::Seal { page, span, .. } => {
                let (value, bytes) = sealed.clone()?;
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
            Change::Seal { page, span, .. } => {
                let (value, _) = sealed?;
                pages.push(ListedPage {
                    file: page,
                    span,
                    files: set(files(value.files())),
                    value,
                });
            }
            Change::Reopen { page } => pages.retain(|listed| listed.file != page),
            _ => {}
        }
        let real = apply(before.map(|entry| &entry.real), edit, stamp).ok()?;
        let link = Link::of(&layout(), &real);
        let live: Vec<(u8, Span)> = files(&real.open.segments).collect();
        let open = set(files(real.open.files()));
        let itself = pages.iter().fold(open, |all, page| all | 1 << page.file);
        let mut revisions = before.map_or_else(Vec::new, |before| before.revisions.clone());
        if let Change::Fill { fill } = change {
            revisions.push((fill.corrections, real.sequence.0 as u8));
        }
        Some(Entry {
            number: real.sequence.0 as u8,
            base,
            itself,
            listed: pages.iter().fold(itself, |all, page| all | page.files),
            live,
            outbox: set(files(&real.open.corrections)),
            revisions,
            lost: lost(&real.gaps),
            is_whole: is_whole(&real, pages.iter().map(|page| &page.value)),
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
