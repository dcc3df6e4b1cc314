//! Listing a folder so that nothing in it hides the rest: what cannot be the name of an object is left out and said once, and
//! a place that cannot be read is an error among the objects, after which the listing goes on.
//!
//! Whatever has the name of an object is listed, also if it is none: a link that leads nowhere, a pipe, a folder. Nobody could
//! create the object, so who reads it must not be told that it is not there ([`no_object`]).

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
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
            Err(error) if leads_nowhere(&error) && folder.is_symlink() => {
                return self.leads_nowhere(folder);
            }
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
        let name = entry.file_name();
        if relative.is_empty() && name == STAGING {
            return Some(());
        }
        // A folder may have thousands of files of which the last is asked for: these need neither a path nor a look.
        if self.is_before(relative, &name) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            return Some(());
        }
        let path = entry.path();
        let shown = name.to_string_lossy();
        let relative = match relative {
            "" => shown.to_string(),
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
        let is_before = self.after.as_ref().is_some_and(|after| relative <= *after);
        let about = match fs::metadata(&path) {
            // Unless it has vanished meanwhile, it is a link that leads nowhere.
            Err(error) if leads_nowhere(&error) => entry.metadata(),
            about => about,
        };
        let about = match about {
            Ok(about) => about,
            Err(error) => return self.failed(&path, error),
        };
        if about.is_symlink() && is_of_a_partition(&shown) {
            return self.leads_nowhere(&path);
        }
        if !is_before && (!about.is_dir() || has_name_of_a_file(&relative)) {
            self.object(key, &about)?;
        }
        match about.is_dir() {
            true => self.folder(&path, &relative, ancestors),
            false => Some(()),
        }
    }

    /// Whether a name in the folder `relative`, which lies on the way to what is listed after, comes before that.
    fn is_before(&self, relative: &str, name: &OsStr) -> bool {
        let after = self.after.as_deref();
        let after = after.and_then(|after| after.strip_prefix(relative)?.strip_prefix('/'));
        after.is_some_and(|after| name.as_bytes() <= after.as_bytes())
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

    /// A link where a folder should be: nobody knows what it should have.
    fn leads_nowhere(&mut self, path: &FilePath) -> Option<()> {
        let source = io::Error::other("it is a link that leads nowhere");
        self.failed(path, source)
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

/// What is wrong with what lies where an object should, if it is none; `None` also where nothing lies. Blocks.
pub(super) fn no_object(path: &FilePath, relative: &str) -> Option<DiskError> {
    let what = match fs::metadata(path) {
        Ok(about) if about.is_file() => return None,
        Ok(about) if about.is_dir() => match has_name_of_a_file(relative) {
            true => "it is a folder",
            false => return None,
        },
        Ok(_) => "it is neither a file nor a folder",
        Err(error) if leads_nowhere(&error) && fs::symlink_metadata(path).is_ok() => {
            "it is a link that leads nowhere"
        }
        // Reading says it.
        Err(_) => return None,
    };
    Some(DiskError {
        action: Action::Read,
        path: path.to_owned(),
        landed: false,
        source: io::Error::other(what),
    })
}

/// Whether an object may have this name: files of ours end like this, folders never do, but for that of a topic.
fn has_name_of_a_file(relative: &str) -> bool {
    let is_below_a_topic = relative.split('/').count() > DEEPEST_TOPIC;
    is_below_a_topic
        && [".json", ".parquet"]
            .iter()
            .any(|end| relative.ends_with(end))
}

/// Whether a folder of ours has this name, and no object.
fn is_of_a_partition(name: &str) -> bool {
    let number = name.strip_prefix("partition=");
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// A topic is the first part of a path, or the second, in the attic.
const DEEPEST_TOPIC: usize = 2;

fn leads_nowhere(error: &io::Error) -> bool {
    let is_missing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    is_missing.contains(&error.kind()) || error.raw_os_error() == Some(libc::ELOOP)
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use bytes::Bytes;

    use super::*;
    use crate::store::{Created, Entry, Store, StoreConfig, StoreUrl, local::LocalFolder};

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
        symlink("two/three", place("t/b/through")).unwrap();
        UnixListener::bind(place("t/b/socket")).unwrap();
        fs::create_dir(place("t/b/folder.json")).unwrap();
        fs::create_dir(place("t/b/folder")).unwrap();
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
                "t/b/dangling",
                "t/b/folder.json",
                "t/b/itself",
                "t/b/socket",
                "t/b/through",
                "t/b/two",
                "t/c/linked/dangling",
                "t/c/linked/folder.json",
                "t/c/linked/itself",
                "t/c/linked/socket",
                "t/c/linked/through",
                "t/c/linked/two",
                "t/c/three"
            ]
        );
        fs::remove_file(place("t/b/up")).unwrap();
        let after = store.list_after(&path("t/b"), &path("t/b/socket")).await;
        assert_eq!(names(after.unwrap()), ["t/b/through", "t/b/two"]);
        // Each once: four names and the loop, on both ways to them.
        assert_eq!(backend.left_out().len(), 10, "{:#?}", backend.left_out());
        let url = StoreUrl::Local(root.path().to_owned());
        let store = Store::open(&StoreConfig::new(url)).await.unwrap();
        let spoiled = ["itself", "dangling", "through", "socket", "folder.json"];
        for name in spoiled {
            let at = path(&format!("t/b/{name}"));
            let errors = [
                store.get(&at, 10).await.unwrap_err(),
                store.get_range(&at, 0..1).await.unwrap_err(),
                store.head(&at).await.unwrap_err(),
            ];
            for error in errors {
                assert!(error.concerns_the_object(), "{name}: {error}");
            }
            let created = store.create(&at, Bytes::from_static(b"x")).await;
            assert_eq!(created.unwrap(), Created::Exists, "{name}");
        }
        for name in ["folder", "nothing"] {
            let error = store.get(&path(&format!("t/b/{name}")), 10).await;
            assert!(error.unwrap_err().is_not_found(), "{name}");
        }
        // Links and sockets go as files do; a folder is nobody's to remove.
        for name in spoiled {
            store.delete(&path(&format!("t/b/{name}"))).await.unwrap();
        }
        assert_eq!(
            names(store.list(&path("t/b")).await.unwrap()),
            ["t/b/folder.json", "t/b/two"]
        );
    }
}
