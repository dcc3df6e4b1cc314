//! Durable writes in a folder, step by step.
//!
//! A file is written to `.staging/`, synced, and only then given its name: by a hard link where it must
//! not exist yet (the file system decides a race), by a rename where it may be replaced. Then its
//! folder is synced, and only after that the staged name goes away. So nobody ever sees half a file,
//! what a call has reported survives a power failure, and a crash between the last two steps leaves a
//! staged name behind, which the next opening takes as the sign to sync the folders once more.

use std::{
    collections::HashSet,
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tempfile::TempPath;

use super::disk::{Action, Disk, DiskError, NewFolder};
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
        let disk = Disk::default();
        make_all(&disk, root)?;
        let root = disk.step(Action::Read, root, || fs::canonicalize(root))?;
        let folder = Folder {
            root,
            disk,
            durable: Mutex::default(),
        };
        folder.tidy();
        Ok(folder)
    }

    /// When there are staged files, some name may not be durable that a crashed process has created
    /// and that we are about to build on: syncs every folder. Then removes abandoned staged files.
    /// A store that cannot be written can still be read, so nothing here is fatal.
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
        failpoint::at(Point::FileStaged);
        self.disk
            .step(Action::SyncFile, &path, || named.as_file().sync_all())?;
        failpoint::at(Point::FileSynced);
        Ok(named.into_temp_path())
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
                self.disk.sync_folder(folder).map_err(|error| DiskError {
                    landed: true,
                    ..error
                })?;
                failpoint::at(Point::FolderSynced);
            }
            // Whoever reads it next and builds on it must find it again: its writer may have died
            // before it synced the folder.
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.sync_folder(folder)?;
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
        self.disk.make_folder(folder)?;
        self.disk.sync_folder(parent)?;
        self.known().insert(folder.to_owned());
        Ok(())
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
        let landed = |error| DiskError {
            landed: true,
            ..error
        };
        self.disk.sync_folder(folder).map_err(landed)?;
        match from.parent() {
            Some(left) if left != folder => self.disk.sync_folder(left).map_err(landed),
            _ => Ok(()),
        }
    }
}

/// Creates a folder and its parents, and makes their names durable.
fn make_all(disk: &Disk, folder: &Path) -> Result<(), DiskError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    make_all(disk, parent)?;
    if disk.make_folder(folder)? == NewFolder::Made {
        disk.sync_folder(parent)?;
    }
    Ok(())
}
