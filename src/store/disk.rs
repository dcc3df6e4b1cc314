//! The steps of which durable writes consist, each with the path it concerns.
//!
//! One step is one system call, so that a test can see their order and make any of them fail.

use std::{
    fs::{self, File},
    io,
    path::{Path as FilePath, PathBuf},
};

/// A step on the disk that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub(super) struct DiskError {
    /// What was being done, as a verb.
    pub action: Action,
    /// To which file or folder.
    pub path: PathBuf,
    /// Whether the object may be there in spite of the failure.
    pub landed: bool,
    pub source: io::Error,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Write,
    SyncFile,
    SyncFolder,
    Link,
    Rename,
    MakeFolder,
    Remove,
    Read,
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Action::Write | Action::Link => "write",
            Action::SyncFile | Action::SyncFolder => "make durable",
            Action::Rename => "rename",
            Action::MakeFolder => "create the folder",
            Action::Remove => "remove",
            Action::Read => "read",
        })
    }
}

/// Who sees the steps of a test, and may make them fail.
#[cfg(test)]
pub(super) trait Watch: std::fmt::Debug + Send + Sync {
    /// A step is about to be done; the error with which it fails instead.
    fn before(&self, action: Action, path: &FilePath) -> Option<io::Error>;
    /// It was done.
    fn done(&self, action: Action, path: &FilePath);
}

/// The disk; in tests one that remembers what it was asked, and may fail.
#[derive(Debug, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    pub log: std::sync::Mutex<Vec<(Action, PathBuf)>>,
    #[cfg(test)]
    pub fails: std::sync::Mutex<Option<(Action, io::ErrorKind)>>,
    #[cfg(test)]
    pub watch: Option<std::sync::Arc<dyn Watch>>,
}

impl Disk {
    /// Does one step on `path`.
    pub fn step<T>(
        &self,
        action: Action,
        path: &FilePath,
        call: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, DiskError> {
        let done = match self.fault(action, path) {
            None => call(),
            Some(fault) => Err(fault),
        };
        #[cfg(test)]
        if let (Ok(_), Some(watch)) = (&done, &self.watch) {
            watch.done(action, path);
        }
        done.map_err(|source| DiskError {
            action,
            path: path.to_owned(),
            landed: false,
            source,
        })
    }

    #[cfg(test)]
    fn fault(&self, action: Action, path: &FilePath) -> Option<io::Error> {
        self.log.lock().unwrap().push((action, path.to_owned()));
        let fails = *self.fails.lock().unwrap();
        let watched = self
            .watch
            .as_ref()
            .and_then(|watch| watch.before(action, path));
        let scripted = fails.filter(|(which, _)| *which == action);
        watched.or_else(|| scripted.map(|(_, kind)| kind.into()))
    }

    #[cfg(not(test))]
    #[expect(
        clippy::unused_self,
        reason = "the disk of the tests has something to say here"
    )]
    fn fault(&self, _: Action, _: &FilePath) -> Option<io::Error> {
        None
    }

    /// Makes the names in a folder durable. A file system that cannot sync folders (some network
    /// ones answer "invalid") has nothing that we could do better.
    pub fn sync_folder(&self, folder: &FilePath) -> Result<(), DiskError> {
        self.step(Action::SyncFolder, folder, || {
            match File::open(folder)?.sync_all() {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                    ) =>
                {
                    Ok(())
                }
                synced => synced,
            }
        })
    }

    /// Creates a folder unless it exists; its name is not durable yet.
    pub fn make_folder(&self, folder: &FilePath) -> Result<NewFolder, DiskError> {
        self.step(Action::MakeFolder, folder, || {
            match fs::create_dir(folder) {
                Ok(()) => Ok(NewFolder::Made),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {
                    Ok(NewFolder::Existed)
                }
                Err(error) => Err(error),
            }
        })
    }
}

/// Whether [`Disk::make_folder`] had something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewFolder {
    Made,
    Existed,
}
