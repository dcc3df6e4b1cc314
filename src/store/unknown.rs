//! Names in a store that no object of ours can have: left out of every listing, and said once.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use object_store::Error;

/// So many are said; a store has a few of them, or something is wrong with all of it.
const MOST: usize = 100;

/// What a back end lists although no object of ours can have its name: its path below the root, with `/` after that of a folder.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} cannot be the name of an object")]
pub(super) struct Strange(pub String);

impl From<Strange> for Error {
    fn from(strange: Strange) -> Error {
        Error::Generic {
            store: "folder",
            source: Box::new(strange),
        }
    }
}

impl Strange {
    /// The path, where an error is one of these.
    pub fn of(error: &Error) -> Option<&str> {
        let Error::Generic { source, .. } = error else {
            return None;
        };
        source.downcast_ref().map(|Strange(path)| path.as_str())
    }
}

/// The names that were said.
#[derive(Debug, Default)]
pub(super) struct UnknownNames(Mutex<BTreeSet<String>>);

impl UnknownNames {
    /// Says that `place` is left out, unless that was said before.
    pub fn note(&self, place: &str) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < MOST && said.insert(place.to_owned()) {
            tracing::warn!(
                "{} was not written by snapback: an object of a store cannot have this name, or be of this kind. It is left out",
                place.escape_debug()
            );
            if said.len() == MOST {
                tracing::warn!("there are more of these; they are not named any more");
            }
        }
    }

    #[cfg(test)]
    pub fn said(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().cloned().collect()
    }
}
