//! Names whose folder could not be synced, and what makes them durable after all.
//!
//! After a failed sync the kernel may hold for clean what it could not write, so that the next sync succeeds and writes
//! nothing. A name in doubt is therefore made anew before its folder is synced again: with a copy of the bytes, since the
//! system ignores a rename between two names of one file.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What this process could not make durable.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    names: Mutex<BTreeSet<PathBuf>>,
    folders: Mutex<BTreeSet<PathBuf>>,
    /// Held while they are settled, by one thread at a time.
    pub turn: Mutex<()>,
}

impl Doubts {
    /// A name that was made, replaced or taken away, and whose folder could not be synced then.
    pub fn name(&self, name: &Path) {
        locked(&self.names).insert(name.to_owned());
    }

    /// A folder that could not be synced, whatever is in it.
    pub fn folder(&self, folder: &Path) {
        locked(&self.folders).insert(folder.to_owned());
    }

    /// Whether there are names in doubt: what is read may not survive a crash.
    pub fn concern_readers(&self) -> bool {
        !locked(&self.names).is_empty()
    }

    /// Settles each by `name` or `folder`, until one cannot be. One thread at a time does it.
    pub fn settle<E>(
        &self,
        name: impl Fn(&Path) -> Result<(), E>,
        folder: impl Fn(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        settle(&self.turn, &self.names, name)?;
        settle(&self.turn, &self.folders, folder)
    }
}

fn settle<E>(
    turn: &Mutex<()>,
    doubts: &Mutex<BTreeSet<PathBuf>>,
    each: impl Fn(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let first = || locked(doubts).first().cloned();
    if first().is_none() {
        return Ok(());
    }
    let _turn = locked(turn);
    while let Some(path) = first() {
        each(&path)?;
        locked(doubts).remove(&path);
    }
    Ok(())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
