//! The steps of the world: who can do what in a state, and what comes of it.

use super::{
    product::{Commit, Product},
    rules::{Config, Rule},
    state::{
        Client, CommitId, Job, Memory, Phase, Progress, Stage, State, Task, Transaction, Worker,
    },
};

/// One step, for traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub who: &'static str,
    pub what: &'static str,
    pub detail: u8,
}

/// Who acts.
pub const WORKERS: [&str; 2] = ["A", "B"];

/// The steps out of one state.
#[derive(Default)]
pub struct Steps {
    pub all: Vec<(Step, State)>,
    /// Whether one of them is the system's own: while there is one, the system is not at rest.
    pub busy: bool,
    /// The first of those.
    pub first_own: Option<usize>,
}

impl Steps {
    /// Something that the system does by itself.
    pub fn own(&mut self, who: usize, what: &'static str, detail: u8, next: State) {
        self.busy = true;
        self.first_own.get_or_insert(self.all.len());
        self.add(WORKERS[who], what, detail, next);
    }

    /// A fault, or something that need not happen.
    pub fn fault(&mut self, who: &'static str, what: &'static str, detail: u8, next: State) {
        self.add(who, what, detail, next);
    }

    fn add(&mut self, who: &'static str, what: &'static str, detail: u8, next: State) {
        self.all.push((Step { who, what, detail }, next));
    }
}

/// The transition system.
pub struct Model {
    pub config: Config,
    pub product: Product,
}

impl Model {
    pub fn new(config: &Config) -> Model {
        Model {
            config: config.clone(),
            product: Product::new(config),
        }
    }

    pub fn initial(&self) -> State {
        State {
            budget: self.config.budget,
            ..State::default()
        }
    }

    pub fn on(&self, rule: Rule) -> bool {
        self.config.on(rule)
    }

    /// Every step out of `state`.
    pub fn next(&mut self, state: &State, steps: &mut Steps) {
        steps.all.clear();
        steps.busy = false;
        steps.first_own = None;
        for who in 0..2 {
            self.membership(state, who, steps);
            self.recovery(state, who, steps);
            self.forward(state, who, steps);
            self.correct(state, who, steps);
            self.commits(state, who, steps);
            self.storing(state, who, steps);
        }
        self.faults(state, steps);
    }

    /// Processes start, and the group gives the partition away.
    fn membership(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let worker = &state.workers[who];
        let owned = state.workers.iter().any(owns);
        match worker.phase {
            Phase::Down => {
                for version in 0..self.config.versions {
                    let other = version != state.deployed;
                    if other && state.budget.deploys == 0 {
                        continue;
                    }
                    let mut next = *state;
                    if other {
                        next.budget.deploys -= 1;
                        next.deployed = version;
                    }
                    // A producer of this name ends what its predecessor left open.
                    next.transactions[who] = Transaction::default();
                    next.workers[who] = Worker {
                        phase: Phase::Idle,
                        version,
                        ..Worker::default()
                    };
                    if owned {
                        steps.fault(WORKERS[who], "starts", version, next);
                    } else {
                        steps.own(who, "starts", version, next);
                    }
                }
            }
            _ if worker.stale => {
                let mut next = *state;
                self.lose(&mut next, who);
                steps.own(who, "learns that the partition is gone", 0, next);
            }
            Phase::Idle if self.on(Rule::FenceBeforeFacts) => self.assign(state, who, steps),
            Phase::CommitRead if !self.on(Rule::FenceBeforeFacts) => {
                self.assign(state, who, steps);
            }
            _ => {}
        }
    }

    fn assign(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let owned = state.workers.iter().any(owns);
        if owned && state.budget.moves == 0 {
            return;
        }
        let mut next = *state;
        let other = &mut next.workers[1 - who];
        other.stale = other.stale || owns(other);
        let worker = &mut next.workers[who];
        worker.early = false;
        if self.on(Rule::FenceBeforeFacts) {
            worker.phase = Phase::Assigned;
        } else {
            worker.phase = Phase::Tidied;
        }
        if owned {
            next.budget.moves -= 1;
            steps.fault(WORKERS[who], "is given the partition", 0, next);
        } else {
            steps.own(who, "is given the partition", 0, next);
        }
    }

    fn lose(&self, state: &mut State, who: usize) {
        let worker = &mut state.workers[who];
        let mut fresh = Worker {
            phase: Phase::Idle,
            version: worker.version,
            resume: worker.resume,
            accept: worker.accept,
            task: Task {
                current: false,
                ..worker.task
            },
            ..Worker::default()
        };
        if worker.task.stage == Stage::None {
            fresh.task = Task::default();
        }
        if self.on(Rule::NoTransactionOutlivesRevocation) {
            state.transactions[who] = Transaction::default();
        } else {
            fresh.client = worker.client;
            fresh.sent = worker.sent;
        }
        *worker = fresh;
    }

    /// Forgets what is in memory; the facts are gathered anew.
    pub fn regather(&self, state: &mut State, who: usize) {
        let stale = state.workers[who].stale;
        self.lose(state, who);
        state.transactions[who] = Transaction::default();
        let worker = &mut state.workers[who];
        worker.client = Client::None;
        worker.stale = stale;
        worker.phase = Phase::Assigned;
    }

    /// Events become outcomes: processed and published, or replayed.
    fn forward(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let worker = &state.workers[who];
        let at = worker.memory.end;
        let replaying = worker.phase == Phase::Replaying;
        let reads = replaying || worker.phase == Phase::Running;
        let ready = matches!(worker.client, Client::None | Client::Open);
        let alive = worker.client != Client::Open || state.transactions[who].open;
        if !reads || !ready || !alive || at >= self.config.end() {
            return;
        }
        if at < state.log_start && self.on(Rule::NoticeExpired) {
            if replaying || worker.memory.end == worker.memory.committed {
                let mut next = *state;
                self.regather(&mut next, who);
                steps.own(who, "finds that the log has lost", at, next);
            }
            return;
        }
        let bit = 1 << at;
        let mut next = *state;
        let there = self.config.outcomes() & !state.gone & bit != 0 && at >= state.log_start;
        let publishes = there && (!replaying || !self.on(Rule::ReplayPublishesNothing));
        if publishes {
            let transaction = &mut next.transactions[who];
            transaction.open = true;
            transaction.twice |= transaction.once & bit;
            transaction.once |= bit;
            transaction.version = worker.version;
            next.workers[who].client = Client::Open;
        }
        let memory = &mut next.workers[who].memory;
        memory.rows |= if there { bit } else { 0 };
        memory.end += 1;
        if replaying {
            memory.committed = memory.end;
            self.end_replay(&mut next, who);
            steps.own(who, "replays", at, next);
        } else {
            steps.own(who, "processes", at, next);
        }
    }

    /// Corrections go into the open transaction.
    fn correct(&mut self, state: &State, who: usize, steps: &mut Steps) {
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
    fn commits(&mut self, state: &State, who: usize, steps: &mut Steps) {
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
                seen.version = version;
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
            seen.version = version;
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

    fn rewind(&self, state: &mut State, who: usize) {
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

    /// Has the accepted loss appended.
    pub fn record_loss(&self, state: &mut State, who: usize) {
        let worker = &mut state.workers[who];
        worker.phase = Phase::RecordingLoss;
        worker.task = Task {
            stage: Stage::Put,
            job: Job::Loss,
            current: true,
            span: worker.loss,
            view: worker.view,
            rows: worker.loss_reason,
            ..Task::default()
        };
    }

    /// An abort, by the broker or by the worker itself.
    pub fn abort(&self, state: &mut State, who: usize) {
        self.rewind(state, who);
    }
}

/// Whether the group gives the partition to this worker.
pub fn owns(worker: &Worker) -> bool {
    !matches!(worker.phase, Phase::Down | Phase::Idle) && !worker.stale && !worker.early
}

/// Memory that starts at a chain's end.
pub fn memory_at(product: &Product, view: u16, at: u8) -> Memory {
    let outcomes = product
        .manifest(view)
        .map_or(0, |entry| entry.rows.count_ones());
    Memory::at(at, outcomes as u8)
}
