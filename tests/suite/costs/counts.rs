//! What was asked of a store: requests of each kind, by what they are for, with their bytes.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Sub};

/// What a request costs is known by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Put,
    /// A PUT without a body.
    Copy,
    Get,
    List,
    Head,
    Delete,
}

/// Requests of each kind, and the bytes of their bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Copies among them.
    pub put: u64,
    pub get: u64,
    pub list: u64,
    pub head: u64,
    pub delete: u64,
    pub bytes_put: u64,
    pub bytes_got: u64,
}

impl Requests {
    pub fn all(&self) -> u64 {
        self.put + self.get + self.list + self.head + self.delete
    }

    pub fn add(&mut self, kind: Kind, requests: u64, bytes: u64) {
        match kind {
            Kind::Put | Kind::Copy => {
                self.put += requests;
                self.bytes_put += bytes;
            }
            Kind::Get => {
                self.get += requests;
                self.bytes_got += bytes;
            }
            Kind::List => self.list += requests,
            Kind::Head => self.head += requests,
            Kind::Delete => self.delete += requests,
        }
    }
}

impl AddAssign for Requests {
    fn add_assign(&mut self, other: Requests) {
        self.put += other.put;
        self.get += other.get;
        self.list += other.list;
        self.head += other.head;
        self.delete += other.delete;
        self.bytes_put += other.bytes_put;
        self.bytes_got += other.bytes_got;
    }
}

impl Sub for Requests {
    type Output = Requests;

    fn sub(self, other: Requests) -> Requests {
        Requests {
            put: self.put - other.put,
            get: self.get - other.get,
            list: self.list - other.list,
            head: self.head - other.head,
            delete: self.delete - other.delete,
            bytes_put: self.bytes_put - other.bytes_put,
            bytes_got: self.bytes_got - other.bytes_got,
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The files and the manifest of new outcomes.
    Snapshot,
    /// Merging segments and listing them by pages: what is read for it, put, and moved to the attic.
    Merge,
    /// Raising `oldest`, looking at everything, deleting.
    Gc,
    /// What was verified when.
    Scrub,
}

/// What was asked so far.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub by: BTreeMap<Purpose, Requests>,
    /// Manifests that were put, by the kind of their edit.
    pub edits: BTreeMap<String, u64>,
    /// The bytes of all segments that were put, as snapshots or merged.
    pub segment_bytes: u64,
    /// Of those that snapshots put.
    pub first_bytes: u64,
    /// The manifest that was put last.
    pub newest: u64,
    /// The largest one.
    pub largest: u64,
    /// The sum of all.
    pub manifest_bytes: u64,
    /// The most segments in the open list of one.
    pub open: usize,
}

impl Counts {
    pub fn all(&self) -> Requests {
        let mut all = Requests::default();
        self.by.values().for_each(|by| all += *by);
        all
    }

    pub fn of(&self, purpose: Purpose) -> Requests {
        self.by.get(&purpose).copied().unwrap_or_default()
    }

    pub fn manifests(&self) -> u64 {
        self.edits.values().sum()
    }

    /// What came after these; the newest, the largest and the longest are those of all.
    pub fn since(mut self, before: &Counts) -> Counts {
        for (purpose, by) in &mut self.by {
            *by = *by - before.of(*purpose);
        }
        for (edit, number) in &mut self.edits {
            *number -= before.edits.get(edit).copied().unwrap_or(0);
        }
        self.segment_bytes -= before.segment_bytes;
        self.first_bytes -= before.first_bytes;
        self.manifest_bytes -= before.manifest_bytes;
        self
    }
}

/// Objects and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub objects: u64,
    pub bytes: u64,
}
