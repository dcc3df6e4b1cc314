//! The store of snapshots: a folder, or a bucket of S3; everything that knows their differences.
//!
//! In flow whole objects as bytes under relative [`Path`]s, out flows what was stored; what the bytes
//! mean is the business of `format`. Every back end keeps the same promises:
//!
//! - An object is there whole or not at all, and when [`Store::put`] or [`Store::create`] has returned,
//!   it survives a crash and a power failure (invariant I3 builds on that). One that is found there after a call has failed
//!   need not: only another call that succeeds says so.
//! - [`Store::create`] lets exactly one of any number of processes win (I2 builds on that). An answer
//!   other than [`Created::Created`] is a question, to be settled by reading back.
//! - No call lasts for ever: each try has a deadline that grows with its bytes, and calls that may be
//!   repeated are, for some seconds, with growing random pauses. A longer outage is the caller's to
//!   wait for ([`StoreError::is_retryable`]).
//! - A path means the same object everywhere, and nothing outside the root can be reached.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{GetResult, ObjectStore, ObjectStoreExt as _, PutMode, memory::InMemory};
use tokio::time::Instant;

use classify::{CREATE, Call, DELETE, GET, HEAD, PUT, RENAME};
use patience::{COPY, Patience, deadline};
use place::Place;
use unknown::UnknownNames;

use crate::{
    failpoint::{self, Point},
    model::{Digest, Digester},
};

mod classify;
mod disk;
mod doubts;
mod error;
mod folder;
mod listing;
mod local;
mod open;
mod parts;
mod path;
mod patience;
mod place;
mod probe;
mod s3;
mod throttle;
mod unknown;
mod url;
mod walk;

pub use error::StoreError;
pub use listing::{Entry, Listing, Unreadable};
pub use path::{Path, PathError, PathFault};
pub use throttle::Throttle;
pub use url::{PROXY_VARIABLES, StoreConfig, StoreUrl};

/// A store of snapshots. Clones are cheap and share the connection.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn ObjectStore>,
    place: Arc<Place>,
    renames: Renames,
    patience: Patience,
    unknown: Arc<UnknownNames>,
}

/// How an object moves.
#[derive(Clone, Copy, Debug)]
enum Renames {
    /// In one step.
    Whole,
    /// As a copy, and then a delete.
    CopyAndDelete,
}

/// What came of creating an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// It did not exist, and holds our bytes now.
    Created,
    /// Something is there, durably, or another process is just creating it; both stores also say so when our own
    /// earlier attempt has arrived after all. Read it back.
    Exists,
}

/// What came of renaming an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Moved {
    /// It is at its new path, and no longer at the old one.
    Moved,
    /// Nothing was at the old path; nothing has changed.
    SourceMissing,
}

impl Store {
    /// A store in memory, gone with its last clone.
    #[must_use]
    pub fn memory() -> Store {
        Store::over(Arc::new(InMemory::new()), "memory:")
    }

    /// A store over any back end, called `name` in messages: the seam for tests that inject faults.
    #[must_use]
    pub fn over(backend: Arc<dyn ObjectStore>, name: &str) -> Store {
        Store {
            backend,
            place: Arc::new(Place::Named(name.to_owned())),
            renames: Renames::CopyAndDelete,
            patience: Patience::default(),
            unknown: Arc::default(),
        }
    }

    /// The same store with its back end wrapped: the seam for tests and measurements that count what is asked of it.
    #[must_use]
    pub fn wrapped(
        mut self,
        wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
    ) -> Store {
        self.backend = wrap(self.backend);
        self
    }

    /// The same store, trying failed calls again for this long instead of 15 seconds.
    #[must_use]
    pub fn retrying_for(mut self, retry_for: Duration) -> Store {
        self.patience = Patience { retry_for };
        self
    }

    /// Writes an object, durably, replacing what is there. For names that nobody else uses: it is
    /// repeated after errors.
    ///
    /// # Errors
    /// When the store could not be reached or refused for as long as calls are repeated.
    pub async fn put(&self, path: &Path, bytes: Bytes) -> Result<(), StoreError> {
        let key = self.place.key(path);
        let limit = deadline(bytes.len() as u64);
        let put = || self.backend.put(&key, bytes.clone().into());
        self.patience
            .persist(|| async { self.call(PUT, path, limit, put()).await.map(drop) })
            .await
    }

    /// Creates an object, durably, unless one exists. It is tried once.
    ///
    /// # Errors
    /// On any other answer; [`StoreError::is_ambiguous`] tells whether the object may exist now.
    pub async fn create(&self, path: &Path, bytes: Bytes) -> Result<Created, StoreError> {
        let key = self.place.key(path);
        let limit = deadline(bytes.len() as u64);
        let create = async {
            match self
                .backend
                .put_opts(&key, bytes.into(), PutMode::Create.into())
                .await
            {
                Ok(_) => Ok(Created::Created),
                Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Exists),
                Err(error) => Err(error),
            }
        };
        self.call(CREATE, path, limit, create).await
    }

    /// Reads an object, unless it is larger than `max_bytes`; its size is known before its bytes are
    /// read.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::TooLarge`], or that the store cannot be read.
    pub async fn get(&self, path: &Path, max_bytes: u64) -> Result<Bytes, StoreError> {
        self.patience
            .persist(|| async {
                let (object, size) = self.begin_get(path, max_bytes).await?;
                let bytes = self.call(GET, path, deadline(size), object.bytes()).await?;
                self.whole(path, size, bytes.len() as u64)?;
                Ok(bytes)
            })
            .await
    }

    /// The digest of an object, which is read like [`Store::get`] and of which a piece at a time is in memory.
    ///
    /// # Errors
    /// Those of [`Store::get`].
    pub async fn digest(&self, path: &Path, max_bytes: u64) -> Result<Digest, StoreError> {
        self.patience
            .persist(|| async {
                let (object, size) = self.begin_get(path, max_bytes).await?;
                let digest = async {
                    let (mut pieces, mut digester) = (object.into_stream(), Digester::default());
                    let mut arrived = 0;
                    while let Some(piece) = pieces.try_next().await? {
                        arrived += piece.len() as u64;
                        digester.update(&piece);
                    }
                    Ok((digester.finish(), arrived))
                };
                let (digest, arrived) = self.call(GET, path, deadline(size), digest).await?;
                self.whole(path, size, arrived)?;
                Ok(digest)
            })
            .await
    }

    /// An object whose bytes are not read yet, and its size.
    async fn begin_get(&self, path: &Path, limit: u64) -> Result<(GetResult, u64), StoreError> {
        let key = self.place.key(path);
        let object = self
            .call(GET, path, deadline(0), self.backend.get(&key))
            .await?;
        let size = object.meta.size;
        if size > limit {
            return Err(StoreError::TooLarge {
                location: self.locate(path),
                size,
                limit,
            });
        }
        Ok((object, size))
    }

    fn whole(&self, path: &Path, size: u64, arrived: u64) -> Result<(), StoreError> {
        if arrived == size {
            return Ok(());
        }
        let cut = format!("{arrived} of {size} bytes arrived");
        Err(self
            .about(GET, path, Instant::now())
            .unavailable(cut.into()))
    }

    /// The size of an object in bytes, or `None` when it does not exist.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn head(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        let key = self.place.key(path);
        let head = || async {
            let head = self.backend.head(&key);
            match self.call(HEAD, path, deadline(0), head).await {
                // The answer has no body that could say that the bucket is missing, or the
                // credentials unknown (a 404 of versitygw); the answer to a get has.
                Err(error) if error.is_not_found() => {
                    let get = self.backend.get(&key);
                    let object = self.call(HEAD, path, deadline(0), get).await?;
                    Ok(object.meta)
                }
                found => found,
            }
        };
        match self.patience.persist(head).await {
            Ok(object) => Ok(Some(object.size)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves an object, replacing what is at `to`. In a bucket that is a copy and a delete, so for a
    /// moment, and after a crash, it may be at both paths.
    ///
    /// # Errors
    /// When the store refused or could not be reached; the object is then at one of the paths or both.
    pub async fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        let (source, target) = (self.place.key(from), self.place.key(to));
        if source == target {
            let found = self.head(from).await?;
            return Ok(found.map_or(Moved::SourceMissing, |_| Moved::Moved));
        }
        let moved = match self.renames {
            Renames::Whole => {
                self.call(
                    RENAME,
                    from,
                    deadline(0),
                    self.backend.rename(&source, &target),
                )
                .await
            }
            Renames::CopyAndDelete => {
                let copy = || self.backend.copy(&source, &target);
                self.patience
                    .persist(|| async { self.call(RENAME, from, COPY, copy()).await })
                    .await
            }
        };
        match moved {
            Err(error) if error.is_not_found() => return Ok(Moved::SourceMissing),
            moved => moved?,
        }
        if matches!(self.renames, Renames::CopyAndDelete) {
            failpoint::at(Point::ObjectCopied);
            self.delete(from).await?;
        }
        Ok(Moved::Moved)
    }

    /// Deletes an object; one that does not exist is deleted already.
    ///
    /// # Errors
    /// When the store refused or could not be reached.
    pub async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        let key = self.place.key(path);
        let delete = || async {
            self.call(DELETE, path, deadline(0), self.backend.delete(&key))
                .await
        };
        match self.patience.persist(delete).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// The same for a name that is not of ours, with what a terminal must not get escaped.
    #[must_use]
    pub fn locate_name(&self, path: &str) -> String {
        match path.parse() {
            Ok(path) => self.locate(&path),
            Err(_) => format!("{self:?}/{}", path.escape_debug()),
        }
    }

    /// Where an object is, for people: `./snapshots/events/...` or `s3://bucket/prefix/...`.
    #[must_use]
    pub fn locate(&self, path: &Path) -> String {
        self.place.locate(path)
    }

    /// Where the root is: a folder as it was written, or `s3://bucket/prefix`.
    #[must_use]
    pub fn uri(&self) -> String {
        self.place.to_string()
    }

    /// One try, within its deadline.
    async fn call<T>(
        &self,
        operation: &'static str,
        path: &Path,
        limit: Duration,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => {
                answer.map_err(|error| self.about(operation, path, started).failed(error))
            }
            Err(_) => Err(StoreError::Timeout {
                operation,
                location: self.locate(path),
                after: limit,
            }),
        }
    }

    fn about(&self, operation: &'static str, path: &Path, started: Instant) -> Call<'_> {
        Call {
            operation,
            location: self.locate(path),
            place: &self.place,
            elapsed: started.elapsed(),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.place)
    }
}

#[cfg(test)]
mod tests;
