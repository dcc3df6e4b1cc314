//! What is particular to a folder: the order of durable steps, crashes, races, names on the disk.

use std::{
    os::unix::fs::MetadataExt as _,
    thread,
    time::{Duration, SystemTime},
};

use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;

use super::*;
use crate::store::{
    Created, Moved, Path as StorePath, Store, StoreConfig, StoreError, StoreUrl, folder::ABANDONED,
};

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

async fn open(folder: &FilePath) -> Store {
    let url = StoreUrl::Local(folder.to_owned());
    Store::open(&StoreConfig::new(url)).await.unwrap()
}

/// A store over `folder` whose steps the test can see.
fn seen(folder: &FilePath) -> (LocalFolder, Store) {
    let backend = LocalFolder::open(folder).unwrap();
    backend.folder.disk.log.lock().unwrap().clear();
    let store = Store::over(Arc::new(backend.clone()), "seen").retrying_for(Duration::ZERO);
    (backend, store)
}

/// The steps since the last call, with paths relative to the root, staged names as `.staging/*`.
fn steps(backend: &LocalFolder) -> Vec<(Action, String)> {
    let log = std::mem::take(&mut *backend.folder.disk.log.lock().unwrap());
    let relative = |path: &FilePath| {
        let path = path
            .strip_prefix(&backend.folder.root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        if path.starts_with(".staging/") {
            ".staging/*".to_owned()
        } else {
            path
        }
    };
    log.iter()
        .map(|(action, path)| (*action, relative(path)))
        .collect()
}

fn fail(backend: &LocalFolder, fault: Option<(Action, io::ErrorKind)>) {
    *backend.folder.disk.fails.lock().unwrap() = fault;
}

fn staged(root: &FilePath) -> usize {
    fs::read_dir(root.join(STAGING)).map_or(0, Iterator::count)
}

const DATA: Bytes = Bytes::from_static(b"data");

#[tokio::test]
async fn an_object_gets_its_name_after_its_content_is_durable_and_before_the_call_returns() {
    use Action::{Link, MakeFolder, Remove, Rename, SyncFile, SyncFolder, Write};
    let folder = tempfile::tempdir().unwrap();
    let (backend, store) = seen(folder.path());
    let step = |action, path: &str| (action, path.to_owned());

    assert_eq!(
        store.create(&path("t/p/1"), DATA).await.unwrap(),
        Created::Created
    );
    let first = [
        step(Write, STAGING),
        step(Write, ".staging/*"),
        step(SyncFile, ".staging/*"),
        step(MakeFolder, "t"),
        step(SyncFolder, ""),
        step(MakeFolder, "t/p"),
        step(SyncFolder, "t"),
        step(Link, "t/p/1"),
        step(SyncFolder, "t/p"),
        step(Remove, ".staging/*"),
    ];
    assert_eq!(steps(&backend), first);

    store.put(&path("t/p/1"), DATA).await.unwrap();
    let replaced = [
        step(Write, STAGING),
        step(Write, ".staging/*"),
        step(SyncFile, ".staging/*"),
        step(Rename, "t/p/1"),
        step(SyncFolder, "t/p"),
    ];
    assert_eq!(
        steps(&backend),
        replaced,
        "known folders are not made again"
    );

    let renamed = backend
        .rename(&Path::from("t/p/1"), &Path::from("t/attic/1"))
        .await;
    renamed.unwrap();
    let moved = [
        step(MakeFolder, "t/attic"),
        step(SyncFolder, "t"),
        step(Rename, "t/p/1"),
        step(SyncFolder, "t/attic"),
        step(SyncFolder, "t/p"),
    ];
    assert_eq!(steps(&backend), moved);
    assert_eq!(staged(folder.path()), 0);
}

#[tokio::test]
async fn an_existing_object_is_made_durable_before_somebody_builds_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let (backend, store) = seen(folder.path());
    assert_eq!(
        store.create(&path("t/1"), DATA).await.unwrap(),
        Created::Created
    );
    steps(&backend);
    assert_eq!(
        store.create(&path("t/1"), DATA).await.unwrap(),
        Created::Exists
    );
    assert_eq!(
        steps(&backend).last().unwrap(),
        &(Action::SyncFolder, "t".to_owned())
    );
    assert_eq!(staged(folder.path()), 0, "the loser leaves nothing behind");
}

#[tokio::test]
async fn a_failed_step_leaves_no_object_unless_it_was_the_last_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (backend, store) = seen(folder.path());
    let cases = [
        (
            Action::Write,
            io::ErrorKind::StorageFull,
            "the disk is full; free some space",
            false,
        ),
        (
            Action::SyncFile,
            io::ErrorKind::Other,
            "cannot make durable",
            false,
        ),
        (
            Action::MakeFolder,
            io::ErrorKind::PermissionDenied,
            "no permission",
            false,
        ),
        (
            Action::Link,
            io::ErrorKind::ReadOnlyFilesystem,
            "the file system is read-only",
            false,
        ),
        (
            Action::Link,
            io::ErrorKind::Unsupported,
            "has no hard links",
            false,
        ),
    ];
    for (action, kind, said, ambiguous) in cases {
        fail(&backend, Some((action, kind)));
        let error = store.create(&path("a/1"), DATA).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.is_ambiguous(), ambiguous, "{error}");
        fail(&backend, None);
        assert_eq!(store.head(&path("a/1")).await.unwrap(), None);
        assert_eq!(staged(folder.path()), 0);
    }
    // The folder and its parents are known by now, so only the new name is synced.
    assert_eq!(
        store.create(&path("a/0"), DATA).await.unwrap(),
        Created::Created
    );
    fail(&backend, Some((Action::SyncFolder, io::ErrorKind::Other)));
    let error = store.create(&path("a/1"), DATA).await.unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
    fail(&backend, None);
    assert_eq!(store.head(&path("a/1")).await.unwrap(), Some(4));
}

#[test]
fn of_eight_threads_that_create_fifty_objects_exactly_one_wins_each() {
    let folder = tempfile::tempdir().unwrap();
    let racer = |name: usize| {
        let folder = folder.path().to_owned();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                // A process of its own, as far as the store can tell.
                let store = open(&folder).await;
                let mut won = Vec::new();
                for key in 0..50 {
                    let path = path(&format!("t/partition={}/{key}", key % 3));
                    if store
                        .create(&path, Bytes::from(format!("{name}")))
                        .await
                        .unwrap()
                        == Created::Created
                    {
                        won.push((path, name));
                    }
                }
                won
            })
        }
    };
    let threads: Vec<_> = (0..8).map(|name| thread::spawn(racer(name))).collect();
    let won: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(won.len(), 50);
    for (path, name) in won {
        let written = fs::read_to_string(folder.path().join(path.as_str())).unwrap();
        assert_eq!(written, name.to_string());
    }
    assert_eq!(staged(folder.path()), 0);
}

#[tokio::test]
async fn names_on_the_disk_are_the_paths_letter_by_letter() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("a root=with %20, ~ und ü");
    let store = open(&root).await;
    for name in [
        "events/results/partition=3/00-01-ab.parquet",
        "my.topic_1/x y/100%/ü~[1].json",
    ] {
        store.put(&path(name), DATA).await.unwrap();
        assert_eq!(fs::read(root.join(name)).unwrap(), DATA);
        assert_eq!(store.get(&path(name), 4).await.unwrap(), DATA);
        assert_eq!(
            store.locate(&path(name)),
            root.join(name).display().to_string()
        );
    }
    let listed: Vec<_> = store
        .list(&StorePath::root())
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.path)
        .collect();
    assert_eq!(
        listed,
        [
            path("events/results/partition=3/00-01-ab.parquet"),
            path("my.topic_1/x y/100%/ü~[1].json")
        ]
    );
}

#[tokio::test]
async fn files_follow_the_umask_and_a_copy_shares_no_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (backend, store) = seen(folder.path());
    store.put(&path("a"), DATA).await.unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &FilePath| fs::metadata(path).unwrap().mode();
    assert_eq!(mode(&folder.path().join("a")), mode(&plain));

    backend
        .copy(&Path::from("a"), &Path::from("b"))
        .await
        .unwrap();
    fs::write(folder.path().join("a"), "damaged").unwrap();
    assert_eq!(store.get(&path("b"), 4).await.unwrap(), DATA);
}

#[tokio::test]
async fn what_is_being_written_is_never_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (backend, store) = seen(folder.path());
    store.put(&path("t/1"), DATA).await.unwrap();
    fs::write(folder.path().join(STAGING).join("half"), "ha").unwrap();
    let entries = store.list(&StorePath::root()).await.unwrap();
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry.path.as_str())
            .collect::<Vec<_>>(),
        ["t/1"]
    );
    let raw: Vec<_> = backend.list(None).try_collect().await.unwrap();
    assert_eq!(raw.len(), 1, "not even to a wrapper: {raw:?}");
    let shallow = backend.list_with_delimiter(None).await.unwrap();
    assert_eq!(shallow.common_prefixes, [Path::from("t")]);
}

#[tokio::test]
async fn opening_removes_what_a_dead_writer_staged_and_syncs_what_it_may_not_have() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path())
        .await
        .put(&path("t/p/1"), DATA)
        .await
        .unwrap();
    let old = folder.path().join(STAGING).join("old");
    let new = folder.path().join(STAGING).join("new");
    fs::write(&new, "ha").unwrap();
    fs::File::create(&old)
        .unwrap()
        .set_modified(SystemTime::now() - ABANDONED - Duration::from_secs(1))
        .unwrap();

    let backend = LocalFolder::open(folder.path()).unwrap();
    assert!(!old.exists() && new.exists());
    let steps = steps(&backend);
    for synced in ["", "t", "t/p"] {
        assert!(
            steps.contains(&(Action::SyncFolder, synced.to_owned())),
            "{steps:?}"
        );
    }
}

#[tokio::test]
async fn a_store_survives_that_somebody_removes_its_folders() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.put(&path("t/p/1"), DATA).await.unwrap();
    fs::remove_dir_all(folder.path().join("t")).unwrap();
    fs::remove_dir_all(folder.path().join(STAGING)).unwrap();
    assert_eq!(
        store.create(&path("t/p/2"), DATA).await.unwrap(),
        Created::Created
    );
    fs::create_dir_all(folder.path().join("t")).unwrap();
    fs::remove_dir_all(folder.path().join("t/p")).unwrap();
    assert_eq!(
        store.rename(&path("t/p/2"), &path("t/q/2")).await.unwrap(),
        Moved::SourceMissing
    );
}

#[tokio::test]
async fn a_file_where_the_folder_should_be_and_a_missing_folder_are_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for place in [file.clone(), file.join("below")] {
        let config = StoreConfig::new(StoreUrl::Local(place));
        let error = Store::open(&config).await.unwrap_err();
        assert!(matches!(error, StoreError::NotAFolder { .. }), "{error:?}");
    }
    let missing = StoreConfig::new(StoreUrl::Local(folder.path().join("missing/folder")));
    let error = Store::open_existing(&missing).await.unwrap_err();
    assert!(matches!(error, StoreError::NoFolder { .. }), "{error:?}");
    assert!(!folder.path().join("missing").exists());
    Store::open(&missing).await.unwrap();
    Store::open_existing(&missing).await.unwrap();
}
