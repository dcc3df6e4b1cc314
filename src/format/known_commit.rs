//! What manifests say about the group's commits: the last one that an owner knew when it wrote.

use serde::{Deserialize, Serialize};

use crate::model::{Digest, Sequence};

/// A manifest, by number and digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number.
    pub sequence: Sequence,
    /// Its digest.
    pub digest: Digest,
}

/// How far corrections have been published: everything before `sequence`, and `rows` rows of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CorrectionsProgress {
    /// The revision that is under way: the manifest that introduced the corrections.
    pub sequence: Sequence,
    /// How many of its rows are done.
    pub rows: u64,
}

/// What a commit of the group says that an owner knows to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownCommit {
    /// The number of the newest manifest that the committing owner knew.
    pub sequence: Sequence,
    /// That manifest's digest.
    pub digest: Digest,
    /// How far corrections are published; `None` when none are.
    pub corrections: Option<CorrectionsProgress>,
}

impl KnownCommit {
    /// A commit that names `head`.
    #[must_use]
    pub const fn new(head: Head, corrections: Option<CorrectionsProgress>) -> KnownCommit {
        KnownCommit {
            sequence: head.sequence,
            digest: head.digest,
            corrections,
        }
    }

    /// The later of the two. Who was an owner once, and is not any more, may know an older one than the chain does.
    #[must_use]
    pub fn later(self, other: KnownCommit) -> KnownCommit {
        let place = |commit: &KnownCommit| (commit.sequence, commit.corrections);
        if place(&other) > place(&self) {
            other
        } else {
            self
        }
    }
}
