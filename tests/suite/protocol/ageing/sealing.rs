//! Pages: two neighbours become one, and the open list again.

use super::{
    super::{
        model::{Steps, WORKERS},
        state::Span,
    },
    arena::{Change, Entry},
    model::Ageing,
    rules::Rule,
    state::{Job, ManifestId, NUMBERS, Place, Sealing, State},
};

impl Ageing {
    /// Chooses the first two neighbours of the open list.
    pub fn begin_sealing(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        if state.budget.seals == 0 {
            return;
        }
        let mut next = *state;
        next.budget.seals -= 1;
        Ageing::reload(&mut next, who);
        let Entry { live, lost, .. } = self.arena.entry(next.keepers[who].view);
        let mut neighbours = live.windows(2).filter(|pair| {
            let between = Span::new(pair[0].1.end, pair[1].1.start).mask();
            between & !lost == 0
        });
        if let Some(pair) = neighbours.next() {
            let span = Span::new(pair[0].1.start, pair[1].1.end);
            next.keepers[who].job = Job::PutPage { span };
            steps.fault(WORKERS[who], "is to seal what ends at", span.end, next);
        }
    }

    /// Chooses a page, as who is to change a range of it does.
    pub fn begin_reopening(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        if state.budget.reopens == 0 {
            return;
        }
        let mut next = *state;
        next.budget.reopens -= 1;
        Ageing::reload(&mut next, who);
        let pages = &self.arena.entry(next.keepers[who].view).pages;
        let mut read = pages.iter().map(|page| page.file);
        if let Some(page) = read.find(|page| state.unread >> page & 1 == 0) {
            next.keepers[who].job = Job::Reopen { page };
            steps.fault(WORKERS[who], "is to reopen page", page, next);
        }
    }

    pub fn seal(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        let mut next = *state;
        let keeper = state.keepers[who];
        match keeper.job {
            Job::PutPage { span } => {
                let Some(page) = next.put_file(span) else {
                    // The model has no more names.
                    Ageing::finish(&mut next, who);
                    steps.own(who, "gives up", 0, next);
                    return;
                };
                next.pages |= 1 << page;
                if !self.on(Rule::PageFirst) {
                    next.files[usize::from(page)].place = Place::Nowhere;
                }
                let (of, head) = (keeper.view, keeper.highest);
                next.keepers[who].job = Job::Seal(Sealing { page, of, head });
                steps.own(who, "puts page", page, next);
            }
            Job::Seal(sealing) => {
                let Sealing { page, of, .. } = sealing;
                let span = state.file(page).span;
                let all = !self.on(Rule::PublishedOnly);
                let change = Change::Seal {
                    page,
                    span,
                    of,
                    all,
                };
                match self.offer(&mut next, who, change) {
                    Some(offered) => {
                        next.keepers[who].job = Job::Sealed(sealing, offered);
                        steps.own(who, "creates manifest", keeper.highest + 1, next);
                    }
                    None => {
                        self.seal_again(&mut next, who, sealing);
                        steps.own(who, "does not seal page", page, next);
                    }
                }
            }
            Job::Sealed(sealing, offered) => {
                if self.is_overtaken(&mut next, offered) {
                    self.seal_again(&mut next, who, sealing);
                    steps.own(who, "was overtaken", 0, next);
                    return;
                }
                next.files[usize::from(sealing.page)].place = Place::Own;
                Ageing::finish(&mut next, who);
                steps.own(who, "has sealed page", sealing.page, next);
            }
            Job::Reopen { page } => match self.offer(&mut next, who, Change::Reopen { page }) {
                Some(offered) => {
                    next.keepers[who].job = Job::Reopened { offered };
                    steps.own(who, "creates manifest", keeper.highest + 1, next);
                }
                None => {
                    Ageing::finish(&mut next, who);
                    steps.own(who, "does not reopen page", page, next);
                }
            },
            Job::Reopened { offered } => {
                self.is_overtaken(&mut next, offered);
                Ageing::finish(&mut next, who);
                steps.own(who, "looks for higher numbers", 0, next);
            }
            _ => {}
        }
    }

    /// Creates the next manifest; `None` when another is there, or the edit does not fit.
    pub fn offer(&mut self, state: &mut State, who: usize, change: Change) -> Option<ManifestId> {
        let keeper = state.keepers[who];
        let number = keeper.highest + 1;
        let offered = self.follow(&keeper, change)?;
        if number > NUMBERS || state.at(number) != 0 {
            return None;
        }
        state.set(number, offered);
        Some(offered)
    }

    /// Another was faster: as long as the page is what is live, it is tried again. A page that is put for nothing stays for gc.
    fn seal_again(&self, state: &mut State, who: usize, sealing: Sealing) {
        Ageing::reload(state, who);
        let keeper = state.keepers[who];
        let Sealing { page, of, head } = sealing;
        let span = state.file(page).span;
        let all = !self.on(Rule::PublishedOnly);
        let is_same = self.arena.page(of, span, all).is_some_and(|before| {
            let now = self.arena.page(keeper.view, span, all);
            now.is_some_and(|now| now == before)
        });
        state.keepers[who].job = match is_same && keeper.highest < NUMBERS {
            false => Job::None,
            true if self.may_list_page(head, keeper.highest + 1) => Job::Seal(sealing),
            true => Job::PutPage { span },
        };
        if state.keepers[who].job == Job::None {
            Ageing::finish(state, who);
        }
    }
}
