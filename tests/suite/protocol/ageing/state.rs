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
}

/// The members of a set.
pub fn members(set: Set) -> impl Iterator<Item = u8> {
    (0..FILES).filter(move |file| set >> file & 1 != 0)
}
