//! A statement against what a store holds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    super::{AuditError, Unread},
    Block, Statement, stored,
};
use crate::{
    format::{Layout, Listed, SegmentKind},
    history::{load_tail, read_listed},
    model::{Offset, OffsetRange, Partition, Sequence},
    store::Store,
};

/// A block that is not as it was stated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The partition.
    pub partition: Partition,
    /// The first offset of the block.
    pub start: Offset,
    /// The offset after its last one.
    pub end: Offset,
    /// What is different, and what made it so, as far as the chain tells.
    pub detail: String,
}

/// What a statement says, against what a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// When the statement was written.
    pub written_at: String,
    /// The blocks that were compared.
    pub blocks: u64,
    /// Their outcomes, as stated.
    pub outcomes: u64,
    /// Those that are different.
    pub changed: Vec<Changed>,
    /// Partitions that could not be read: nothing is said about them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// Compares what a store holds with a statement. Offsets that came after it are not looked at. A partition of which something
/// cannot be read is named, and keeps no other.
///
/// # Errors
/// When the store does not answer.
pub async fn compare(
    statement: &Statement,
    store: &Store,
    layout: &Layout,
) -> Result<Comparison, AuditError> {
    let mut changed = Vec::new();
    let mut there = Vec::new();
    let mut newest = BTreeMap::new();
    let mut unread = Vec::new();
    for head in &statement.partitions {
        let tail = match load_tail(store, layout, head.partition).await {
            Err(error) if error.keeps_no_other() => {
                unread.push(head.unread(layout, &error.into()));
                continue;
            }
            tail => tail?,
        };
        let held = tail
            .newest
            .as_ref()
            .is_some_and(|now| now.origin <= head.start && now.end >= head.end);
        let detail = match tail.newest {
            Some(now) if held => {
                let listed = read_listed(store, layout, now).await?;
                let mut unread = listed.unread().iter();
                let Some(page) = unread.next() else {
                    there.push(head.clone());
                    newest.insert(head.partition, listed);
                    continue;
                };
                let (path, why) = (&page.link.path, page.why());
                format!("what is stored is not known: the page {path} cannot be read: {why}")
            }
            Some(now) => format!("the store holds {} only", now.range()),
            None => "the store holds nothing of this partition".to_owned(),
        };
        changed.push(Changed {
            partition: head.partition,
            start: head.start,
            end: head.end,
            detail,
        });
    }
    let mut now = Vec::new();
    for (head, stored) in stored(store, layout, &there).await {
        match stored {
            Ok(mut blocks) => now.append(&mut blocks),
            Err(error) if error.keeps_no_other() => {
                newest.remove(&head.partition);
                unread.push(head.unread(layout, &error));
            }
            Err(error) => return Err(error),
        }
    }
    let now: BTreeMap<(Partition, Offset), &Block> = now
        .iter()
        .map(|block| ((block.partition, block.start), block))
        .collect();
    for stated in &statement.blocks {
        let Some(newest) = newest.get(&stated.partition) else {
            continue;
        };
        let head = there.iter().find(|head| head.partition == stated.partition);
        let since = head.map(|head| head.manifest);
        let detail = match now.get(&(stated.partition, stated.start)) {
            Some(now) if **now == *stated => continue,
            Some(now) => different(stated, now, newest, since),
            None => "the statement has a block that its partition does not have".to_owned(),
        };
        changed.push(Changed {
            partition: stated.partition,
            start: stated.start,
            end: stated.end,
            detail,
        });
    }
    let was_read = |block: &&Block| unread.iter().all(|one| one.partition != block.partition);
    let compared: Vec<&Block> = statement.blocks.iter().filter(was_read).collect();
    Ok(Comparison {
        written_at: statement.written_at.clone(),
        blocks: compared.len() as u64,
        outcomes: compared
            .iter()
            .map(|block| block.results.rows + block.rejects.rows)
            .sum(),
        changed,
        unread,
    })
}

/// What differs in a block, and which edits since the statement have corrected something in it.
fn different(stated: &Block, now: &Block, newest: &Listed, since: Option<Sequence>) -> String {
    let mut parts = Vec::new();
    for (what, stated, now) in [
        ("results", stated.results, now.results),
        ("rejects", stated.rejects, now.rejects),
    ] {
        if stated.rows != now.rows {
            parts.push(format!(
                "{} {what} were stated, {} are stored",
                stated.rows, now.rows
            ));
        } else if stated != now {
            parts.push(format!("{} {what}, not all of them as stated", now.rows));
        }
    }
    let range = OffsetRange::new(stated.start, stated.end).ok();
    let corrected = newest.files().filter(|segment| {
        segment.kind == SegmentKind::Corrections
            && range.is_some_and(|range| range.overlaps(segment.range))
            && segment.revision > since
    });
    let by: Vec<String> = corrected
        .filter_map(|segment| {
            Some(format!(
                "manifest {} ({} corrections)",
                segment.revision?, segment.rows
            ))
        })
        .collect();
    match by.is_empty() {
        true => parts.push("no correction in the chain says why".to_owned()),
        false => parts.push(format!("changed by {}", by.join(", "))),
    }
    parts.join("; ")
}
