//! Collections: what is planned from the store as it is, and done.

use chrono::TimeDelta;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    super::{Appended, Chain, ChainError, Found, load_manifest, race::LISTED_WITHIN},
    Walk,
    blocked_by::BlockedBy,
    choice::{
        Blocked, Choice, Facts, FilePlaces, Files, Link, NEWEST_KEPT, Notes, Present, choose,
        floor, raises,
    },
    files::{ListedNames, files},
    notes,
};
use crate::{
    failpoint::{self, Point},
    format::{Edit, FileName},
    model::Sequence,
    store::{Path, StoreError},
};

/// Deletions between two looks at the newest manifest.
const BATCH: usize = 500;
/// Deletions on their way at a time.
const AT_A_TIME: usize = 8;

/// What can be done for a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// The `oldest` that the chain states now.
    pub oldest: Option<Sequence>,
    /// What it is to be raised to, one edit each, ascending.
    pub raises: Vec<Sequence>,
    /// What stops every deletion.
    pub blocked: Option<BlockedBy>,
    /// How many manifests can be deleted, once it is raised.
    pub manifests: u64,
    /// How many segments that were superseded, or are listed by no manifest.
    pub files: u64,
    /// Their bytes, and those of the manifests.
    pub bytes: u64,
    /// How many files no manifest lists, which stay until they have been noted for long enough.
    pub noted: u64,
}

impl Collection {
    /// Whether there is something to do.
    #[must_use]
    pub fn is_due(&self) -> bool {
        !self.raises.is_empty() || self.manifests + self.files > 0
    }
}

/// What a collection has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// What stopped it.
    pub blocked: Option<BlockedBy>,
    /// Manifests that are deleted.
    pub manifests: u64,
    /// Segments that are.
    pub files: u64,
    /// Their bytes, and those of the manifests.
    pub bytes: u64,
    /// Files that are noted to be listed by no manifest.
    pub noted: u64,
    /// Whether there is more than was to be deleted at a time.
    pub more: bool,
}

/// The store as it is, and what may be deleted of it.
struct Looked {
    present: Vec<Present>,
    manifest_bytes: Vec<(Sequence, u64)>,
    files: Files,
    notes: Notes,
    /// By the newest manifest then, and perhaps by others before it.
    listed_now: ListedNames,
}

/// What a collection would do, with everything that `oldest` may be raised to. Changes nothing.
///
/// # Errors
/// When the store cannot be read, or holds what a newer snapback wrote.
pub async fn plan_collection(
    chain: &mut Chain,
    walk: &mut Walk,
    keep: TimeDelta,
) -> Result<Collection, ChainError> {
    match plan(chain, walk, keep).await {
        Ok(planned) => Ok(planned),
        Err(error) => Ok(Collection {
            blocked: Some(BlockedBy::of(chain, error)?),
            ..Collection::default()
        }),
    }
}

async fn plan(
    chain: &mut Chain,
    walk: &mut Walk,
    keep: TimeDelta,
) -> Result<Collection, ChainError> {
    let Some(mut looked) = Looked::at(chain, walk, ListedNames::default()).await? else {
        return Ok(nothing(chain));
    };
    let raises = looked.raises(chain, walk, keep);
    let mut raised = walk.clone();
    let mut last = looked.present.last().copied();
    for oldest in &raises {
        let Some((number, _)) = last else { break };
        let next = (number.next(), chain.clock().now());
        let stated = raised.links.get(&number).map(|base| Link {
            oldest: *oldest,
            base: Some((number, base.digest)),
            retires: true,
            added: Vec::new(),
            replaced: Vec::new(),
            ..base.clone()
        });
        raised.links.extend(stated.map(|link| (next.0, link)));
        looked.present.push(next);
        last = Some(next);
    }
    let mut collection = Collection {
        oldest: chain.newest().map(|newest| newest.oldest),
        raises,
        ..Collection::default()
    };
    match looked.choose(chain, &raised, keep).await? {
        Ok(choice) => {
            collection.manifests = choice.manifests.len() as u64;
            collection.files = (choice.superseded.len() + choice.orphans.len()) as u64;
            collection.bytes = looked.bytes(&choice);
            collection.noted = choice.notes.len() as u64;
        }
        Err(Blocked(number)) => collection.blocked = Some(BlockedBy::Manifest(number)),
    }
    Ok(collection)
}

/// Raises `oldest`, deletes what may be deleted, about `most` files at a time, and notes what is unlisted. Dropping the future is safe for the store: the
/// next collection goes on.
///
/// # Errors
/// When the store cannot be read or written, or holds what a newer snapback wrote.
pub async fn collect(
    chain: &mut Chain,
    walk: &mut Walk,
    keep: TimeDelta,
    most: u64,
) -> Result<Collected, ChainError> {
    match collect_readable(chain, walk, keep, most).await {
        Ok(collected) => Ok(collected),
        Err(error) => Ok(Collected {
            blocked: Some(BlockedBy::of(chain, error)?),
            ..Collected::default()
        }),
    }
}

async fn collect_readable(
    chain: &mut Chain,
    walk: &mut Walk,
    keep: TimeDelta,
    most: u64,
) -> Result<Collected, ChainError> {
    let Some(mut looked) = Looked::at(chain, walk, ListedNames::default()).await? else {
        return Ok(Collected {
            blocked: nothing(chain).blocked,
            ..Collected::default()
        });
    };
    let raises = looked.raises(chain, walk, keep);
    for oldest in raises.iter().copied() {
        // Lost: others are at work, so newer manifests come by themselves.
        let Appended::Won { .. } = chain.append(Edit::Retire { oldest }, None).await? else {
            break;
        };
        failpoint::at(Point::OldestRaised);
    }
    if !raises.is_empty() {
        let Some(again) = Looked::at(chain, walk, looked.listed_now).await? else {
            return Ok(Collected::default());
        };
        looked = again;
    }
    let choice = match looked.choose(chain, walk, keep).await? {
        Ok(choice) => choice,
        Err(Blocked(number)) => {
            return Ok(Collected {
                blocked: Some(BlockedBy::Manifest(number)),
                ..Collected::default()
            });
        }
    };
    if choice.notes != looked.notes {
        notes::write(
            chain.store(),
            chain.layout(),
            chain.partition(),
            &choice.notes,
        )
        .await?;
        failpoint::at(Point::OrphansNoted);
    }
    let mut collected = Collected {
        noted: choice.notes.len() as u64,
        ..Collected::default()
    };
    let files: Vec<FileName> = choice
        .superseded
        .into_iter()
        .chain(choice.orphans)
        .collect();
    for batch in files.chunks(BATCH) {
        if collected.files >= most {
            collected.more = true;
            return Ok(collected);
        }
        // What another has brought into the chain meanwhile stays.
        chain.reload().await?;
        if let Some(newest) = chain.newest() {
            looked.listed_now.add(chain, newest).await?;
        }
        let listed = &looked.listed_now.names;
        let gone: Vec<FileName> = batch
            .iter()
            .copied()
            .filter(|file| !listed.contains(file))
            .collect();
        let paths = gone
            .iter()
            .flat_map(|file| looked.paths(chain, *file))
            .collect();
        delete(chain, paths, Point::FileCollected).await?;
        collected.files += gone.len() as u64;
        let places = gone.iter().filter_map(|file| looked.files.get(file));
        collected.bytes += places.map(FilePlaces::bytes).sum::<u64>();
    }
    for batch in choice.manifests.chunks(BATCH) {
        if collected.files + collected.manifests >= most {
            collected.more = true;
            break;
        }
        let path = |number: &Sequence| chain.layout().manifest(chain.partition(), *number);
        delete(
            chain,
            batch.iter().map(path).collect(),
            Point::ManifestCollected,
        )
        .await?;
        collected.manifests += batch.len() as u64;
        collected.bytes += looked.manifest_bytes(batch);
        let last = batch.last().copied();
        walk.links.retain(|number, _| Some(*number) > last);
    }
    Ok(collected)
}

/// A partition of which no manifest can be read, or none is there.
fn nothing(chain: &Chain) -> Collection {
    Collection {
        blocked: chain.tail().highest.map(BlockedBy::Manifest),
        ..Collection::default()
    }
}

/// Deletes; in about this order.
async fn delete(chain: &Chain, paths: Vec<Path>, point: Point) -> Result<(), StoreError> {
    stream::iter(paths)
        .map(|path| async move {
            chain.store().delete(&path).await?;
            failpoint::at(point);
            Ok::<_, StoreError>(())
        })
        .buffered(AT_A_TIME)
        .try_collect()
        .await
}

impl Looked {
    /// Looks; `None` without a manifest that can be read. What is known to have been listed a moment ago counts as listed.
    async fn at(
        chain: &mut Chain,
        walk: &mut Walk,
        mut listed_now: ListedNames,
    ) -> Result<Option<Looked>, ChainError> {
        let partition = chain.partition();
        let listing = chain
            .store()
            .list(&chain.layout().manifests(partition))
            .await?;
        let mut present = Vec::new();
        let mut manifest_bytes = Vec::new();
        for entry in listing {
            if let Some((_, number)) = chain.layout().parse_manifest(&entry.path) {
                present.push((number, entry.modified.into()));
                manifest_bytes.push((number, entry.size));
            }
        }
        // First the files, then the chain: what a manifest lists meanwhile is then seen as listed.
        let files = files(chain).await?;
        let notes = notes::read(chain.store(), chain.layout(), partition).await?;
        chain.reload().await?;
        let Some(newest) = chain.newest() else {
            return Ok(None);
        };
        listed_now.add(chain, newest).await?;
        let numbers = present.iter().map(|(number, _)| *number).collect();
        walk.extend(chain, &numbers).await?;
        Ok(Some(Looked {
            present,
            manifest_bytes,
            files,
            notes,
            listed_now,
        }))
    }

    fn raises(&self, chain: &Chain, walk: &Walk, keep: TimeDelta) -> Vec<Sequence> {
        let Some(newest) = chain.newest() else {
            return Vec::new();
        };
        let committed = newest.committed.map(|commit| commit.sequence);
        let effective = floor(&walk.links, NEWEST_KEPT).unwrap_or(newest.oldest);
        let now = chain.clock().now();
        let retires = |number| walk.links.get(number).is_some_and(|link| link.retires);
        let present: Vec<Present> = self
            .present
            .iter()
            .filter(|(number, _)| !retires(number))
            .copied()
            .collect();
        raises(&present, newest.oldest, effective, committed, keep, now)
    }

    async fn choose(
        &self,
        chain: &Chain,
        walk: &Walk,
        keep: TimeDelta,
    ) -> Result<Result<Choice, Blocked>, ChainError> {
        let Some(floor) = floor(&walk.links, NEWEST_KEPT) else {
            return Ok(Ok(Choice::default()));
        };
        let (store, layout) = (chain.store(), chain.layout());
        let found = load_manifest(store, layout, chain.partition(), floor).await?;
        let (Found::Good(at_floor_manifest), Some(newest)) = (found, chain.newest()) else {
            return Ok(Err(Blocked(floor)));
        };
        let mut at_floor = self.listed_now.without_names();
        at_floor.add(chain, &at_floor_manifest).await?;
        Ok(choose(&Facts {
            present: &self.present,
            links: &walk.links,
            listed_at_floor: &at_floor.names,
            listed_now: &self.listed_now.names,
            files: &self.files,
            notes: &self.notes,
            head: chain.tail().highest.unwrap_or(newest.sequence),
            end: newest.end,
            keep,
            kept: NEWEST_KEPT,
            within: LISTED_WITHIN,
            now: chain.clock().now(),
        }))
    }

    fn bytes(&self, choice: &Choice) -> u64 {
        let files = choice.superseded.iter().chain(&choice.orphans);
        let places = files.filter_map(|file| self.files.get(file));
        places.map(FilePlaces::bytes).sum::<u64>() + self.manifest_bytes(&choice.manifests)
    }

    fn manifest_bytes(&self, numbers: &[Sequence]) -> u64 {
        let of = |(number, _): &&(Sequence, u64)| numbers.binary_search(number).is_ok();
        self.manifest_bytes
            .iter()
            .filter(of)
            .map(|(_, bytes)| bytes)
            .sum()
    }

    /// Where a file is.
    fn paths(&self, chain: &Chain, file: FileName) -> Vec<Path> {
        let places = self.files.get(&file).copied().unwrap_or_default();
        let own = chain.layout().named(&file);
        let attic = places.attic.and_then(|_| chain.layout().attic(&own));
        places.own.map(|_| own).into_iter().chain(attic).collect()
    }
}

#[cfg(test)]
#[path = "collect_tests.rs"]
mod tests;
