//! The manifest as a value: all live segments of one partition after one edit. No I/O here.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Forward, Gap, GapReason, KnownCommit, OpenList, PageLink, Segment};
use crate::{
    calculation::{Declaration, Fingerprint},
    model::{Counts, Digest, Offset, OffsetRange, Partition, Sequence},
};

/// The format of manifests, pages and segments: the one that is written, and the newest that is read.
pub const FORMAT_VERSION: u32 = 1;

/// No manifest is read, and none is written, beyond this size.
pub const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// What a store is bound to: one group reading one topic and publishing to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The Kafka cluster's id, when the broker tells it.
    pub cluster_id: Option<String>,
    /// The consumer group.
    pub group: String,
    /// The topic that is read.
    pub events_topic: String,
    /// That topic's id, when the broker tells it: a recreated topic has another.
    pub events_topic_id: Option<String>,
    /// How many partitions that topic had when the store was bound to it first: those with higher numbers came later. `None`
    /// where that is not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_partitions: Option<u32>,
    /// The topic that results are published to.
    pub results_topic: String,
    /// Its partition count, pinned because results are placed by it.
    pub results_partitions: u32,
}

impl Pipeline {
    /// Whether both are one pipeline; how large its topic was at first does not count.
    #[must_use]
    pub fn is_same(&self, other: &Pipeline) -> bool {
        let events_partitions = other.events_partitions;
        let sized = Pipeline {
            events_partitions,
            ..self.clone()
        };
        sized == *other
    }
}

/// Which manifest another one was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The base's number.
    pub sequence: Sequence,
    /// The base's digest (the value of its member `digest`).
    pub digest: Digest,
    /// Every number between the base and this manifest, none of which could be read.
    pub skipped: Vec<Damaged>,
}

/// A number in the chain whose manifest cannot be read; it is never rewritten (I2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Damaged {
    /// The number.
    pub sequence: Sequence,
    /// The digest of the bytes found there; `None` when there is no file, or one beyond all bounds.
    pub digest: Option<Digest>,
}

/// What a manifest says about the edit that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditSummary {
    /// The first manifest: binds the partition to the store.
    Bind,
    /// New outcomes; the segments whose range is this one were added.
    Append {
        /// The offsets that were added.
        range: OffsetRange,
        /// What they were.
        counts: Counts,
    },
    /// A gap after the end.
    AcceptLoss {
        /// The offsets that were given up.
        range: OffsetRange,
        /// Why.
        reason: GapReason,
    },
    /// The outcomes of one range, which could be had from nowhere any more, became a gap.
    GiveUp {
        /// The offsets.
        range: OffsetRange,
        /// Why.
        reason: GapReason,
        /// The segments that are live no more, as the base listed them.
        replaced: Vec<Segment>,
    },
    /// A gap, or a part of one, gave way to outcomes; or the chain begins earlier, with them.
    Backfill {
        /// The offsets.
        range: OffsetRange,
        /// What they are now.
        counts: Counts,
    },
    /// The outcomes of one range gave way to others.
    Repair {
        /// The offsets.
        range: OffsetRange,
        /// What they are now.
        counts: Counts,
        /// The segments that are live no more, as the base listed them; none where the range was silent.
        replaced: Vec<Segment>,
    },
    /// The outcomes of neighbours moved to fewer files.
    Compact {
        /// The offsets.
        range: OffsetRange,
        /// The segments that are live no more, as the base listed them.
        replaced: Vec<Segment>,
    },
    /// Lower numbers are no part of the history any more.
    Retire {
        /// The oldest manifest that is.
        oldest: Sequence,
    },
    /// A range of the open list became a page.
    Seal {
        /// The page.
        page: PageLink,
    },
    /// What a page listed is in the open list again.
    Reopen {
        /// The page, as the base lists it.
        page: PageLink,
    },
}

impl EditSummary {
    /// The edit's name: `bind`, `append`, `accept-loss`, `give-up`, `backfill`, `repair`, `compact`, `retire`, `seal`, `reopen`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            EditSummary::Bind => "bind",
            EditSummary::Append { .. } => "append",
            EditSummary::AcceptLoss { .. } => "accept-loss",
            EditSummary::GiveUp { .. } => "give-up",
            EditSummary::Backfill { .. } => "backfill",
            EditSummary::Repair { .. } => "repair",
            EditSummary::Compact { .. } => "compact",
            EditSummary::Retire { .. } => "retire",
            EditSummary::Seal { .. } => "seal",
            EditSummary::Reopen { .. } => "reopen",
        }
    }

    /// Whether the edit leaves the list of pages as it is.
    #[must_use]
    pub const fn keeps_pages(&self) -> bool {
        !matches!(self, EditSummary::Seal { .. } | EditSummary::Reopen { .. })
    }
}

/// The durable state of one partition after one edit (DESIGN section 3).
///
/// Made by [`super::apply`] and by [`Manifest::decode`] only, so that it always satisfies I4 and its paths
/// are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The pipeline that the store belongs to.
    pub pipeline: Pipeline,
    /// The partition of the events topic.
    pub partition: Partition,
    /// The manifest's number in its chain.
    pub sequence: Sequence,
    /// What it was made from; `None` for the first.
    pub base: Option<Link>,
    /// The oldest number that is part of the history: a decision, not an observation. Whatever lies below is no part of it.
    pub oldest: Sequence,
    /// The last commit of the group that an owner knew; it is never below [`oldest`](Manifest::oldest).
    pub committed: Option<KnownCommit>,
    /// The first offset that the chain accounts for.
    pub origin: Offset,
    /// The first offset whose outcomes were published as they came, where the chain has begun earlier since: those before it
    /// have only corrections, if anything.
    pub published_from: Option<Offset>,
    /// The first offset that it does not account for: the frontier.
    pub end: Offset,
    /// What became of `[origin, end)`.
    pub counts: Counts,
    /// What appends and losses at the end recorded; `None` as long as `counts` says it. Read it by
    /// [`forward()`](Manifest::forward).
    pub forward: Option<Forward>,
    /// The accepted gaps, ascending.
    pub gaps: Vec<Gap>,
    /// The pages that account for parts of the range, ascending.
    pub pages: Vec<PageLink>,
    /// What the manifest lists itself. With the pages, and the gaps outside of them, it has each offset of `[origin, end)` once.
    /// Who wants to know everything that is live reads the pages as well: [`Listed`](super::Listed).
    pub open: OpenList,
    /// What the fingerprints of the live segments and silent ranges stand for, those in pages among them, each once, ascending by it.
    pub calculations: Vec<Declaration>,
    /// The writer's calculation, as in `--calculation`.
    pub calculation: String,
    /// The writer's fields, as in `--fields`.
    pub fields: String,
    /// The edit that made it.
    pub edit: EditSummary,
    /// Who wrote it.
    pub writer: String,
    /// When, to the millisecond.
    pub created_at: DateTime<Utc>,
    pub(super) digest: Digest,
}

impl Manifest {
    /// The digest of the manifest's body: the value of its member `digest`.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The number and the digest: what the commit metadata calls `head`.
    #[must_use]
    pub fn head(&self) -> (Sequence, Digest) {
        (self.sequence, self.digest)
    }

    /// Everything that the chain accounts for: `[origin, end)`.
    #[must_use]
    #[expect(clippy::expect_used, reason = "apply and decode keep origin <= end")]
    pub fn range(&self) -> OffsetRange {
        OffsetRange::new(self.origin, self.end).expect("apply and decode keep origin <= end")
    }

    /// The segments that this manifest's edit added.
    pub fn added(&self) -> impl Iterator<Item = &Segment> + Clone {
        let range = match self.edit {
            EditSummary::Append { range, .. }
            | EditSummary::Backfill { range, .. }
            | EditSummary::Repair { range, .. }
            | EditSummary::Compact { range, .. } => Some(range),
            EditSummary::Bind
            | EditSummary::AcceptLoss { .. }
            | EditSummary::GiveUp { .. }
            | EditSummary::Retire { .. }
            | EditSummary::Seal { .. }
            | EditSummary::Reopen { .. } => None,
        };
        // All outcomes of that range are new, but earlier corrections of it stay.
        let added = move |segment: &&Segment| {
            let own = |revision| revision == self.sequence;
            Some(segment.range) == range && segment.revision.is_none_or(own)
        };
        self.open.files().filter(added)
    }

    /// The segments that this manifest's edit took out of the live ones.
    #[must_use]
    pub fn replaced(&self) -> &[Segment] {
        match &self.edit {
            EditSummary::GiveUp { replaced, .. }
            | EditSummary::Repair { replaced, .. }
            | EditSummary::Compact { replaced, .. } => replaced,
            EditSummary::Bind
            | EditSummary::Append { .. }
            | EditSummary::Backfill { .. }
            | EditSummary::AcceptLoss { .. }
            | EditSummary::Retire { .. }
            | EditSummary::Seal { .. }
            | EditSummary::Reopen { .. } => &[],
        }
    }

    /// What the calculation of a live segment or a silent range is.
    #[must_use]
    pub fn declaration(&self, fingerprint: &Fingerprint) -> Option<&Declaration> {
        let of = |declared: &&Declaration| declared.fingerprint == *fingerprint;
        self.calculations.iter().find(of)
    }

    /// Whether two calculations that it declares leave out the same events.
    #[must_use]
    pub fn filter_alike(&self, one: &Fingerprint, other: &Fingerprint) -> bool {
        let declared = self.declaration(one).zip(self.declaration(other));
        one == other || declared.is_some_and(|(one, other)| one.takes_the_same(other))
    }

    /// How many segments are live, those in pages among them.
    #[must_use]
    pub fn live_files(&self) -> u64 {
        let in_pages = self.pages.iter().map(|page| page.files);
        self.open.files().count() as u64 + in_pages.sum::<u64>()
    }

    /// Their bytes.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        let in_pages = self.pages.iter().map(|page| page.segment_bytes);
        let own = self.open.files().map(|segment| segment.bytes);
        own.chain(in_pages).sum()
    }

    /// The highest revision of all corrections, those in pages among them; `None` when there are none.
    #[must_use]
    pub fn revision(&self) -> Option<Sequence> {
        let own = self.open.corrections.iter();
        let in_pages = self.pages.iter().filter_map(|page| page.revision);
        own.filter_map(|one| one.revision).chain(in_pages).max()
    }

    /// The pages whose ranges overlap this one.
    pub fn pages_over(&self, range: OffsetRange) -> impl Iterator<Item = &PageLink> {
        let over = move |page: &&PageLink| page.range.overlaps(range);
        self.pages.iter().filter(over)
    }

    /// What the forward path has recorded up to the end.
    #[must_use]
    pub fn forward(&self) -> Forward {
        self.forward.unwrap_or_else(|| self.counts.into())
    }
}
