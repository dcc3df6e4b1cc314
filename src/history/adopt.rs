//! Adoption: segments whose manifest was lost give their outcomes back to the chain.
//!
//! Every segment holds committed outcomes only (I1), so what continues the chain is true, whoever wrote it.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use super::{Appended, Chain, ChainError, described::describe_segment, folders::StoredSegment};
use crate::{
    calculation::Declaration,
    failpoint::{self, Point},
    format::{Edit, MadeFor, RowlessRecord, Segment, SegmentFacts, SegmentKind},
    model::{Counts, Offset, OffsetRange},
};

/// An append put together from unlisted files.
struct Candidate {
    range: OffsetRange,
    counts: Counts,
    record: RowlessRecord,
    declaration: Declaration,
    segments: Vec<Segment>,
    /// When they were put; `None` when one of them has to be put back first.
    put_at: Option<DateTime<Utc>>,
}

/// Appends what continues the chain, range after range, and returns the ranges.
pub(super) async fn adopt(
    chain: &mut Chain,
    unlisted: &[StoredSegment],
) -> Result<Vec<OffsetRange>, ChainError> {
    let mut adopted = Vec::new();
    // Each round either ends the search or passes at least one file.
    for _ in 0..=unlisted.len() {
        let Some(end) = chain.end() else { break };
        let Some(found) = find(chain, end, unlisted).await? else {
            break;
        };
        let range = found.range;
        let edit = Edit::Append {
            range,
            segments: found.segments,
            counts: found.counts,
            record: found.record,
        };
        failpoint::at(Point::AdoptionFound);
        chain.learn(&found.declaration);
        match chain.append(edit, found.put_at).await? {
            Appended::Won { .. } => {
                failpoint::at(Point::Adopted);
                tracing::warn!(partition = %chain.partition(), %range, "adopted segments whose manifest was lost");
                adopted.push(range);
            }
            Appended::Lost => {}
        }
    }
    Ok(adopted)
}

/// A complete append that starts at `end`; the longest, when there are several.
async fn find(
    chain: &Chain,
    end: Offset,
    unlisted: &[StoredSegment],
) -> Result<Option<Candidate>, ChainError> {
    let continues =
        |file: &&StoredSegment| file.name.range.start() == end && !file.name.range.is_empty();
    let mut candidates: Vec<&StoredSegment> = unlisted.iter().filter(continues).collect();
    candidates.sort_by_key(|file| (Reverse(file.name.range.end()), file.name.kind, &file.path));
    for (index, file) in candidates.iter().enumerate() {
        if file.name.kind == SegmentKind::Corrections {
            continue;
        }
        let Some((first, facts)) = inspect(chain, file).await? else {
            continue;
        };
        let mut found = Candidate {
            range: facts.range,
            counts: facts.counts,
            record: facts.record(),
            declaration: facts.declaration.clone(),
            segments: vec![first],
            put_at: file.put_at(),
        };
        // Results come first in the order, so a rejects file that needs results has been tried with them.
        for twin in &candidates[index + 1..] {
            let wanted = lacks(&found, &facts).contains(&twin.name.kind);
            if !wanted || twin.name.range != facts.range {
                continue;
            }
            if let Some((second, twin_facts)) = inspect(chain, twin).await?
                && twin_facts.counts == facts.counts
                && twin_facts.absent == facts.absent
                && twin_facts.declaration == facts.declaration
                && twin_facts.replaces == facts.replaces
                && twin_facts.corrections == facts.corrections
            {
                found.segments.push(second);
                found.put_at = found.put_at.min(twin.put_at());
            }
        }
        if lacks(&found, &facts).is_empty() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

impl StoredSegment {
    /// When it was put at its own path, if it is there.
    fn put_at(&self) -> Option<DateTime<Utc>> {
        (self.place == self.path).then_some(self.modified)
    }
}

/// The kinds of segments that the append of `facts` has and `found` does not.
fn lacks(found: &Candidate, facts: &SegmentFacts) -> Vec<SegmentKind> {
    let rows = [
        (SegmentKind::Results, facts.counts.results),
        (SegmentKind::Rejects, facts.counts.rejects),
        (SegmentKind::Corrections, facts.corrections),
    ];
    let kinds = rows.into_iter().filter(|(_, rows)| *rows > 0);
    kinds
        .map(|(kind, _)| kind)
        .filter(|kind| found.segments.iter().all(|segment| segment.kind != *kind))
        .collect()
}

/// Reads a whole file; `None` unless it is what its name and its metadata say, to the row.
async fn inspect(
    chain: &Chain,
    file: &StoredSegment,
) -> Result<Option<(Segment, SegmentFacts)>, ChainError> {
    let (store, place) = (chain.store(), &file.place);
    let described = describe_segment(store, place, file.path.clone(), file.size).await?;
    let Some((segment, facts)) = described else {
        tracing::warn!(path = %place, "an unlisted segment is gone or cannot be read, so it is not adopted");
        return Ok(None);
    };
    let fits = facts.topic == chain.layout().topic()
        && facts.partition == chain.partition()
        && facts.kind == file.name.kind
        && facts.range == file.name.range
        && facts.made_for == MadeFor::Append
        && facts.declaration.bytes() <= Declaration::MAX_BYTES;
    Ok(fits.then_some((segment, facts)))
}
