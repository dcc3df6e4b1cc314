//! The product's decisions on what a worker has gathered: `plan` for recovery.

use std::{rc::Rc, time::Duration};

use snapback::{
    calculation::CarryChoices,
    model::Offset,
    recovery::{
        self, Authored, ChainFacts, CommitMetadata, Facts, GoodChain, Limits, LogFacts, LossReason,
        Plan, Policy, Remedy, Replayed, ResumeFrom, Start,
    },
};

use super::{
    product::Product,
    rules::Rule,
    state::{CommitId, MAX, ManifestId, Resume, Span, Worker},
    values::{PARTITION, at, byte, declaration, fingerprint, pipeline, range, span, version},
};

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

/// All that a plan depends on.
pub type Question = (ManifestId, CommitId, bool, Option<u8>, u8, Resume, Span, u8);

impl Product {
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
                pipeline: pipeline(),
                sequence: entry.real.sequence,
                origin: entry.real.origin,
                end: entry.real.end,
                counts: entry.real.counts.into(),
                beside: 0,
                revision: None,
                lost: entry.real.counts.lost,
                head_known: worker.head_known,
                bound: (entry.real.end == entry.real.origin).then_some(Duration::ZERO),
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
            ours: pipeline(),
            calculation: declaration(worker.version),
            carry_choices: CarryChoices::default(),
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
            replayed: worker.replayed.map(|found| Replayed::Counted(found.into())),
            unreadable: None,
            refused: None,
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
            condition: None,
            fields: None,
            fingerprint: fingerprint(worker.version),
            head: self.head(worker.view),
            outcomes: u64::from(stored) + u64::from(ahead.count_ones()),
            kinds: None,
            limits: Limits::default(),
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
            before: replay.at_start.outcomes() as u8,
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
                LossReason::Unreadable => unreachable!("every event of the model can be read"),
                LossReason::Refused => unreachable!("every message of the model is taken"),
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
