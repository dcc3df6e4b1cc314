//! What must hold in every state.

use super::{
    model::Ageing,
    state::{Job, Place, Set, State},
};

impl Ageing {
    pub fn wrong(&self, state: &State, at_rest: bool) -> Option<&'static str> {
        let newest = self.arena.entry(state.newest());
        if self.missing(state, newest.listed) {
            return Some("a file that the newest manifest lists is nowhere");
        }
        if self.history(state) {
            return Some("I7: what belongs to the history is gone");
        }
        let committed = self.arena.entry(state.committed);
        if state.at(committed.number) != state.committed && state.lost >> committed.number & 1 == 0
        {
            return Some("the manifest that the commit names is gone");
        }
        if !state.untidy && self.too_few(state, newest.end) {
            return Some("who reads all files in the data folders reads too few rows");
        }
        (at_rest && !state.untidy && self.stray(state, newest.listed))
            .then_some("a file in the data folders is in no manifest")
    }

    fn missing(&self, state: &State, files: Set) -> bool {
        let listed = (0..state.put).filter(|file| files >> file & 1 != 0);
        listed
            .map(|file| state.file(file))
            .any(|file| file.place == Place::Nowhere)
    }

    /// From `oldest` of the newest manifest on, each manifest is there, and each file that one lists.
    fn history(&self, state: &State) -> bool {
        let mut id = state.newest();
        let oldest = self.arena.entry(id).oldest;
        while let Some(entry) = self.arena.get(id).filter(|entry| entry.number >= oldest) {
            let lost = state.lost >> entry.number & 1 != 0;
            if state.at(entry.number) != id && !lost || self.missing(state, entry.listed) {
                return true;
            }
            id = entry.base;
        }
        false
    }

    /// Each offset is in a data folder. Who tidies beside a compaction may take its file away for a moment.
    fn too_few(&self, state: &State, end: u8) -> bool {
        let tidied = state.keepers.iter().map(|keeper| match keeper.job {
            Job::Tidy { moved, .. } => moved,
            _ => 0,
        });
        let tidied = tidied.fold(0, |all, moved| all | moved);
        let segments = (0..state.put).filter(|file| !state.is_page(*file));
        let seen = segments
            .filter(|file| state.file(*file).place == Place::Own || tidied >> file & 1 != 0);
        let seen = seen.fold(0, |seen, file| seen | state.file(file).span.mask());
        (0..end).any(|offset| seen >> offset & 1 == 0)
    }

    fn stray(&self, state: &State, listed: Set) -> bool {
        let own = (0..state.put).filter(|file| state.file(*file).place == Place::Own);
        let own = own.map(|file| 1 << file).sum::<Set>();
        own & !state.pages != listed & !state.pages
    }
}
