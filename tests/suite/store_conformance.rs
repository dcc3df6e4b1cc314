//! One suite over every back end of the store: memory, a folder, a bucket; and what is said
//! when a server is not there or will not have us.

mod promises;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures::{StreamExt as _, future::join_all, stream};
use snapback::store::{Created, Entry, Moved, Path, Store, StoreConfig, StoreError};

use crate::support::{S3Server, s3};

/// Everything that a back end promises; the store must be empty.
pub async fn conformance(store: &Store) {
    promises::nothing_is_there(store).await;
    promises::an_object_is_written_read_and_replaced(store).await;
    promises::an_object_is_created_once(store).await;
    promises::one_of_many_creators_wins(store).await;
    promises::a_listing_is_sorted_and_keeps_to_whole_parts(store).await;
    promises::a_listing_of_more_than_a_page_is_whole_and_begins_where_it_is_told(store).await;
    promises::an_object_moves(store).await;
    promises::a_large_object_comes_back(store).await;
    store.probe_put_if_absent().await.expect("a probe");
    assert_eq!(
        names(&store.list(&path("_probe")).await.unwrap()),
        [""; 0],
        "a probe leaves nothing"
    );
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

const MIB: u64 = 1 << 20;

fn bucket(server: &S3Server, prefix: &str) -> StoreConfig {
    StoreConfig {
        url: format!("s3://{}/{prefix}", server.bucket())
            .parse()
            .unwrap(),
        s3_endpoint: Some(server.endpoint().to_owned()),
        env: server
            .env()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

#[tokio::test]
async fn memory_keeps_the_promises_of_a_store() {
    conformance(&Store::memory()).await;
}

#[tokio::test]
async fn a_folder_keeps_the_promises_of_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder
        .path()
        .join("snapshots")
        .display()
        .to_string()
        .parse()
        .unwrap();
    let store = Store::open(&StoreConfig::new(url)).await.unwrap();
    conformance(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_keeps_the_promises_of_a_store() {
    let server = s3();
    conformance(
        &Store::open(&bucket(server, &server.new_prefix()))
            .await
            .unwrap(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_and_a_missing_bucket_are_told_apart_at_opening() {
    let server = s3();
    for (name, value) in [
        ("AWS_SECRET_ACCESS_KEY", "wrong"),
        ("AWS_ACCESS_KEY_ID", "nobody"),
    ] {
        let mut config = bucket(server, "x");
        config
            .env
            .iter_mut()
            .filter(|(key, _)| key == name)
            .for_each(|(_, known)| *known = value.to_owned());
        let error = Store::open(&config).await.unwrap_err();
        assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
        assert!(error.to_string().contains("AWS_ACCESS_KEY_ID"), "{error}");
    }
    let mut config = bucket(server, "x");
    config.url = "s3://no-such-bucket/x".parse().unwrap();
    let error = Store::open(&config).await.unwrap_err();
    assert!(matches!(error, StoreError::NoBucket { .. }), "{error:?}");
    assert!(
        error.to_string().contains("aws s3 mb s3://no-such-bucket"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_vanishes_is_not_taken_for_missing_objects() {
    let server = s3();
    // Opening it as a bucket would have said so.
    let gone = server.builder().with_bucket_name("no-such-bucket");
    let store = Store::over(Arc::new(gone.build().unwrap()), "gone");
    let errors = [
        store.put(&path("a"), Bytes::new()).await.unwrap_err(),
        store.create(&path("a"), Bytes::new()).await.unwrap_err(),
        store.get(&path("a"), MIB).await.unwrap_err(),
        store.head(&path("a")).await.unwrap_err(),
        store.rename(&path("a"), &path("b")).await.unwrap_err(),
        store.list(&Path::root()).await.unwrap_err(),
    ];
    for error in errors {
        assert!(!error.is_not_found(), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_port_is_unreachable_within_seconds() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut config = bucket(s3(), "x");
    config.s3_endpoint = Some(format!("http://127.0.0.1:{port}"));
    let started = Instant::now();
    let error = Store::open(&config).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert!(!error.is_ambiguous() && error.is_retryable());
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_waited_for() {
    let server = S3Server::start();
    let store = Store::open(&bucket(&server, "x")).await.unwrap();
    server.kill();
    let (writer, object) = (store.clone(), path("t/a"));
    let writing =
        tokio::spawn(async move { writer.put(&path("t/a"), Bytes::from_static(b"data")).await });
    let error = store.create(&path("t/b"), Bytes::new()).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let _running = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    })
    .await
    .unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(store.get(&object, MIB).await.unwrap(), "data");
}
