//! The store: files are put, manifests are offered, others are faster.

use snapback::{
    history::{Holder, Rebased, holder, is_overtaken, rebase},
    model::Sequence,
};

use super::{
    model::{Model, Steps, WORKERS},
    product::{Bundle, Change},
    rules::Rule,
    state::{BundleId, Job, ManifestId, Phase, Place, Span, Stage, State, Task},
    values::{at, byte, range},
};

impl Model {
    pub fn storing(&mut self, state: &State, who: usize, steps: &mut Steps) {
        match state.workers[who].task.stage {
            Stage::None => self.take(state, who, steps),
            Stage::Taken => {
                let mut next = *state;
                self.put_files(&mut next, who);
                steps.own(who, "stores the files", 0, next);
            }
            Stage::Put => self.create(state, who, steps),
            Stage::Unsure => self.read_back(state, who, steps),
        }
    }

    /// Takes what is committed out of memory.
    fn take(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let worker = &state.workers[who];
        let memory = worker.memory;
        let keeps = [Phase::Running, Phase::Replaying, Phase::Correcting];
        if !keeps.contains(&worker.phase) {
            return;
        }
        let end = match self.on(Rule::CommittedOnly) {
            true => memory.committed,
            false => memory.end,
        };
        if end <= memory.start {
            return;
        }
        let span = Span::new(memory.start, end);
        let mut next = *state;
        let worker = &mut next.workers[who];
        worker.task = Task {
            stage: Stage::Taken,
            job: Job::Snapshot,
            current: true,
            span,
            rows: memory.rows & span.mask(),
            view: worker.view,
            replaces: memory.replaces,
            ..Task::default()
        };
        worker.memory.before += worker.task.rows.count_ones() as u8;
        worker.memory.rows &= !span.mask();
        worker.memory.start = end;
        worker.memory.committed = worker.memory.committed.max(end);
        if !self.on(Rule::SegmentsFirst) {
            next.workers[who].task.bundle = self.new_bundle(&next, who);
            next.workers[who].task.stage = Stage::Put;
        }
        // Replayed outcomes are stored early only when memory is short.
        if state.workers[who].phase == Phase::Replaying {
            let Some(early) = next.budget.early.checked_sub(1) else {
                return;
            };
            next.budget.early = early;
            steps.fault(WORKERS[who], "takes a snapshot up to", end, next);
        } else {
            steps.own(who, "takes a snapshot up to", end, next);
        }
    }

    fn new_bundle(&mut self, state: &State, who: usize) -> BundleId {
        let worker = &state.workers[who];
        let mut bundle = Bundle {
            span: worker.task.span,
            rows: worker.task.rows,
            version: worker.version,
            writer: who as u8,
            replaces: worker.task.replaces,
            input: worker.task.input,
            tag: 0,
        };
        loop {
            let id = self.product.bundle_id(bundle);
            if !self.is_used(state, id) {
                return id;
            }
            bundle.tag += 1;
        }
    }

    fn is_used(&self, state: &State, id: BundleId) -> bool {
        let lists = |manifest: ManifestId| {
            let entry = self.product.manifest(manifest);
            entry.is_some_and(|entry| entry.bundles.contains(&id))
        };
        state.place(id).is_some()
            || state.workers.iter().any(|worker| worker.task.bundle == id)
            || state
                .chain
                .iter()
                .chain(&state.flight)
                .any(|manifest| lists(*manifest))
    }

    /// Puts the files of a repair, as long as what it was made of is live.
    fn put_repair(&mut self, state: &mut State, who: usize) {
        let task = state.workers[who].task;
        if self.on(Rule::InputsLive) && !self.product.is_live(task.input, task.view) {
            self.abandon(state, who);
            self.retire(state, task.input);
            self.stored(state, who);
            return;
        }
        if task.bundle == 0 {
            state.workers[who].task.bundle = self.new_bundle(state, who);
        }
        let bundle = state.workers[who].task.bundle;
        if state.place(bundle).is_none() {
            state.set_place(bundle, Some(Place::Own));
        }
        state.workers[who].task.stage = Stage::Put;
    }

    /// Trims what the chain has, then puts the files of the rest.
    fn put_files(&mut self, state: &mut State, who: usize) {
        let task = state.workers[who].task;
        if task.job == Job::Repair {
            self.put_repair(state, who);
            return;
        }
        let end = self
            .product
            .manifest(task.view)
            .map_or(0, |entry| entry.end);
        let rebased = match self.on(Rule::Trim) {
            true => rebase(range(task.span), at(end)),
            false => Rebased::Append(range(task.span)),
        };
        match rebased {
            Rebased::Diverged => self.not_stored(state, who),
            Rebased::Covered => {
                self.abandon(state, who);
                self.stored(state, who);
            }
            Rebased::Append(rest) => {
                let span = Span::new(byte(rest.start()), byte(rest.end()));
                if span != task.span || task.bundle == 0 {
                    self.abandon(state, who);
                    let task = &mut state.workers[who].task;
                    task.span = span;
                    task.rows &= span.mask();
                    let bundle = self.new_bundle(state, who);
                    state.workers[who].task.bundle = bundle;
                }
                let bundle = state.workers[who].task.bundle;
                if state.place(bundle).is_none() {
                    state.set_place(bundle, Some(Place::Own));
                }
                state.workers[who].task.stage = Stage::Put;
            }
        }
    }

    /// The loser moves its files to the attic; what a manifest lists belongs at its own path.
    fn abandon(&mut self, state: &mut State, who: usize) {
        let bundle = std::mem::take(&mut state.workers[who].task.bundle);
        let newest = self.product.manifest(state.newest());
        if newest.is_some_and(|newest| newest.bundles.contains(&bundle)) {
            self.put_back(state, bundle);
        } else if state.place(bundle) == Some(Place::Own) && self.on(Rule::RetireLosers) {
            state.set_place(bundle, Some(Place::Attic));
        }
    }

    /// Offers the manifest.
    fn create(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let task = state.workers[who].task;
        let snapshot = matches!(task.job, Job::Snapshot | Job::Repair);
        let mut state = *state;
        // A put that is less than 10 minutes old is not looked for; gc waits for a day.
        let checked = self.on(Rule::CheckPresent) && self.on(Rule::SegmentsFirst);
        if snapshot && checked && state.place(task.bundle).is_none() {
            state.workers[who].task.stage = Stage::Taken;
            steps.own(who, "finds its files gone", 0, state);
            return;
        }
        let change = match task.job {
            // Only with `Rule::BindFirst` off.
            Job::Snapshot if task.view == 0 => Change::Bind {
                origin: task.span.start,
            },
            Job::Bind => Change::Bind {
                origin: task.span.start,
            },
            Job::Loss => Change::Loss {
                span: task.span,
                reason: task.rows,
            },
            Job::Snapshot => Change::Append {
                bundle: task.bundle,
            },
            Job::Repair => Change::Repair {
                bundle: task.bundle,
            },
        };
        let Some(offered) = self.product.apply(task.view, change, who as u8, task.skip) else {
            return;
        };
        let number = self
            .product
            .manifest(offered)
            .map_or(0, |entry| entry.number);
        let found = state.at(number);
        let mut next = state;
        if found != 0 && self.on(Rule::CreateIfAbsent) {
            self.compare(&mut next, who, offered, found);
            steps.own(who, "finds another manifest at", number, next);
            return;
        }
        next.put(number, offered);
        if state.budget.lost_puts > 0 {
            let mut lost = state;
            lost.budget.lost_puts -= 1;
            lost.workers[who].task.stage = Stage::Unsure;
            lost.workers[who].task.offered = offered;
            let mut done = lost;
            done.put(number, offered);
            steps.fault(
                WORKERS[who],
                "creates a manifest, and the answer is lost",
                number,
                done,
            );
            steps.fault(
                WORKERS[who],
                "offers a manifest, which is lost",
                number,
                lost,
            );
            if let Some(free) = lost.flight.iter_mut().find(|flight| **flight == 0) {
                *free = offered;
                steps.fault(
                    WORKERS[who],
                    "offers a manifest, which is under way",
                    number,
                    lost,
                );
            }
        }
        self.created(&mut next, who, offered, number);
        steps.own(who, "creates manifest", number, next);
    }

    fn created(&mut self, state: &mut State, who: usize, offered: ManifestId, number: u8) {
        let highest = Some(Sequence(state.highest().into()));
        if is_overtaken(Sequence(number.into()), highest) && self.on(Rule::CheckOvertaken) {
            self.lost(state, who);
        } else {
            self.won(state, who, offered);
        }
    }

    /// Compares what was offered with what is there.
    fn compare(&mut self, state: &mut State, who: usize, offered: ManifestId, found: ManifestId) {
        match holder(&offered, Some(&found).filter(|found| **found != 0)) {
            Holder::Ours => {
                let number = self.product.manifest(found).map_or(0, |entry| entry.number);
                self.created(state, who, offered, number);
            }
            Holder::Another => self.lost(state, who),
            Holder::Nobody => state.workers[who].task.stage = Stage::Put,
        }
    }

    fn read_back(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let offered = state.workers[who].task.offered;
        let number = self
            .product
            .manifest(offered)
            .map_or(0, |entry| entry.number);
        let mut next = *state;
        next.workers[who].task.offered = 0;
        if self.on(Rule::ReadBack) {
            self.compare(&mut next, who, offered, state.at(number));
            steps.own(who, "reads back manifest", number, next);
        } else {
            next.workers[who].task.skip = number;
            next.workers[who].task.stage = Stage::Put;
            steps.own(who, "gives up manifest", number, next);
        }
    }

    fn won(&mut self, state: &mut State, who: usize, manifest: ManifestId) {
        let task = &mut state.workers[who].task;
        task.view = manifest;
        let bundle = task.bundle;
        let lists = self
            .product
            .manifest(manifest)
            .is_some_and(|entry| entry.bundles.contains(&bundle));
        let job = task.job;
        if matches!(job, Job::Snapshot | Job::Repair) && !lists {
            return;
        }
        let input = task.input;
        self.retire(state, input);
        self.put_back(state, bundle);
        self.stored(state, who);
    }

    /// Whoever learns that a repair's input is live no more moves it to the attic: the winner, and who seemed to have lost.
    fn retire(&self, state: &mut State, input: BundleId) {
        let newest = self.product.manifest(state.newest());
        let listed = newest.is_some_and(|newest| newest.bundles.contains(&input));
        let there = state.place(input) == Some(Place::Own);
        if there && !listed && self.on(Rule::RetireReplaced) {
            state.set_place(input, Some(Place::Attic));
        }
    }

    fn put_back(&self, state: &mut State, bundle: BundleId) {
        if state.place(bundle) == Some(Place::Attic) && self.on(Rule::PutBack) {
            state.set_place(bundle, Some(Place::Own));
        }
    }

    /// The chain has grown by another's edit.
    fn lost(&mut self, state: &mut State, who: usize) {
        let newest = state.newest();
        let task = &mut state.workers[who].task;
        task.view = newest;
        task.skip = 0;
        match task.job {
            Job::Bind if !self.on(Rule::PlanAgainAfterLostBind) => self.stored(state, who),
            // Somebody else may have done something else.
            Job::Bind | Job::Loss => self.not_stored(state, who),
            Job::Snapshot | Job::Repair => self.put_files(state, who),
        }
    }

    /// The task is done.
    fn stored(&mut self, state: &mut State, who: usize) {
        let worker = &mut state.workers[who];
        let task = std::mem::take(&mut worker.task);
        if !task.current {
            return;
        }
        worker.view = task.view;
        match task.job {
            Job::Snapshot => {
                let memory = worker.memory;
                if worker.phase == Phase::Correcting && memory.start == memory.end {
                    self.regather(state, who);
                }
            }
            Job::Repair => {}
            Job::Bind => self.bound(state, who),
            Job::Loss => self.regather(state, who),
        }
    }

    /// The chain ends before the outcomes start.
    fn not_stored(&mut self, state: &mut State, who: usize) {
        let task = std::mem::take(&mut state.workers[who].task);
        if task.current {
            self.regather(state, who);
        }
    }
}
