//! A store whose requests are counted, as a bucket of S3 gets them: by kind, by what they are for, with their bytes. The objects in
//! it have the times of a clock that the test moves.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result, path::Path,
};
use snapback::history::Clock;
use snapback::store::Store;
use tokio::runtime::Handle;

#[path = "counts.rs"]
mod counts;

pub use counts::*;

/// See the module. Clones share everything.
#[derive(Clone)]
pub struct Counted {
    inner: Arc<dyn ObjectStore>,
    /// Where a store that needs real time is asked.
    real: Option<Handle>,
    clock: Clock,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    objects: BTreeMap<Path, ObjectMeta>,
    counts: Counts,
    /// What the last manifest was for.
    last: Option<Purpose>,
    /// Offsets of a snapshot; a segment of more is merged.
    span: i64,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counted({})", self.inner)
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counted({})", self.inner)
    }
}

/// The store as the product sees it, and its counter. `span` is how many offsets a snapshot has at most. A store that waits for disks
/// or servers is asked on the runtime `real`; the clock of the one that asks stands still meanwhile.
pub fn counted(store: Store, clock: &Clock, span: u64, real: Option<Handle>) -> (Store, Counted) {
    let mut counter = None;
    let store = store.wrapped(|inner| {
        let shared = Shared {
            span: span.cast_signed(),
            ..Shared::default()
        };
        let counted = Counted {
            inner,
            real,
            clock: clock.clone(),
            shared: Arc::new(Mutex::new(shared)),
        };
        counter = Some(counted.clone());
        Arc::new(counted)
    });
    (store, counter.expect("it was wrapped"))
}

impl Counted {
    pub fn counts(&self) -> Counts {
        self.shared().counts.clone()
    }

    /// The objects that are there, of those below a folder of the topic (`_attic`), or of all.
    pub fn size(&self, folder: Option<&str>) -> Size {
        let shared = self.shared();
        let is_in = |path: &Path| folder.is_none_or(|folder| is_below(path, folder));
        let objects = shared.objects.values().filter(|one| is_in(&one.location));
        let mut size = Size::default();
        for object in objects {
            size.objects += 1;
            size.bytes += object.size;
        }
        size
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the store itself, in real time if it needs that.
    async fn ask<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        match self.real.clone() {
            None => call.await,
            Some(real) => tokio::task::spawn_blocking(move || real.block_on(call)).await?,
        }
    }

    fn is_there(&self, location: Path, size: u64) {
        let object = ObjectMeta {
            location: location.clone(),
            last_modified: self.clock.now(),
            size,
            e_tag: None,
            version: None,
        };
        self.shared().objects.insert(location, object);
    }

    fn has_moved(&self, from: &Path, to: &Path) {
        let size = self.shared().objects.get(from).map(|object| object.size);
        self.is_there(to.clone(), size.unwrap_or(0));
    }

    /// What lies below a prefix and after a path.
    async fn entries(
        &self,
        prefix: Option<Path>,
        after: Option<Path>,
    ) -> Result<Vec<Result<ObjectMeta>>> {
        let prefix = prefix.unwrap_or_default();
        if self.real.is_none() {
            let shared = self.shared();
            let begin = after.clone().unwrap_or_default().max(prefix.clone());
            let objects = shared.objects.range(begin..);
            let below = objects.take_while(|(path, _)| path.as_ref().starts_with(prefix.as_ref()));
            let below = below.filter(|(path, _)| path.prefix_matches(&prefix));
            let below = below.filter(|(path, _)| after.as_ref() != Some(*path));
            return Ok(below.map(|(_, object)| Ok(object.clone())).collect());
        }
        let inner = Arc::clone(&self.inner);
        let listing = async move {
            let listing = match &after {
                None => inner.list(Some(&prefix)),
                Some(after) => inner.list_with_offset(Some(&prefix), after),
            };
            Ok(listing.collect::<Vec<_>>().await)
        };
        let mut found = self.ask(listing).await?;
        let shared = self.shared();
        for object in found.iter_mut().flatten() {
            let known = shared.objects.get(&object.location);
            object.last_modified = known.map_or(object.last_modified, |one| one.last_modified);
        }
        Ok(found)
    }

    fn listed(&self, prefix: Option<&Path>, after: Option<&Path>) -> Listing {
        let (own, prefix, after) = (self.clone(), prefix.cloned(), after.cloned());
        let listing = async move {
            let found = own.entries(prefix.clone(), after.clone()).await;
            let objects = found.as_ref().map_or(0, Vec::len) as u64;
            // A bucket answers with 1,000 at a time.
            let pages = objects.div_ceil(1_000).max(1);
            let mut shared = own.shared();
            let purpose = match after {
                Some(_) => shared.last.unwrap_or(Purpose::Snapshot),
                None => Purpose::Gc,
            };
            shared.add(purpose, Kind::List, pages, 0);
            stream::iter(found.unwrap_or_else(|error| vec![Err(error)]))
        };
        listing.into_stream().flatten().boxed()
    }
}

type Listing = BoxStream<'static, Result<ObjectMeta>>;

fn is_below(path: &Path, folder: &str) -> bool {
    path.parts().any(|part| part.as_ref() == folder)
}

/// The offsets of a segment's name.
fn span(path: &Path) -> Option<i64> {
    let mut parts = path.filename()?.split('-');
    let start: i64 = parts.next()?.parse().ok()?;
    let end: i64 = parts.next()?.parse().ok()?;
    Some(end - start)
}

/// The kind of a manifest's edit, and the length of its open list. To decode it would cost as much as to make it, which is measured.
fn look(manifest: &[u8]) -> (String, usize) {
    let text = std::str::from_utf8(manifest).expect("a manifest of ours");
    let after = |mark: &str| text.split_once(mark).map_or("", |(_, after)| after);
    let edit = after("\n\"edit\":{\"kind\":\"").split('"').next();
    let open = after("\n\"segments\":[").split("\n\"corrections\"").next();
    let lines = open.map_or(0, |open| open.matches("\n{\"path\":").count());
    (edit.unwrap_or_default().to_owned(), lines)
}

impl Shared {
    fn add(&mut self, purpose: Purpose, kind: Kind, requests: u64, bytes: u64) {
        let by = self.counts.by.entry(purpose).or_default();
        by.add(kind, requests, bytes);
    }

    fn count(&mut self, path: &Path, kind: Kind, bytes: u64) {
        let purpose = self.purpose(path, kind);
        self.add(purpose, kind, 1, bytes);
    }

    fn purpose(&self, path: &Path, kind: Kind) -> Purpose {
        let is_of = |folder| is_below(path, folder);
        match kind {
            _ if is_of("_gc") => Purpose::Gc,
            _ if is_of("_verified") => Purpose::Scrub,
            _ if is_of("_pages") => Purpose::Merge,
            // A manifest that is put says itself what it is for.
            _ if is_of("_manifests") => match kind {
                Kind::Get | Kind::Delete => Purpose::Gc,
                _ => self.last.unwrap_or(Purpose::Snapshot),
            },
            Kind::Delete if is_of("_attic") => Purpose::Gc,
            Kind::Put | Kind::Head if span(path).is_some_and(|span| span <= self.span) => {
                Purpose::Snapshot
            }
            _ => Purpose::Merge,
        }
    }

    fn has_put(&mut self, path: &Path, bytes: &Bytes) {
        let size = bytes.len() as u64;
        if is_below(path, "_manifests") {
            let (edit, open) = look(bytes);
            self.last = Some(match edit.as_str() {
                "bind" | "append" => Purpose::Snapshot,
                "retire" => Purpose::Gc,
                _ => Purpose::Merge,
            });
            let counts = &mut self.counts;
            *counts.edits.entry(edit).or_default() += 1;
            counts.newest = size;
            counts.largest = counts.largest.max(size);
            counts.manifest_bytes += size;
            counts.open = counts.open.max(open);
        } else if let Some(span) = span(path).filter(|_| !is_below(path, "_pages")) {
            self.counts.segment_bytes += size;
            if span <= self.span {
                self.counts.first_bytes += size;
            }
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Counted {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let bytes: Bytes = payload.clone().into();
        let (inner, path) = (Arc::clone(&self.inner), location.clone());
        let call = async move { inner.put_opts(&path, payload, opts).await };
        let put = self.ask(call).await;
        if put.is_ok() {
            self.is_there(location.clone(), bytes.len() as u64);
            self.shared().has_put(location, &bytes);
        }
        self.shared().count(location, Kind::Put, bytes.len() as u64);
        put
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented {
            operation: "an upload in parts".to_owned(),
            implementer: "Counted".to_owned(),
        })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let kind = if options.head { Kind::Head } else { Kind::Get };
        let (inner, path) = (Arc::clone(&self.inner), location.clone());
        let call = async move {
            let found = inner.get_opts(&path, options).await?;
            let (meta, range) = (found.meta.clone(), found.range.clone());
            let attributes = found.attributes.clone();
            let bytes = match kind {
                Kind::Head => Bytes::new(),
                _ => found.bytes().await?,
            };
            Ok((meta, range, attributes, bytes))
        };
        let found = self.ask(call).await;
        let bytes = found.as_ref().map_or(0, |(.., bytes)| bytes.len() as u64);
        self.shared().count(location, kind, bytes);
        let (meta, range, attributes, bytes) = found?;
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed()),
            meta,
            range,
            attributes,
            extensions: Default::default(),
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (inner, path, ranges) = (Arc::clone(&self.inner), location.clone(), ranges.to_vec());
        let call = async move { inner.get_ranges(&path, &ranges).await };
        let found = self.ask(call).await?;
        for bytes in &found {
            self.shared().count(location, Kind::Get, bytes.len() as u64);
        }
        Ok(found)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let own = self.clone();
        let delete = move |location: Result<Path>| {
            let own = own.clone();
            async move {
                let location = location?;
                own.shared().count(&location, Kind::Delete, 0);
                let (inner, path) = (Arc::clone(&own.inner), location.clone());
                own.ask(async move { inner.delete(&path).await }).await?;
                own.shared().objects.remove(&location);
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> Listing {
        self.listed(prefix, None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> Listing {
        self.listed(prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.shared().add(Purpose::Gc, Kind::List, 1, 0);
        let (inner, prefix) = (Arc::clone(&self.inner), prefix.cloned());
        let call = async move { inner.list_with_delimiter(prefix.as_ref()).await };
        self.ask(call).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.shared().count(to, Kind::Copy, 0);
        let (inner, source, target) = (Arc::clone(&self.inner), from.clone(), to.clone());
        self.ask(async move { inner.copy_opts(&source, &target, options).await })
            .await?;
        self.has_moved(from, to);
        Ok(())
    }

    /// A copy and a delete, as in a bucket.
    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.shared().count(to, Kind::Copy, 0);
        self.shared().count(from, Kind::Delete, 0);
        let (inner, source, target) = (Arc::clone(&self.inner), from.clone(), to.clone());
        self.ask(async move { inner.rename_opts(&source, &target, options).await })
            .await?;
        self.has_moved(from, to);
        self.shared().objects.remove(from);
        Ok(())
    }
}
