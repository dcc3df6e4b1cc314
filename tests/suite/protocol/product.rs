//! What the model asks the product: `plan`, `apply`, the commit metadata. Every answer is computed once and kept, so that a
//! state needs only numbers.

mod commits;
mod edits;

use std::{collections::HashMap, rc::Rc};

use chrono::DateTime;
use snapback::{
    format::{
        AbsentBuilder, Damaged, Edit, GapReason, Layout, Manifest, Rowless, RowlessRecord, Segment,
        SegmentId, SegmentKind, Stamp, apply,
    },
    history::{are_live, next_corrections},
    model::{Counts, Digest, OffsetRange, Sequence},
    recovery::{self, Authored, CommitMetadata, Committed, Head, Limits, Settled},
};

use super::{
    planning::{Planned, Question},
    rules::{Config, Rule},
    state::{BundleId, CommitId, MAX, ManifestId, Progress, Span},
    values::{PARTITION, at, byte, declaration, fingerprint, pipeline, progress, range, version},
};

/// The files of one attempt to store outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bundle {
    pub span: Span,
    /// The offsets with an outcome.
    pub rows: u8,
    pub version: u8,
    pub writer: u8,
    /// The version, plus one, that its rows replace: it comes with corrections.
    pub replaces: u8,
    /// Of a repair: what it was made of.
    pub input: BundleId,
    /// Tells attempts apart.
    pub tag: u8,
}

/// An edit by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    Bind { origin: u8 },
    Append { bundle: BundleId },
    Repair { bundle: BundleId },
    Loss { span: Span, reason: u8 },
}

/// A manifest and what follows from it.
pub struct Entry {
    pub real: Manifest,
    pub number: u8,
    pub base: ManifestId,
    pub origin: u8,
    pub end: u8,
    /// The offsets with an outcome, and the version of each.
    pub rows: u8,
    pub versions: [u8; MAX as usize],
    pub lost: u8,
    pub bundles: Vec<BundleId>,
}

/// A commit as the group holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Commit {
    /// By a foreign tool; `kept` is our commit whose text it left in place.
    Foreign { offset: u8, kept: CommitId },
    Ours {
        offset: u8,
        writer: u8,
        version: u8,
        head: ManifestId,
        outcomes: u8,
        lost: u8,
        corrections: Progress,
    },
}

/// Corrections to be published: a revision, and one row of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    pub revision: u8,
    pub offset: u8,
    pub version: u8,
    pub done: Progress,
}

/// See the module.
pub struct Product {
    pub config: Config,
    manifests: Vec<Entry>,
    applied: HashMap<(ManifestId, Change, u8, u8), Option<ManifestId>>,
    pub commits: Vec<(Commit, Committed)>,
    commit_ids: HashMap<Commit, CommitId>,
    bundles: Vec<Bundle>,
    bundle_ids: HashMap<Bundle, BundleId>,
    pub plans: HashMap<Question, Rc<Planned>>,
}

impl Product {
    pub fn new(config: &Config) -> Product {
        Product {
            config: config.clone(),
            manifests: Vec::new(),
            applied: HashMap::new(),
            commits: Vec::new(),
            commit_ids: HashMap::new(),
            bundles: Vec::new(),
            bundle_ids: HashMap::new(),
            plans: HashMap::new(),
        }
    }

    pub fn manifest(&self, id: ManifestId) -> Option<&Entry> {
        self.manifests.get((id as usize).checked_sub(1)?)
    }

    pub fn bundle(&self, id: BundleId) -> Bundle {
        self.bundles[id as usize - 1]
    }

    pub fn bundle_id(&mut self, bundle: Bundle) -> BundleId {
        let bundles = &mut self.bundles;
        *self.bundle_ids.entry(bundle).or_insert_with(|| {
            bundles.push(bundle);
            bundles.len() as BundleId
        })
    }

    /// The manifest that follows `base` by `change`, when there is one.
    pub fn apply(
        &mut self,
        base: ManifestId,
        change: Change,
        writer: u8,
        skip: u8,
    ) -> Option<ManifestId> {
        let key = (base, change, writer, skip);
        if let Some(known) = self.applied.get(&key) {
            return *known;
        }
        let entry = self.make(base, change, writer, skip);
        let id = entry.map(|entry| {
            self.manifests.push(entry);
            self.manifests.len() as ManifestId
        });
        self.applied.insert(key, id);
        id
    }
}
