//! Recovery, step by step: the chain, the committed offset, the folders, the plan, the replay.

use super::{
    model::{Model, Steps, WORKERS, memory_at, owns},
    product::{Act, Commit, Planned},
    rules::Rule,
    state::{CommitId, Job, Memory, Phase, Place, Progress, Replaying, Span, Stage, State, Task},
};

impl Model {
    pub fn recovery(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let early = !self.on(Rule::FenceBeforeFacts);
        let chain_first = self.on(Rule::ChainBeforeCommitted);
        let mut next = *state;
        match state.workers[who].phase {
            Phase::Idle if early && !state.workers[who].stale => {
                next.workers[who].view = state.newest();
                next.workers[who].phase = Phase::ChainRead;
                next.workers[who].early = true;
                if state.workers.iter().any(owns) {
                    steps.fault(WORKERS[who], "reads the chain", state.highest(), next);
                } else {
                    steps.own(who, "reads the chain", state.highest(), next);
                }
            }
            Phase::Assigned => {
                if chain_first {
                    next.workers[who].view = state.newest();
                    next.workers[who].phase = Phase::ChainRead;
                    steps.own(who, "reads the chain", state.highest(), next);
                } else if self.is_stable(state) {
                    next.workers[who].read = state.committed;
                    next.workers[who].phase = Phase::ChainRead;
                    steps.own(who, "reads the committed offset", 0, next);
                }
            }
            Phase::ChainRead => {
                if !chain_first {
                    next.workers[who].view = state.newest();
                    next.workers[who].phase = Phase::CommitRead;
                    steps.own(who, "reads the chain", state.highest(), next);
                } else if self.is_stable(state) {
                    next.workers[who].read = state.committed;
                    next.workers[who].phase = Phase::CommitRead;
                    let offset = self.product.offset(state.committed);
                    steps.own(who, "reads the committed offset", offset, next);
                }
            }
            Phase::CommitRead if !early => {
                self.tidy(&mut next, who);
                let grown = next.workers[who].view != state.workers[who].view;
                let asks = chain_first && self.on(Rule::AskAgainWhenGrown);
                next.workers[who].phase = match grown && asks {
                    true => Phase::Overtaken,
                    false => Phase::Tidied,
                };
                steps.own(who, "tidies", 0, next);
            }
            Phase::Overtaken if self.is_stable(state) => {
                next.workers[who].read = state.committed;
                next.workers[who].phase = Phase::Tidied;
                let offset = self.product.offset(state.committed);
                steps.own(who, "reads the committed offset again", offset, next);
            }
            Phase::Tidied => {
                let read = state.workers[who].read;
                let foreign = matches!(self.product.commit(read), Some(Commit::Foreign { .. }));
                let taken_for_ours = foreign && !self.on(Rule::ForeignCommits);
                let known = taken_for_ours || self.contains_head(state, read);
                next.workers[who].head_known = known || !self.on(Rule::HeadInChain);
                self.plan(&mut next, who);
                steps.own(who, "plans", 0, next);
            }
            _ => {}
        }
    }

    /// Puts the folders in order, as the chain is by now.
    fn tidy(&mut self, state: &mut State, who: usize) {
        let view = state.newest();
        state.workers[who].view = view;
        let Some(newest) = self.product.manifest(view) else {
            return;
        };
        for file in state.files.iter_mut().filter(|file| file.bundle != 0) {
            let bundle = self.product.bundle(file.bundle);
            let covered = bundle.span.start < newest.end && bundle.span.end > newest.origin;
            if newest.bundles.contains(&file.bundle) {
                file.place = Place::Own;
            } else if covered || bundle.writer == who as u8 {
                file.place = Place::Attic;
            }
        }
        state.files.sort_unstable();
    }

    fn contains_head(&self, state: &State, read: CommitId) -> bool {
        let Some(Commit::Ours { head, .. }) = self.product.commit(read) else {
            return false;
        };
        let Some(entry) = self.product.manifest(head) else {
            return false;
        };
        match state.at(entry.number) {
            0 => {
                let above = state.chain.get(entry.number as usize).copied().unwrap_or(0);
                self.product
                    .manifest(above)
                    .is_some_and(|above| above.base == head)
            }
            there => there == head,
        }
    }

    fn plan(&mut self, state: &mut State, who: usize) {
        let planned = self.product.plan(&state.workers[who], state.log_start);
        self.follow(state, who, &planned);
    }

    fn follow(&mut self, state: &mut State, who: usize, planned: &Planned) {
        let view = state.workers[who].view;
        let lost = self
            .product
            .manifest(view)
            .map_or(0, |entry| entry.lost.count_ones());
        let read = self.product.commit(state.workers[who].read);
        let corrects = self.on(Rule::CorrectReplayed);
        let worker = &mut state.workers[who];
        worker.progress = match read {
            Some(Commit::Ours { corrections, .. }) => corrections,
            _ => Progress::default(),
        };
        worker.must = planned.commit;
        worker.lost = lost as u8;
        match planned.act {
            Act::Refuse { .. } => {
                worker.phase = Phase::Held;
                if !state.disturbed {
                    state.broken =
                        Some("a partition is held although nothing from outside happened");
                }
            }
            Act::Bind { at } => {
                worker.memory = Memory::at(at, 0);
                self.bind(state, who, at);
            }
            Act::Run { at } => {
                worker.memory = memory_at(&self.product, view, at);
                worker.phase = Phase::Running;
            }
            Act::Replay {
                replaces,
                span,
                at_most,
                due,
                before,
            } => {
                worker.memory = memory_at(&self.product, view, span.start);
                worker.memory.replaces = if corrects { replaces } else { 0 };
                worker.replay = Replaying {
                    span,
                    at_most,
                    due,
                    before,
                };
                worker.phase = Phase::Replaying;
            }
            Act::Loss { span, reason, bind } => {
                worker.memory = memory_at(&self.product, view, span.end);
                worker.loss = span;
                worker.loss_reason = reason;
                if bind {
                    self.bind(state, who, span.start);
                } else {
                    self.accept_loss(state, who);
                }
            }
        }
    }

    fn accept_loss(&self, state: &mut State, who: usize) {
        let worker = &mut state.workers[who];
        worker.phase = Phase::AcceptingLoss;
        if worker.must.is_none() || !self.on(Rule::CommitLossFirst) {
            self.record_loss(state, who);
        }
    }

    fn bind(&self, state: &mut State, who: usize, origin: u8) {
        let worker = &mut state.workers[who];
        if !self.on(Rule::BindFirst) {
            worker.phase = Phase::Running;
            return;
        }
        worker.phase = Phase::Binding;
        worker.task = Task {
            stage: Stage::Put,
            job: Job::Bind,
            current: true,
            span: Span::new(origin, origin),
            ..Task::default()
        };
    }

    /// Manifest 1 is there, ours or another's.
    pub fn bound(&self, state: &mut State, who: usize) {
        let worker = &mut state.workers[who];
        let at = worker.memory.start;
        worker.memory = memory_at(&self.product, worker.view, at);
        worker.phase = Phase::Running;
        if !worker.loss.is_empty() {
            self.accept_loss(state, who);
        }
    }

    /// When the whole range has been replayed: it must have given what was published.
    pub fn end_replay(&mut self, state: &mut State, who: usize) {
        let worker = &mut state.workers[who];
        let replay = worker.replay;
        if worker.memory.end < replay.span.end {
            return;
        }
        let found = worker.memory.outcomes() - replay.before;
        let admitted = found == replay.due || replay.at_most && found < replay.due;
        if admitted || !self.config.on(Rule::ReplayCounts) {
            let first = worker.memory.replaces != 0 && self.config.on(Rule::StoreCorrectionsFirst);
            worker.phase = match first {
                true => Phase::Correcting,
                false => Phase::Running,
            };
            worker.replay = Replaying::default();
            return;
        }
        let frontier = self.product.manifest(worker.view).map(|entry| entry.end);
        if frontier != Some(replay.span.start) {
            return self.regather(state, who);
        }
        worker.replayed = Some(found);
        let planned = self.product.plan(worker, state.log_start);
        match planned.act {
            Act::Refuse { .. } | Act::Loss { .. } => self.follow(state, who, &planned),
            _ => self.regather(state, who),
        }
    }
}
