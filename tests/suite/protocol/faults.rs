//! What the world does to the system: crashes, aborts, foreign hands, time.

use super::{
    model::{Model, Steps, WORKERS},
    product::Commit,
    rules::Rule,
    state::{CHAIN, Client, MAX, Phase, Place, Resume, Span, Stage, State, Transaction, Worker},
};

/// gc keeps so many manifests.
const RETAINED: usize = 2;

/// The lowest number present.
fn lowest(state: &State) -> u8 {
    let first = state.chain.iter().position(|manifest| *manifest != 0);
    first.map_or(0, |index| index as u8 + 1)
}

impl Model {
    pub fn faults(&mut self, state: &State, steps: &mut Steps) {
        for who in 0..2 {
            self.crash(state, who, steps);
            self.transaction_faults(state, who, steps);
            self.operator(state, who, steps);
        }
        self.puts_land(state, steps);
        self.foreign_commit(state, steps);
        self.rollback(state, steps);
        self.log_shrinks(state, steps);
        self.collect(state, steps);
    }

    fn crash(&self, state: &State, who: usize, steps: &mut Steps) {
        let worker = &state.workers[who];
        if state.budget.crashes == 0 || worker.phase == Phase::Down {
            return;
        }
        let mut next = *state;
        next.budget.crashes -= 1;
        next.workers[who] = Worker::default();
        steps.fault(WORKERS[who], "dies", 0, next);
    }

    fn transaction_faults(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let worker = &state.workers[who];
        let transaction = &state.transactions[who];
        let mut next = *state;
        if transaction.open {
            next.transactions[who] = Transaction::default();
            if worker.phase == Phase::Down || worker.stale {
                steps.own(who, "has its transaction timed out by the broker", 0, next);
            } else if state.budget.aborts > 0 {
                next.budget.aborts -= 1;
                steps.fault("broker", "times out the transaction of", who as u8, next);
                let mut next = *state;
                next.budget.aborts -= 1;
                if matches!(worker.client, Client::Open | Client::Sent) {
                    self.abort(&mut next, who);
                    steps.fault(WORKERS[who], "aborts", 0, next);
                }
            }
        }
        if worker.phase == Phase::Replaying && state.budget.aborts > 0 {
            let mut next = *state;
            next.budget.aborts -= 1;
            if !self.on(Rule::AbortSparesReplay) {
                let worker = &mut next.workers[who];
                let end = worker.replay.span.end;
                worker.memory.end = end;
                worker.memory.committed = end;
                worker.phase = Phase::Running;
            }
            steps.fault(
                WORKERS[who],
                "aborts a transaction of other partitions",
                0,
                next,
            );
        }
        // A commit that was called before the process died.
        if worker.phase == Phase::Down && transaction.pending != 0 && state.budget.lost_commits > 0
        {
            let mut next = *state;
            next.budget.lost_commits -= 1;
            self.settle(&mut next, who);
            steps.fault("broker", "commits for the dead", who as u8, next);
        }
    }

    /// A refused partition is started with the flags that the refusal names.
    fn operator(&mut self, state: &State, who: usize, steps: &mut Steps) {
        let worker = state.workers[who];
        if worker.phase != Phase::Held || state.budget.operator == 0 {
            return;
        }
        let planned = self.product.plan(&worker, state.log_start);
        let frontier = self
            .product
            .manifest(worker.view)
            .map_or(0, |entry| entry.end);
        for (resume, accept) in planned.remedies.iter().copied() {
            let mut next = *state;
            next.budget.operator -= 1;
            next.transactions[who] = Transaction::default();
            next.workers[who] = Worker {
                phase: Phase::Idle,
                version: worker.version,
                resume,
                accept,
                ..Worker::default()
            };
            match resume {
                Resume::Unsaid => {}
                Resume::Frontier => next.excused |= Span::new(frontier, MAX).mask(),
                Resume::Committed => {
                    let committed = self.product.offset(worker.read);
                    next.accepted |= Span::new(frontier, committed).mask();
                }
            }
            next.accepted |= accept.mask();
            steps.fault(
                "operator",
                "starts again with the flags for",
                who as u8,
                next,
            );
        }
    }

    /// Puts whose answer was lost arrive.
    fn puts_land(&mut self, state: &State, steps: &mut Steps) {
        for (index, manifest) in state.flight.iter().copied().enumerate() {
            let Some(entry) = self.product.manifest(manifest) else {
                continue;
            };
            let number = entry.number;
            let mut next = *state;
            next.flight[index] = 0;
            next.flight.sort_unstable();
            if state.at(number) == 0 || !self.on(Rule::CreateIfAbsent) {
                next.put(number, manifest);
            }
            steps.due("store", "gets a late put of manifest", number, next);
        }
    }

    fn foreign_commit(&mut self, state: &State, steps: &mut Steps) {
        if state.budget.foreign == 0 {
            return;
        }
        let ours = matches!(
            self.product.commit(state.committed),
            Some(Commit::Ours { .. })
        );
        for offset in 0..=self.config.end() {
            for kept in [false, true] {
                if kept && (!ours || offset == self.product.offset(state.committed)) {
                    continue;
                }
                let mut next = *state;
                next.budget.foreign -= 1;
                next.disturbed = true;
                // Who resets a group asks for its events to be processed again.
                next.excused |= match offset < state.high {
                    true => Span::new(offset, MAX).mask(),
                    false => 0,
                };
                next.committed = self.product.commit_id(Commit::Foreign {
                    offset,
                    kept: if kept { state.committed } else { 0 },
                });
                next.high = next.high.max(offset);
                let what = match kept {
                    true => "moves the committed offset, keeping our text, to",
                    false => "commits",
                };
                steps.fault("foreigner", what, offset, next);
            }
        }
    }

    /// An older backup is restored while nobody runs.
    fn rollback(&mut self, state: &State, steps: &mut Steps) {
        let runs = state
            .workers
            .iter()
            .any(|worker| worker.phase != Phase::Down);
        if state.budget.rollbacks == 0 || runs || state.flight != [0, 0] {
            return;
        }
        for number in 0..state.highest() {
            let mut next = *state;
            next.budget.rollbacks -= 1;
            next.disturbed = true;
            next.rolled_back = true;
            for above in number as usize..CHAIN {
                next.chain[above] = 0;
            }
            let newest = self.product.manifest(next.newest());
            for file in &mut next.files {
                if !newest.is_some_and(|newest| newest.bundles.contains(&file.bundle)) {
                    *file = Default::default();
                }
            }
            next.files.sort_unstable();
            steps.fault(
                "operator",
                "restores the backup that ends with manifest",
                number,
                next,
            );
        }
    }

    /// Retention and compaction of the events topic.
    fn log_shrinks(&self, state: &State, steps: &mut Steps) {
        if state.budget.expired > 0 && state.log_start < self.config.end() {
            let mut next = *state;
            next.budget.expired -= 1;
            next.log_start += 1;
            next.disturbed = true;
            steps.fault("broker", "lets expire", state.log_start, next);
        }
        if state.budget.compacted == 0 {
            return;
        }
        for offset in 0..self.config.end() {
            if state.topic[offset as usize].firsts > 0 && state.gone & 1 << offset == 0 {
                let mut next = *state;
                next.budget.compacted -= 1;
                next.gone |= 1 << offset;
                next.disturbed = true;
                steps.fault("broker", "compacts away", offset, next);
            }
        }
    }

    /// The lowest manifest number that a commit names which somebody may have read within the last day.
    fn named(&self, state: &State) -> u8 {
        let gathering = [Phase::CommitRead, Phase::Overtaken, Phase::Tidied];
        let readers = state
            .workers
            .iter()
            .filter(|worker| gathering.contains(&worker.phase));
        readers
            .map(|worker| worker.read)
            .chain([state.committed])
            .map(|commit| match self.product.commit(commit) {
                Some(Commit::Ours { head, .. }) => {
                    self.product.manifest(head).map_or(0, |entry| entry.number)
                }
                _ => 0,
            })
            .min()
            .unwrap_or(0)
    }

    /// Old manifests, and files in the attic, more than a day after they went there: no request is that slow.
    fn collect(&self, state: &State, steps: &mut Steps) {
        if state.budget.gc == 0 {
            return;
        }
        let mut next = *state;
        next.budget.gc -= 1;
        let present = state
            .chain
            .iter()
            .filter(|manifest| **manifest != 0)
            .count();
        let oldest = lowest(state);
        if present > RETAINED && (oldest < self.named(state) || !self.on(Rule::KeepHead)) {
            let mut next = next;
            next.put(oldest, 0);
            next.collected = next.collected.max(oldest);
            steps.fault("gc", "removes the oldest manifest", 0, next);
        }
        let lists = |manifest: u16, bundle| {
            let entry = self.product.manifest(manifest);
            entry.is_some_and(|entry| entry.bundles.contains(&bundle))
        };
        for file in state.files.iter().filter(|file| file.bundle != 0) {
            let listed = state
                .chain
                .iter()
                .any(|manifest| lists(*manifest, file.bundle));
            let offered = state
                .flight
                .iter()
                .any(|manifest| lists(*manifest, file.bundle));
            let unsure = state.workers.iter().any(|worker| {
                worker.task.bundle == file.bundle && worker.task.stage == Stage::Unsure
            });
            let kept = listed && self.on(Rule::KeepListed) || offered || unsure;
            if file.place == Place::Attic && !kept {
                let mut next = next;
                next.set_place(file.bundle, None);
                steps.fault("gc", "removes a file from the attic", 0, next);
            }
        }
    }
}
