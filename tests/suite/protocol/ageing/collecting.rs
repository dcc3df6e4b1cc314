//! gc: what may go is the product's choice.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use snapback::{
    format::FileName,
    history::gc_choice::{
        self, Choice, Facts, FilePlaces, Files, Link, Links, Noted, Present, floor, target,
    },
    model::Sequence,
};

use super::{
    super::{
        model::{Steps, WORKERS},
        values::at,
    },
    arena::{Change, Entry, Said, file},
    model::Ageing,
    rules::{Budget, Rule},
    state::{Job, ManifestId, NUMBERS, Note, Notes, Place, Set, State, members},
};

/// The newest manifests that always stay.
const KEPT: usize = 2;
/// A file is listed by so many numbers after it was put.
pub const WITHIN: u64 = 1;

const KEEP: TimeDelta = TimeDelta::days(1);

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(10)
}

fn written(is_old: bool) -> DateTime<Utc> {
    now() - if is_old { KEEP } else { TimeDelta::zero() }
}

fn number(sequence: Sequence) -> u8 {
    sequence.0 as u8
}

impl Ageing {
    pub fn begin_collection(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        // Two at a time, where nothing else goes on: the states would be too many.
        let other = state.keepers[1 - who].job;
        let alone = matches!(other, Job::None | Job::Put { .. } | Job::Check(_))
            || matches!(
                other,
                Job::Create(_) | Job::Created(..) | Job::Retire { .. }
            );
        let two_at_a_time = self.case.budget.compactions == 0;
        if state.budget.collections == 0 || !alone && !two_at_a_time {
            return;
        }
        let mut next = *state;
        next.budget.collections -= 1;
        Ageing::reload(&mut next, who);
        let raise = self
            .target(state)
            .filter(|_| self.on(Rule::OldestIsDecided));
        let stated = self.arena.entry(next.keepers[who].view).oldest;
        next.keepers[who].job = match raise.filter(|raise| *raise > stated) {
            Some(oldest) => Job::Raise { oldest },
            None => Job::Look,
        };
        steps.fault(WORKERS[who], "collects", 0, next);
    }

    pub fn collect(&mut self, state: &State, who: usize, steps: &mut Steps<State>) {
        let mut next = *state;
        let keeper = state.keepers[who];
        match keeper.job {
            Job::Raise { oldest } => {
                next.keepers[who].job = Job::Look;
                let at = keeper.highest + 1;
                match self.raised(&next, who, oldest) {
                    Some(offered) if at <= NUMBERS && state.at(at) == 0 => {
                        next.set(at, offered);
                        next.keepers[who].job = Job::Raised { offered };
                        steps.own(who, "says where the history begins", oldest, next);
                    }
                    _ => steps.own(who, "finds another manifest at", at, next),
                }
            }
            Job::Raised { offered } => {
                self.is_overtaken(&mut next, offered);
                next.keepers[who].job = Job::Look;
                steps.own(who, "looks for higher numbers", 0, next);
            }
            Job::Look => {
                Ageing::reload(&mut next, who);
                match self.choice(&next) {
                    None => {
                        Ageing::finish(&mut next, who);
                        steps.own(who, "finds nothing to delete", 0, next);
                    }
                    Some((files, below, notes)) => {
                        next.notes = notes;
                        next.keepers[who].job = Job::Delete { files, below };
                        steps.own(who, "notes what is unlisted, to delete below", below, next);
                    }
                }
            }
            Job::Delete { files, below } => self.delete(&mut next, who, (files, below), steps),
            _ => {}
        }
    }

    fn raised(&mut self, state: &State, who: usize, oldest: u8) -> Option<ManifestId> {
        let keeper = state.keepers[who];
        if self.on(Rule::NotAboveCommitted) {
            return self.follow(&keeper, Change::Retire { oldest });
        }
        // As if all were committed.
        let said = Said {
            committed: keeper.view,
            highest: keeper.highest,
            published: 0,
        };
        self.arena
            .apply(keeper.view, Change::Retire { oldest }, said)
    }

    fn delete(
        &self,
        next: &mut State,
        who: usize,
        (files, below): (Set, u8),
        steps: &mut Steps<State>,
    ) {
        // One by one in the product, where it may die between any two; what it has chosen is gone for good, so that nobody sees
        // the difference.
        if files != 0 {
            for file in members(files) {
                next.files[usize::from(file)].place = Place::Nowhere;
            }
            next.keepers[who].job = Job::Delete { files: 0, below };
            steps.own(who, "deletes the files", files as u8, *next);
            return;
        }
        let old: Vec<u8> = next.present().filter(|number| *number < below).collect();
        old.iter().for_each(|number| next.set(*number, 0));
        Ageing::finish(next, who);
        steps.own(who, "has collected", 0, *next);
    }

    /// The manifests that the newest follows from, it included, as far as they can be read; from the newest down.
    pub fn chain<'s>(&'s self, state: &'s State) -> impl Iterator<Item = &'s Entry> {
        let readable = |id: ManifestId| {
            let entry = self.arena.get(id)?;
            let there = state.at(entry.number) == id && state.is_readable(entry.number);
            there.then_some(entry)
        };
        let first = readable(state.newest());
        std::iter::successors(first, move |entry| readable(entry.base))
    }

    fn links(&self, state: &State) -> Links {
        let link = |entry: &Entry| (entry.real.sequence, entry.link.clone());
        if self.on(Rule::ByBaseLinks) {
            return self.chain(state).map(link).collect();
        }
        let readable = state.present().filter(|number| state.is_readable(*number));
        readable
            .map(|number| link(self.arena.entry(state.at(number))))
            .collect()
    }

    fn present(&self, state: &State) -> Vec<Present> {
        let at = |number: u8| {
            let time = written(state.old >> number & 1 != 0);
            (Sequence(number.into()), time)
        };
        state.present().map(at).collect()
    }

    /// What `oldest` may be raised to.
    fn target(&self, state: &State) -> Option<u8> {
        let newest = self.arena.get(state.newest())?;
        let retires = |number: u8| self.arena.entry(state.at(number)).link.retires;
        let mut present = self.present(state);
        present.retain(|(sequence, _)| !retires(number(*sequence)));
        let committed = match self.on(Rule::NotAboveCommitted) {
            true => newest.real.committed?.sequence,
            false => Sequence(state.highest().into()),
        };
        target(&present, committed, KEPT, KEEP, now()).map(number)
    }

    /// Files and manifests that go, and what is noted. What is chosen from is much the same in many states.
    fn choice(&mut self, state: &State) -> Option<(Set, u8, Notes)> {
        let seen = State {
            keepers: Default::default(),
            budget: Budget::default(),
            untidy: false,
            ..*state
        };
        if let Some(known) = self.choices.get(&seen) {
            return *known;
        }
        let names = (0..state.put).map(|file| {
            let span = state.file(file).span;
            self.arena.name(file, span, state.kind(file))
        });
        let names: Vec<FileName> = names.collect();
        let choice = self.choose(state, &names);
        self.choices.insert(seen, choice);
        choice
    }

    fn choose(&self, state: &State, names: &[FileName]) -> Option<(Set, u8, Notes)> {
        let kept = if self.on(Rule::LowestOfTheNewest) {
            KEPT
        } else {
            1
        };
        let present = self.present(state);
        let mut links = self.links(state);
        if !self.on(Rule::OldestIsDecided) {
            let seen = Sequence(self.target(state)?.into());
            links.values_mut().for_each(|link| link.oldest = seen);
        }
        let floor = floor(&links, kept)?;
        let newest = self.arena.entry(state.newest());
        if !self.on(Rule::EveryRetainedIsRead) {
            // As if they said nothing.
            for (sequence, _) in present.iter().filter(|(sequence, _)| *sequence >= floor) {
                links.entry(*sequence).or_insert_with(|| Link {
                    oldest: floor,
                    added: Vec::new(),
                    replaced: Vec::new(),
                    ..newest.link.clone()
                });
            }
        }
        let at_floor = Some(number(floor)).filter(|floor| state.is_readable(*floor));
        let at_floor = at_floor.and_then(|floor| self.arena.get(state.at(floor)));
        if at_floor.is_none() && self.on(Rule::EveryRetainedIsRead) {
            return None;
        }
        let both = [at_floor, Some(newest)].into_iter().flatten();
        let mut unread = both.filter(|entry| entry.itself & state.unread != 0);
        if self.on(Rule::UnreadPages) && unread.next().is_some() {
            return None;
        }
        let listed = |entry: Option<&Entry>| {
            let listed = entry.map_or(0, |entry| self.seen_listed(state, entry));
            let names = names.iter().filter(|name| listed >> file(name) & 1 != 0);
            names.copied().collect::<BTreeSet<FileName>>()
        };
        let facts = Facts {
            present: &present,
            links: &links,
            listed_at_floor: &listed(at_floor),
            listed_now: &listed(Some(newest)),
            files: &files(state, names),
            notes: &notes(state, names),
            head: Sequence(state.highest().into()),
            end: at(newest.end),
            keep: KEEP,
            kept,
            within: if self.on(Rule::OrphansAwaitNumbers) {
                WITHIN
            } else {
                0
            },
            now: now(),
        };
        let choice = gc_choice::choose(&facts).ok()?;
        let notes = noted(&choice);
        let gone = choice.superseded.iter().chain(&choice.orphans);
        let files = gone.map(|name| 1 << file(name)).sum();
        Some((files, number(floor), notes))
    }
}

fn files(state: &State, names: &[FileName]) -> Files {
    let files = names.iter().filter_map(|name| {
        let (own, attic) = match state.file(file(name)).place {
            Place::Nowhere => return None,
            Place::Own => (Some(100), None),
            Place::Attic => (None, Some(100)),
        };
        Some((*name, FilePlaces { own, attic }))
    });
    files.collect()
}

fn notes(state: &State, names: &[FileName]) -> gc_choice::Notes {
    let noted = names.iter().filter_map(|name| {
        let note = state.notes[usize::from(file(name))];
        let noted = Noted {
            at: written(note.old),
            head: Sequence(note.head.into()),
        };
        (note.head > 0).then_some((*name, noted))
    });
    noted.collect()
}

fn noted(choice: &Choice) -> Notes {
    let mut notes = Notes::default();
    for (name, noted) in &choice.notes {
        notes[usize::from(file(name))] = Note {
            head: number(noted.head),
            old: noted.at < now(),
        };
    }
    notes
}
