//! A store in memory whose answers to creations can be scripted.

use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result, memory::InMemory, path::Path,
};

use crate::store::Store;

/// What happens to one creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None: the one after it is meant.
    Passes,
    /// It is done, but the answer is an error.
    LandsButFails,
    /// It is not done, and the answer is an error.
    Fails,
    /// The answer is "exists already", though nothing does (a conflict, as S3's 409).
    Conflict,
    /// The answer is an error, and it is done only after so many reads that find nothing and further creations.
    LandsAfter(u32),
    /// The answer is an error, and it is done when the test says so.
    LandsOnDemand,
}

#[derive(Debug)]
struct Held {
    location: Path,
    payload: PutPayload,
    tries: Option<u32>,
}

#[derive(Debug, Default)]
struct Script {
    faults: VecDeque<Fault>,
    held: Vec<Held>,
    creations: Vec<Bytes>,
    puts_fail: bool,
    deletes_left: Option<u32>,
    parts_left: Option<u32>,
}

/// A store in memory with a script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faulty {
    inner: Arc<InMemory>,
    script: Arc<Mutex<Script>>,
}

impl Faulty {
    /// The store as the product sees it.
    pub(crate) fn store(&self) -> Store {
        Store::over(Arc::new(self.clone()), "faulty:").retrying_for(std::time::Duration::ZERO)
    }

    /// Has the next creations go wrong.
    pub(crate) fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.script.lock().unwrap().faults.extend(faults);
    }

    /// Has every put of a segment fail, or none.
    pub(crate) fn puts_fail(&self, fail: bool) {
        self.script.lock().unwrap().puts_fail = fail;
    }

    /// Has every deletion fail after so many.
    pub(crate) fn deletes_fail_after(&self, deletes: Option<u32>) {
        self.script.lock().unwrap().deletes_left = deletes;
    }

    /// Has one read of a part of an object fail after so many.
    pub(crate) fn one_part_fails_after(&self, parts: u32) {
        self.script.lock().unwrap().parts_left = Some(parts);
    }

    /// Whether it has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.script.lock().unwrap().parts_left.is_none()
    }

    /// Has nothing go wrong any more; what is held back stays so.
    pub(crate) fn heal(&self) {
        let mut script = self.script.lock().unwrap();
        script.faults.clear();
        script.puts_fail = false;
    }

    /// The bytes of every creation that was asked for so far.
    pub(crate) fn creations(&self) -> Vec<Bytes> {
        self.script.lock().unwrap().creations.clone()
    }

    /// Lets what was held back arrive now.
    pub(crate) async fn land(&self) {
        let held = std::mem::take(&mut self.script.lock().unwrap().held);
        for held in held {
            let create = PutOptions::from(PutMode::Create);
            // It may find another's object there, as a late request would.
            let _ = self
                .inner
                .put_opts(&held.location, held.payload, create)
                .await;
        }
    }

    fn error<T>() -> Result<T> {
        Err(Error::Generic {
            store: "faulty",
            source: "Server returned non-2xx status code: 503: slow down".into(),
        })
    }

    /// What was held back for so many tries arrives.
    async fn after_try(&self) {
        let due = {
            let mut script = self.script.lock().unwrap();
            for held in &mut script.held {
                held.tries = held.tries.map(|tries| tries.saturating_sub(1));
            }
            let (due, held) = std::mem::take(&mut script.held)
                .into_iter()
                .partition::<Vec<_>, _>(|held| held.tries == Some(0));
            script.held = held;
            due
        };
        for held in due {
            let create = PutOptions::from(PutMode::Create);
            let _ = self
                .inner
                .put_opts(&held.location, held.payload, create)
                .await;
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
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        if opts.mode != PutMode::Create {
            if self.script.lock().unwrap().puts_fail {
                return Faulty::error();
            }
            return self.inner.put_opts(location, payload, opts).await;
        }
        self.after_try().await;
        let fault = {
            let mut script = self.script.lock().unwrap();
            script.creations.push(payload.clone().into());
            script.faults.pop_front()
        };
        let hold = |tries| {
            self.script.lock().unwrap().held.push(Held {
                location: location.clone(),
                payload: payload.clone(),
                tries,
            });
            Faulty::error()
        };
        match fault {
            None | Some(Fault::Passes) => self.inner.put_opts(location, payload, opts).await,
            Some(Fault::LandsButFails) => {
                self.inner.put_opts(location, payload, opts).await?;
                Faulty::error()
            }
            Some(Fault::Fails) => Faulty::error(),
            Some(Fault::Conflict) => Err(Error::AlreadyExists {
                path: location.to_string(),
                source: "409 Conflict".into(),
            }),
            Some(Fault::LandsAfter(tries)) => hold(Some(tries)),
            Some(Fault::LandsOnDemand) => hold(None),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if matches!(options.range, Some(GetRange::Bounded(_))) {
            let mut script = self.script.lock().unwrap();
            let left = script.parts_left;
            script.parts_left = left.and_then(|left| left.checked_sub(1));
            if left == Some(0) {
                return Self::error();
            }
        }
        let result = self.inner.get_opts(location, options).await;
        if matches!(result, Err(Error::NotFound { .. })) {
            self.after_try().await;
        }
        result
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let script = Arc::clone(&self.script);
        let locations =
            locations.map(
                move |location| match &mut script.lock().unwrap().deletes_left {
                    Some(0) => Faulty::error(),
                    Some(left) => {
                        *left -= 1;
                        location
                    }
                    None => location,
                },
            );
        self.inner.delete_stream(locations.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
