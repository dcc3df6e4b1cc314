//! Listing a folder so that nothing in it hides the rest: what cannot be the name of an object is left out and said once, and
//! a place that cannot be read is an error among the objects, after which the listing goes on.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use object_store::{Error, ObjectMeta, Result, path::Path as Key};
use tokio::sync::mpsc;

use super::{
    Path,
    disk::{Action, DiskError},
    folder::STAGING,
    unknown::{Strange, UnknownNames},
};

/// Objects that are handed over at a time.
const CHUNK: usize = 1024;
/// Chunks that wait to be taken.
const AHEAD: usize = 4;

type Listed = Result<ObjectMeta>;

/// Everything below `prefix` in the folder `root` that comes `after` a path, in any order.
pub(super) fn list(
    root: PathBuf,
    prefix: Option<&Key>,
    after: Option<&Key>,
    unknown: Arc<UnknownNames>,
) -> BoxStream<'static, Listed> {
    let prefix = prefix.map(ToString::to_string).unwrap_or_default();
    let after = after.map(ToString::to_string);
    let (sender, receiver) = mpsc::channel(AHEAD);
    let walking = tokio::task::spawn_blocking(move || {
        let mut walk = Walk {
            root,
            after,
            unknown,
            found: Vec::new(),
            sender,
        };
        let begin = walk.root.join(&prefix);
        if walk.folder(&begin, &prefix, &mut Vec::new()).is_some() {
            walk.hand_over();
        }
    });
    let chunks = stream::unfold(receiver, |mut receiver| async {
        let chunk: Vec<Listed> = receiver.recv().await?;
        Some((stream::iter(chunk), receiver))
    });
    // A walk that ended early must not look like a small folder.
    let end = stream::once(walking).filter_map(|ended| async { ended.err() });
    chunks
        .flatten()
        .chain(end.map(|error| Err(Error::JoinError { source: error })))
        .boxed()
}

/// A folder on the way down, by which a link that leads back to it is known.
type Ancestor = (u64, u64);

struct Walk {
    root: PathBuf,
    after: Option<String>,
    unknown: Arc<UnknownNames>,
    found: Vec<Listed>,
    sender: mpsc::Sender<Vec<Listed>>,
}

impl Walk {
    /// Walks a folder whose path below the root is `relative`. `None` when nobody listens any more.
    fn folder(
        &mut self,
        folder: &FilePath,
        relative: &str,
        ancestors: &mut Vec<Ancestor>,
    ) -> Option<()> {
        let about = match fs::metadata(folder) {
            Ok(about) if about.is_dir() => about,
            Ok(_) => return Some(()),
            Err(error) => return self.failed(folder, error),
        };
        let own = (about.dev(), about.ino());
        if ancestors.contains(&own) {
            self.unknown.note(&folder.display().to_string());
            return Some(());
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.failed(folder, error),
        };
        ancestors.push(own);
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry, relative, ancestors)?,
                Err(error) => self.failed(folder, error)?,
            }
        }
        ancestors.pop();
        Some(())
    }

    fn entry(
        &mut self,
        entry: &fs::DirEntry,
        relative: &str,
        ancestors: &mut Vec<Ancestor>,
    ) -> Option<()> {
        let path = entry.path();
        let name = entry.file_name();
        if relative.is_empty() && name == STAGING {
            return Some(());
        }
        let shown = name.to_string_lossy();
        let relative = match relative {
            "" => shown.into_owned(),
            relative => format!("{relative}/{shown}"),
        };
        let is_text = name.to_str().is_some();
        let key = Some(&relative)
            .filter(|relative| is_text && Path::parse(relative).is_ok())
            .and_then(|relative| Key::parse(relative).ok());
        let Some(key) = key else {
            self.unknown.note(&path.display().to_string());
            let end = if path.is_dir() { "/" } else { "" };
            return self.add(Err(Strange(relative + end).into()));
        };
        // A plain file that comes before needs no look: its name says it.
        let is_before = self.after.as_ref().is_some_and(|after| relative <= *after);
        if is_before && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            return Some(());
        }
        let about = match fs::metadata(&path) {
            // A link that leads nowhere has a name, and cannot be read: that is for the reader to say.
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => entry.metadata(),
            about => about,
        };
        match about {
            Ok(about) if about.is_dir() => self.folder(&path, &relative, ancestors),
            Ok(about) if about.is_file() || about.is_symlink() => match is_before {
                true => Some(()),
                false => self.object(key, &about),
            },
            Ok(_) => {
                self.unknown.note(&path.display().to_string());
                Some(())
            }
            Err(error) => self.failed(&path, error),
        }
    }

    fn object(&mut self, location: Key, about: &fs::Metadata) -> Option<()> {
        self.add(Ok(ObjectMeta {
            location,
            last_modified: about.modified().map(Into::into).unwrap_or_default(),
            size: about.len(),
            e_tag: None,
            version: None,
        }))
    }

    /// What vanished while it was looked at is not there; the rest is said.
    fn failed(&mut self, path: &FilePath, source: io::Error) -> Option<()> {
        if matches!(
            source.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ) {
            return Some(());
        }
        self.add(Err(Error::from(DiskError {
            action: Action::Read,
            path: path.to_owned(),
            landed: false,
            source,
        })))
    }

    fn add(&mut self, found: Listed) -> Option<()> {
        self.found.push(found);
        match self.found.len() >= CHUNK {
            true => self.hand_over(),
            false => Some(()),
        }
    }

    fn hand_over(&mut self) -> Option<()> {
        let chunk = std::mem::take(&mut self.found);
        self.sender.blocking_send(chunk).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        os::unix::{ffi::OsStrExt as _, fs::symlink},
    };

    use bytes::Bytes;

    use super::*;
    use crate::store::{Entry, Store, StoreConfig, StoreUrl, local::LocalFolder};

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    #[tokio::test]
    async fn nothing_in_a_folder_hides_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let backend = LocalFolder::open(root.path()).unwrap();
        let store = Store::over(Arc::new(backend.clone()), "seen");
        for name in ["t/a/one", "t/b/two", "t/c/three"] {
            store
                .put(&path(name), Bytes::from_static(b"x"))
                .await
                .unwrap();
        }
        let place = |name: &str| root.path().join(name);
        for name in [&b"a\tb"[..], b"\xff", b"x#y", b"\x7f"] {
            fs::write(place("t/b").join(OsStr::from_bytes(name)), "x").unwrap();
        }
        symlink("..", place("t/b/up")).unwrap();
        symlink("itself", place("t/b/itself")).unwrap();
        symlink("nowhere", place("t/b/dangling")).unwrap();
        symlink("../b", place("t/c/linked")).unwrap();
        let names = |entries: Vec<Entry>| -> Vec<String> {
            entries
                .into_iter()
                .map(|entry| entry.path.to_string())
                .collect()
        };
        let all = names(store.list(&path("t")).await.unwrap());
        assert_eq!(
            all,
            [
                "t/a/one",
                "t/b/itself",
                "t/b/two",
                "t/c/linked/itself",
                "t/c/linked/two",
                "t/c/three"
            ]
        );
        // Each once: four names and the loop, on both ways to them.
        assert_eq!(backend.left_out().len(), 10, "{:#?}", backend.left_out());
        let url = StoreUrl::Local(root.path().to_owned());
        let store = Store::open(&StoreConfig::new(url)).await.unwrap();
        let error = store.get(&path("t/b/itself"), 10).await.unwrap_err();
        assert!(error.concerns_the_object(), "{error}");
    }
}
