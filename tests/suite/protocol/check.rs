//! What must hold in every state.

use super::{
    model::{Model, owns},
    product::Commit,
    state::{BundleId, File, ManifestId, Phase, Place, Span, Stage, State},
};

impl Model {
    /// What is wrong in a state; `at_rest` when the system has nothing to do any more.
    pub fn wrong(&self, state: &State, at_rest: bool) -> Option<&'static str> {
        state
            .broken
            .or_else(|| self.manifests(state))
            .or_else(|| self.head(state))
            .or_else(|| self.publication(state))
            .or_else(|| self.corrections(state))
            .or_else(|| at_rest.then(|| self.rest(state)).flatten())
    }

    fn manifests(&self, state: &State) -> Option<&'static str> {
        let mut below: Option<ManifestId> = None;
        for (index, id) in state
            .chain
            .iter()
            .copied()
            .enumerate()
            .skip(state.collected as usize)
        {
            let Some(entry) = self.product.manifest(id) else {
                if below.is_some() && state.chain[index..].iter().any(|above| *above != 0) {
                    return Some("I2: a number of the chain is missing");
                }
                continue;
            };
            if entry.end > state.high && entry.end > entry.origin {
                return Some("I1: a manifest covers what was never committed");
            }
            if below.is_some_and(|below| below != entry.base) {
                return Some("I2: a manifest does not follow from the one before");
            }
            below = Some(id);
            if entry
                .bundles
                .iter()
                .any(|bundle| state.place(*bundle).is_none())
            {
                return Some("I3, I7: a listed segment is nowhere");
            }
            if entry.lost & !state.accepted != 0 {
                return Some("a loss is recorded that nobody accepted");
            }
            let whole = Span::new(entry.origin, entry.end).mask();
            if entry.rows != self.config.outcomes() & whole & !entry.lost {
                return Some("I4: the counts are not those of the events");
            }
            for offset in 0..self.config.end() as usize {
                if entry.rows >> offset & 1 != 0 && state.topic[offset].firsts == 0 {
                    return Some("an outcome is stored and was never published");
                }
            }
        }
        None
    }

    fn head(&self, state: &State) -> Option<&'static str> {
        let Some(Commit::Ours { head, .. }) = self.product.commit(state.committed) else {
            return None;
        };
        let number = self.product.manifest(head)?.number;
        let lies = number > state.collected && state.at(number) != head;
        (lies && !state.rolled_back)
            .then_some("I2: the manifest that the commit names is not in the chain")
    }

    fn publication(&self, state: &State) -> Option<&'static str> {
        let newest = self.product.manifest(state.newest());
        let origin = newest.map_or(0, |newest| newest.origin);
        let committed = match self.product.commit(state.committed) {
            Some(Commit::Ours { offset, .. }) => offset,
            _ => 0,
        };
        for offset in 0..self.config.end() {
            let bit = 1 << offset;
            let seen = state.topic[offset as usize];
            if seen.firsts > 1 && state.excused & bit == 0 {
                return Some("an outcome was published twice");
            }
            let due = (origin..committed).contains(&offset) && self.config.outcomes() & bit != 0;
            if due && seen.firsts == 0 && state.accepted & bit == 0 {
                return Some("an outcome was committed and never published");
            }
        }
        None
    }

    /// When nothing is on its way, what is published is what is stored, also while there is something left to recalculate.
    fn corrections(&self, state: &State) -> Option<&'static str> {
        let newest = self.product.manifest(state.newest())?;
        let Some(Commit::Ours { corrections, .. }) = self.product.commit(state.committed) else {
            return None;
        };
        let open = state
            .transactions
            .iter()
            .any(|transaction| transaction.open);
        let pending = self
            .product
            .correction(state.newest(), corrections)
            .is_some();
        if !self.config.recalculates || open || pending {
            return None;
        }
        let differs = (0..self.config.end()).any(|offset| {
            let value = self.config.value(newest.versions[offset as usize], offset);
            newest.rows >> offset & 1 != 0 && state.topic[offset as usize].value != value
        });
        differs.then_some(
            "I6: another value is stored than readers see, and no correction is on its way",
        )
    }

    /// Whoever reads all files in the data folders reads what the chain lists: at rest, when nobody died.
    fn glob(&self, state: &State) -> Option<&'static str> {
        let newest = self.product.manifest(state.newest())?;
        let (left, given) = (state.budget, self.config.budget);
        let died = left.crashes < given.crashes || left.operator < given.operator;
        let own = |file: &&File| file.bundle != 0 && file.place == Place::Own;
        let unlisted = |file: &File| !newest.bundles.contains(&file.bundle);
        let stray = state.files.iter().filter(own).any(unlisted);
        let away = newest
            .bundles
            .iter()
            .any(|bundle| state.place(*bundle) != Some(Place::Own));
        if died {
            return None;
        }
        if away {
            return Some("a listed segment is in the attic");
        }
        stray.then_some("a file in the data folders is in no manifest")
    }

    fn rest(&self, state: &State) -> Option<&'static str> {
        let Some(owner) = state.workers.iter().find(|worker| owns(worker)) else {
            return Some("nobody has the partition");
        };
        if owner.phase == Phase::Held {
            return None;
        }
        if owner.phase != Phase::Running || owner.task.stage != Stage::None {
            return Some("the owner cannot go on");
        }
        let end = self.config.end();
        let Some(newest) = self.product.manifest(state.newest()) else {
            return Some("nothing is stored");
        };
        let other = |bundle: &BundleId| {
            let bundle = self.product.bundle(*bundle);
            bundle.rows != 0 && bundle.version != owner.version
        };
        if self.config.recalculates && newest.bundles.iter().any(other) {
            return Some("stored history is of another calculation than the owner's");
        }
        let foreign = matches!(
            self.product.commit(state.committed),
            Some(Commit::Foreign { .. })
        );
        if self.product.offset(state.committed) != end && !foreign || newest.end != end {
            return Some("not everything was committed and stored");
        }
        if let Some(wrong) = self.glob(state) {
            return Some(wrong);
        }
        for offset in 0..end {
            let stored = newest.rows >> offset & 1 != 0;
            let seen = state.topic[offset as usize];
            let lost = newest.lost >> offset & 1 != 0;
            let here = newest.origin <= offset && !lost;
            if here && stored != (seen.firsts > 0) {
                return Some("what readers see is not what is stored");
            }
            let value = self.config.value(newest.versions[offset as usize], offset);
            if stored && value != seen.value {
                return Some("readers see another value than is stored");
            }
        }
        None
    }
}
