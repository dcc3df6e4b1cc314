//! One state of the model: small, `Copy` and hashable. Offsets and counts are bytes, sets of offsets are bit masks;
//! manifests and commits are numbers in the [`Product`](super::product::Product)'s tables, where the real values are.

use super::rules::Budget;

/// The offsets of the model's log are `0..MAX`.
pub const MAX: u8 = 4;
/// Manifest numbers of the model are `1..=CHAIN`.
pub const CHAIN: usize = 10;
/// Files of segments that a state can hold.
pub const FILES: usize = 10;

/// A manifest in the product's table; 0 is none.
pub type ManifestId = u16;
/// A commit in the product's table; 0 is none.
pub type CommitId = u16;
/// A segment (with its twins) in the product's table; 0 is none.
pub type BundleId = u16;

/// Half-open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    pub start: u8,
    pub end: u8,
}

impl Span {
    pub const fn new(start: u8, end: u8) -> Span {
        Span { start, end }
    }

    /// One bit per offset.
    pub const fn mask(self) -> u8 {
        if self.end <= self.start {
            return 0;
        }
        ((((1_u16 << self.end) - 1) & !((1_u16 << self.start) - 1)) & 0xff) as u8
    }

    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// What a worker does with the partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// No process.
    #[default]
    Down,
    /// A process without the partition.
    Idle,
    /// Given the partition, which fences the owner before; nothing has been read.
    Assigned,
    /// The manifests have been read.
    ChainRead,
    /// The committed offset too.
    CommitRead,
    /// Tidying found a longer chain: the committed offset must be read once more.
    Overtaken,
    /// The folders are tidy; the facts are complete.
    Tidied,
    /// Manifest 1 is being appended.
    Binding,
    /// The accepted loss is to be committed.
    AcceptingLoss,
    /// The accepted loss is being appended.
    RecordingLoss,
    /// What was published is read again.
    Replaying,
    /// What was published under another calculation has been read again, and is to be stored first.
    Correcting,
    /// Events are processed.
    Running,
    /// Refused.
    Held,
}

/// Which side the operator believes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Resume {
    #[default]
    Unsaid,
    Frontier,
    Committed,
}

/// The worker's own idea of its transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Client {
    #[default]
    None,
    /// Outputs may have been produced.
    Open,
    /// The offsets have been sent.
    Sent,
    /// The commit was called and not answered.
    Unknown,
    /// A new producer is there; the group must say what was committed.
    Asking,
}

/// What a store task is busy with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stage {
    #[default]
    None,
    /// Outcomes have been taken; no file yet.
    Taken,
    /// The files are in the store; the manifest is next.
    Put,
    /// The manifest was offered and not answered.
    Unsure,
}

/// What a store task appends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Job {
    #[default]
    Bind,
    Loss,
    Snapshot,
    Repair,
}

/// An edit on its way into the chain; it outlives the ownership of the partition, not the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Task {
    pub stage: Stage,
    pub job: Job,
    /// Whether the ownership that began it still lasts.
    pub current: bool,
    pub span: Span,
    /// The offsets with an outcome.
    pub rows: u8,
    /// The chain as the task knows it.
    pub view: ManifestId,
    /// The version, plus one, under which the outcomes had been published before.
    pub replaces: u8,
    /// Of a repair: what it was made of.
    pub input: BundleId,
    pub bundle: BundleId,
    pub offered: ManifestId,
    /// A number that was given up.
    pub skip: u8,
}

/// Outcomes in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    pub start: u8,
    pub committed: u8,
    pub end: u8,
    pub rows: u8,
    /// Outcomes from the origin to `start`.
    pub before: u8,
    /// The version, plus one, under which they had been published before.
    pub replaces: u8,
}

/// How far corrections are published: the revision under way and its rows; `None` is (0, 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Progress {
    pub revision: u8,
    pub rows: u8,
}

impl Memory {
    pub fn at(start: u8, before: u8) -> Memory {
        Memory {
            start,
            committed: start,
            end: start,
            rows: 0,
            before,
            replaces: 0,
        }
    }

    pub fn outcomes(self) -> u8 {
        self.before + self.rows.count_ones() as u8
    }

    pub fn rewind(&mut self) {
        self.end = self.committed;
        self.rows &= Span::new(self.start, self.end).mask();
    }
}

/// A replay under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Replaying {
    pub span: Span,
    pub at_most: bool,
    pub due: u8,
    pub before: u8,
}

/// One worker: a process with one group member, one producer and one store task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Worker {
    pub phase: Phase,
    /// The version of its calculation.
    pub version: u8,
    pub resume: Resume,
    /// `--accept-loss`.
    pub accept: Span,
    /// It reads facts before it is given the partition.
    pub early: bool,
    /// The partition is somebody else's, and the worker does not know it.
    pub stale: bool,
    /// The newest manifest known.
    pub view: ManifestId,
    /// The committed offset as read.
    pub read: CommitId,
    pub head_known: bool,
    /// What the replay gave, when that was not expected.
    pub replayed: Option<u8>,
    pub memory: Memory,
    pub lost: u8,
    /// What the outbox has published, by the commits.
    pub progress: Progress,
    /// Where the open transaction brings it.
    pub outbox: Option<Progress>,
    pub replay: Replaying,
    /// Offset and outcomes that the next commit makes durable.
    pub must: Option<(u8, u8)>,
    pub loss: Span,
    pub loss_reason: u8,
    pub client: Client,
    /// The commit that was sent.
    pub sent: CommitId,
    pub task: Task,
}

/// A transaction as the broker knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transaction {
    pub open: bool,
    /// The offsets whose outcomes are in it, at most twice each.
    pub once: u8,
    pub twice: u8,
    pub version: u8,
    /// The correction in it: revision, version and offset.
    pub correction: Option<(u8, u8, u8)>,
    /// The pending commit.
    pub pending: CommitId,
}

/// What a reader sees of one offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Published {
    /// How often it was published without a revision.
    pub firsts: u8,
    /// The value of the last that was published.
    pub value: u8,
    /// Its revision.
    pub revision: u8,
}

/// A segment's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct File {
    pub bundle: BundleId,
    pub place: Place,
}

/// Where a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    #[default]
    Own,
    Attic,
}

/// The whole world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    pub log_start: u8,
    /// Events that compaction has removed.
    pub gone: u8,
    pub committed: CommitId,
    pub transactions: [Transaction; 2],
    pub topic: [Published; MAX as usize],
    pub chain: [ManifestId; CHAIN],
    pub files: [File; FILES],
    /// Creates that may still arrive.
    pub flight: [ManifestId; 2],
    pub workers: [Worker; 2],
    pub budget: Budget,
    /// The version that was started last.
    pub deployed: u8,
    /// The highest offset that was ever committed.
    pub high: u8,
    /// Offsets that may be published twice, because somebody asked for it.
    pub excused: u8,
    /// Offsets whose loss an operator accepted.
    pub accepted: u8,
    /// Something from outside happened that may rightly be refused.
    pub disturbed: bool,
    /// An older backup was restored.
    pub rolled_back: bool,
    /// gc has removed the manifests up to this number: what is created there later is no part of the chain.
    pub collected: u8,
    /// A step broke something that no state shows; see `check`.
    pub broken: Option<&'static str>,
}

impl State {
    /// The newest manifest present.
    pub fn newest(&self) -> ManifestId {
        self.chain
            .iter()
            .rev()
            .copied()
            .find(|id| *id != 0)
            .unwrap_or(0)
    }

    /// The highest number present; 0 is none.
    pub fn highest(&self) -> u8 {
        (1..=CHAIN as u8)
            .rev()
            .find(|number| self.at(*number) != 0)
            .unwrap_or(0)
    }

    /// The manifest at a number.
    pub fn at(&self, number: u8) -> ManifestId {
        self.chain[number as usize - 1]
    }

    pub fn put(&mut self, number: u8, manifest: ManifestId) {
        self.chain[number as usize - 1] = manifest;
    }

    pub fn place(&self, bundle: BundleId) -> Option<Place> {
        self.files
            .iter()
            .find(|file| bundle != 0 && file.bundle == bundle)
            .map(|file| file.place)
    }

    /// Puts a file, or moves it; `None` removes it.
    pub fn set_place(&mut self, bundle: BundleId, place: Option<Place>) {
        self.files
            .iter_mut()
            .filter(|file| file.bundle == bundle)
            .for_each(|file| *file = File::default());
        if let Some(place) = place {
            let free = self.files.iter_mut().find(|file| file.bundle == 0);
            *free.expect("FILES is more than a run can write") = File { bundle, place };
        }
        self.files.sort_unstable();
    }
}
