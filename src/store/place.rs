//! Where a store's objects are, for the back end and for people.

use std::{fmt, path::PathBuf};

use object_store::path::Path as Key;

use super::{Path, StoreError};

/// What stands before the paths of a store.
#[derive(Debug)]
pub(super) enum Place {
    /// A folder, as it was written.
    Folder { typed: PathBuf },
    /// A part of a bucket.
    Bucket {
        bucket: String,
        prefix: Path,
        endpoint: String,
    },
    /// A store without an address, in memory or given by a test.
    Named(String),
}

impl Place {
    /// What the back end calls the object at `path`.
    pub fn key(&self, path: &Path) -> Key {
        let parts = match self {
            Place::Bucket { prefix, .. } if path.as_str().is_empty() => prefix.as_str().to_owned(),
            Place::Bucket { prefix, .. } if !prefix.as_str().is_empty() => {
                format!("{prefix}/{path}")
            }
            _ => path.as_str().to_owned(),
        };
        // A checked path has nothing that a key may not have; `From` would percent-encode `~`.
        Key::parse(&parts).unwrap_or_else(|_| Key::from(parts))
    }

    /// The path of the object that the back end calls `key`; `None` for what is not below the root or
    /// cannot have been written by us.
    pub fn path(&self, key: &Key) -> Option<Path> {
        Path::parse(self.relative(key)?).ok()
    }

    /// The key below the store's root, whether it is a path of ours or not.
    pub fn relative<'k>(&self, key: &'k Key) -> Option<&'k str> {
        let whole = key.as_ref();
        match self {
            Place::Bucket { prefix, .. } if !prefix.as_str().is_empty() => {
                whole.strip_prefix(prefix.as_str())?.strip_prefix('/')
            }
            _ => Some(whole),
        }
    }

    /// The place in this folder that an error is about, and no other.
    pub fn below_root(&self, error: &StoreError) -> Option<Path> {
        let (Place::Folder { typed }, StoreError::Local { path, .. }) = (self, error) else {
            return None;
        };
        if !error.concerns_the_object() {
            return None;
        }
        let root = std::fs::canonicalize(typed).ok()?;
        Path::parse(path.strip_prefix(root).ok()?.to_str()?).ok()
    }

    /// The object at `path`, as a person would look for it.
    pub fn locate(&self, path: &Path) -> String {
        match (path.as_str(), self) {
            ("", _) => self.to_string(),
            (path, Place::Folder { typed }) => typed.join(path).display().to_string(),
            (path, _) => format!("{self}/{path}"),
        }
    }

    /// The server, where there is one.
    pub fn endpoint(&self) -> &str {
        match self {
            Place::Bucket { endpoint, .. } => endpoint,
            Place::Named(name) => name,
            Place::Folder { .. } => "the folder",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Folder { typed } => write!(f, "{}", typed.display()),
            Place::Bucket { bucket, prefix, .. } if prefix.as_str().is_empty() => {
                write!(f, "s3://{bucket}")
            }
            Place::Bucket { bucket, prefix, .. } => write!(f, "s3://{bucket}/{prefix}"),
            Place::Named(name) => f.write_str(name),
        }
    }
}
