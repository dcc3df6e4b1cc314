//! Durable writes in a folder, step by step.
//!
//! A file is written to `.staging/`, synced, and only then given its name: by a hard link where it must
//! not exist yet (the file system decides a race), by a rename where it may be replaced. Then its
//! folder is synced, and only after that the staged name goes away. So nobody ever sees half a file,
//! what a call has reported survives a power failure, and a crash between the last two steps leaves a
//! staged name behind, which the next opening takes as the sign to sync the folders once more.
//!
//! A sync that fails is a call that fails, and is never asked again for the same thing: a file is written anew, under a new
//! staged name; a folder is made anew; a name that its folder may not hold is in doubt, and until it is settled
//! ([`Folder::settle`]) every other call fails, so that nobody builds on it. Moves count on what a file system with a journal
//! gives: after a crash the file is at one of its two paths. Deletions are not synced: what comes back is deleted again.

use std::{
    collections::HashSet,
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tempfile::{NamedTempFile, TempPath};

use super::{
    disk::{Action, Disk, DiskError, NewFolder},
    doubts::Doubts,
};
use crate::failpoint::{self, Point};

/// The folder for files being written; never listed.
pub(super) const STAGING: &str = ".staging";

/// A staged file older than this belongs to a process that is gone; no write takes so long.
pub(super) const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// A folder that is written durably. All its calls block.
#[derive(Debug)]
pub(super) struct Folder {
    pub root: PathBuf,
    pub disk: Disk,
    /// Folders whose names are known to be durable; another process may have made one of them and
    /// not synced it yet, so existing is not enough.
    durable: Mutex<HashSet<PathBuf>>,
    doubts: Doubts,
}

/// How a staged file gets its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// Only if nothing has it.
    Create,
    /// Taking it from what has it.
    Replace,
}

impl Folder {
    /// Opens a folder, making it when it does not exist, and tidies what a crash left.
    pub fn open(root: &Path) -> Result<Folder, DiskError> {
        Folder::open_on(Disk::default(), root)
    }

    pub(super) fn open_on(disk: Disk, root: &Path) -> Result<Folder, DiskError> {
        make_all(&disk, root)?;
        let root = disk.step(Action::Read, root, || fs::canonicalize(root))?;
        let folder = Folder {
            root,
            disk,
            durable: Mutex::default(),
            doubts: Doubts::default(),
        };
        folder.tidy();
        Ok(folder)
    }

    /// When there are staged files, some name may not be durable that a crashed process has created
    /// and that we are about to build on: syncs every folder. Then removes abandoned staged files.
    /// A store that cannot be written can still be read, so nothing here is fatal; who writes syncs first what could not be.
    fn tidy(&self) {
        let staged = fs::read_dir(self.root.join(STAGING)).into_iter().flatten();
        let staged: Vec<PathBuf> = staged.flatten().map(|file| file.path()).collect();
        if !staged.is_empty() {
            self.sync_below(&self.root);
        }
        for file in staged {
            let modified = fs::metadata(&file).and_then(|about| about.modified());
            let age = modified.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
            if age.is_ok_and(|age| age > ABANDONED) {
                tracing::debug!(path = %file.display(), "removing an abandoned staged file");
                let _ = self
                    .disk
                    .step(Action::Remove, &file, || fs::remove_file(&file));
            }
        }
    }

    fn sync_below(&self, folder: &Path) {
        if let Err(error) = self.disk.sync_folder(folder) {
            tracing::debug!(%error, "syncing after a crash");
            self.doubts.folder(folder);
        }
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.sync_below(&entry.path());
            }
        }
    }

    /// Writes what `fill` writes to a staged file and makes its content durable.
    pub fn stage(
        &self,
        fill: impl FnOnce(&mut fs::File) -> io::Result<()>,
    ) -> Result<TempPath, DiskError> {
        let named = self.write_staged(fill)?;
        failpoint::at(Point::FileStaged);
        self.disk.step(Action::SyncFile, named.path(), || {
            named.as_file().sync_all()
        })?;
        failpoint::at(Point::FileSynced);
        Ok(named.into_temp_path())
    }

    fn write_staged(
        &self,
        fill: impl FnOnce(&mut fs::File) -> io::Result<()>,
    ) -> Result<NamedTempFile, DiskError> {
        let folder = self.root.join(STAGING);
        let mut named = self.disk.step(Action::Write, &folder, || {
            let create = || {
                tempfile::Builder::new()
                    .prefix("")
                    .rand_bytes(16)
                    // The umask decides, as for every file; the crate's own default is 0600.
                    .permissions(Permissions::from_mode(0o666))
                    .tempfile_in(&folder)
            };
            match create() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir_all(&folder)?;
                    create()
                }
                created => created,
            }
        })?;
        let path = named.path().to_owned();
        self.disk
            .step(Action::Write, &path, || fill(named.as_file_mut()))?;
        Ok(named)
    }

    /// Gives a staged file its name, durably.
    pub fn publish(
        &self,
        staged: TempPath,
        target: &Path,
        naming: Naming,
    ) -> Result<(), DiskError> {
        let folder = target.parent().unwrap_or(&self.root);
        self.make_durable(folder)?;
        let name = || match naming {
            Naming::Create => self
                .disk
                .step(Action::Link, target, || fs::hard_link(&staged, target)),
            Naming::Replace => self
                .disk
                .step(Action::Rename, target, || fs::rename(&staged, target)),
        };
        let named = match name() {
            // Somebody removed a folder that we knew.
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                self.known().clear();
                self.make_durable(folder)?;
                name()
            }
            named => named,
        };
        match named {
            Ok(()) => {
                failpoint::at(Point::FileNamed);
                self.sync_name(folder, target)?;
                failpoint::at(Point::FolderSynced);
            }
            // Whoever reads it next and builds on it must find it again: its writer may have died
            // before it synced the folder.
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {
                self.sync_name(folder, target)?;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        if naming == Naming::Create {
            let path = staged.to_path_buf();
            // The object is complete and durable; a name that stays in staging is tidied later.
            let _ = self.disk.step(Action::Remove, &path, || staged.close());
        } else {
            let _ = staged.keep();
        }
        Ok(())
    }

    /// Makes the folder and those above it, up to the root, and their names durable.
    fn make_durable(&self, folder: &Path) -> Result<(), DiskError> {
        if folder == self.root || self.known().contains(folder) {
            return Ok(());
        }
        let parent = folder.parent().unwrap_or(&self.root);
        self.make_durable(parent)?;
        make_folder(&self.disk, folder, parent)?;
        self.known().insert(folder.to_owned());
        Ok(())
    }

    /// Makes a name durable that was just made, replaced or found in its folder, or taken from it.
    fn sync_name(&self, folder: &Path, name: &Path) -> Result<(), DiskError> {
        self.disk.sync_folder(folder).map_err(|error| {
            self.doubts.name(name);
            DiskError {
                landed: true,
                ..error
            }
        })
    }

    /// Whether [`Folder::settle`] must come before what is read can be built on.
    pub fn is_in_doubt(&self) -> bool {
        self.doubts.concern_readers()
    }

    /// Makes durable what earlier calls could not, before anything else is done.
    pub fn settle(&self) -> Result<(), DiskError> {
        let sync = |folder: &Path| match self.disk.sync_folder(folder) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced,
        };
        let name_anew = |name: &Path| {
            match self.disk.step(Action::Read, name, || fs::File::open(name)) {
                Ok(mut source) => {
                    let copy = self.stage(|file| io::copy(&mut source, file).map(drop))?;
                    self.disk
                        .step(Action::Rename, name, || fs::rename(&copy, name))?;
                    let _ = copy.keep();
                }
                // It was taken from there, or has been since.
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    // Not an answer to who reads something else.
                    return Err(DiskError {
                        action: Action::SyncFile,
                        ..error
                    });
                }
            }
            sync(name.parent().unwrap_or(&self.root))
        };
        self.doubts.settle(name_anew, sync)
    }

    fn known(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves a file, durably, replacing what is at its new path.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        if !from.is_file() {
            return self
                .disk
                .step(Action::Rename, from, || Err(io::ErrorKind::NotFound.into()));
        }
        let folder = to.parent().unwrap_or(&self.root);
        // `rename` creates nothing, so a folder that vanished is made again first.
        if self.known().contains(folder) && !folder.is_dir() {
            self.known().clear();
        }
        self.make_durable(folder)?;
        self.disk
            .step(Action::Rename, from, || fs::rename(from, to))?;
        failpoint::at(Point::FileMoved);
        let arrived = self.sync_name(folder, to);
        match from.parent() {
            Some(left) if left != folder => {
                if arrived.is_err() {
                    // The one path keeps it for as long as the other may not have it.
                    self.doubts.name(from);
                    return arrived;
                }
                self.sync_name(left, from)
            }
            _ => arrived,
        }
    }
}

/// Creates a folder, unless it is there, and makes its name durable. Where that fails it is taken away again, so that the
/// next call makes it anew; unless somebody has put something there.
fn make_folder(disk: &Disk, folder: &Path, parent: &Path) -> Result<(), DiskError> {
    let made = disk.make_folder(folder)?;
    disk.sync_folder(parent).inspect_err(|_| {
        if made == NewFolder::Made {
            let _ = disk.step(Action::Remove, folder, || fs::remove_dir(folder));
        }
    })
}

/// Creates a folder and its parents, and makes their names durable.
fn make_all(disk: &Disk, folder: &Path) -> Result<(), DiskError> {
    let parent = match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    if folder.is_dir() {
        // Who made an empty one may have died before its name was durable. One in a folder that we may not read is not ours.
        let is_empty = fs::read_dir(folder).is_ok_and(|mut inside| inside.next().is_none());
        return match is_empty.then(|| disk.sync_folder(parent)) {
            Some(Err(error)) if error.source.kind() != io::ErrorKind::PermissionDenied => {
                Err(error)
            }
            _ => Ok(()),
        };
    }
    make_all(disk, parent)?;
    make_folder(disk, folder, parent)
}
