//! The values that [`plan`](super::plan) decides on.

use std::time::Duration;

use super::{
    counts::{OutcomeCounts, Replayed},
    metadata::{Authored, CommitMetadata},
};
use crate::{
    calculation::{CarryChoices, Declaration},
    format::Pipeline,
    history::CorrectionsProgress,
    kafka::{CommittedOffset, Fault},
    model::{Digest, Offset, OffsetRange, Partition, Sequence},
};

/// Everything that is known about one partition at the moment it is assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The partition.
    pub partition: Partition,
    /// The pipeline that this process runs.
    pub ours: Pipeline,
    /// The calculation that this process runs.
    pub calculation: Declaration,
    /// Its fingerprints with every `--carry`.
    pub carry_choices: CarryChoices,
    /// The store's root as people write it: `./snapshots`, `s3://bucket/prefix`.
    pub store: String,
    /// What the store holds of this partition.
    pub chain: ChainFacts,
    /// The group's committed offset; `None` when there is none.
    pub committed: Option<Committed>,
    /// What the log holds.
    pub log: LogFacts,
    /// What a replay of `[frontier, committed)` gave, when one was tried and did not give what was expected. The worker sets
    /// it and plans again.
    pub replayed: Option<Replayed>,
    /// Events that the log holds and that cannot be read, found where the partition came to a halt again and again.
    pub unreadable: Option<UnreadableEvents>,
    /// The event whose message no broker takes, found where publishing came to a halt.
    pub refused: Option<RefusedEvent>,
}

/// An event whose outcome cannot be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEvent {
    /// The event.
    pub offset: Offset,
    /// The topic that does not take its message.
    pub topic: String,
    /// What the broker says.
    pub words: String,
    /// The settings of the topic.
    pub rules: String,
}

/// Events that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableEvents {
    /// From the first that was not delivered to the end of their batch.
    pub range: OffsetRange,
    /// Why.
    pub fault: Fault,
}

impl Facts {
    /// How far corrections are published, as far as the group's commit tells.
    #[must_use]
    pub fn corrections_published(&self) -> Option<CorrectionsProgress> {
        match &self.committed.as_ref()?.authored {
            Authored::Ours(metadata) => metadata.corrections,
            Authored::Newer { .. } | Authored::Stranger => None,
        }
    }
}

/// What the store holds of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the usual one, once for each partition that is planned"
)]
pub enum ChainFacts {
    /// No manifest at all.
    Absent,
    /// The newest manifest is of a newer format than this program reads.
    Newer {
        /// Its number.
        sequence: Sequence,
        /// Its format version.
        version: u32,
        /// Who wrote it, when that can be read.
        writer: Option<String>,
    },
    /// There are manifests, but not one of them can be read.
    Unreadable {
        /// What is wrong with each.
        damage: Vec<Damage>,
    },
    /// A file has a number that no manifest of this chain can have come to.
    StrayNumber {
        /// The file.
        path: String,
        /// The next lower number of a manifest.
        below: Sequence,
    },
    /// The newest manifest that can be read.
    Good(GoodChain),
}

/// The newest good manifest of a partition, and what lies around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoodChain {
    /// The pipeline that the manifest names.
    pub pipeline: Pipeline,
    /// Its number.
    pub sequence: Sequence,
    /// Where the chain starts.
    pub origin: Offset,
    /// The frontier: where the manifest ends.
    pub end: Offset,
    /// Outcomes from origin to frontier.
    pub counts: OutcomeCounts,
    /// How many more outcomes commits count than `counts`: those that were given up since. They count what was appended.
    pub beside: i64,
    /// The newest edit that changed outcomes of it.
    pub revision: Option<Sequence>,
    /// Offsets recorded as lost after the frontier of then, from origin to frontier; those inside the history are not among them.
    pub lost: u64,
    /// Whether the `head` of the commit metadata is in this chain (a damaged manifest at its number counts as present).
    /// Without a commit of ours: not asked, any value.
    pub head_known: bool,
    /// How long ago the partition was bound to the store, if the processor has recorded nothing since; `None` when it has, and
    /// when nobody knows.
    pub bound: Option<Duration>,
    /// Newer manifests, or segments of this one, that are damaged or missing.
    pub damage: Vec<Damage>,
}

impl GoodChain {
    /// Outcomes from origin to frontier, as commits count them.
    #[must_use]
    pub const fn outcomes(&self) -> u64 {
        self.counts.outcomes().saturating_add_signed(self.beside)
    }
}

/// A stored file that is damaged or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it is, for people (`Store::locate`).
    pub path: String,
    /// What is wrong with it.
    pub detail: String,
}

/// The group's committed offset and who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset.
    pub offset: Offset,
    /// Whose commit it is.
    pub authored: Authored,
}

impl Committed {
    /// What it says, if we, or a predecessor of ours, made it.
    pub fn ours(&self) -> Option<&CommitMetadata> {
        match &self.authored {
            Authored::Ours(metadata) => Some(metadata),
            Authored::Newer { .. } | Authored::Stranger => None,
        }
    }

    /// The newest manifest that it names.
    pub fn head(&self) -> Option<(Sequence, Digest)> {
        let head = self.ours()?.head;
        Some((head.sequence, head.digest))
    }
}

impl From<CommittedOffset> for Committed {
    fn from(committed: CommittedOffset) -> Committed {
        let text = Some(committed.metadata.as_str()).filter(|text| !text.is_empty());
        Committed {
            offset: committed.offset,
            authored: CommitMetadata::parse(text, committed.offset),
        }
    }
}

/// The log of the events partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFacts {
    /// The first offset that is still there.
    pub start: Offset,
    /// After the last offset that a read_committed consumer can see.
    pub stable_end: Offset,
    /// After the last offset.
    pub end: Offset,
    /// With [`Start::Time`]: the first offset at or after that time; `None` when there is none yet.
    pub since: Option<Offset>,
}

/// What the operator said on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Where a partition starts of which nothing is stored or committed.
    pub start: Start,
    /// Which side to believe where store and group disagree.
    pub resume_from: Option<ResumeFrom>,
    /// The losses that are accepted; each must be exactly the range that a refusal named.
    pub accept_loss: Vec<(Partition, OffsetRange)>,
}

impl Policy {
    /// What `--accept-loss` names for one partition.
    pub(super) fn accepted_losses(&self, partition: Partition) -> Vec<OffsetRange> {
        let of_partition = self.accept_loss.iter().filter(|loss| loss.0 == partition);
        of_partition.map(|(_, range)| *range).collect()
    }
}

/// Where a new partition starts (`--start`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the log's start.
    #[default]
    Earliest,
    /// After the last event.
    Latest,
    /// At the first event of that time or later, in milliseconds since the epoch; [`LogFacts::since`] is its offset.
    Time(i64),
}

/// Which side goes on where store and group disagree (`--resume-from`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeFrom {
    /// The store's frontier: what lies after it is calculated and published (again).
    Frontier,
    /// The group's committed offset: what the store does not hold before it becomes a recorded gap.
    Committed,
}

impl ResumeFrom {
    /// As it is typed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ResumeFrom::Frontier => "frontier",
            ResumeFrom::Committed => "committed",
        }
    }
}
