//! What the store says about one partition.

use super::ChainFacts;
use crate::{
    history::Chain,
    model::{Digest, Sequence},
};

/// What the store says about one partition.
pub(super) enum Seen {
    Chain(Box<Chain>),
    /// Facts without a chain that could be continued.
    Only(Box<ChainFacts>),
}

impl Seen {
    pub(super) fn chain(&self) -> Option<&Chain> {
        match self {
            Seen::Chain(chain) => Some(chain),
            Seen::Only(_) => None,
        }
    }

    pub(super) fn head(&self) -> Option<(Sequence, Digest)> {
        self.chain()?.tail().head()
    }
}
