//! What lies in a topic's folders: the manifests of each partition, and files that no manifest lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::{AuditError, Finding, FindingKind, instructions};
use crate::{
    format::{Layout, Manifest, SegmentKind},
    history::{ChainError, ChainTail, load_tail},
    model::{Offset, OffsetRange, Partition, Sequence},
    query::{TopicError, UnknownFile, partition_at},
    store::{Entry, Path, Store, Unreadable},
};

/// How long a segment that continues the chain may wait for its manifest.
const ON_ITS_WAY: Duration = Duration::from_secs(60 * 60);

/// A partition's share of the folders.
#[derive(Default)]
pub(super) struct Folder {
    /// The numbers of its manifests, ascending.
    pub manifests: Vec<Sequence>,
    /// Everything in its folders of segments that a plain glob would read.
    pub files: Vec<Entry>,
    /// What is wrong with its folder of manifests, when that cannot be read.
    pub closed: Option<Unreadable>,
    /// Other places of it that cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// The folders of a topic.
#[derive(Default)]
pub(super) struct Folders {
    /// By partition.
    pub partitions: BTreeMap<Partition, Folder>,
    /// What lies beside ours, and is read by nobody.
    pub unknown: Vec<UnknownFile>,
}

/// Lists the folders of a topic, manifests first: a segment that is listed here and by no manifest of
/// then may be on its way.
pub(super) async fn folders(store: &Store, layout: &Layout) -> Result<Folders, AuditError> {
    let mut found = Folders::default();
    for (partition, manifests) in crate::query::manifests(store, layout).await? {
        found.partitions.entry(partition).or_default().manifests = manifests;
    }
    let listing = store.list_readable(&layout.all_manifests()).await?;
    let is_unknown = |entry: &&Entry| layout.parse_manifest(&entry.path).is_none();
    let unknown = listing.entries.iter().filter(is_unknown);
    found.unknown.extend(unknown.map(UnknownFile::of));
    for unreadable in listing.unreadable {
        let Some(partition) = partition_at(layout, &unreadable.path) else {
            return Err(unreadable.error.into());
        };
        let folder = found.partitions.entry(partition).or_default();
        match layout.manifests(partition) == unreadable.path {
            true => folder.closed = Some(unreadable),
            false => folder.unreadable.push(unreadable),
        }
    }
    for kind in SegmentKind::ALL {
        let listing = store.list_readable(&layout.all_segments(kind)).await?;
        for entry in listing.entries {
            match read_by_a_glob(layout, kind, &entry.path) {
                Some(partition) => found
                    .partitions
                    .entry(partition)
                    .or_default()
                    .files
                    .push(entry),
                None => found.unknown.push(UnknownFile::of(&entry)),
            }
        }
        for unreadable in listing.unreadable {
            match partition_at(layout, &unreadable.path) {
                Some(partition) => {
                    let folder = found.partitions.entry(partition).or_default();
                    folder.unreadable.push(unreadable);
                }
                None => tracing::warn!("{} is left out", unreadable.error),
            }
        }
    }
    if found.partitions.is_empty() {
        return Err(TopicError::missing(store, layout).await?.into());
    }
    Ok(found)
}

/// The partition as whose rows `partition=*/*.parquet` reads a file.
fn read_by_a_glob(layout: &Layout, kind: SegmentKind, path: &Path) -> Option<Partition> {
    let partition = layout.partition_of(path)?;
    let name = path.below(&layout.segments(kind, partition))?;
    (name.ends_with(".parquet") && !name.contains('/')).then_some(partition)
}

/// A place of a partition that cannot be read.
pub(super) fn unreadable(partition: Partition, place: &Unreadable) -> Finding {
    let range = OffsetRange::empty(Offset::ZERO);
    let detail = place.error.to_string();
    let remedy = "let the user who verifies read it; nothing is known about what lies in it";
    Finding::new(FindingKind::Unreadable, partition, range, detail, remedy).of(&place.path)
}

/// The files of a partition that `newest` does not list.
pub(super) async fn orphans(
    store: &Store,
    layout: &Layout,
    newest: &Manifest,
    files: &[Entry],
) -> Result<Vec<Finding>, AuditError> {
    let partition = newest.partition;
    let unlisted = unlisted(newest, files);
    if unlisted.is_empty() {
        return Ok(Vec::new());
    }
    // The processor may have gone on meanwhile: what a newer manifest lists, or is gone, is none.
    let tail = match load_tail(store, layout, partition).await {
        // It is a finding of the chain's.
        Err(ChainError::Store(error)) if error.concerns_the_object() => ChainTail::default(),
        tail => tail?,
    };
    let newest = tail.newest.as_ref().unwrap_or(newest);
    let listed = paths(newest);
    let mut findings = Vec::new();
    for entry in unlisted {
        let known = listed.contains(entry.path.as_str())
            || is_on_its_way(layout, newest.end, entry, SystemTime::now());
        if !known && store.head(&entry.path).await?.is_some() {
            findings.push(orphan(store, layout, newest, &entry.path));
        }
    }
    Ok(findings)
}

fn paths(manifest: &Manifest) -> BTreeSet<&str> {
    manifest
        .files()
        .map(|segment| segment.path.as_str())
        .collect()
}

fn unlisted<'e>(newest: &Manifest, files: &'e [Entry]) -> Vec<&'e Entry> {
    let listed = paths(newest);
    files
        .iter()
        .filter(|entry| !listed.contains(entry.path.as_str()))
        .collect()
}

/// Whether a file may be a segment whose manifest is about to be created, after the chain's `end`.
fn is_on_its_way(layout: &Layout, end: Offset, entry: &Entry, now: SystemTime) -> bool {
    let name = layout.parse_segment(&entry.path);
    // A clock that is slow against the store's makes a file young.
    let age = now.duration_since(entry.modified).unwrap_or_default();
    name.is_some_and(|name| name.range.end() > end) && age < ON_ITS_WAY
}

fn orphan(store: &Store, layout: &Layout, newest: &Manifest, path: &Path) -> Finding {
    let partition = newest.partition;
    let location = store.locate(path);
    let Some(name) = layout.parse_segment(path) else {
        let detail = format!("{location} is no segment of snapback, but a plain glob reads it");
        let range = OffsetRange::empty(newest.end);
        let remedy = instructions::stranger(&location);
        return Finding::new(FindingKind::Orphan, partition, range, detail, remedy).of(path);
    };
    let beyond = name.range.end() > newest.end;
    let detail = format!(
        "no manifest lists {location}, but a plain glob counts its rows; the chain ends at {}",
        newest.end
    );
    let remedy = instructions::orphan(&location, beyond);
    Finding::new(FindingKind::Orphan, partition, name.range, detail, remedy).of(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_on_its_way_when_it_is_young_and_continues_the_chain() {
        let layout = Layout::new("events").unwrap();
        let now = SystemTime::now();
        let on_its_way = |path: &str, end: i64, age: u64| {
            let entry = Entry {
                path: Path::parse(path).unwrap(),
                size: 1,
                modified: now - Duration::from_secs(age),
            };
            is_on_its_way(&layout, Offset::new(end).unwrap(), &entry, now)
        };
        let name =
            "events/results/partition=0/00000000000000000100-00000000000000000200-00c0ffee.parquet";
        assert!(on_its_way(name, 100, 60));
        assert!(on_its_way(name, 150, 60), "another's append came first");
        assert!(!on_its_way(name, 200, 60), "the chain has it all");
        assert!(!on_its_way(name, 100, 3600), "given up");
        assert!(!on_its_way("events/results/partition=0/a.parquet", 100, 60));
    }
}
