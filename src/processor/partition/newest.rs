//! The newest manifest, as a worker knows it.

use super::super::watch::Stored;
use crate::{
    format::{Manifest, Segment},
    model::Sequence,
    recovery::Head,
};

/// The newest manifest of a chain, as far as a worker needs it.
#[derive(Clone, Debug)]
pub struct Newest {
    /// As commits name it.
    pub head: Head,
    /// For those who watch.
    pub stored: Stored,
    /// The corrections that it lists itself: all that are not published, and some that are.
    pub corrections: Vec<Segment>,
    /// The newest edit that gave outcomes up or filled a gap.
    pub edited: Option<Sequence>,
}

impl From<&Manifest> for Newest {
    fn from(manifest: &Manifest) -> Newest {
        let (sequence, digest) = manifest.head();
        Newest {
            head: Head { sequence, digest },
            stored: Stored {
                sequence,
                frontier: manifest.end,
                outcomes: manifest.forward().outcomes,
                at: manifest.created_at,
            },
            corrections: manifest.open.corrections.clone(),
            edited: manifest.forward().edited,
        }
    }
}
