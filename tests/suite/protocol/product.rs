//! What the model asks the product: `plan`, `apply`, the commit metadata. Every answer is computed once and kept, so that a
//! state needs only numbers.

use std::{collections::HashMap, rc::Rc, time::Duration};

use chrono::DateTime;
use snapback::{
    calculation::Fingerprint,
    model::{Counts, Digest, Offset, OffsetRange, Partition, Sequence},
    recovery::{
        self, Authored, ChainFacts, CommitMetadata, Committed, Facts, GoodChain, Head, LogFacts,
        LossReason, OurCalculation, PipelineIdentity, Plan, Policy, Remedy, ResumeFrom, Settled,
        Start,
    },
    snapshot::{
        CorrectionsProgress, Damaged, Edit, GapReason, Layout, Manifest, Pipeline, Segment,
        SegmentId, SegmentKind, Stamp, apply, next_corrections,
    },
};

use super::{
    rules::{Config, Rule},
    state::{BundleId, CommitId, MAX, ManifestId, Progress, Resume, Span, Worker},
};

const PARTITION: Partition = Partition(0);

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
    /// Tells attempts apart.
    pub tag: u8,
}

/// An edit by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    Bind { origin: u8 },
    Append { bundle: BundleId },
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

/// What `plan` says, as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    pub act: Act,
    pub commit: Option<(u8, u8)>,
    /// The flags that a refusal names.
    pub remedies: Vec<(Resume, Span)>,
}

/// See [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// `Start` and `Adopt`.
    Bind {
        at: u8,
    },
    /// `Continue` and `Republish`.
    Run {
        at: u8,
    },
    Replay {
        span: Span,
        at_most: bool,
        due: u8,
        before: u8,
        replaces: u8,
    },
    Loss {
        span: Span,
        reason: u8,
        bind: bool,
    },
    Refuse {
        cause: String,
    },
}

type Question = (ManifestId, CommitId, bool, Option<u8>, u8, Resume, Span, u8);

/// See the module.
pub struct Product {
    config: Config,
    manifests: Vec<Entry>,
    applied: HashMap<(ManifestId, Change, u8, u8), Option<ManifestId>>,
    commits: Vec<(Commit, Committed)>,
    commit_ids: HashMap<Commit, CommitId>,
    bundles: Vec<Bundle>,
    bundle_ids: HashMap<Bundle, BundleId>,
    plans: HashMap<Question, Rc<Planned>>,
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

    pub fn commit(&self, id: CommitId) -> Option<Commit> {
        Some(self.commits.get((id as usize).checked_sub(1)?)?.0)
    }

    /// The committed offset; 0 without a commit.
    pub fn offset(&self, id: CommitId) -> u8 {
        match self.commit(id) {
            Some(Commit::Foreign { offset, .. } | Commit::Ours { offset, .. }) => offset,
            None => 0,
        }
    }

    pub fn commit_id(&mut self, commit: Commit) -> CommitId {
        if let Some(id) = self.commit_ids.get(&commit) {
            return *id;
        }
        let text = self.text(commit);
        let offset = match commit {
            Commit::Foreign { offset, .. } | Commit::Ours { offset, .. } => at(offset),
        };
        let authored = CommitMetadata::parse(text.as_deref(), offset);
        let stranger = matches!(commit, Commit::Foreign { .. });
        assert_eq!(stranger, authored == Authored::Stranger, "{text:?}");
        self.commits.push((commit, Committed { offset, authored }));
        let id = self.commits.len() as CommitId;
        self.commit_ids.insert(commit, id);
        id
    }

    fn text(&self, commit: Commit) -> Option<String> {
        let metadata = match commit {
            Commit::Foreign { kept, .. } => return self.text(self.commit(kept)?),
            Commit::Ours {
                offset,
                writer,
                version,
                head,
                outcomes,
                lost,
                corrections,
            } => CommitMetadata {
                by: format!("snapback 0.1.0 {writer}/0"),
                offset: at(offset),
                calculation: None,
                fields: None,
                fingerprint: fingerprint(version),
                head: self.head(head),
                outcomes: outcomes.into(),
                lost: lost.into(),
                corrections: progress(corrections),
            },
        };
        Some(metadata.encode())
    }

    /// Without a manifest (only with [`Rule::BindFirst`] off): of one that does not exist.
    fn head(&self, id: ManifestId) -> Head {
        let head = self.manifest(id).map(|entry| entry.real.head());
        let (sequence, digest) = head.unwrap_or((Sequence::FIRST, Digest::of(b"none")));
        Head { sequence, digest }
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

    fn make(&self, base: ManifestId, change: Change, writer: u8, skip: u8) -> Option<Entry> {
        let before = self.manifest(base);
        let stamp = Stamp {
            writer: format!("host-{writer}"),
            created_at: DateTime::UNIX_EPOCH,
            calculation: "square(number)".to_owned(),
            fields: "number BIGINT NOT NULL".to_owned(),
            skipped: (skip != 0)
                .then_some(Damaged {
                    sequence: Sequence(skip.into()),
                    digest: None,
                })
                .into_iter()
                .collect(),
        };
        let edit = match change {
            Change::Bind { origin } => Edit::Bind {
                pipeline: pipeline(),
                partition: PARTITION,
                origin: at(origin),
            },
            Change::Append { bundle } => self.append(self.bundle(bundle), bundle),
            Change::Loss { span, reason } => Edit::AcceptLoss {
                range: range(span),
                reason: [GapReason::Expired, GapReason::Foreign, GapReason::Compacted]
                    [reason as usize],
            },
        };
        let real = apply(before.map(|entry| &entry.real), edit, stamp).ok()?;
        // The stored form is read by whoever comes next.
        assert_eq!(Manifest::decode(&real.encode()).as_ref().ok(), Some(&real));
        let mut entry = Entry {
            number: real.sequence.0 as u8,
            base,
            origin: real.origin.get() as u8,
            end: real.end.get() as u8,
            rows: before.map_or(0, |entry| entry.rows),
            versions: before.map_or([0; MAX as usize], |entry| entry.versions),
            lost: before.map_or(0, |entry| entry.lost),
            bundles: before.map_or_else(Vec::new, |entry| entry.bundles.clone()),
            real,
        };
        match change {
            Change::Bind { .. } => {}
            Change::Loss { span, .. } => entry.lost |= span.mask(),
            Change::Append { bundle } => {
                entry.bundles.push(bundle);
                let bundle = self.bundle(bundle);
                entry.rows |= bundle.rows;
                for offset in (0..MAX).filter(|offset| bundle.rows & 1 << offset != 0) {
                    entry.versions[offset as usize] = bundle.version;
                }
            }
        }
        Some(entry)
    }

    fn append(&self, bundle: Bundle, id: BundleId) -> Edit {
        let range = range(bundle.span);
        let results = u64::from((bundle.rows & self.config.results()).count_ones());
        let rejects = u64::from(bundle.rows.count_ones()) - results;
        let layout = Layout::new("events").expect("a topic's name");
        let segment = |kind, rows| Segment {
            path: layout.segment(kind, PARTITION, range, SegmentId(id.into())),
            kind,
            range,
            rows,
            bytes: 100,
            digest: Digest::of(&[bundle.rows, bundle.version, id as u8]),
            fingerprint: fingerprint(bundle.version),
            revision: None,
        };
        let corrections = match bundle.replaces {
            0 => 0,
            _ => results + rejects,
        };
        Edit::Append {
            range,
            segments: [
                (SegmentKind::Results, results),
                (SegmentKind::Rejects, rejects),
                (SegmentKind::Corrections, corrections),
            ]
            .into_iter()
            .filter(|(_, rows)| *rows > 0)
            .map(|(kind, rows)| segment(kind, rows))
            .collect(),
            counts: Counts {
                results,
                rejects,
                absent: range.len() - results - rejects,
                lost: 0,
            },
        }
    }

    /// Offset and progress when what the group has is ours, after a commit that was not answered.
    pub fn settle(&self, before: u8, sent: CommitId, found: CommitId) -> Option<(u8, Progress)> {
        let committed = |id: CommitId| Some(&self.commits.get((id as usize).checked_sub(1)?)?.1);
        match recovery::settle(at(before), committed(sent), committed(found)) {
            Settled::Another => None,
            Settled::At {
                offset,
                corrections,
            } => {
                let progress = corrections.map(|done| Progress {
                    revision: done.sequence.0 as u8,
                    rows: done.rows as u8,
                });
                Some((byte(offset), progress.unwrap_or_default()))
            }
        }
    }

    /// What the outbox publishes next, by a manifest and what was published: one row at a time.
    pub fn correction(&self, view: ManifestId, done: Progress) -> Option<Correction> {
        let entry = self.manifest(view)?;
        let listed = &entry.real.segments;
        let next = match self.config.on(Rule::CorrectionsInOrder) {
            true => next_corrections(listed, progress(done)),
            // The newest first.
            false => listed
                .iter()
                .rev()
                .find_map(|segment| next_corrections([segment], progress(done))),
        }?;
        let start = byte(next.segment.range.start());
        let mut rows =
            (start..byte(next.segment.range.end())).filter(|offset| entry.rows >> offset & 1 != 0);
        let published = next.published(1);
        let offset = rows.nth(next.from as usize)?;
        Some(Correction {
            revision: next.sequence.0 as u8,
            offset,
            version: version(&next.segment.fingerprint),
            done: Progress {
                revision: published.sequence.0 as u8,
                rows: published.rows as u8,
            },
        })
    }

    /// What `plan` decides on the facts that the worker has gathered.
    pub fn plan(&mut self, worker: &Worker, log_start: u8) -> Rc<Planned> {
        let question = (
            worker.view,
            worker.read,
            worker.head_known,
            worker.replayed,
            worker.version,
            worker.resume,
            worker.accept,
            log_start,
        );
        if let Some(known) = self.plans.get(&question) {
            return Rc::clone(known);
        }
        let facts = self.facts(worker, log_start);
        let policy = self.policy(worker);
        let decision = recovery::plan(&facts, &policy);
        let planned = Rc::new(Planned {
            commit: decision
                .commit
                .map(|commit| (byte(commit.offset), commit.outcomes as u8)),
            remedies: match &decision.plan {
                Plan::Refuse(refusal) => flags(&refusal.remedies),
                _ => Vec::new(),
            },
            act: act(decision.plan),
        });
        self.plans.insert(question, Rc::clone(&planned));
        planned
    }

    fn facts(&self, worker: &Worker, log_start: u8) -> Facts {
        let entry = self.manifest(worker.view);
        let chain = entry.map_or(ChainFacts::Absent, |entry| {
            ChainFacts::Good(GoodChain {
                pipeline: identity(),
                sequence: entry.real.sequence,
                origin: entry.real.origin,
                end: entry.real.end,
                outcomes: entry.real.counts.outcomes(),
                lost: entry.real.counts.lost,
                head_known: worker.head_known,
                age: Some(Duration::ZERO),
                damage: Vec::new(),
            })
        });
        let committed = (worker.read as usize).checked_sub(1).map(|index| {
            let mut committed = self.commits[index].1.clone();
            if !self.config.on(Rule::ForeignCommits) && committed.authored == Authored::Stranger {
                committed.authored =
                    Authored::Ours(Box::new(self.imagined(worker, committed.offset)));
            }
            committed
        });
        let end = at(self.config.end());
        Facts {
            partition: PARTITION,
            ours: identity(),
            calculation: OurCalculation {
                fingerprint: fingerprint(worker.version),
                calculation: "square(number)".to_owned(),
                fields: "number BIGINT NOT NULL".to_owned(),
            },
            store: "./snapshots".to_owned(),
            chain,
            committed,
            log: LogFacts {
                start: if self.config.on(Rule::NoticeExpired) {
                    at(log_start)
                } else {
                    Offset::ZERO
                },
                stable_end: end,
                end,
                since: None,
            },
            replayed: worker.replayed.map(u64::from),
        }
    }

    /// What a commit of ours at `offset` would have said, for a processor that takes every commit for its own.
    fn imagined(&self, worker: &Worker, offset: Offset) -> CommitMetadata {
        let entry = self.manifest(worker.view);
        let (frontier, stored) =
            entry.map_or((0, 0), |entry| (entry.end, entry.rows.count_ones() as u8));
        let ahead = Span::new(frontier, byte(offset)).mask() & self.config.outcomes();
        CommitMetadata {
            by: "snapback".to_owned(),
            offset,
            calculation: None,
            fields: None,
            fingerprint: fingerprint(worker.version),
            head: self.head(worker.view),
            outcomes: u64::from(stored) + u64::from(ahead.count_ones()),
            lost: entry.map_or(0, |entry| entry.real.counts.lost),
            corrections: None,
        }
    }

    fn policy(&self, worker: &Worker) -> Policy {
        let every = (0..=MAX).flat_map(|start| (start..=MAX).map(move |end| Span::new(start, end)));
        let accepted: Vec<Span> = match worker.accept {
            span if span.is_empty() => Vec::new(),
            span if self.config.on(Rule::AcceptExactly) => vec![span],
            _ => every.collect(),
        };
        Policy {
            start: Start::Earliest,
            resume_from: match worker.resume {
                Resume::Unsaid => None,
                Resume::Frontier => Some(ResumeFrom::Frontier),
                Resume::Committed => Some(ResumeFrom::Committed),
            },
            accept_loss: accepted
                .into_iter()
                .map(|span| (PARTITION, range(span)))
                .collect(),
        }
    }
}

fn act(plan: Plan) -> Act {
    match plan {
        Plan::Start { at } | Plan::Adopt { at } => Act::Bind { at: byte(at) },
        Plan::Continue { at, .. } | Plan::Republish { at, .. } => Act::Run { at: byte(at) },
        Plan::Replay(replay) => Act::Replay {
            span: span(replay.range),
            at_most: matches!(replay.expected, recovery::Expected::AtMost(_)),
            due: replay.expected.outcomes() as u8,
            before: replay.outcomes_at_start as u8,
            replaces: replay
                .replaces
                .map_or(0, |published| version(&published) + 1),
        },
        Plan::AcceptLoss(loss) => Act::Loss {
            span: span(loss.range),
            reason: match loss.reason {
                LossReason::Expired => 0,
                LossReason::Foreign => 1,
                LossReason::Changed => 2,
            },
            bind: loss.bind,
        },
        Plan::Refuse(refusal) => Act::Refuse {
            cause: refusal.to_string(),
        },
    }
}

fn flags(remedies: &[Remedy]) -> Vec<(Resume, Span)> {
    remedies
        .iter()
        .filter_map(|remedy| match remedy {
            Remedy::Once {
                resume_from,
                accept_loss,
            } => Some((
                match resume_from {
                    None => Resume::Unsaid,
                    Some(ResumeFrom::Frontier) => Resume::Frontier,
                    Some(ResumeFrom::Committed) => Resume::Committed,
                },
                accept_loss.map(span).unwrap_or_default(),
            )),
            _ => None,
        })
        .collect()
}

fn identity() -> PipelineIdentity {
    PipelineIdentity {
        cluster_id: Some("cluster".to_owned()),
        group: "group".to_owned(),
        events_topic: "events".to_owned(),
        events_topic_id: Some("topic".to_owned()),
        results_topic: "results".to_owned(),
        results_partitions: 1,
    }
}

fn pipeline() -> Pipeline {
    let identity = identity();
    Pipeline {
        cluster_id: identity.cluster_id,
        group: identity.group,
        events_topic: identity.events_topic,
        events_topic_id: identity.events_topic_id,
        results_topic: identity.results_topic,
        results_partitions: identity.results_partitions,
    }
}

fn fingerprint(version: u8) -> Fingerprint {
    format!("{version:016x}").parse().expect("16 digits")
}

fn version(fingerprint: &Fingerprint) -> u8 {
    u8::from_str_radix(fingerprint.as_str(), 16)
        .expect("the model's fingerprints are small numbers")
}

fn progress(done: Progress) -> Option<CorrectionsProgress> {
    (done != Progress::default()).then_some(CorrectionsProgress {
        sequence: Sequence(done.revision.into()),
        rows: done.rows.into(),
    })
}

/// A model's offset as the product's.
pub fn at(offset: u8) -> Offset {
    Offset::new(offset.into()).expect("not negative")
}

/// A product's offset as the model's.
pub fn byte(offset: Offset) -> u8 {
    u8::try_from(offset.get()).expect("the model's offsets are small")
}

/// A model's range as the product's.
pub fn range(span: Span) -> OffsetRange {
    OffsetRange::new(at(span.start), at(span.end)).expect("start <= end")
}

fn span(range: OffsetRange) -> Span {
    Span::new(byte(range.start()), byte(range.end()))
}
