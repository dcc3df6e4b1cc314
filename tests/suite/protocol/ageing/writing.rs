//! Compaction, and tidying by a new owner.

use snapback::{
    history::{is_outside, is_overtaken, may_list},
    model::Sequence,
};

use super::{
    super::{
        model::{Steps, WORKERS},
        state::Span,
    },
    arena::Change,
    collecting::WITHIN,
    model::Ageing,
    rules::Rule,
    state::{Job, ManifestId, Merge, NUMBERS, Place, Set, State, members},
};

impl Ageing {
    /// Chooses two neighbours.
    pub fn begin_compaction(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        if state.budget.compactions == 0 {
            return;
        }
        let mut next = *state;
        next.budget.compactions -= 1;
        Ageing::reload(&mut next, who);
        let live = &self.arena.entry(next.keepers[who].view).live;
        let neighbours = live
            .windows(2)
            .filter(|pair| pair[0].1.end == pair[1].1.start);
        let pairs = neighbours.map(|pair| (1 << pair[0].0) | (1 << pair[1].0));
        let pairs: Vec<Set> = pairs.collect();
        let mut chosen: Vec<Set> = pairs
            .first()
            .into_iter()
            .chain(pairs.last())
            .copied()
            .collect();
        chosen.dedup();
        chosen.truncate(self.case.pairs);
        for inputs in chosen {
            next.keepers[who].job = Job::Put { inputs };
            steps.fault(WORKERS[who], "is to merge the files", inputs as u8, next);
        }
    }

    pub fn compact(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        let mut next = *state;
        let keeper = state.keepers[who];
        match keeper.job {
            Job::Put { inputs } => {
                let Some(output) = next.put_file(self.span(state, inputs)) else {
                    // The model has no more names.
                    Ageing::finish(&mut next, who);
                    next.untidy = true;
                    steps.own(who, "gives up", 0, next);
                    return;
                };
                if !self.on(Rule::ManifestFirst) {
                    members(inputs).for_each(|file| next.move_file(file, Place::Own, Place::Attic));
                }
                next.keepers[who].job = Job::Check(Merge {
                    inputs,
                    output,
                    head: keeper.highest,
                });
                steps.own(who, "puts file", output, next);
            }
            Job::Check(merge) => {
                next.files[usize::from(merge.output)].place = Place::Own;
                next.keepers[who].job = Job::Create(merge);
                steps.own(who, "sees that there is file", merge.output, next);
            }
            Job::Create(merge) => self.create(&mut next, who, merge, steps),
            Job::Created(merge, offered) => {
                if self.is_overtaken(&mut next, offered) {
                    self.lost(&mut next, who, merge);
                    steps.own(who, "was overtaken", 0, next);
                    return;
                }
                if self.on(Rule::PutBack) {
                    next.move_file(merge.output, Place::Attic, Place::Own);
                }
                let inputs = merge.inputs;
                next.keepers[who].job = Job::Retire { inputs };
                steps.own(who, "has won", 0, next);
            }
            _ => {}
        }
    }

    fn span(&self, state: &State, files: Set) -> Span {
        let spans = || members(files).map(|file| state.file(file).span);
        let start = spans().map(|span| span.start).min();
        let end = spans().map(|span| span.end).max();
        Span::new(start.unwrap_or(0), end.unwrap_or(0))
    }

    fn create(&mut self, next: &mut State, who: usize, merge: Merge, steps: &mut Steps<State>) {
        let keeper = next.keepers[who];
        let number = keeper.highest + 1;
        let change = Change::Compact {
            output: merge.output,
            span: self.span(next, merge.inputs),
            inputs: merge.inputs,
        };
        let offered = self.follow(&keeper, change);
        let (Some(offered), true) = (offered, number <= NUMBERS) else {
            Ageing::finish(next, who);
            next.untidy = true;
            steps.own(who, "gives up", 0, *next);
            return;
        };
        if next.at(number) != 0 {
            self.lost(next, who, merge);
            steps.own(who, "finds another manifest at", number, *next);
            return;
        }
        next.set(number, offered);
        next.keepers[who].job = Job::Created(merge, offered);
        steps.own(who, "creates manifest", number, *next);
    }

    /// Whether a higher number is there. A manifest that is certainly no part of the chain goes again.
    pub fn is_overtaken(&self, state: &mut State, created: ManifestId) -> bool {
        let entry = self.arena.entry(created);
        let highest = Some(Sequence(state.highest().into()));
        let number = entry.real.sequence;
        if !self.on(Rule::CheckOvertaken) || !is_overtaken(number, highest) {
            return false;
        }
        let above = state.present().find(|number| *number > entry.number);
        let above = above.filter(|above| state.is_readable(*above));
        let above = above.and_then(|above| self.arena.get(state.at(above)));
        let outside = above.is_some_and(|above| is_outside(entry.real.head(), &above.real));
        if outside && state.at(entry.number) == created {
            state.set(entry.number, 0);
        }
        true
    }

    /// The chain has grown by another's edit, or ours has won and others have followed.
    fn lost(&self, state: &mut State, who: usize, merge: Merge) {
        Ageing::reload(state, who);
        let keeper = state.keepers[who];
        let Merge {
            inputs,
            output,
            head,
        } = merge;
        if self.lists(state, keeper.view, output) == Some(true) {
            if self.on(Rule::PutBack) {
                state.move_file(output, Place::Attic, Place::Own);
            }
            state.keepers[who].job = Job::Retire { inputs };
        } else if !self.arena.is_live(inputs, keeper.view) {
            if self.on(Rule::LoserPutsBack) {
                let live = self.seen_listed(state, self.arena.entry(keeper.view));
                let live = members(live);
                live.for_each(|file| state.move_file(file, Place::Attic, Place::Own));
            }
            for file in members(inputs | 1 << output) {
                self.sweep(state, keeper.view, file);
            }
            Ageing::finish(state, who);
        } else if self.may_list(head, keeper.highest + 1) {
            state.keepers[who].job = Job::Check(merge);
        } else {
            self.sweep(state, keeper.view, output);
            state.keepers[who].job = Job::Put { inputs };
        }
    }

    pub fn may_list(&self, head: u8, number: u8) -> bool {
        !self.on(Rule::NewNames) || is_within(head, number)
    }

    /// The same for a page.
    pub fn may_list_page(&self, head: u8, number: u8) -> bool {
        !self.on(Rule::NewPageNames) || is_within(head, number)
    }

    /// The winner moves what it replaced away.
    pub fn retire(&self, state: &State, who: usize, inputs: Set, steps: &mut Steps<State>) {
        let mut next = *state;
        let Some(file) = members(inputs).next() else {
            Ageing::finish(&mut next, who);
            steps.own(who, "is done", 0, next);
            return;
        };
        next.move_file(file, Place::Own, Place::Attic);
        next.keepers[who].job = Job::Retire {
            inputs: inputs & !(1 << file),
        };
        steps.own(who, "moves away its input", file, next);
    }

    /// A new owner looks at the folders, and puts back what is listed.
    pub fn begin_tidying(&self, state: &State, who: usize, steps: &mut Steps<State>) {
        if state.budget.tidies == 0 {
            return;
        }
        let mut next = *state;
        next.budget.tidies -= 1;
        next.untidy = false;
        Ageing::reload(&mut next, who);
        let view = next.keepers[who].view;
        let unlisted = (0..state.put).filter(|file| {
            let is_there = state.file(*file).place == Place::Own && !state.is_page(*file);
            is_there && self.lists(state, view, *file) == Some(false)
        });
        let unlisted = unlisted.map(|file| 1 << file).sum();
        if self.on(Rule::RestoreFirst) {
            self.restore(&mut next, Set::MAX);
        }
        next.keepers[who].job = Job::Tidy { unlisted, moved: 0 };
        steps.fault(WORKERS[who], "tidies", unlisted as u8, next);
    }

    /// Puts listed files back.
    fn restore(&self, state: &mut State, files: Set) {
        let newest = state.newest();
        let seen = self.seen_listed(state, self.arena.entry(newest));
        for file in members(files & seen) {
            state.move_file(file, Place::Attic, Place::Own);
        }
    }

    pub fn tidy(
        &self,
        state: &State,
        who: usize,
        (unlisted, moved): (Set, Set),
        steps: &mut Steps<State>,
    ) {
        let mut next = *state;
        let Some(file) = members(unlisted).next() else {
            if !self.on(Rule::RestoreFirst) {
                self.restore(&mut next, Set::MAX);
            }
            if self.on(Rule::LookAgainAfterTidying) && state.highest() > state.keepers[who].highest
            {
                self.restore(&mut next, moved);
            }
            Ageing::finish(&mut next, who);
            steps.own(who, "has tidied", 0, next);
            return;
        };
        let there = state.file(file).place == Place::Own;
        next.move_file(file, Place::Own, Place::Attic);
        next.keepers[who].job = Job::Tidy {
            unlisted: unlisted & !(1 << file),
            moved: if there { moved | 1 << file } else { moved },
        };
        steps.own(who, "tidies away file", file, next);
    }
}

fn is_within(head: u8, number: u8) -> bool {
    may_list(Sequence(head.into()), Sequence(number.into()), WITHIN)
}
