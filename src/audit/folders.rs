//! What lies in a topic's folders: the manifests of each partition, and files that no manifest lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::{AuditError, Finding, FindingKind, instructions};
use crate::{
    format::{Layout, Listed, Manifest, SegmentKind},
    history::{ChainTail, load_tail, read_listed},
    model::{Offset, OffsetRange, Partition, Sequence},
    query::{TopicError, UnknownFile, partition_at},
    store::{Entry, Path, Store, StoreError, Unreadable},
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
    /// Where a plain glob takes what is not ours for rows of it.
    pub taken_for_ours: Vec<String>,
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
    let mut taken_for_ours = Vec::new();
    for kind in SegmentKind::ALL {
        let listing = store.list_readable(&layout.all_segments(kind)).await?;
        let globbed = |path: &str| globbed(layout, kind, path);
        taken_for_ours.extend(listing.strange.into_iter().filter(|path| globbed(path)));
        for entry in listing.entries {
            match read_by_a_glob(layout, kind, &entry.path) {
                Some(partition) => found
                    .partitions
                    .entry(partition)
                    .or_default()
                    .files
                    .push(entry),
                None if globbed(entry.path.as_str()) => {
                    taken_for_ours.push(entry.path.as_str().to_owned());
                }
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
    let Some(first) = found.partitions.keys().next().copied() else {
        return Err(TopicError::missing(store, layout).await?.into());
    };
    for path in taken_for_ours {
        // What names no partition of ours spoils what is read of all of them: the first one says so.
        let there = |partition: &Partition| found.partitions.contains_key(partition);
        let partition = named_partition(&path).filter(there).unwrap_or(first);
        let folder = found.partitions.entry(partition).or_default();
        folder.taken_for_ours.push(path);
    }
    Ok(found)
}

/// Whether `partition=*/*.parquet` takes something for ours that is not: a file, or a folder (with `/` at its end) in which it
/// may find some.
fn globbed(layout: &Layout, kind: SegmentKind, path: &str) -> bool {
    let segments = layout.all_segments(kind);
    let below = path.strip_prefix(segments.as_str());
    let Some(below) = below.and_then(|below| below.strip_prefix('/')) else {
        return false;
    };
    let mut parts = below.split('/');
    let (folder, name, more) = (parts.next(), parts.next(), parts.next());
    folder.is_some_and(|folder| folder.starts_with("partition="))
        && name.is_some_and(|name| name.is_empty() || name.ends_with(".parquet"))
        && more.is_none()
}

/// The partition that readers take a path to be of: `events/results/partition=3.bak/x.parquet` is of 3, for people.
fn named_partition(path: &str) -> Option<Partition> {
    let (_, name) = path.split_once("/partition=")?;
    let end = name.find(|c: char| !c.is_ascii_digit());
    name[..end.unwrap_or(name.len())]
        .parse()
        .ok()
        .map(Partition)
}

/// What a plain glob takes for ours although it is not.
pub(super) fn taken_for_ours(store: &Store, partition: Partition, path: &str) -> Finding {
    let location = store.locate_name(path);
    let range = OffsetRange::empty(Offset::ZERO);
    let detail =
        format!("{location} is no segment of snapback, but a plain glob reads it, or fails at it");
    let remedy = instructions::stranger(&location);
    let mut finding = Finding::new(FindingKind::Orphan, partition, range, detail, remedy);
    finding.segment = Some(path.to_owned());
    finding
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
    newest: &Listed,
    files: &[Entry],
) -> Result<Vec<Finding>, AuditError> {
    let partition = newest.partition;
    let unlisted = unlisted(layout, newest, files);
    if unlisted.is_empty() {
        return Ok(Vec::new());
    }
    // The processor may have gone on meanwhile: what a newer manifest lists, or is gone, is none.
    let tail = match load_tail(store, layout, partition).await {
        // It is a finding of the chain's.
        Err(error) if error.keeps_no_other() => ChainTail::default(),
        tail => tail?,
    };
    let now = match tail.newest {
        Some(now) => Some(read_listed(store, layout, now).await?),
        None => None,
    };
    let newest = now.as_ref().unwrap_or(newest);
    let listed = paths(newest);
    let mut findings = Vec::new();
    for entry in unlisted {
        let known = listed.contains(entry.path.as_str())
            || is_unknown(layout, newest, entry)
            || is_on_its_way(layout, newest.end, entry, SystemTime::now());
        if !known && is_there(store, &entry.path).await? {
            findings.push(orphan(store, layout, newest, &entry.path));
        }
    }
    Ok(findings)
}

/// Whether something has this name still, be it a file or not.
async fn is_there(store: &Store, path: &Path) -> Result<bool, StoreError> {
    match store.head(path).await {
        Err(error) if error.concerns_the_object() => Ok(true),
        found => Ok(found?.is_some()),
    }
}

fn paths(manifest: &Listed) -> BTreeSet<&str> {
    manifest
        .files()
        .map(|segment| segment.path.as_str())
        .collect()
}

fn unlisted<'e>(layout: &Layout, newest: &Listed, files: &'e [Entry]) -> Vec<&'e Entry> {
    let listed = paths(newest);
    let unlisted = files
        .iter()
        .filter(|entry| !listed.contains(entry.path.as_str()));
    unlisted
        .filter(|entry| !is_unknown(layout, newest, entry))
        .collect()
}

/// Whether it is not known if a file is listed: a page of its range cannot be read, which is a finding of its own.
fn is_unknown(layout: &Layout, newest: &Listed, entry: &Entry) -> bool {
    let name = layout.parse_segment(&entry.path);
    name.is_some_and(|name| newest.is_unread(name.range))
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
    let Some(name) = layout.parse_segment(path) else {
        return taken_for_ours(store, partition, path.as_str());
    };
    let location = store.locate(path);
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
    fn what_a_glob_takes_for_ours_is_known_by_its_place() {
        let layout = Layout::new("events").unwrap();
        for (path, expected, partition) in [
            ("events/results/partition=0.bak/x.parquet", true, Some(0)),
            ("events/results/partition=00/x.parquet", true, Some(0)),
            ("events/results/partition=x/x.parquet", true, None),
            ("events/results/partition=7/a#b.parquet", true, Some(7)),
            ("events/results/partition=7#/", true, Some(7)),
            ("events/results/partition=7/a#b/", false, Some(7)),
            ("events/results/partition=7/below/x.parquet", false, Some(7)),
            ("events/results/partition=7/x.json", false, Some(7)),
            ("events/results/x.parquet", false, None),
            ("events/rejects/partition=7/x.parquet", false, Some(7)),
            ("events2/results/partition=7/x.parquet", false, Some(7)),
        ] {
            let found = globbed(&layout, SegmentKind::Results, path);
            assert_eq!(found, expected, "{path}");
            assert_eq!(named_partition(path), partition.map(Partition), "{path}");
        }
    }

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
