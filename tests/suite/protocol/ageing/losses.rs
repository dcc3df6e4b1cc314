//! Outcomes that somebody accepts as lost, and gaps that somebody fills: each by a process of its own, beside whatever else goes on.

use super::{
    super::{
        model::{Steps, WORKERS},
        state::Span,
    },
    arena::{Change, Entry, ListedPage},
    model::Ageing,
    rules::Rule,
    state::{Fill, Job, Keeper, NUMBERS, Place, State, members},
};

impl Ageing {
    /// Chooses the first file, or the last, of the open list or of a page.
    pub fn begin_giving_up(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        if state.budget.given_up == 0 {
            return;
        }
        let mut next = *state;
        next.budget.given_up -= 1;
        Ageing::reload(&mut next, who);
        let entry = self.arena.entry(next.keepers[who].view);
        let read = |page: &&ListedPage| state.unread >> page.file & 1 == 0;
        let sealed = entry
            .pages
            .iter()
            .filter(read)
            .flat_map(|page| members(page.files));
        let sealed = sealed.filter(|file| state.corrections >> file & 1 == 0);
        let mut files: Vec<u8> = sealed
            .chain(entry.live.iter().map(|(file, _)| *file))
            .collect();
        files.sort_by_key(|file| state.file(*file).span.start);
        let mut chosen: Vec<u8> = files
            .first()
            .into_iter()
            .chain(files.last())
            .copied()
            .collect();
        chosen.dedup();
        chosen.truncate(self.case.pairs);
        for file in chosen {
            next.keepers[who].job = Job::GiveUp { file };
            steps.fault(WORKERS[who], "is to give up file", file, next);
        }
    }

    /// Chooses the first gap.
    pub fn begin_filling(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        if state.budget.fills == 0 {
            return;
        }
        let mut next = *state;
        next.budget.fills -= 1;
        Ageing::reload(&mut next, who);
        let lost = self.arena.entry(next.keepers[who].view).lost;
        if lost != 0 {
            let start = lost.trailing_zeros() as u8;
            let length = (lost >> start).trailing_ones() as u8;
            let span = Span::new(start, start + length);
            next.keepers[who].job = Job::PutFill { span };
            steps.fault(WORKERS[who], "is to fill the gap at", start, next);
        }
    }

    pub fn give_up(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        let mut next = *state;
        let keeper = state.keepers[who];
        match keeper.job {
            Job::GiveUp { file } => self.create_gap(&mut next, who, file, steps),
            Job::GivenUp { file, offered } => {
                if self.is_overtaken(&mut next, offered) {
                    Ageing::reload(&mut next, who);
                    next.keepers[who].job = Job::GiveUp { file };
                    steps.own(who, "was overtaken", 0, next);
                    return;
                }
                self.retire_given_up(&mut next, who, file, Rule::RetireGivenUp);
                steps.own(who, "has given up file", file, next);
            }
            Job::OpenedToGiveUp { file, offered } => {
                self.is_overtaken(&mut next, offered);
                Ageing::reload(&mut next, who);
                next.keepers[who].job = Job::GiveUp { file };
                steps.own(who, "looks for higher numbers", 0, next);
            }
            _ => {}
        }
    }

    fn create_gap(&mut self, next: &mut State, who: usize, file: u8, steps: &mut Steps<State>) {
        let keeper = next.keepers[who];
        let span = next.file(file).span;
        let entry = self.arena.entry(keeper.view);
        if entry.lost & span.mask() == span.mask() {
            // It seemed to be beaten and was not, or another did the same.
            self.retire_given_up(next, who, file, Rule::KnowsWhatIsGivenUp);
            steps.own(who, "finds the gap", 0, *next);
            return;
        }
        let is_open = entry.live.iter().any(|(live, _)| *live == file);
        let page = page_of(entry, |page| page.files >> file & 1 != 0);
        let change = match page.filter(|_| !is_open) {
            None => Change::GiveUp { file, span },
            // Only what is in the open list is changed.
            Some(page) => Change::Reopen { page },
        };
        match self.offer(next, who, change) {
            Some(offered) => {
                next.keepers[who].job = match change {
                    Change::Reopen { .. } => Job::OpenedToGiveUp { file, offered },
                    _ => Job::GivenUp { file, offered },
                };
                steps.own(who, "creates manifest", keeper.highest + 1, *next);
            }
            None if may_go_on(next, &keeper) => {
                Ageing::reload(next, who);
                steps.own(who, "finds another manifest at", keeper.highest + 1, *next);
            }
            // It is live no more.
            None => {
                Ageing::finish(next, who);
                steps.own(who, "does not give up file", file, *next);
            }
        }
    }

    fn retire_given_up(&self, state: &mut State, who: usize, file: u8, rule: Rule) {
        if self.on(rule) {
            state.keepers[who].job = Job::Retire { inputs: 1 << file };
        } else {
            Ageing::finish(state, who);
        }
    }

    pub fn fill(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        let mut next = *state;
        let keeper = state.keepers[who];
        match keeper.job {
            Job::PutFill { span } => {
                let (Some(output), Some(corrections)) = (next.put_file(span), next.put_file(span))
                else {
                    // The model has no more names.
                    Ageing::finish(&mut next, who);
                    next.untidy = true;
                    steps.own(who, "gives up", 0, next);
                    return;
                };
                next.corrections |= 1 << corrections;
                next.keepers[who].job = Job::CheckFill(Fill {
                    span,
                    output,
                    corrections,
                    head: keeper.highest,
                });
                steps.own(who, "puts what fills the gap, file", output, next);
            }
            Job::CheckFill(fill) => {
                for file in members(fill.files()) {
                    next.files[usize::from(file)].place = Place::Own;
                }
                next.keepers[who].job = Job::CreateFill(fill);
                steps.own(who, "sees that there is file", fill.output, next);
            }
            Job::CreateFill(fill) => self.create_fill(&mut next, who, fill, steps),
            Job::Filled(fill, offered) => {
                if self.is_overtaken(&mut next, offered) {
                    self.beaten(&mut next, who, fill);
                    steps.own(who, "was overtaken", 0, next);
                    return;
                }
                self.put_back(&mut next, fill);
                Ageing::finish(&mut next, who);
                steps.own(who, "has filled the gap", 0, next);
            }
            Job::OpenedToFill(fill, offered) => {
                self.is_overtaken(&mut next, offered);
                self.beaten(&mut next, who, fill);
                steps.own(who, "looks for higher numbers", 0, next);
            }
            _ => {}
        }
    }

    fn create_fill(&mut self, next: &mut State, who: usize, fill: Fill, steps: &mut Steps<State>) {
        let keeper = next.keepers[who];
        let entry = self.arena.entry(keeper.view);
        let over = page_of(entry, |page| page.span.mask() & fill.span.mask() != 0);
        if over.is_some_and(|page| next.unread >> page & 1 != 0) {
            Ageing::finish(next, who);
            next.untidy = true;
            steps.own(who, "cannot read the page over the gap", 0, *next);
            return;
        }
        let change = match over {
            None => Change::Fill { fill },
            Some(page) => Change::Reopen { page },
        };
        match self.offer(next, who, change) {
            Some(offered) => {
                next.keepers[who].job = match change {
                    Change::Reopen { .. } => Job::OpenedToFill(fill, offered),
                    _ => Job::Filled(fill, offered),
                };
                steps.own(who, "creates manifest", keeper.highest + 1, *next);
            }
            None => {
                self.beaten(next, who, fill);
                steps.own(who, "does not fill the gap", 0, *next);
            }
        }
    }

    fn put_back(&self, state: &mut State, fill: Fill) {
        if self.on(Rule::PutBack) {
            let files = members(fill.files());
            files.for_each(|file| state.move_file(file, Place::Attic, Place::Own));
        }
    }

    /// The chain has grown: is the gap still there, or has ours won?
    fn beaten(&self, state: &mut State, who: usize, fill: Fill) {
        let before = state.keepers[who];
        Ageing::reload(state, who);
        let keeper = state.keepers[who];
        let listed = self.lists(state, keeper.view, fill.output) == Some(true);
        let mask = fill.span.mask();
        let is_lacking = self.arena.entry(keeper.view).lost & mask == mask;
        if listed && self.on(Rule::KnowsWhatIsFilled) {
            self.put_back(state, fill);
            Ageing::finish(state, who);
        } else if !is_lacking {
            for file in members(fill.files()) {
                match self.on(Rule::KnowsWhatIsFilled) {
                    true => self.sweep(state, keeper.view, file),
                    false => state.move_file(file, Place::Own, Place::Attic),
                }
            }
            Ageing::finish(state, who);
        } else if !may_go_on(state, &before) {
            Ageing::finish(state, who);
            state.untidy = true;
        } else if self.may_list(fill.head, keeper.highest + 1) {
            state.keepers[who].job = Job::CheckFill(fill);
        } else {
            members(fill.files()).for_each(|file| self.sweep(state, keeper.view, file));
            state.keepers[who].job = Job::PutFill { span: fill.span };
        }
    }
}

/// Whether the chain has grown since a keeper saw it, and the model has numbers left.
fn may_go_on(state: &State, before: &Keeper) -> bool {
    let highest = state.highest();
    highest > before.highest && highest < NUMBERS
}

fn page_of(entry: &Entry, is: impl Fn(&ListedPage) -> bool) -> Option<u8> {
    let mut pages = entry.pages.iter();
    pages.find(|page| is(page)).map(|page| page.file)
}
