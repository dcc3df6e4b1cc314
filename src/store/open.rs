//! Opening a store, so that what is wrong with it is said at once.

use std::{fs, io, path::Path as FilePath, sync::Arc, time::Duration};

use futures::TryStreamExt as _;

use super::{
    Path, Renames, Store, StoreConfig, StoreError, StoreUrl,
    classify::LIST,
    disk::{Action, DiskError},
    local::LocalFolder,
    patience::{PAGE, Patience, deadline},
    place::Place,
    s3,
};

/// How long opening tries a server that does not answer; somebody may be waiting at a terminal.
const OPEN_FOR: Duration = Duration::from_secs(5);

impl Store {
    /// Opens a store: makes its folder, or asks its bucket for a listing, so that a missing bucket or
    /// wrong credentials are told apart from an empty store.
    ///
    /// # Errors
    /// When the configuration cannot be used, or the store cannot be reached or read.
    pub async fn open(config: &StoreConfig) -> Result<Store, StoreError> {
        match &config.url {
            StoreUrl::Local(folder) => Store::open_folder(folder).await,
            StoreUrl::S3 { bucket, prefix } => Store::open_bucket(config, bucket, prefix).await,
        }
    }

    /// Opens a store that is only to be read: like [`Store::open`], but a folder that does not exist
    /// is not made.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::NoFolder`].
    pub async fn open_existing(config: &StoreConfig) -> Result<Store, StoreError> {
        if let StoreUrl::Local(folder) = &config.url
            && !folder.exists()
        {
            return Err(StoreError::NoFolder {
                path: folder.clone(),
            });
        }
        Store::open(config).await
    }

    async fn open_folder(folder: &FilePath) -> Result<Store, StoreError> {
        let path = folder.to_owned();
        let opening = tokio::task::spawn_blocking(move || match fs::metadata(&path) {
            Ok(about) if !about.is_dir() => Err(DiskError {
                action: Action::MakeFolder,
                path,
                landed: false,
                source: io::ErrorKind::NotADirectory.into(),
            }),
            _ => LocalFolder::open(&path),
        });
        let timeout = |_| StoreError::Timeout {
            operation: "opening",
            location: folder.display().to_string(),
            after: PAGE,
        };
        let opened = match tokio::time::timeout(PAGE, opening).await.map_err(timeout)? {
            Ok(opened) => opened,
            Err(stopped) => {
                return Err(StoreError::Backend {
                    operation: "opening",
                    location: folder.display().to_string(),
                    source: Box::new(stopped),
                });
            }
        };
        let backend = opened.map_err(|error| match error.source.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                StoreError::NotAFolder { path: error.path }
            }
            _ => StoreError::local(error.action, error.path, false, error.source),
        })?;
        Ok(Store::in_folder(backend, folder))
    }

    /// A store in an opened folder, called as somebody `typed` it.
    pub(super) fn in_folder(backend: LocalFolder, typed: &FilePath) -> Store {
        Store {
            backend: Arc::new(backend),
            place: Arc::new(Place::Folder {
                typed: typed.to_owned(),
            }),
            renames: Renames::Whole,
            patience: Patience::default(),
            unknown: Arc::default(),
        }
    }

    async fn open_bucket(
        config: &StoreConfig,
        bucket: &str,
        prefix: &Path,
    ) -> Result<Store, StoreError> {
        let (backend, endpoint) = s3::connect(config, bucket)?;
        let place = Place::Bucket {
            bucket: bucket.to_owned(),
            prefix: prefix.clone(),
            endpoint,
        };
        let store = Store {
            backend,
            place: Arc::new(place),
            renames: Renames::CopyAndDelete,
            patience: Patience::default(),
            unknown: Arc::default(),
        };
        let key = store.place.key(&Path::root());
        let patience = Patience {
            retry_for: OPEN_FOR,
        };
        patience
            .persist(|| async {
                let mut listing = store.backend.list(Some(&key));
                store
                    .call(LIST, &Path::root(), deadline(0), listing.try_next())
                    .await
            })
            .await?;
        Ok(store)
    }
}
