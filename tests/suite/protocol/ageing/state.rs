//! One state: small, `Copy` and hashable. Sets of files and of numbers are bit masks.

use super::{super::state::Span, rules::Budget};

/// Manifest numbers are `1..=NUMBERS`.
pub const NUMBERS: u8 = 15;
/// Files that a run can put.
pub const FILES: u8 = 10;

/// A manifest in the arena; 0 is none.
pub type ManifestId = u16;
/// Files, by their numbers.
pub type Set = u16;

/// Where a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Place {
    #[default]
    Nowhere,
    Own,
    Attic,
}

/// What a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Results,
    Corrections,
    Page,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct File {
    pub span: Span,
    pub place: Place,
}

/// That a file was seen unlisted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Note {
    /// The highest number then; 0 is no note.
    pub head: u8,
    /// `--keep` ago.
    pub old: bool,
}

pub type Notes = [Note; FILES as usize];

/// A compaction whose file was put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Merge {
    pub inputs: Set,
    pub output: u8,
    /// The highest number known before.
    pub head: u8,
}

/// Outcomes for a gap, whose files were put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fill {
    pub span: Span,
    pub output: u8,
    /// What tells readers of them.
    pub corrections: u8,
    /// The highest number known before.
    pub head: u8,
}

impl Fill {
    pub fn files(self) -> Set {
        1 << self.output | 1 << self.corrections
    }
}

/// A page that was put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sealing {
    pub page: u8,
    /// The manifest whose open list it has a part of.
    pub of: ManifestId,
    /// The highest number known before.
    pub head: u8,
}

/// What a keeper is about to do next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Job {
    #[default]
    None,
    /// To put the file of a compaction.
    Put { inputs: Set },
    /// To look whether its file is there.
    Check(Merge),
    /// To create its manifest.
    Create(Merge),
    /// To look whether a higher number is there.
    Created(Merge, ManifestId),
    /// To move its inputs away, one by one.
    Retire { inputs: Set },
    /// To put a page of what the open list has of a span.
    PutPage { span: Span },
    /// To create the manifest that lists it.
    Seal(Sealing),
    /// To look whether a higher number is there.
    Sealed(Sealing, ManifestId),
    /// To create a manifest with what a page lists in its open list.
    Reopen { page: u8 },
    /// To look whether a higher number is there.
    Reopened { offered: ManifestId },
    /// To create a manifest with a gap instead of a file.
    GiveUp { file: u8 },
    /// To look whether a higher number is there.
    GivenUp { file: u8, offered: ManifestId },
    /// The page that lists the file is reopened before: to look whether a higher number is there.
    OpenedToGiveUp { file: u8, offered: ManifestId },
    /// To put the outcomes of a gap, and corrections.
    PutFill { span: Span },
    /// To look whether these are there.
    CheckFill(Fill),
    /// To create their manifest.
    CreateFill(Fill),
    /// To look whether a higher number is there.
    Filled(Fill, ManifestId),
    /// The page over the gap is reopened before: to look whether a higher number is there.
    OpenedToFill(Fill, ManifestId),
    /// To say where the history begins.
    Raise { oldest: u8 },
    /// To look whether a higher number is there.
    Raised { offered: ManifestId },
    /// To look what may be deleted, and note what is unlisted.
    Look,
    /// To delete files, then the manifests below a number.
    Delete { files: Set, below: u8 },
    /// To move what was unlisted away; `moved` has been.
    Tidy { unlisted: Set, moved: Set },
}

/// One that has the partition, or believes so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keeper {
    pub job: Job,
    /// The newest manifest as last seen, and the highest number.
    pub view: ManifestId,
    pub highest: u8,
}

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    pub chain: [ManifestId; NUMBERS as usize],
    /// Numbers whose manifest cannot be read, was removed by a stranger, or is older than `--keep`.
    pub damaged: u16,
    pub lost: u16,
    pub old: u16,
    pub files: [File; FILES as usize],
    /// How many were put.
    pub put: u8,
    /// Which of them are pages, and which of these cannot be read.
    pub pages: Set,
    pub unread: Set,
    /// Which of them are corrections, and the revision up to which these are published.
    pub corrections: Set,
    pub published: u8,
    pub notes: Notes,
    /// The manifest that the group's commit names.
    pub committed: ManifestId,
    pub keepers: [Keeper; 2],
    /// Somebody died, or something was damaged, and nobody has tidied since.
    pub untidy: bool,
    pub budget: Budget,
}

impl State {
    pub fn at(&self, number: u8) -> ManifestId {
        self.chain[usize::from(number) - 1]
    }

    pub fn set(&mut self, number: u8, manifest: ManifestId) {
        self.chain[usize::from(number) - 1] = manifest;
        let bit = 1 << number;
        self.old &= !bit;
        self.damaged &= !bit;
    }

    pub fn is_readable(&self, number: u8) -> bool {
        self.at(number) != 0 && self.damaged >> number & 1 == 0
    }

    /// The numbers that have a manifest, ascending.
    pub fn present(&self) -> impl DoubleEndedIterator<Item = u8> {
        (1..=NUMBERS).filter(|number| self.at(*number) != 0)
    }

    pub fn highest(&self) -> u8 {
        self.present().next_back().unwrap_or(0)
    }

    /// The newest manifest that can be read.
    pub fn newest(&self) -> ManifestId {
        let mut readable = self
            .present()
            .rev()
            .filter(|number| self.is_readable(*number));
        readable.next().map_or(0, |number| self.at(number))
    }

    pub fn file(&self, file: u8) -> File {
        self.files[usize::from(file)]
    }

    pub fn move_file(&mut self, file: u8, from: Place, to: Place) {
        let place = &mut self.files[usize::from(file)].place;
        if *place == from {
            *place = to;
        }
    }

    pub fn put_file(&mut self, span: Span) -> Option<u8> {
        let file = self.put;
        *self.files.get_mut(usize::from(file))? = File {
            span,
            place: Place::Own,
        };
        self.put += 1;
        Some(file)
    }
}

impl State {
    pub fn is_page(&self, file: u8) -> bool {
        self.pages >> file & 1 != 0
    }

    pub fn kind(&self, file: u8) -> Kind {
        match self.corrections >> file & 1 != 0 {
            _ if self.is_page(file) => Kind::Page,
            true => Kind::Corrections,
            false => Kind::Results,
        }
    }
}

/// The members of a set.
pub fn members(set: Set) -> impl Iterator<Item = u8> {
    (0..FILES).filter(move |file| set >> file & 1 != 0)
}
