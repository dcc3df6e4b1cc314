//! What must hold in every state.

use super::{
    super::state::Span,
    model::Ageing,
    state::{Job, Kind, Place, Set, State},
};

impl Ageing {
    pub fn wrong(&self, state: &State, at_rest: bool) -> Option<&'static str> {
        let newest = self.arena.entry(state.newest());
        if !newest.is_whole {
            return Some("I4: an offset is in no file and no gap, or in two of them");
        }
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
        let is_due = |(_, revision): &&(u8, u8)| *revision > state.published;
        let mut due = newest.revisions.iter().filter(is_due);
        if due.any(|(file, _)| newest.outbox >> file & 1 == 0) {
            return Some("I6: corrections that are not published are where nobody looks for them");
        }
        let due = Span::new(0, newest.end).mask() & !newest.lost & !being_filled(state);
        if !state.untidy && self.too_few(state, due) {
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

    /// Each of these offsets is in a data folder. Who tidies beside a compaction may take its file away for a moment.
    fn too_few(&self, state: &State, due: u8) -> bool {
        let tidied = state.keepers.iter().map(|keeper| match keeper.job {
            Job::Tidy { moved, .. } => moved,
            _ => 0,
        });
        let tidied = tidied.fold(0, |all, moved| all | moved);
        let segments = (0..state.put).filter(|file| state.kind(*file) == Kind::Results);
        let seen = segments
            .filter(|file| state.file(*file).place == Place::Own || tidied >> file & 1 != 0);
        let seen = seen.fold(0, |seen, file| seen | state.file(file).span.mask());
        due & !seen != 0
    }

    fn stray(&self, state: &State, listed: Set) -> bool {
        let own = (0..state.put).filter(|file| state.file(*file).place == Place::Own);
        let own = own.map(|file| 1 << file).sum::<Set>();
        own & !state.pages != listed & !state.pages
    }
}

/// Gaps whose manifest has come, and whose files may have been tidied away before: they are put back with the next step. So long
/// readers see what they saw before.
fn being_filled(state: &State) -> u8 {
    let spans = state.keepers.iter().map(|keeper| match keeper.job {
        Job::Filled(fill, _) => fill.span.mask(),
        _ => 0,
    });
    spans.fold(0, |all, mask| all | mask)
}
