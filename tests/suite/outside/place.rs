//! Where the store of a test lies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::S3Server;

/// Where a store lies.
pub enum Place {
    /// The folder `name` in a temporary one, which may hold other stores beside it.
    Folder {
        root: Arc<tempfile::TempDir>,
        name: String,
    },
    Bucket {
        server: &'static S3Server,
        prefix: String,
    },
}

impl Place {
    /// A folder that does not exist yet.
    pub fn folder() -> Self {
        let root = tempfile::Builder::new()
            .prefix("snapback-test-store-")
            .tempdir()
            .expect("a folder for a store");
        let (root, name) = (Arc::new(root), "store".to_owned());
        Place::Folder { root, name }
    }

    /// Another place beside this one, of which nothing exists unless a store was made there.
    pub fn beside(&self, suffix: &str) -> Self {
        match self {
            Place::Folder { root, name } => {
                let (root, name) = (Arc::clone(root), format!("{name}{suffix}"));
                Place::Folder { root, name }
            }
            Place::Bucket { server, prefix } => {
                let prefix = format!("{prefix}{suffix}");
                Place::Bucket { server, prefix }
            }
        }
    }

    /// A copy of a store on local disk as it is now, beside it.
    #[track_caller]
    pub fn copy(&self) -> Self {
        let copy = self.beside("-copy");
        copy_folder(&self.path(), &copy.path()).expect("a copy of a folder");
        copy
    }

    /// A copy of a store on local disk as it is now, as the folder `name` in one of its own.
    #[track_caller]
    pub fn copy_as(&self, name: &str) -> Self {
        let Place::Folder { root, .. } = Self::folder() else {
            unreachable!("a folder")
        };
        copy_folder(&self.path(), &root.path().join(name)).expect("a copy of a folder");
        let name = name.to_owned();
        Place::Folder { root, name }
    }

    /// An empty prefix of a server's bucket.
    pub fn bucket(server: &'static S3Server) -> Self {
        let prefix = server.new_prefix();
        Place::Bucket { server, prefix }
    }

    /// As in `--store`.
    pub fn url(&self) -> String {
        match self {
            Place::Folder { .. } => self.path().display().to_string(),
            Place::Bucket { server, prefix } => format!("s3://{}/{prefix}", server.bucket()),
        }
    }

    /// The folder of a store on local disk.
    #[track_caller]
    pub fn path(&self) -> PathBuf {
        match self {
            Place::Folder { root, name } => root.path().join(name),
            Place::Bucket { .. } => panic!("this store is not a folder"),
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
