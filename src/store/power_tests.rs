//! Every sync fails in turn, and then the power: what a call has reported is there.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::OsString,
    fs::File,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::Mutex,
};

use super::*;
use crate::store::{
    Created, Moved, Path as StorePath, Store, StoreError,
    disk::{Disk, Watch},
};

/// What of a folder is on its disk. A sync that succeeds brings there what has changed since the last one; what a failed one
/// should have brought there is never tried again, as on Linux.
#[derive(Debug)]
struct Platter {
    root: PathBuf,
    /// Which of the syncs fail.
    fails: Range<usize>,
    written: Mutex<Written>,
}

/// Files and folders go by their inodes.
type Inode = u64;

#[derive(Debug, Default)]
struct Written {
    syncs: usize,
    names: HashMap<Inode, BTreeMap<OsString, Inode>>,
    contents: HashMap<Inode, Vec<u8>>,
    /// Names that were to be written, or no more, and content.
    names_given_up: HashSet<(Inode, OsString, Option<Inode>)>,
    contents_given_up: HashSet<Inode>,
    /// Keeps inodes from being used again.
    held: Vec<File>,
}

fn inode(path: &FilePath) -> Inode {
    fs::metadata(path).unwrap().ino()
}

impl Written {
    /// What a sync of the folder has to write: names, with what they now stand for.
    fn changes(&self, folder: &FilePath) -> Vec<(OsString, Option<Inode>)> {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        let now: BTreeMap<OsString, Inode> = entries
            .map(|entry| (entry.file_name(), entry.metadata().unwrap().ino()))
            .collect();
        let none = BTreeMap::new();
        let before = self.names.get(&inode(folder)).unwrap_or(&none);
        let gone = before.keys().filter(|name| !now.contains_key(*name));
        let gone: Vec<_> = gone.map(|name| (name.clone(), None)).collect();
        let new = now
            .into_iter()
            .filter(|(name, to)| before.get(name) != Some(to));
        new.map(|(name, to)| (name, Some(to))).chain(gone).collect()
    }

    fn lay_out(&self, folder: Inode, to: &FilePath) {
        fs::create_dir(to).unwrap();
        for (name, inode) in self.names.get(&folder).into_iter().flatten() {
            let to = to.join(name);
            if self.names.contains_key(inode) {
                self.lay_out(*inode, &to);
            } else {
                let torn = Vec::new();
                fs::write(to, self.contents.get(inode).unwrap_or(&torn)).unwrap();
            }
        }
    }
}

impl Platter {
    /// What a power failure leaves.
    fn after_power_failure(&self) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("left");
        self.written
            .lock()
            .unwrap()
            .lay_out(inode(&self.root), &root);
        (folder, root)
    }
}

impl Watch for Platter {
    fn before(&self, action: Action, path: &FilePath) -> Option<io::Error> {
        let mut written = self.written.lock().unwrap();
        let is_sync = matches!(action, Action::SyncFile | Action::SyncFolder);
        if !is_sync || !path.starts_with(&self.root) {
            return None;
        }
        written.syncs += 1;
        if !self.fails.contains(&(written.syncs - 1)) {
            return None;
        }
        let of = inode(path);
        written.held.push(File::open(path).unwrap());
        if action == Action::SyncFile {
            written.contents_given_up.insert(of);
        } else {
            for (name, to) in written.changes(path) {
                written
                    .held
                    .extend(to.map(|_| File::open(path.join(&name)).unwrap()));
                written.names_given_up.insert((of, name, to));
            }
        }
        Some(io::Error::from_raw_os_error(libc::EIO))
    }

    fn done(&self, action: Action, path: &FilePath) {
        if !path.starts_with(&self.root) {
            return;
        }
        let mut written = self.written.lock().unwrap();
        if action == Action::SyncFile && !written.contents_given_up.contains(&inode(path)) {
            let content = fs::read(path).unwrap();
            written.contents.insert(inode(path), content);
        }
        if action == Action::MakeFolder {
            written.names.entry(inode(path)).or_default();
        }
        if action == Action::SyncFolder {
            let of = inode(path);
            for (name, to) in written.changes(path) {
                if written.names_given_up.contains(&(of, name.clone(), to)) {
                    continue;
                }
                let names = written.names.entry(of).or_default();
                match to {
                    Some(to) => names.insert(name, to),
                    None => names.remove(&name),
                };
            }
        }
    }
}

/// What a caller does.
#[derive(Clone, Copy, Debug)]
enum Call {
    Put(&'static str, &'static str),
    Create(&'static str, &'static str),
    Move(&'static str, &'static str),
}

/// As a partition's owner does: segments, a manifest, one into the attic, and back; and others that lose a race.
const CALLS: [Call; 9] = [
    Call::Put("t/s/1", "segment"),
    Call::Create("t/m/1", "manifest"),
    Call::Create("t/m/1", "another"),
    Call::Put("t/s/2", "segment"),
    Call::Put("t/s/2", "put again"),
    Call::Move("t/s/1", "t/attic/s/1"),
    Call::Create("t/m/2", "manifest"),
    Call::Move("t/attic/s/1", "t/s/1"),
    Call::Create("t/m/3", "manifest"),
];

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

/// One try. Who is told that something exists reads it, and who finds nothing to move looks where it was to go.
async fn call(store: &Store, call: Call) -> Result<Vec<(&'static str, String)>, StoreError> {
    let read = async |name| {
        let bytes = store.get(&path(name), 100).await?;
        Ok::<_, StoreError>(String::from_utf8(bytes.to_vec()).unwrap())
    };
    Ok(match call {
        Call::Put(name, content) => {
            store.put(&path(name), content.into()).await?;
            vec![(name, content.to_owned())]
        }
        Call::Create(name, content) => match store.create(&path(name), content.into()).await? {
            Created::Created => vec![(name, content.to_owned())],
            Created::Exists => vec![(name, read(name).await?)],
        },
        Call::Move(from, to) => match store.rename(&path(from), &path(to)).await? {
            Moved::Moved | Moved::SourceMissing => vec![(to, read(to).await?)],
        },
    })
}

/// The calls, each until it succeeds, over a disk whose syncs fail at these numbers; how many syncs there were.
async fn lived_through(fails: Range<usize>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let platter = Arc::new(Platter {
        root: fs::canonicalize(folder.path()).unwrap(),
        fails: fails.clone(),
        written: Mutex::default(),
    });
    let open = || {
        let watch: Arc<dyn Watch> = platter.clone();
        let disk = Disk {
            watch: Some(watch),
            ..Disk::default()
        };
        Folder::open_on(disk, &folder.path().join("new/store"))
    };
    let mut opened = open();
    while opened.is_err() {
        opened = open();
    }
    let backend = LocalFolder::over(opened.unwrap()).unwrap();
    let store = Store::in_folder(backend, folder.path());
    let mut reported: BTreeMap<&'static str, String> = BTreeMap::new();
    let check = async |reported: &BTreeMap<&'static str, String>, may_move: [&str; 2]| {
        let (_folder, left) = platter.after_power_failure();
        for (name, content) in reported {
            let names = match may_move.contains(name) {
                true => may_move.to_vec(),
                false => vec![*name],
            };
            let mut found = names.iter().map(|name| left.join("new/store").join(name));
            assert!(
                found.any(|path| fs::read_to_string(path).is_ok_and(|found| found == *content)),
                "{name} is gone, syncs {fails:?} failed"
            );
        }
    };
    for doing in CALLS {
        let may_move = match doing {
            Call::Move(from, to) => [from, to],
            Call::Put(name, _) => {
                // Until the call succeeds, it may be either.
                reported.remove(name);
                [""; 2]
            }
            Call::Create(..) => [""; 2],
        };
        let mut tries = 0;
        loop {
            match call(&store, doing).await {
                Ok(done) => {
                    if let Call::Move(from, _) = doing {
                        reported.remove(from);
                    }
                    reported.extend(done);
                    break;
                }
                Err(error) => assert!(error.is_retryable(), "{doing:?}: {error}"),
            }
            check(&reported, may_move).await;
            tries += 1;
            assert!(
                tries < 10,
                "{doing:?} never succeeds, syncs {fails:?} failed"
            );
        }
        check(&reported, [""; 2]).await;
    }
    assert_eq!(reported["t/m/1"], "manifest", "the first one stays");
    assert_eq!(reported.len(), 5);
    let staged = fs::read_dir(folder.path().join("new/store").join(STAGING));
    assert_eq!(staged.unwrap().count(), 0);
    let written = platter.written.lock().unwrap();
    written.syncs
}

#[tokio::test]
async fn whichever_sync_fails_what_a_call_has_reported_outlives_a_power_failure() {
    let syncs = lived_through(0..0).await;
    assert!(syncs >= 20, "only {syncs} syncs");
    for first in 0..syncs {
        for failures in 1..=3 {
            lived_through(first..first + failures).await;
        }
    }
}

#[tokio::test]
async fn while_a_name_is_in_doubt_nothing_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let backend = LocalFolder::open(folder.path()).unwrap();
    let store = Store::in_folder(backend.clone(), folder.path());
    store.put(&path("t/1"), "1".into()).await.unwrap();
    let fail = |fails: bool| {
        let fault = fails.then_some((Action::SyncFolder, io::ErrorKind::Other));
        *backend.folder.disk.fails.lock().unwrap() = fault;
    };
    fail(true);
    store.create(&path("t/2"), "2".into()).await.unwrap_err();
    for refused in [
        store.head(&path("t/2")).await.unwrap_err(),
        store.get(&path("t/1"), 9).await.unwrap_err(),
        store.list(&path("t")).await.unwrap_err(),
        store
            .list_after(&path("t"), &path("t/1"))
            .await
            .unwrap_err(),
    ] {
        assert!(
            refused.is_retryable() && !refused.concerns_the_object(),
            "{refused:?}"
        );
    }
    fail(false);
    assert_eq!(store.list(&path("t")).await.unwrap().len(), 2);
    assert_eq!(store.get(&path("t/2"), 9).await.unwrap(), "2");
}

#[tokio::test]
async fn a_folder_of_which_a_dead_process_left_the_name_in_doubt_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let platter = Arc::new(Platter {
        root: fs::canonicalize(folder.path()).unwrap(),
        fails: 0..0,
        written: Mutex::default(),
    });
    let disk = Disk {
        watch: Some(platter.clone()),
        ..Disk::default()
    };
    Folder::open_on(disk, &root).unwrap();
    let (_left, left) = platter.after_power_failure();
    assert!(left.join("root").exists());
}
