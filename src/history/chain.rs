//! Compare-and-append: the one place where manifests are created.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ChainError, ChainTail, Clock,
    attic::{self, Restored},
    race::{Holder, holder, is_outside, is_overtaken},
    tail::{Found, list_manifests, list_manifests_after, load_manifest, load_tail_to_go_on},
};
use crate::{
    calculation::Declaration,
    failpoint::{self, Point},
    format::{
        Edit, Identity, KnownCommit, Layout, MAX_MANIFEST_BYTES, Manifest, Segment, Stamp,
        apply_and_encode,
    },
    model::{Offset, Partition, Sequence},
    store::{Created, Path, Store, StoreError},
};

/// A Create that comes later than this after its segments were put checks first that they are still there.
pub(super) const FRESH: TimeDelta = TimeDelta::minutes(10);

/// How often one manifest is offered to the store before its fate is left to the next append.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// One partition's chain: its newest end as last seen, and the way to add to it (I2).
///
/// What it remembers is a hint; the store decides. Dropping a future of [`Chain::append`] is safe: the next
/// call finds out what became of it.
#[derive(Clone, Debug)]
pub struct Chain {
    store: Store,
    layout: Layout,
    identity: Identity,
    clock: Clock,
    tail: ChainTail,
    /// A manifest that was offered, while it is not known what became of it.
    unsure: Option<Offered>,
    /// Of segments that others wrote.
    known: Vec<Declaration>,
    /// The last commit of the group that is known to be made, for an owner.
    committed: Option<KnownCommit>,
    /// Unlisted segments that were left alone because they lie after the end.
    pub(super) left_alone: Vec<Path>,
}

/// A manifest on its way into the store.
#[derive(Clone, Debug)]
struct Offered {
    sequence: Sequence,
    path: Path,
    bytes: Bytes,
}

/// What became of an edit.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the chain, as its newest manifest.
    Won {
        /// Segments of the edit that had been moved to the attic meanwhile, and were put back.
        put_back: Vec<Path>,
    },
    /// The chain has grown by another's edit (or an earlier attempt of our own): look at it and try again.
    Lost,
}

impl Chain {
    /// Loads the newest end of the chain of the identity's partition.
    ///
    /// # Errors
    /// As [`super::load_tail`].
    pub async fn load(store: Store, identity: Identity, clock: Clock) -> Result<Chain, ChainError> {
        let layout = Layout::new(&identity.topic)?;
        let numbers = list_manifests(&store, &layout, identity.partition).await?;
        let tail = load_tail_to_go_on(&store, &layout, identity.partition, &numbers).await?;
        Ok(Chain {
            store,
            layout,
            identity,
            clock,
            tail,
            unsure: None,
            known: Vec::new(),
            committed: None,
            left_alone: Vec::new(),
        })
    }

    /// A chain that ends like this, for who adds no outcomes. `None` when it lists no segment, or no manifest can be read.
    #[must_use]
    pub fn of_caretaker(
        store: &Store,
        layout: &Layout,
        partition: Partition,
        tail: ChainTail,
        writer: String,
        clock: Clock,
    ) -> Option<Chain> {
        let declaration = tail.newest.as_ref()?.calculations.first()?.clone();
        Some(Chain {
            store: store.clone(),
            layout: layout.clone(),
            identity: Identity {
                topic: layout.topic().to_owned(),
                partition,
                declaration,
                writer,
            },
            clock,
            tail,
            unsure: None,
            known: Vec::new(),
            committed: None,
            left_alone: Vec::new(),
        })
    }

    /// The newest end as last seen.
    #[must_use]
    pub fn tail(&self) -> &ChainTail {
        &self.tail
    }

    /// The newest manifest as last seen.
    #[must_use]
    pub fn newest(&self) -> Option<&Manifest> {
        self.tail.newest.as_ref()
    }

    /// Where the chain ends: the frontier.
    #[must_use]
    pub fn end(&self) -> Option<Offset> {
        self.newest().map(|manifest| manifest.end)
    }

    /// The partition of the events topic.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.identity.partition
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The store's folders for this topic.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Who writes.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Time and ids.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Why who does not own the partition must add nothing now: newer manifests cannot be read. An edit would have their
    /// damage on record, and nobody would look any more for what they added.
    #[must_use]
    pub fn why_cut_off(&self) -> Option<String> {
        let damaged = self.tail.damaged.last()?;
        let path = self.layout.manifest(self.partition(), damaged.sequence);
        Some(format!(
            "{} is the newest manifest and cannot be read: first, what it added has to be found, by `snapback repair --apply`, or \
             replayed, by `snapback run`",
            self.store.locate(&path)
        ))
    }

    /// Whether the fate of the last edit is open, so that the chain should be reloaded.
    #[must_use]
    pub fn is_unsure(&self) -> bool {
        self.unsure.is_some()
    }

    /// Looks for newer manifests; whether there are any. One listing of what comes after the last one known.
    ///
    /// # Errors
    /// As [`super::load_tail`].
    pub async fn reload(&mut self) -> Result<bool, ChainError> {
        let partition = self.identity.partition;
        let (store, layout) = (&self.store, &self.layout);
        let mut numbers = match self.tail.highest {
            Some(highest) => list_manifests_after(store, layout, partition, highest).await?,
            None => list_manifests(store, layout, partition).await?,
        };
        if let Some(offered) = &self.unsure
            && numbers.contains(&offered.sequence)
        {
            // Whoever made it, it may not be durable yet. A creation makes sure of that, and changes nothing.
            let _ = store.create(&offered.path, offered.bytes.clone()).await?;
        }
        let changed = !numbers.is_empty();
        if changed {
            let mut tail = load_tail_to_go_on(store, layout, partition, &numbers).await?;
            if tail.newest.is_none() && self.tail.highest.is_some() {
                // None of the new ones can be read: it goes on from those before them.
                numbers = list_manifests(store, layout, partition).await?;
                tail = load_tail_to_go_on(store, layout, partition, &numbers).await?;
            }
            self.tail = tail;
        }
        self.unsure = None;
        Ok(changed)
    }

    /// Adds an edit to the chain. `put_at` is when its segments were put, if it has any.
    ///
    /// # Errors
    /// When the edit does not fit, or the store does not let it be known what became of it; then the
    /// segments must stay where they are.
    pub async fn append(
        &mut self,
        edit: Edit,
        put_at: Option<DateTime<Utc>>,
    ) -> Result<Appended, ChainError> {
        if self.is_unsure() && self.reload().await? {
            return Ok(Appended::Lost);
        }
        let segments = edit.segments().to_vec();
        let (manifest, bytes) = apply_and_encode(self.newest(), edit, self.stamp()?)?;
        let path = self.layout.manifest(self.partition(), manifest.sequence);
        let offered = Offered {
            sequence: manifest.sequence,
            path,
            bytes,
        };
        self.unsure = Some(offered.clone());
        let ours = self.offer(&offered, &segments, put_at).await?;
        if !ours || self.overtaken(&manifest).await? {
            self.reload().await?;
            return Ok(Appended::Lost);
        }
        self.tail = ChainTail {
            highest: Some(manifest.sequence),
            newest: Some(manifest),
            damaged: Vec::new(),
        };
        self.unsure = None;
        failpoint::at(Point::Appended);
        Ok(Appended::Won {
            put_back: self.put_back(&segments).await,
        })
    }

    /// A commit of the group is made: the manifests that follow say so. For the partition's owner.
    pub fn note_commit(&mut self, commit: KnownCommit) {
        self.committed = Some(commit);
    }

    /// What the fingerprint of segments stands for that are to be added and that others wrote.
    pub(super) fn learn(&mut self, declaration: &Declaration) {
        if *declaration != self.identity.declaration && !self.known.contains(declaration) {
            self.known.push(declaration.clone());
        }
    }

    fn stamp(&self) -> Result<Stamp, ChainError> {
        if let (None, Some(highest)) = (&self.tail.newest, self.tail.highest) {
            return Err(ChainError::NothingReadable {
                partition: self.partition(),
                highest,
            });
        }
        Ok(Stamp {
            writer: self.identity.writer.clone(),
            created_at: self.clock.now(),
            calculation: self.identity.declaration.clone(),
            known: self.known.clone(),
            committed: self.committed,
            skipped: self.tail.damaged.clone(),
        })
    }

    /// Offers a manifest until it is known whether it, or another, has the number. An error says nothing, and what can be read
    /// after it may be gone after a crash: the same bytes are offered again. That something exists already is a question: it
    /// is read back, and what is there decides.
    async fn offer(
        &self,
        Offered { path, bytes, .. }: &Offered,
        segments: &[Segment],
        put_at: Option<DateTime<Utc>>,
    ) -> Result<bool, ChainError> {
        let mut pause = FIRST_PAUSE;
        let mut trouble = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            self.check_present(segments, put_at).await?;
            failpoint::at(Point::AppendBegun);
            match self.store.create(path, bytes.clone()).await {
                Ok(Created::Created) => {
                    failpoint::at(Point::AppendCreated);
                    return Ok(true);
                }
                Ok(Created::Exists) => {}
                Err(error) if error.is_ambiguous() || error.is_retryable() => {
                    trouble = Some(error);
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            let found = match self.store.get(path, MAX_MANIFEST_BYTES).await {
                Ok(found) => Some(found),
                Err(StoreError::TooLarge { .. }) => return Ok(false),
                Err(error) if error.is_not_found() => None,
                Err(error) if error.is_retryable() => {
                    trouble = Some(error);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match holder(bytes, found.as_ref()) {
                Holder::Ours => return Ok(true),
                Holder::Another => return Ok(false),
                // The same bytes again. Two that arrive late are still one manifest.
                Holder::Nobody => {}
            }
        }
        Err(ChainError::Unsettled {
            path: path.clone(),
            attempts: ATTEMPTS,
            source: trouble.map(Box::new),
        })
    }

    /// Segments that were put a while ago may have been taken for orphans (I3). A clock that went back
    /// proves nothing, so it is looked up as well.
    async fn check_present(
        &self,
        segments: &[Segment],
        put_at: Option<DateTime<Utc>>,
    ) -> Result<(), ChainError> {
        let now = self.clock.now();
        if put_at.is_some_and(|put_at| put_at <= now && now - put_at <= FRESH) {
            return Ok(());
        }
        for segment in segments {
            let path = &segment.path;
            if attic::restore_segment(&self.store, &self.layout, path).await? == Restored::Missing {
                return Err(ChainError::SegmentVanished { path: path.clone() });
            }
        }
        Ok(())
    }

    /// Whether a higher number than the one just created exists: then our view was old. Where it was so old that gc had
    /// removed what stood there, the manifest is no part of the chain, and goes again.
    async fn overtaken(&self, created: &Manifest) -> Result<bool, ChainError> {
        let (store, layout, partition) = (&self.store, &self.layout, self.partition());
        let above = list_manifests_after(store, layout, partition, created.sequence).await?;
        if !is_overtaken(created.sequence, above.last().copied()) {
            return Ok(false);
        }
        if let Found::Good(next) = load_manifest(store, layout, partition, above[0]).await?
            && is_outside(created.head(), &next)
        {
            let path = layout.manifest(partition, created.sequence);
            tracing::info!(%path, "removing a manifest of ours that others had overtaken");
            store.delete(&path).await?;
        }
        Ok(true)
    }

    /// The winner makes sure that what it lists is at its own path. What fails here, recovery finishes.
    async fn put_back(&self, segments: &[Segment]) -> Vec<Path> {
        let mut put_back = Vec::new();
        for Segment { path, .. } in segments {
            match attic::restore_segment(&self.store, &self.layout, path).await {
                Ok(Restored::InPlace) => {}
                Ok(Restored::PutBack) => put_back.push(path.clone()),
                Ok(Restored::Missing) => tracing::error!(%path, "a listed segment is missing"),
                Err(error) => tracing::warn!(%path, %error, "cannot check a listed segment"),
            }
        }
        put_back
    }
}

#[cfg(test)]
mod tests;
