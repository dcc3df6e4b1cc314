//! A local folder as an object store whose writes are atomic and durable.
//!
//! A file is written to `.staging/`, synced, and only then given its name: by a hard link where it must
//! not exist yet (the file system decides a race), by a rename where it may be replaced. Then its
//! folder is synced, and only after that the staged name goes away. So nobody ever sees half a file,
//! what a call has reported survives a power failure, and a crash between the last two steps leaves a
//! staged name behind, which the next opening takes as the sign to sync the folders once more.
//! Reading and listing are object_store's.

use std::{
    collections::HashSet,
    fs::{self, Permissions},
    io::{self, Write as _},
    ops::Range,
    os::unix::fs::PermissionsExt as _,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, future, stream::BoxStream};
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    RenameTargetMode, Result, local::LocalFileSystem, path::Path,
};
use tempfile::TempPath;

use super::disk::{Action, Disk, DiskError, NewFolder};

/// The folder for files being written; never listed.
pub(super) const STAGING: &str = ".staging";

/// A staged file older than this belongs to a process that is gone; no write takes so long.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// A folder of this machine.
#[derive(Clone, Debug)]
pub(super) struct LocalFolder {
    inner: Arc<Inner>,
    files: LocalFileSystem,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    disk: Disk,
    /// Folders whose names are known to be durable; another process may have made one of them and
    /// not synced it yet, so existing is not enough.
    durable: Mutex<HashSet<PathBuf>>,
}

impl LocalFolder {
    /// Opens a folder, making it when it does not exist, and tidies what a crash left. Blocks.
    pub fn open(root: &FilePath) -> Result<LocalFolder, DiskError> {
        let disk = Disk::default();
        make_all(&disk, root)?;
        let root = disk.step(Action::Read, root, || fs::canonicalize(root))?;
        let files = LocalFileSystem::new_with_prefix(&root).map_err(|error| DiskError {
            action: Action::Read,
            path: root.clone(),
            landed: false,
            source: io::Error::other(error),
        })?;
        let inner = Inner {
            root,
            disk,
            durable: Mutex::default(),
        };
        inner.tidy();
        Ok(LocalFolder {
            inner: Arc::new(inner),
            files,
        })
    }

    /// Runs blocking work where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner)).await?
    }
}

/// Creates a folder and its parents, and makes their names durable.
fn make_all(disk: &Disk, folder: &FilePath) -> Result<(), DiskError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => FilePath::new("."),
        Some(parent) => parent,
        None => FilePath::new("/"),
    };
    make_all(disk, parent)?;
    if disk.make_folder(folder)? == NewFolder::Made {
        disk.sync_folder(parent)?;
    }
    Ok(())
}

impl Inner {
    /// Removes abandoned staged files. When there are staged files at all, some name may not be
    /// durable that a crashed process has created and that we are about to build on: syncs every
    /// folder. A store that cannot be written can still be read, so nothing here is fatal.
    fn tidy(&self) {
        let Ok(staged) = fs::read_dir(self.root.join(STAGING)) else {
            return;
        };
        let mut any = false;
        for file in staged.flatten() {
            any = true;
            let modified = file.metadata().and_then(|about| about.modified());
            let age = modified.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
            if age.is_ok_and(|age| age > ABANDONED) {
                tracing::debug!(path = %file.path().display(), "removing an abandoned staged file");
                let _ = self.disk.step(Action::Remove, &file.path(), || {
                    fs::remove_file(file.path())
                });
            }
        }
        if any {
            self.sync_below(&self.root);
        }
    }

    fn sync_below(&self, folder: &FilePath) {
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
    fn stage(
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
        self.disk
            .step(Action::SyncFile, &path, || named.as_file().sync_all())?;
        Ok(named.into_temp_path())
    }

    /// Gives a staged file its name, durably.
    fn publish(&self, staged: TempPath, target: &FilePath, mode: Mode) -> Result<(), DiskError> {
        let folder = target.parent().unwrap_or(&self.root);
        self.make_durable(folder)?;
        let name = || match mode {
            Mode::Create => self
                .disk
                .step(Action::Link, target, || fs::hard_link(&staged, target)),
            Mode::Replace => self
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
            Ok(()) => self.disk.sync_folder(folder).map_err(|error| DiskError {
                landed: true,
                ..error
            })?,
            // Whoever reads it next and builds on it must find it again: its writer may have died
            // before it synced the folder.
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.sync_folder(folder)?;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        if mode == Mode::Create {
            let path = staged.to_path_buf();
            // The object is complete and durable; a name that stays in staging is tidied later.
            let _ = self.disk.step(Action::Remove, &path, || staged.close());
        } else {
            let _ = staged.keep();
        }
        Ok(())
    }

    /// Makes the folder and those above it, up to the root, and their names durable.
    fn make_durable(&self, folder: &FilePath) -> Result<(), DiskError> {
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

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rename(&self, from: &FilePath, to: &FilePath) -> Result<(), DiskError> {
        if !from.is_file() {
            return self
                .disk
                .step(Action::Rename, from, || Err(io::ErrorKind::NotFound.into()));
        }
        let folder = to.parent().unwrap_or(&self.root);
        // `rename` creates nothing, so a folder that vanished is made again first.
        if !folder.is_dir() {
            self.known().clear();
        }
        self.make_durable(folder)?;
        self.disk
            .step(Action::Rename, from, || fs::rename(from, to))?;
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Create,
    Replace,
}

impl From<DiskError> for Error {
    fn from(error: DiskError) -> Error {
        let path = error.path.display().to_string();
        match error.source.kind() {
            io::ErrorKind::NotFound => Error::NotFound {
                path,
                source: Box::new(error),
            },
            io::ErrorKind::AlreadyExists => Error::AlreadyExists {
                path,
                source: Box::new(error),
            },
            _ => Error::Generic {
                store: "local folder",
                source: Box::new(error),
            },
        }
    }
}

impl std::fmt::Display for LocalFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalFolder({})", self.inner.root.display())
    }
}

fn unsupported(operation: &str) -> Error {
    Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: "LocalFolder".to_owned(),
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for LocalFolder {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let target = self.files.path_to_filesystem(location)?;
        let mode = match opts.mode {
            PutMode::Create => Mode::Create,
            PutMode::Overwrite => Mode::Replace,
            PutMode::Update(_) => return Err(unsupported("a conditional update")),
        };
        self.blocking(move |inner| {
            let staged =
                inner.stage(|file| payload.iter().try_for_each(|chunk| file.write_all(chunk)))?;
            inner.publish(staged, &target, mode)?;
            Ok(PutResult {
                e_tag: None,
                version: None,
                extensions: Default::default(),
            })
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(unsupported("an upload in parts"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        visible(self.files.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        visible(self.files.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.files.list_with_delimiter(prefix).await?;
        listed.common_prefixes.retain(|folder| !is_staging(folder));
        listed
            .objects
            .retain(|object| !is_staging(&object.location));
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (from, to) = (
            self.files.path_to_filesystem(from)?,
            self.files.path_to_filesystem(to)?,
        );
        let mode = match options.mode {
            CopyMode::Create => Mode::Create,
            CopyMode::Overwrite => Mode::Replace,
        };
        self.blocking(move |inner| {
            // A copy of the bytes: a second link would let damage to one file reach the other.
            let mut source = inner
                .disk
                .step(Action::Read, &from, || fs::File::open(&from))?;
            let staged = inner.stage(|file| io::copy(&mut source, file).map(drop))?;
            Ok(inner.publish(staged, &to, mode)?)
        })
        .await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        if options.target_mode == RenameTargetMode::Create {
            return Err(unsupported("a rename that never replaces"));
        }
        let (from, to) = (
            self.files.path_to_filesystem(from)?,
            self.files.path_to_filesystem(to)?,
        );
        self.blocking(move |inner| Ok(inner.rename(&from, &to)?))
            .await
    }
}

fn is_staging(path: &Path) -> bool {
    path.parts()
        .next()
        .is_some_and(|part| part.as_ref() == STAGING)
}

fn visible(
    listed: BoxStream<'static, Result<ObjectMeta>>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    listed
        .try_filter(|object| future::ready(!is_staging(&object.location)))
        .boxed()
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
