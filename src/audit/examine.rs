//! One group of segments, from its files to findings.

use std::collections::BTreeSet;

use tokio::sync::OwnedSemaphorePermit;

use super::{
    AuditError,
    fetch::fetch,
    groups::Group,
    inspect::{Content, Evaluators, File, Inspected, Task, inspect},
    parts::{self, Parts},
    verification::Verification,
};
use crate::{
    format::{ROW_GROUP_ROWS, Segment, SegmentEnd},
    history::LARGE,
    model::Partition,
    store::Path,
};

/// What the groups that `verify` reads at a time may take of memory, in kilobytes. With what it needs besides it stays below 200 MB.
pub(super) const MEMORY: usize = 144 << 10;

/// What a group takes besides its files: the rows of a batch as they are decoded and as they are calculated, in kilobytes.
const ROWS: u64 = 12 << 10;

/// What is in memory of a segment's file at a time, about: of a large one a row group, whose rows are as large as others.
pub(super) fn in_memory(segment: &Segment) -> u64 {
    let of_rows = segment.bytes.saturating_mul(ROW_GROUP_ROWS as u64) / segment.rows.max(1);
    segment.bytes.min(of_rows.max(LARGE))
}

/// Fetches and inspects one group; `None` when the time was over before the end.
pub(super) async fn examine(
    context: Verification,
    partition: Partition,
    group: Group,
    evaluators: Evaluators,
) -> Result<Option<Inspected>, AuditError> {
    let mut as_a_whole = BTreeSet::new();
    loop {
        match try_once(&context, partition, &group, &evaluators, &as_a_whole).await? {
            Tried::Inspected(inspected) => return Ok(*inspected),
            Tried::NotWhole(paths) => as_a_whole.extend(paths),
        }
    }
}

enum Tried {
    Inspected(Box<Option<Inspected>>),
    /// Files that were read in parts, and are not what their manifest says, or could not be read to their end.
    NotWhole(Vec<Path>),
}

async fn try_once(
    context: &Verification,
    partition: Partition,
    group: &Group,
    evaluators: &Evaluators,
    as_a_whole: &BTreeSet<Path>,
) -> Result<Tried, AuditError> {
    let mut large = Vec::with_capacity(group.segments.len());
    for segment in &group.segments {
        let is_large = segment.bytes > context.large && !as_a_whole.contains(&segment.path);
        large.push(match is_large {
            true => parts::open(&context.store, segment, context.end).await,
            false => None,
        });
    }
    let permit = room(context, group, &large).await;
    let (mut files, mut findings) = (Vec::with_capacity(large.len()), Vec::new());
    let mut in_parts = Vec::new();
    for (segment, large) in group.segments.iter().zip(large) {
        let (file, finding) = match large {
            None => fetch(context, partition, segment).await?,
            Some((end, parts)) => {
                in_parts.push((segment.path.clone(), parts.clone()));
                let content = Some(Content::Parts(Box::new(end), parts));
                let (segment, location) = (segment.clone(), context.store.locate(&segment.path));
                let file = File {
                    segment,
                    location,
                    content,
                };
                (file, None)
            }
        };
        files.push(file);
        findings.extend(finding);
    }
    let (context, group, evaluators) = (context.clone(), group.clone(), evaluators.clone());
    let inspected = tokio::task::spawn_blocking(move || {
        // For as long as it takes, also when nobody waits for it any more.
        let _permit = permit;
        let task = Task {
            topic: context.layout.topic(),
            partition,
            level: context.level,
            until: context.until,
        };
        let inspected = inspect(&task, &group, &mut files, &evaluators);
        let wrong = |(path, parts): (Path, Parts)| (!parts.are_whole()).then_some(path);
        let not_whole: Vec<Path> = match inspected {
            Some(_) => in_parts.into_iter().filter_map(wrong).collect(),
            None => Vec::new(),
        };
        (inspected, not_whole)
    });
    let (inspected, not_whole) = inspected.await?;
    if !not_whole.is_empty() {
        return Ok(Tried::NotWhole(not_whole));
    }
    let inspected = inspected.map(|mut inspected| {
        inspected.findings.extend(findings);
        inspected
    });
    Ok(Tried::Inspected(Box::new(inspected)))
}

/// Waits until there is room for a group.
async fn room(
    context: &Verification,
    group: &Group,
    large: &[Option<(SegmentEnd, Parts)>],
) -> Option<OwnedSemaphorePermit> {
    let memory = context.memory.clone()?;
    let files = group.segments.iter().zip(large);
    let bytes = |(segment, large): (&Segment, &Option<(SegmentEnd, Parts)>)| match large {
        Some((end, _)) => end.largest_part(),
        None => segment.bytes,
    };
    let kilobytes = files.map(bytes).sum::<u64>() / 1024 + ROWS;
    // What is larger than all of it has it for itself.
    let permits = kilobytes.min(MEMORY as u64);
    let permits = u32::try_from(permits).unwrap_or(u32::MAX);
    memory.acquire_many_owned(permits).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tests::fixture::{newest, sample};

    #[tokio::test]
    async fn of_a_large_segment_only_a_part_is_in_memory() {
        let newest = newest(&sample().await, 0).await;
        let of = |bytes, rows| {
            in_memory(&Segment {
                bytes,
                rows,
                ..newest.open.segments[0].clone()
            })
        };
        let mib = |count: u64| count << 20;
        assert_eq!(of(mib(10), 5), mib(10));
        assert_eq!(of(mib(128), 10_000_000), mib(16));
        assert_eq!(of(mib(128), 2 << 20), mib(64));
        assert_eq!(of(mib(128), 5), mib(128));
    }
}
