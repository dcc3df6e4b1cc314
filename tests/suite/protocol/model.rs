//! The steps of the world: who can do what in a state, and what comes of it.

use super::{
    product::{Bundle, Change, Commit, Product},
    rules::{Config, Rule},
    search::System,
    state::{
        BundleId, Client, Job, Memory, Phase, Place, Progress, Span, Stage, State, Task,
        Transaction, Worker,
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
pub struct Steps<S = State> {
    pub all: Vec<(Step, S)>,
    /// Whether one of them is the system's own: while there is one, the system is not at rest.
    pub busy: bool,
    /// The first of those.
    pub first_own: Option<usize>,
}

impl<S> Default for Steps<S> {
    fn default() -> Steps<S> {
        Steps {
            all: Vec::new(),
            busy: false,
            first_own: None,
        }
    }
}

impl<S> Steps<S> {
    /// None yet.
    pub fn clear(&mut self) {
        self.all.clear();
        self.busy = false;
        self.first_own = None;
    }

    /// Something that the system does by itself.
    pub fn own(&mut self, who: usize, what: &'static str, detail: u8, next: S) {
        self.due(WORKERS[who], what, detail, next);
    }

    /// Something that happens by itself.
    pub fn due(&mut self, who: &'static str, what: &'static str, detail: u8, next: S) {
        self.busy = true;
        self.first_own.get_or_insert(self.all.len());
        self.add(who, what, detail, next);
    }

    /// A fault, or something that need not happen.
    pub fn fault(&mut self, who: &'static str, what: &'static str, detail: u8, next: S) {
        self.add(who, what, detail, next);
    }

    fn add(&mut self, who: &'static str, what: &'static str, detail: u8, next: S) {
        self.all.push((Step { who, what, detail }, next));
    }
}

/// The transition system.
pub struct Model {
    pub config: Config,
    pub product: Product,
    initial: State,
}

impl System for Model {
    type State = State;

    fn initial(&self) -> State {
        self.initial
    }

    fn next(&mut self, state: &State, steps: &mut Steps) {
        self.every_step(state, steps);
    }

    fn violation(&self, state: &State, at_rest: bool) -> Option<&'static str> {
        self.wrong(state, at_rest)
    }
}

impl Model {
    pub fn new(config: &Config) -> Model {
        let initial = State {
            budget: config.budget,
            ..State::default()
        };
        let mut model = Model {
            config: config.clone(),
            product: Product::new(config),
            initial,
        };
        if config.history {
            model.initial = model.history(initial);
        }
        model
    }

    /// The whole log is processed, published and stored by the first version, and nobody is there.
    fn history(&mut self, mut state: State) -> State {
        let (end, rows) = (self.config.end(), self.config.outcomes());
        let bundle = self.product.bundle_id(Bundle {
            span: Span::new(0, end),
            rows,
            version: 0,
            writer: 0,
            replaces: 0,
            input: 0,
            tag: 0,
        });
        let bind = self.product.apply(0, Change::Bind { origin: 0 }, 0, 0);
        let bound = bind.expect("a first manifest");
        let append = self.product.apply(bound, Change::Append { bundle }, 0, 0);
        state.put(1, bound);
        state.put(2, append.expect("a second one"));
        state.set_place(bundle, Some(Place::Own));
        state.committed = self.product.commit_id(Commit::Ours {
            offset: end,
            writer: 0,
            version: 0,
            head: bound,
            outcomes: rows.count_ones() as u8,
            lost: 0,
            corrections: Progress::default(),
        });
        state.high = end;
        for offset in (0..end).filter(|offset| rows >> offset & 1 != 0) {
            state.topic[offset as usize].firsts = 1;
        }
        state
    }

    pub fn on(&self, rule: Rule) -> bool {
        self.config.on(rule)
    }

    fn every_step(&mut self, state: &State, steps: &mut Steps) {
        for who in 0..2 {
            self.membership(state, who, steps);
            self.recovery(state, who, steps);
            self.forward(state, who, steps);
            self.correct(state, who, steps);
            self.commits(state, who, steps);
            self.storing(state, who, steps);
            self.recalculate(state, who, steps);
        }
        self.faults(state, steps);
    }

    /// Processes start, and the group gives the partition away.
    fn membership(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let worker = &state.workers[who];
        let owned = state.workers.iter().any(owns);
        match worker.phase {
            // The two are alike: the first to start is called A.
            Phase::Down if who == 1 && *state == self.initial => {}
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

    /// An owner brings stored history under its own version, and looks for what others have added.
    fn recalculate(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let worker = &state.workers[who];
        let free = worker.phase == Phase::Running && worker.task.stage == Stage::None;
        if !self.config.recalculates || !free {
            return;
        }
        let mut next = *state;
        if worker.view != state.newest() && self.on(Rule::LookForNewer) {
            next.workers[who].view = state.newest();
            steps.own(who, "looks for newer manifests", 0, next);
            return;
        }
        let pending = self.product.correction(worker.view, worker.progress);
        if worker.outbox.is_some() || pending.is_some() && self.on(Rule::KeepCorrections) {
            return;
        }
        let Some(entry) = self.product.manifest(worker.view) else {
            return;
        };
        let other = |id: &&BundleId| {
            let bundle = self.product.bundle(**id);
            bundle.rows != 0 && bundle.version != worker.version
        };
        let Some(input) = entry.bundles.iter().find(other).copied() else {
            return;
        };
        let bundle = self.product.bundle(input);
        next.workers[who].task = Task {
            stage: Stage::Taken,
            job: Job::Repair,
            current: true,
            span: bundle.span,
            rows: bundle.rows,
            view: worker.view,
            replaces: bundle.version + 1,
            input,
            ..Task::default()
        };
        if !worker.stale {
            steps.own(who, "calculates anew from", bundle.span.start, next);
        } else if let Some(left) = next.budget.late_repairs.checked_sub(1) {
            next.budget.late_repairs = left;
            steps.fault(
                WORKERS[who],
                "calculates anew from",
                bundle.span.start,
                next,
            );
        }
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
