//! A local folder as an object store: writes go through `folder`, listing through `walk`; reading is object_store's.

use std::{
    fmt, fs,
    io::{self, Write as _},
    ops::Range,
    path::Path as FilePath,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, RenameTargetMode, Result, local::LocalFileSystem, path::Path,
};

use super::{
    disk::{Action, DiskError},
    folder::{Folder, Naming, STAGING},
    unknown::UnknownNames,
    walk,
};

/// A folder of this machine.
#[derive(Clone, Debug)]
pub(super) struct LocalFolder {
    folder: Arc<Folder>,
    files: LocalFileSystem,
    unknown: Arc<UnknownNames>,
}

impl LocalFolder {
    /// Opens a folder, making it when it does not exist, and tidies what a crash left. Blocks.
    pub fn open(root: &FilePath) -> Result<LocalFolder, DiskError> {
        LocalFolder::over(Folder::open(root)?)
    }

    fn over(folder: Folder) -> Result<LocalFolder, DiskError> {
        let files = LocalFileSystem::new_with_prefix(&folder.root).map_err(|error| DiskError {
            action: Action::Read,
            path: folder.root.clone(),
            landed: false,
            source: io::Error::other(error),
        })?;
        Ok(LocalFolder {
            folder: Arc::new(folder),
            files,
            unknown: Arc::default(),
        })
    }

    /// What listings have left out.
    #[cfg(test)]
    pub fn left_out(&self) -> Vec<String> {
        self.unknown.said()
    }

    /// Writes, where it may block, once everything is durable that was written before.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = Arc::clone(&self.folder);
        let settled = move || {
            folder.settle()?;
            work(&folder)
        };
        tokio::task::spawn_blocking(settled).await?
    }

    /// What lies under the name of an object and is none is not for reading: a pipe would never end, and the rest looks as if
    /// nothing were there.
    async fn check_object(&self, location: &Path) -> Result<()> {
        let (file, location) = (self.files.path_to_filesystem(location)?, location.clone());
        let check = move || walk::no_object(&file, location.as_ref());
        match tokio::task::spawn_blocking(check).await? {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// What cannot be made durable is not there for who would build on it.
    async fn before_reading(&self) -> Result<()> {
        if !self.folder.is_in_doubt() {
            return Ok(());
        }
        self.blocking(|_| Ok(())).await
    }

    fn listed(
        &self,
        prefix: Option<&Path>,
        after: Option<&Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let walk = |folder: &LocalFolder, prefix: Option<&Path>, after: Option<&Path>| {
            let unknown = Arc::clone(&folder.unknown);
            walk::list(folder.folder.root.clone(), prefix, after, unknown)
        };
        if !self.folder.is_in_doubt() {
            return walk(self, prefix, after);
        }
        let (own, prefix, after) = (self.clone(), prefix.cloned(), after.cloned());
        let settled = async move {
            own.before_reading().await?;
            Ok::<_, Error>(walk(&own, prefix.as_ref(), after.as_ref()))
        };
        stream::once(settled).try_flatten().boxed()
    }
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

impl fmt::Display for LocalFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalFolder({})", self.folder.root.display())
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
        let naming = match opts.mode {
            PutMode::Create => Naming::Create,
            PutMode::Overwrite => Naming::Replace,
            PutMode::Update(_) => return Err(unsupported("a conditional update")),
        };
        self.blocking(move |folder| {
            let staged =
                folder.stage(|file| payload.iter().try_for_each(|chunk| file.write_all(chunk)))?;
            folder.publish(staged, &target, naming)?;
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
        self.before_reading().await?;
        self.check_object(location).await?;
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.before_reading().await?;
        self.check_object(location).await?;
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let own = self.clone();
        let files = locations.map_ok(move |location| (own.clone(), location));
        let deleted = files.and_then(|(own, location)| async move {
            let path = own.files.path_to_filesystem(&location)?;
            let place = path.clone();
            let is_folder = move || fs::symlink_metadata(place).is_ok_and(|about| about.is_dir());
            if tokio::task::spawn_blocking(is_folder).await? {
                // A folder is no object: nothing of ours is there.
                return Err(Error::from(DiskError {
                    action: Action::Remove,
                    path,
                    landed: false,
                    source: io::ErrorKind::NotFound.into(),
                }));
            }
            own.files.delete(&location).await?;
            Ok(location)
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, Some(offset))
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
        let naming = match options.mode {
            CopyMode::Create => Naming::Create,
            CopyMode::Overwrite => Naming::Replace,
        };
        self.blocking(move |folder| {
            // A copy of the bytes: a second link would let damage to one file reach the other.
            let mut source = folder
                .disk
                .step(Action::Read, &from, || fs::File::open(&from))?;
            let staged = folder.stage(|file| io::copy(&mut source, file).map(drop))?;
            Ok(folder.publish(staged, &to, naming)?)
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
        self.blocking(move |folder| Ok(folder.rename(&from, &to)?))
            .await
    }
}

fn is_staging(path: &Path) -> bool {
    path.parts()
        .next()
        .is_some_and(|part| part.as_ref() == STAGING)
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "power_tests.rs"]
mod power_tests;
