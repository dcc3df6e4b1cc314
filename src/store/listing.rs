//! What lies below a path: whole, or as far as it can be read.

use std::time::SystemTime;

use futures::{TryStreamExt as _, stream::BoxStream};
use object_store::{ObjectMeta, Result as Answer};

use super::{Path, Store, StoreError, classify::LIST, patience::PAGE, unknown::Strange};

/// Where a listing begins.
#[derive(Clone, Copy)]
enum Begin<'p> {
    First,
    After(&'p Path),
}

/// An object, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: Path,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: SystemTime,
}

/// What a listing found.
#[derive(Debug, Default)]
pub struct Listing {
    /// The objects, sorted by path.
    pub entries: Vec<Entry>,
    /// Places in it that cannot be read, each with what is wrong.
    pub unreadable: Vec<Unreadable>,
    /// What no object of ours can be named: paths below the root, with `/` after that of a folder. Readers may take it for ours.
    pub strange: Vec<String>,
}

/// A file or folder that cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// Where it is.
    pub path: Path,
    /// What is wrong.
    pub error: StoreError,
}

impl Store {
    /// All objects below `prefix`, sorted by path. Parts of paths are compared whole: `partition=1`
    /// does not hold `partition=10`. Objects whose names no store of ours would give are left out, and said once.
    ///
    /// # Errors
    /// When the store, or any place in it, cannot be read.
    pub async fn list(&self, prefix: &Path) -> Result<Vec<Entry>, StoreError> {
        let listing = self.list_readable(prefix).await?;
        match listing.unreadable.into_iter().next() {
            Some(unreadable) => Err(unreadable.error),
            None => Ok(listing.entries),
        }
    }

    /// Those of them that come after `last` in that order, whether it exists or not: what is new since somebody looked. A
    /// bucket skips the others by itself; so a listing that finds nothing is one request, however many objects there are.
    ///
    /// # Errors
    /// As [`Store::list`].
    pub async fn list_after(&self, prefix: &Path, last: &Path) -> Result<Vec<Entry>, StoreError> {
        let listing = self.list_from(prefix, Begin::After(last)).await?;
        match listing.unreadable.into_iter().next() {
            Some(unreadable) => Err(unreadable.error),
            None => Ok(listing.entries),
        }
    }

    /// What [`Store::list`] lists, with the places in it that cannot be read beside what can: one of them does not hide the others.
    ///
    /// # Errors
    /// When the store, or `prefix` itself, cannot be read.
    pub async fn list_readable(&self, prefix: &Path) -> Result<Listing, StoreError> {
        self.list_from(prefix, Begin::First).await
    }

    async fn list_from(&self, prefix: &Path, begin: Begin<'_>) -> Result<Listing, StoreError> {
        let key = Some(self.place.key(prefix)).filter(|key| !key.as_ref().is_empty());
        let mut found = self
            .patience
            .persist(|| async {
                let mut found = Listing::default();
                let mut listing = match begin {
                    Begin::First => self.backend.list(key.as_ref()),
                    Begin::After(last) => {
                        let last = self.place.key(last);
                        self.backend.list_with_offset(key.as_ref(), &last)
                    }
                };
                loop {
                    match self.call(LIST, prefix, PAGE, next(&mut listing)).await {
                        Ok(None) => return Ok(found),
                        Ok(Some(Seen::Strange(path))) => found.strange.push(path),
                        Ok(Some(Seen::Object(object))) => self.take(&object, prefix, &mut found),
                        Err(error) => match self.place.below_root(&error) {
                            Some(path) if path.below(prefix).is_some() => {
                                found.unreadable.push(Unreadable { path, error });
                            }
                            _ => return Err(error),
                        },
                    }
                }
            })
            .await?;
        if let Begin::After(last) = begin {
            // Some servers begin at the first object, whatever they are told.
            found.entries.retain(|entry| entry.path > *last);
        }
        found.entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Adds an object below `prefix`.
    fn take(&self, object: &ObjectMeta, prefix: &Path, found: &mut Listing) {
        let Some(path) = self.place.path(&object.location) else {
            self.unknown
                .note(&format!("{} in {self:?}", object.location));
            let relative = self.place.relative(&object.location);
            found.strange.extend(relative.map(str::to_owned));
            return;
        };
        // A bucket may hold an object that stands for the folder itself.
        if path.below(prefix).is_some() {
            found.entries.push(Entry {
                path,
                size: object.size,
                modified: object.last_modified.into(),
            });
        }
    }
}

/// What a back end shows.
enum Seen {
    Object(ObjectMeta),
    Strange(String),
}

async fn next(listing: &mut BoxStream<'_, Answer<ObjectMeta>>) -> Answer<Option<Seen>> {
    match listing.try_next().await {
        Ok(object) => Ok(object.map(Seen::Object)),
        Err(error) => match Strange::of(&error) {
            Some(path) => Ok(Some(Seen::Strange(path.to_owned()))),
            None => Err(error),
        },
    }
}
