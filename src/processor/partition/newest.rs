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
    /// The newest edit that has changed outcomes of its past: that gave some up, filled a gap or came with corrections, whether these
    /// are listed by a page or not.
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
            edited: manifest.forward().edited.max(manifest.revision()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::testing::with_sealed_corrections;

    #[test]
    fn outcomes_whose_corrections_are_in_a_page_were_edited_all_the_same() {
        let newest = Newest::from(&with_sealed_corrections(5));
        assert!(newest.corrections.is_empty());
        assert_eq!(newest.edited, Some(Sequence(5)));
    }
}
