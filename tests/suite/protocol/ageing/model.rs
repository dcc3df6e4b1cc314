//! The steps of the world.

use std::collections::HashMap;

use snapback::history::next_corrections;

use super::{
    super::{
        model::{Steps, WORKERS},
        search::System,
        state::Span,
    },
    arena::{Arena, Change, Entry, Said, progress},
    cases::{Case, Past},
    rules::{Budget, Rule},
    state::{Fill, Job, Keeper, ManifestId, NUMBERS, Notes, Place, Set, State},
};

/// The transition system.
pub struct Ageing {
    pub case: &'static Case,
    pub off: Option<Rule>,
    pub arena: Arena,
    /// What gc chose.
    pub choices: HashMap<State, Option<(Set, u8, Notes)>>,
    initial: State,
}

impl System for Ageing {
    type State = State;

    fn initial(&self) -> State {
        self.initial
    }

    fn next(&mut self, state: &State, steps: &mut Steps<State>) {
        for who in 0..2 {
            self.keeper(state, who, steps);
        }
        self.owner(state, steps);
        self.faults(state, steps);
    }

    fn violation(&self, state: &State, at_rest: bool) -> Option<&'static str> {
        self.wrong(state, at_rest)
    }
}

impl Ageing {
    /// A history of some snapshots, older than `--keep`.
    pub fn new(case: &'static Case, budget: Budget, off: Option<Rule>) -> Ageing {
        let mut model = Ageing {
            case,
            off,
            arena: Arena::default(),
            choices: HashMap::new(),
            initial: State {
                budget,
                ..State::default()
            },
        };
        let mut state = model.initial;
        let bound = model.arena.apply(0, Change::Bind, Said::default());
        state.set(1, bound.expect("a first manifest"));
        state.committed = state.at(1);
        for number in 0..case.history {
            state = model.append(&state).expect("a short history");
            if number == 0 && case.gap != Past::Whole {
                state = model.lose(&state).expect("a short history");
            }
        }
        if case.gap == Past::Filled {
            state = model.filled(&state).expect("a short history");
        }
        state.committed = state.newest();
        state.old = u16::MAX;
        model.initial = state;
        model
    }

    pub fn on(&self, rule: Rule) -> bool {
        self.off != Some(rule)
    }

    /// What a keeper does next.
    fn keeper(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        match state.keepers[who].job {
            // The two are alike: the second begins only beside the first.
            Job::None if who == 1 && state.keepers[0].job == Job::None => {}
            Job::None => {
                self.begin_compaction(state, who, steps);
                self.begin_tidying(state, who, steps);
                self.begin_collection(state, who, steps);
                self.begin_sealing(state, who, steps);
                self.begin_reopening(state, who, steps);
                self.begin_giving_up(state, who, steps);
                self.begin_filling(state, who, steps);
            }
            Job::Put { .. } | Job::Check(_) | Job::Create(_) | Job::Created(..) => {
                self.compact(state, who, steps);
            }
            Job::Retire { inputs } => self.retire(state, who, inputs, steps),
            Job::PutPage { .. }
            | Job::Seal(_)
            | Job::Sealed(..)
            | Job::Reopen { .. }
            | Job::Reopened { .. } => self.seal(state, who, steps),
            Job::GiveUp { .. } | Job::GivenUp { .. } | Job::OpenedToGiveUp { .. } => {
                self.give_up(state, who, steps);
            }
            Job::PutFill { .. }
            | Job::CheckFill(_)
            | Job::CreateFill(_)
            | Job::Filled(..)
            | Job::OpenedToFill(..) => self.fill(state, who, steps),
            Job::Tidy { unlisted, moved } => self.tidy(state, who, (unlisted, moved), steps),
            Job::Raise { .. } | Job::Raised { .. } | Job::Look | Job::Delete { .. } => {
                self.collect(state, who, steps)
            }
        }
    }

    /// Sees the newest manifest.
    pub fn reload(state: &mut State, who: usize) {
        let (view, highest) = (state.newest(), state.highest());
        let keeper = &mut state.keepers[who];
        (keeper.view, keeper.highest) = (view, highest);
    }

    /// Has a manifest follow from what a keeper sees.
    pub fn follow(&mut self, keeper: &Keeper, change: Change) -> Option<ManifestId> {
        let committed = match self.on(Rule::CommittedIsCopied) {
            true => 0,
            // What it sees itself.
            false => keeper.view,
        };
        let said = Said {
            committed,
            highest: keeper.highest,
            published: 0,
        };
        self.arena.apply(keeper.view, change, said)
    }

    /// One more snapshot, in one step, by whoever has the partition.
    fn append(&mut self, state: &State) -> Option<State> {
        let mut next = *state;
        let (view, highest) = (state.newest(), state.highest());
        let end = self.arena.entry(view).end;
        let span = Span::new(end, end + 1);
        let file = next.put_file(span)?;
        if highest == NUMBERS {
            return None;
        }
        if !self.case.lags {
            next.committed = view;
        }
        let said = Said {
            committed: next.committed,
            highest,
            published: next.published,
        };
        let appended = self
            .arena
            .apply(view, Change::Append { file, span }, said)?;
        next.set(highest + 1, appended);
        Some(next)
    }

    /// An offset in the past that nobody has an outcome of.
    fn lose(&mut self, state: &State) -> Option<State> {
        let mut next = *state;
        let view = state.newest();
        let end = self.arena.entry(view).end;
        let change = Change::Lose {
            span: Span::new(end, end + 1),
        };
        next.set(
            state.highest() + 1,
            self.arena.apply(view, change, Said::default())?,
        );
        Some(next)
    }

    /// That one has an outcome after all, of which nobody was told yet.
    fn filled(&mut self, state: &State) -> Option<State> {
        let mut next = *state;
        let view = state.newest();
        let span = Span::new(1, 2);
        let fill = Fill {
            span,
            output: next.put_file(span)?,
            corrections: next.put_file(span)?,
            head: 0,
        };
        next.corrections |= 1 << fill.corrections;
        let change = Change::Fill { fill };
        next.set(
            state.highest() + 1,
            self.arena.apply(view, change, Said::default())?,
        );
        Some(next)
    }

    fn owner(&mut self, state: &State, steps: &mut Steps<State>) {
        let newest = self.arena.entry(state.newest());
        let corrections = &newest.real.open.corrections;
        if let Some(pending) = next_corrections(corrections, progress(state.published)) {
            let mut next = *state;
            next.published = pending.sequence.0 as u8;
            next.committed = state.newest();
            steps.due("owner", "publishes corrections", next.published, next);
        }
        let burst = |model: &mut Ageing| {
            (0..model.case.burst).try_fold(*state, |state, _| model.append(&state))
        };
        if state.budget.appends > 0
            && let Some(mut next) = burst(self)
        {
            next.budget.appends -= 1;
            if self.case.burst > 1 {
                // That takes days.
                Ageing::day(&mut next);
            }
            steps.fault("owner", "appends", next.highest(), next);
        }
        if self.case.lags && state.committed != state.newest() {
            let mut next = *state;
            next.committed = state.newest();
            steps.fault("owner", "commits, naming", state.highest(), next);
        }
    }

    fn day(state: &mut State) {
        state.old = u16::MAX;
        let notes = state.notes.iter_mut();
        notes.for_each(|note| note.old = note.head > 0);
    }

    fn faults(&self, state: &State, steps: &mut Steps<State>) {
        if state.budget.days > 0 {
            let mut next = *state;
            next.budget.days -= 1;
            Ageing::day(&mut next);
            steps.fault("clock", "goes on by a day", 0, next);
        }
        for (who, name) in WORKERS.into_iter().enumerate() {
            if state.budget.deaths > 0 && state.keepers[who].job != Job::None {
                let mut next = *state;
                next.budget.deaths -= 1;
                next.keepers[who] = Keeper::default();
                next.untidy = true;
                steps.fault(name, "dies", 0, next);
            }
        }
        let newest = self.arena.get(state.newest()).into_iter();
        for page in newest.flat_map(|newest| &newest.pages) {
            if state.budget.page_damages > 0 && state.unread >> page.file & 1 == 0 {
                let mut next = *state;
                next.budget.page_damages -= 1;
                next.unread |= 1 << page.file;
                steps.fault("disk", "damages page", page.file, next);
            }
        }
        let chain: Vec<u8> = self.chain(state).map(|entry| entry.number).collect();
        for number in chain.into_iter().filter(|number| *number > 1) {
            // The newest, or the one before, which is an older one soon: fewer states.
            let is_new = number + 2 > state.highest();
            if state.budget.damages > 0 && is_new && state.is_readable(number) {
                let mut next = *state;
                next.budget.damages -= 1;
                next.damaged |= 1 << number;
                next.untidy = true;
                steps.fault("disk", "damages manifest", number, next);
            }
            // Where somebody is about to create one.
            let is_next = |keeper: &Keeper| keeper.job != Job::None && keeper.highest + 1 == number;
            let awaited = state.keepers.iter().any(is_next) && number < state.highest();
            if state.budget.losses > 0 && state.at(number) != 0 && awaited {
                let mut next = *state;
                next.budget.losses -= 1;
                next.set(number, 0);
                next.lost |= 1 << number;
                next.untidy = true;
                steps.fault("stranger", "removes manifest", number, next);
            }
        }
    }

    /// What is seen to be listed by a manifest: of a page that cannot be read, nothing but itself.
    pub fn seen_listed(&self, state: &State, entry: &Entry) -> Set {
        let read = entry.pages.iter().filter(|page| {
            let is_read = state.unread >> page.file & 1 == 0;
            is_read && self.on(Rule::PagesAreRead)
        });
        read.fold(entry.itself, |all, page| all | page.files)
    }

    /// Whether a file is listed by a manifest; `None` when a page of its range cannot be read.
    pub fn lists(&self, state: &State, view: ManifestId, file: u8) -> Option<bool> {
        let Some(entry) = self.arena.get(view) else {
            return Some(false);
        };
        let mask = state.file(file).span.mask();
        let mut over = entry
            .pages
            .iter()
            .filter(|page| page.span.mask() & mask != 0);
        let is_unread = over.any(|page| state.unread >> page.file & 1 != 0);
        let listed = self.seen_listed(state, entry) >> file & 1 != 0;
        (listed || !is_unread || !self.on(Rule::UnreadPages)).then_some(listed)
    }

    pub fn finish(state: &mut State, who: usize) {
        state.keepers[who] = Keeper::default();
    }

    /// Moves a file that is not listed to the attic, and one that is back.
    pub fn sweep(&self, state: &mut State, view: ManifestId, file: u8) {
        match self.lists(state, view, file) {
            Some(true) => state.move_file(file, Place::Attic, Place::Own),
            Some(false) => state.move_file(file, Place::Own, Place::Attic),
            None => {}
        }
    }
}
