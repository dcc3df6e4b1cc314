//! Transactions: outcomes, corrections and offsets become visible together, or not; answers get lost.

use super::{
    model::{Model, Steps, WORKERS},
    product::Commit,
    rules::Rule,
    state::{Client, CommitId, Phase, Progress, State, Transaction, Worker},
};

impl Model {
    /// Corrections go into the open transaction.
    pub fn correct(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let worker = &state.workers[who];
        let ready = match worker.client {
            Client::None => true,
            Client::Open => state.transactions[who].open,
            _ => false,
        };
        if worker.phase != Phase::Running || worker.outbox.is_some() || !ready {
            return;
        }
        let Some(next_one) = self.product.correction(worker.view, worker.progress) else {
            return;
        };
        let mut next = *state;
        next.workers[who].outbox = Some(next_one.done);
        next.workers[who].client = Client::Open;
        next.transactions[who].open = true;
        next.transactions[who].correction =
            Some((next_one.revision, next_one.version, next_one.offset));
        steps.own(who, "sends a correction of", next_one.offset, next);
    }

    /// Transactions: offsets are sent, commits are made, answers get lost.
    pub fn commits(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let worker = &state.workers[who];
        let transaction = &state.transactions[who];
        let fenced = worker.client == Client::Open && !transaction.open;
        match worker.client {
            Client::None | Client::Open if !fenced => self.send_offsets(state, who, steps),
            Client::None => {}
            Client::Open => {
                let mut next = *state;
                next.workers[who].client = Client::Unknown;
                steps.own(who, "is told that its transaction has timed out", 0, next);
            }
            Client::Sent => self.commit(state, who, steps),
            Client::Unknown => {
                let mut next = *state;
                next.transactions[who] = Transaction::default();
                next.workers[who].client = Client::Asking;
                steps.own(who, "makes a new producer", 0, next);
            }
            Client::Asking => self.ask(state, who, steps),
        }
    }

    fn send_offsets(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let worker = &state.workers[who];
        let memory = worker.memory;
        let takes_part = match worker.phase {
            Phase::Running | Phase::AcceptingLoss => {
                worker.must.is_some() || memory.end > memory.committed || worker.outbox.is_some()
            }
            Phase::Replaying => !self.on(Rule::ReplayInNoCommit) && memory.end > memory.start,
            _ => false,
        };
        if !takes_part {
            return;
        }
        let mut next = *state;
        if worker.stale && self.on(Rule::FenceCommits) {
            self.rewind(&mut next, who);
            steps.own(who, "is refused by the group, and rewinds", 0, next);
            return;
        }
        let outcomes = match worker.must {
            Some((offset, outcomes)) if offset == memory.end => outcomes,
            _ => memory.outcomes(),
        };
        let commit = self.product.commit_id(Commit::Ours {
            offset: memory.end,
            writer: who as u8,
            version: worker.version,
            head: worker.view,
            outcomes,
            lost: worker.lost,
            corrections: self.progress_of(worker),
        });
        next.workers[who].sent = commit;
        next.workers[who].client = Client::Sent;
        next.transactions[who].open = true;
        if self.on(Rule::OneTransaction) {
            next.transactions[who].pending = commit;
        } else {
            self.committed(&mut next, commit);
        }
        steps.own(who, "sends the offset", memory.end, next);
    }

    /// What the next commit says of the outbox.
    fn progress_of(&self, worker: &Worker) -> Progress {
        match worker.outbox {
            Some(_) if !self.on(Rule::CommitProgress) => worker.progress,
            Some(done) => done,
            None if !self.on(Rule::CarryProgress) => Progress::default(),
            None => worker.progress,
        }
    }

    fn commit(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let mut unknown = *state;
        unknown.workers[who].client = Client::Unknown;
        if !state.transactions[who].open {
            steps.own(
                who,
                "is told that its transaction has timed out",
                0,
                unknown,
            );
            return;
        }
        let mut next = *state;
        self.settle(&mut next, who);
        if state.budget.lost_commits > 0 {
            unknown.budget.lost_commits -= 1;
            let mut done = unknown;
            self.settle(&mut done, who);
            steps.fault(WORKERS[who], "commits, and the answer is lost", 0, done);
            steps.fault(WORKERS[who], "calls commit, which is lost", 0, unknown);
        }
        self.has_committed(&mut next, who);
        steps.own(who, "commits", state.workers[who].memory.end, next);
    }

    /// The broker commits a transaction.
    pub fn settle(&self, state: &mut State, who: usize) {
        let Transaction {
            once,
            twice,
            version,
            correction,
            pending,
            ..
        } = state.transactions[who];
        for (offset, seen) in state.topic.iter_mut().enumerate() {
            let times = (once >> offset & 1) + (twice >> offset & 1);
            if times > 0 {
                seen.firsts += times;
                seen.value = self.config.value(version, offset as u8);
            }
        }
        if let Some((revision, version, offset)) = correction {
            let seen = &mut state.topic[offset as usize];
            let again = revision <= seen.revision;
            // Without the group's commit nobody knows what was published.
            if again && !(revision == seen.revision && state.excused != 0) {
                state.broken = Some("I6: a correction was published twice, or after a later one");
            }
            seen.revision = revision;
            seen.value = self.config.value(version, offset);
        }
        if pending != 0 {
            self.committed(state, pending);
        }
        state.transactions[who] = Transaction::default();
    }

    fn committed(&self, state: &mut State, commit: CommitId) {
        let ours = matches!(
            self.product.commit(state.committed),
            Some(Commit::Ours { .. })
        );
        let back = self.product.offset(commit) < self.product.offset(state.committed);
        if ours && back && state.excused == 0 {
            state.broken = Some("a commit of ours takes the group back");
        }
        state.committed = commit;
        state.high = state.high.max(self.product.offset(commit));
    }

    fn has_committed(&mut self, state: &mut State, who: usize) {
        let worker = &mut state.workers[who];
        worker.client = Client::None;
        worker.sent = 0;
        worker.must = None;
        if let Some(done) = worker.outbox.take() {
            worker.progress = done;
        }
        match worker.phase {
            Phase::AcceptingLoss => self.record_loss(state, who),
            Phase::Running => worker.memory.committed = worker.memory.end,
            _ => {}
        }
    }

    pub fn rewind(&self, state: &mut State, who: usize) {
        state.transactions[who] = Transaction::default();
        let worker = &mut state.workers[who];
        worker.client = Client::None;
        worker.sent = 0;
        worker.outbox = None;
        if worker.phase == Phase::Running {
            worker.memory.rewind();
        }
    }

    /// A new producer has ended the transaction; what became of it, the group tells.
    fn ask(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let mut next = *state;
        if state.workers[who].phase == Phase::Running && self.on(Rule::AskAfterUnknownCommit) {
            if !self.is_stable(state) {
                return;
            }
            match self.settled(state, who) {
                Some((offset, progress)) => {
                    next.workers[who].memory.committed = offset;
                    next.workers[who].progress = progress;
                }
                None => self.regather(&mut next, who),
            }
        }
        self.rewind(&mut next, who);
        steps.own(who, "asks what was committed", 0, next);
    }

    /// Offset and progress, when what the group has committed is ours.
    fn settled(&self, state: &State, who: usize) -> Option<(u8, Progress)> {
        let worker = &state.workers[who];
        let (before, end) = (worker.memory.committed, worker.memory.end);
        if self.on(Rule::OnlyOursSettles) {
            return self.product.settle(before, worker.sent, state.committed);
        }
        match self.product.commit(state.committed)? {
            Commit::Ours {
                offset,
                corrections,
                ..
            } if before <= offset && offset <= end => Some((offset, corrections)),
            _ => None,
        }
    }

    /// Whether nobody's transaction could still change the committed offset.
    pub fn is_stable(&self, state: &State) -> bool {
        !self.on(Rule::StableCommitted)
            || state
                .transactions
                .iter()
                .all(|transaction| transaction.pending == 0)
    }
}
