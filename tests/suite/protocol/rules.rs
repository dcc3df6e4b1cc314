//! The rules of the protocol that can be switched off, and what a search is given.

use super::state::MAX;

/// A rule of the protocol. With all of them on nothing goes wrong; with any one off, something does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The broker takes offsets only from the member that has the partition.
    FenceCommits,
    /// The partition is taken, and its owner fenced, before any fact is read.
    FenceBeforeFacts,
    /// The manifests are read before the committed offset.
    ChainBeforeCommitted,
    /// It is read again when tidying finds that the chain has grown.
    AskAgainWhenGrown,
    /// The committed offset is read when no transaction is open on it.
    StableCommitted,
    /// Outcomes and offsets become visible in one transaction (I5).
    OneTransaction,
    /// A transaction ends before the partition does.
    NoTransactionOutlivesRevocation,
    /// After a commit of unknown outcome the broker is asked, not memory.
    AskAfterUnknownCommit,
    /// What the broker says then counts only if it is exactly our commit.
    OnlyOursSettles,
    /// A snapshot takes what is committed, nothing else (I1).
    CommittedOnly,
    /// A replay publishes nothing.
    ReplayPublishesNothing,
    /// A partition in replay is in no commit.
    ReplayInNoCommit,
    /// An abort leaves a partition in replay where it is.
    AbortSparesReplay,
    /// A replay must give as many outcomes as were published: absent is no remainder (I4).
    ReplayCounts,
    /// Manifest 1 is there before the first commit.
    BindFirst,
    /// Who finds manifest 1 made by another plans again.
    PlanAgainAfterLostBind,
    /// The files of a manifest are there before it is (I3).
    SegmentsFirst,
    /// A manifest is created only if its number is free (I2).
    CreateIfAbsent,
    /// A put without an answer is read back.
    ReadBack,
    /// What the chain has got meanwhile is trimmed.
    Trim,
    /// Files put a while ago are looked for before a manifest lists them.
    CheckPresent,
    /// A created manifest with a higher number beside it is no part of the chain.
    CheckOvertaken,
    /// The head that the commit names must be in the chain.
    HeadInChain,
    /// A commit without our metadata is somebody else's.
    ForeignCommits,
    /// Events that are gone unread are noticed.
    NoticeExpired,
    /// A loss is accepted for exactly the range that was refused.
    AcceptExactly,
    /// A loss is committed before it is recorded.
    CommitLossFirst,
    /// gc keeps the manifest that the group's commit names.
    KeepHead,
    /// The loser of an append moves its files to the attic.
    RetireLosers,
    /// The winner puts back what was moved to the attic meanwhile.
    PutBack,
    /// What was published under another calculation is corrected.
    CorrectReplayed,
    /// Corrections are stored before the first commit under the new calculation.
    StoreCorrectionsFirst,
    /// How far corrections are published is committed with them.
    CommitProgress,
    /// Every commit carries that on.
    CarryProgress,
    /// Corrections are published in the order of their revisions.
    CorrectionsInOrder,
    /// gc keeps what a retained manifest lists (I7).
    KeepListed,
    /// A repair lists every outcome that it changes as a correction.
    CorrectEveryChange,
    /// A repair leaves corrections in the chain that are not published (I6).
    KeepCorrections,
    /// A repair is appended only while what it was made of is live.
    InputsLive,
    /// The winner of a repair moves what it replaced to the attic.
    RetireReplaced,
    /// The owner looks for manifests that others have added.
    LookForNewer,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 41] = [
        Rule::FenceCommits,
        Rule::FenceBeforeFacts,
        Rule::ChainBeforeCommitted,
        Rule::AskAgainWhenGrown,
        Rule::StableCommitted,
        Rule::OneTransaction,
        Rule::NoTransactionOutlivesRevocation,
        Rule::AskAfterUnknownCommit,
        Rule::OnlyOursSettles,
        Rule::CommittedOnly,
        Rule::ReplayPublishesNothing,
        Rule::ReplayInNoCommit,
        Rule::AbortSparesReplay,
        Rule::ReplayCounts,
        Rule::BindFirst,
        Rule::PlanAgainAfterLostBind,
        Rule::SegmentsFirst,
        Rule::CreateIfAbsent,
        Rule::ReadBack,
        Rule::Trim,
        Rule::CheckPresent,
        Rule::CheckOvertaken,
        Rule::HeadInChain,
        Rule::ForeignCommits,
        Rule::NoticeExpired,
        Rule::AcceptExactly,
        Rule::CommitLossFirst,
        Rule::KeepHead,
        Rule::RetireLosers,
        Rule::PutBack,
        Rule::CorrectReplayed,
        Rule::StoreCorrectionsFirst,
        Rule::CommitProgress,
        Rule::CarryProgress,
        Rule::CorrectionsInOrder,
        Rule::KeepListed,
        Rule::CorrectEveryChange,
        Rule::KeepCorrections,
        Rule::InputsLive,
        Rule::RetireReplaced,
        Rule::LookForNewer,
    ];
}

/// What an offset of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An event with a result.
    Result,
    /// An event that is rejected.
    Reject,
    /// A transaction marker: never delivered.
    Absent,
}

/// How many faults may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Processes that die.
    pub crashes: u8,
    /// Assignments of the partition.
    pub moves: u8,
    /// Puts without an answer.
    pub lost_puts: u8,
    /// Transactions that abort.
    pub aborts: u8,
    /// Commits without an answer.
    pub lost_commits: u8,
    /// Commits by a foreign tool.
    pub foreign: u8,
    /// Older backups restored.
    pub rollbacks: u8,
    /// Events that Kafka's retention removes.
    pub expired: u8,
    /// Events that compaction removes.
    pub compacted: u8,
    /// Restarts with the flags that a refusal names.
    pub operator: u8,
    /// Manifests and segments that gc removes.
    pub gc: u8,
    /// Snapshots in the middle of a replay, because memory is short.
    pub early: u8,
    /// Processes started with another calculation than the one before.
    pub deploys: u8,
    /// Repairs begun by an owner that does not know that it is none any more.
    pub late_repairs: u8,
}

impl Budget {
    /// Twice as much of everything but foreign hands: one operator's flag stands for one of theirs.
    pub fn doubled(self) -> Budget {
        let mut all = self;
        for count in [
            &mut all.crashes,
            &mut all.moves,
            &mut all.lost_puts,
            &mut all.aborts,
            &mut all.lost_commits,
            &mut all.gc,
            &mut all.early,
            &mut all.deploys,
            &mut all.late_repairs,
        ] {
            *count *= 2;
        }
        all
    }
}

/// One search: a log, the faults that may happen in it, and the rule that is off.
#[derive(Clone, Debug)]
pub struct Config {
    /// The log's offsets.
    pub log: &'static [Kind],
    /// How many versions of the calculation there are.
    pub versions: u8,
    /// Whether owners bring stored history under their own version.
    pub recalculates: bool,
    /// Whether the first version has processed, published and stored the whole log before.
    pub history: bool,
    /// The faults.
    pub budget: Budget,
    /// The rule that is off.
    pub off: Option<Rule>,
    /// Give up beyond so many states.
    pub limit: usize,
}

impl Config {
    /// Whether a rule is on.
    pub fn on(&self, rule: Rule) -> bool {
        self.off != Some(rule)
    }

    /// After the log's last offset.
    pub fn end(&self) -> u8 {
        assert!(self.log.len() <= MAX as usize);
        self.log.len() as u8
    }

    /// The offsets whose event has an outcome, one bit each.
    pub fn outcomes(&self) -> u8 {
        self.of(|kind| kind != Kind::Absent)
    }

    /// The offsets whose event has a result under a version.
    pub fn results(&self, version: u8) -> u8 {
        let first = self.of(|kind| kind == Kind::Result);
        let turned = (0..self.end()).filter(|offset| self.value(version, *offset) % 2 == 1);
        let turned = turned.fold(0, |mask, offset| mask | 1 << offset);
        (first ^ turned) & self.outcomes()
    }

    /// What a version makes of an event: the second makes something else of each than the first; the third makes of the last
    /// one what the first does, of the others what the second does. A 1 is of the other kind than a 0: a reject where that
    /// is a result.
    pub fn value(&self, version: u8, offset: u8) -> u8 {
        match version {
            2 => u8::from(offset + 1 < self.end()),
            version => version,
        }
    }

    /// The offsets of `rows` of which two versions make something else.
    pub fn changed(&self, rows: u8, before: u8, now: u8) -> u8 {
        let differs = |offset: &u8| self.value(before, *offset) != self.value(now, *offset);
        let changed = (0..self.end())
            .filter(|offset| rows >> offset & 1 != 0)
            .filter(differs);
        changed.fold(0, |mask, offset| mask | 1 << offset)
    }

    fn of(&self, is: impl Fn(Kind) -> bool) -> u8 {
        let bits = self.log.iter().enumerate();
        bits.filter(|(_, kind)| is(**kind))
            .fold(0, |mask, (offset, _)| mask | 1 << offset)
    }
}
