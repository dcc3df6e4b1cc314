//! How the store answers to a back end that fails, hangs or lies.

use std::{collections::VecDeque, io, ops::Range, sync::Mutex};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    client::{HttpError, HttpErrorKind},
    path::Path as Key,
};

use super::*;

/// What happens to one call.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The connection breaks before anything was done.
    Before,
    /// It is done, and then the connection breaks.
    After,
    /// It never answers.
    Hang,
    /// The condition of a put is ignored.
    Overwrite,
    /// The size that is announced is larger than the body that comes.
    Cut,
}

/// A memory store whose next calls go as scripted, then all well.
#[derive(Debug, Default)]
struct Faulty {
    inner: InMemory,
    script: Mutex<VecDeque<Option<Fault>>>,
    calls: Mutex<usize>,
}

fn broken() -> Error {
    let source = HttpError::new(
        HttpErrorKind::Interrupted,
        io::Error::from(io::ErrorKind::ConnectionReset),
    );
    Error::Generic {
        store: "faulty",
        source: Box::new(source),
    }
}

impl Faulty {
    fn store(script: impl IntoIterator<Item = Option<Fault>>) -> (Arc<Faulty>, Store) {
        let faulty = Arc::new(Faulty {
            script: Mutex::new(script.into_iter().collect()),
            ..Faulty::default()
        });
        (Arc::clone(&faulty), Store::over(faulty, "faulty"))
    }

    fn next(&self) -> Option<Fault> {
        *self.calls.lock().unwrap() += 1;
        self.script.lock().unwrap().pop_front().flatten()
    }

    async fn go<T>(
        &self,
        fault: Option<Fault>,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match fault {
            Some(Fault::Before) => Err(broken()),
            Some(Fault::After) => call.await.and(Err(broken())),
            Some(Fault::Hang) => std::future::pending().await,
            _ => call.await,
        }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Key,
        payload: PutPayload,
        mut opts: PutOptions,
    ) -> Result<PutResult> {
        let fault = self.next();
        if matches!(fault, Some(Fault::Overwrite)) {
            opts.mode = PutMode::Overwrite;
        }
        self.go(fault, self.inner.put_opts(location, payload, opts))
            .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Key,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Key, options: GetOptions) -> Result<GetResult> {
        let fault = self.next();
        let mut got = self
            .go(fault, self.inner.get_opts(location, options))
            .await?;
        if matches!(fault, Some(Fault::Cut)) {
            got.meta.size += 1;
        }
        Ok(got)
    }

    async fn get_ranges(&self, location: &Key, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Key>>,
    ) -> BoxStream<'static, Result<Key>> {
        match self.next() {
            Some(Fault::Before) => futures::stream::once(async { Err(broken()) }).boxed(),
            Some(Fault::Hang) => futures::stream::pending().boxed(),
            _ => self.inner.delete_stream(locations),
        }
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.next() {
            // In the middle: one page has come.
            Some(Fault::After) => self
                .inner
                .list(prefix)
                .take(1)
                .chain(futures::stream::once(async { Err(broken()) }))
                .boxed(),
            Some(Fault::Hang) => self
                .inner
                .list(prefix)
                .take(1)
                .chain(futures::stream::pending())
                .boxed(),
            _ => self.inner.list(prefix),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Key>,
        offset: &Key,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<()> {
        let fault = self.next();
        self.go(fault, self.inner.copy_opts(from, to, options))
            .await
    }

    async fn rename_opts(&self, from: &Key, to: &Key, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

const DATA: Bytes = Bytes::from_static(b"data");

#[tokio::test(start_paused = true)]
async fn a_create_is_sent_once_and_its_error_says_that_it_may_have_landed() {
    for fault in [Fault::Before, Fault::After, Fault::Hang] {
        let (faulty, store) = Faulty::store([Some(fault)]);
        let error = store.create(&path("a"), DATA).await.unwrap_err();
        assert!(
            error.is_ambiguous() && error.is_retryable(),
            "{fault:?}: {error}"
        );
        assert_eq!(*faulty.calls.lock().unwrap(), 1);
        let landed = matches!(fault, Fault::After);
        assert_eq!(store.head(&path("a")).await.unwrap().is_some(), landed);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_may_be_repeated_outlast_a_short_outage() {
    let outage = || [Some(Fault::Before), Some(Fault::Hang), Some(Fault::After)];
    let (_, store) = Faulty::store(outage());
    store.put(&path("a"), DATA).await.unwrap();
    let refill = |store: &Store, faulty: &Faulty| {
        faulty.script.lock().unwrap().extend(outage());
        store.clone()
    };
    let (faulty, store) = Faulty::store([]);
    store.put(&path("p/a"), DATA).await.unwrap();
    store.put(&path("p/b"), DATA).await.unwrap();
    assert_eq!(
        refill(&store, &faulty).get(&path("p/a"), 4).await.unwrap(),
        DATA
    );
    assert_eq!(
        refill(&store, &faulty).head(&path("p/a")).await.unwrap(),
        Some(4)
    );
    faulty.script.lock().unwrap().push_back(Some(Fault::Cut));
    assert_eq!(
        store.get(&path("p/a"), 5).await.unwrap(),
        DATA,
        "a cut body is read again"
    );
    // A hung page takes longer than calls are repeated: only the broken listing is begun anew.
    faulty.script.lock().unwrap().push_back(Some(Fault::After));
    assert_eq!(store.list(&path("p")).await.unwrap().len(), 2);
    refill(&store, &faulty).delete(&path("p/b")).await.unwrap();
    assert_eq!(store.head(&path("p/b")).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn no_call_lasts_for_ever() {
    let forever = || std::iter::repeat_n(Some(Fault::Hang), 100);
    let (_, store) = Faulty::store(forever());
    let started = Instant::now();
    let target = path("a");
    let errors = [
        store.put(&target, DATA).await.unwrap_err(),
        store.get(&target, 4).await.unwrap_err(),
        store.head(&target).await.unwrap_err(),
        store.list(&target).await.unwrap_err(),
        store.delete(&target).await.unwrap_err(),
        store.rename(&target, &path("b")).await.unwrap_err(),
        store.create(&target, DATA).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::Timeout { .. }), "{error}");
    }
    assert!(
        started.elapsed() < Duration::from_secs(7 * 60),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_rename_whose_second_half_failed_is_finished() {
    let (faulty, store) = Faulty::store([]);
    store.put(&path("a"), DATA).await.unwrap();
    // The copy arrives but its answer does not; then the delete fails twice.
    faulty.script.lock().unwrap().extend([
        Some(Fault::After),
        None,
        Some(Fault::Before),
        Some(Fault::Before),
    ]);
    assert_eq!(
        store.rename(&path("a"), &path("b")).await.unwrap(),
        Moved::Moved
    );
    assert_eq!(store.head(&path("a")).await.unwrap(), None);
    assert_eq!(store.get(&path("b"), 4).await.unwrap(), DATA);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_ignores_put_if_absent_is_found_out() {
    let (_, store) = Faulty::store([None, Some(Fault::Overwrite)]);
    let error = store.probe_put_if_absent().await.unwrap_err();
    assert!(
        matches!(error, StoreError::IgnoresPutIfAbsent { .. }),
        "{error}"
    );
    assert_eq!(store.list(&Path::root()).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_answers_got_lost_does_not_suspect_the_store() {
    let (_, store) = Faulty::store([Some(Fault::After), Some(Fault::Before), Some(Fault::After)]);
    store.probe_put_if_absent().await.unwrap();
    assert_eq!(store.list(&Path::root()).await.unwrap(), []);
}

#[test]
fn every_call_may_be_spawned() {
    fn spawnable<F: Future + Send>(_: F) {}
    let (store, a) = (Store::memory(), path("a"));
    spawnable(store.put(&a, DATA));
    spawnable(store.create(&a, DATA));
    spawnable(store.get(&a, 4));
    spawnable(store.head(&a));
    spawnable(store.list(&a));
    spawnable(store.rename(&a, &a));
    spawnable(store.delete(&a));
    spawnable(store.probe_put_if_absent());
    let config = StoreConfig::new("s3://bucket".parse().unwrap());
    spawnable(Store::open_existing(&config));
}
