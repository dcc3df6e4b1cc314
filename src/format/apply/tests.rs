mod any_edits;
mod backfill;
mod giving_up;
mod growing;
mod reading;
mod replacing;
mod retiring;
mod silence;

use super::*;
use crate::format::{
    Damaged, GapReason, Inconsistency, SegmentId,
    testing::{PARTITION, at, bind, range, record, stamp},
};

fn layout() -> Layout {
    Layout::new("events").unwrap()
}

fn counts(results: u64, rejects: u64, absent: u64) -> Counts {
    Counts {
        results,
        rejects,
        absent,
        filtered: 0,
        lost: 0,
    }
}

fn segment(kind: SegmentKind, over: OffsetRange, rows: u64, id: u32) -> Segment {
    Segment {
        path: layout().segment(kind, PARTITION, over, SegmentId(id)),
        kind,
        range: over,
        rows,
        rowless: match kind {
            SegmentKind::Corrections => Rowless::default(),
            _ => Rowless {
                absent: over.len().saturating_sub(rows),
                filtered: 0,
            },
        },
        bytes: rows.saturating_add(1000),
        digest: Digest::of(&id.to_be_bytes()),
        fingerprint: "00112233445566aa".parse().unwrap(),
        not_known: None,
        revision: None,
    }
}

fn with_absent(absent: u64, segment: Segment) -> Segment {
    Segment {
        rowless: Rowless {
            absent,
            filtered: 0,
        },
        ..segment
    }
}

fn append(over: OffsetRange, counts: Counts, id: u32) -> Edit {
    let mut segments = Vec::new();
    let mut push = |kind, rows| {
        let segment = with_absent(counts.absent, segment(kind, over, rows, id));
        segments.extend((rows > 0).then_some(segment));
    };
    push(SegmentKind::Rejects, counts.rejects);
    push(SegmentKind::Results, counts.results);
    Edit::Append {
        range: over,
        segments,
        counts,
        record: record(over, counts),
    }
}

fn first() -> Manifest {
    apply(None, bind(100), stamp()).unwrap()
}

fn second() -> Manifest {
    apply(
        Some(&first()),
        append(range(100, 110), counts(7, 2, 1), 1),
        stamp(),
    )
    .unwrap()
}

/// The live results and rejects of a range.
fn live(manifest: &Manifest, over: OffsetRange) -> Vec<Segment> {
    let outcomes = |segment: &&Segment| segment.kind != SegmentKind::Corrections;
    let segments = manifest.open.segments.iter().filter(outcomes);
    segments.filter(|s| s.range == over).cloned().collect()
}

/// Other files with so many rows for a range.
fn repair(manifest: &Manifest, over: OffsetRange, rows: [u64; 3], id: u32) -> Edit {
    let segments = SegmentKind::ALL.into_iter().zip(rows);
    let absent = over.len().saturating_sub(rows[0] + rows[1]);
    let segments = segments.filter(|(_, rows)| *rows > 0).map(|(kind, rows)| {
        let segment = segment(kind, over, rows, id);
        match kind {
            SegmentKind::Corrections => segment,
            SegmentKind::Results | SegmentKind::Rejects => with_absent(absent, segment),
        }
    });
    Edit::Repair {
        range: over,
        replaced: live(manifest, over),
        segments: segments.collect(),
        record: RowlessRecord {
            absent: crate::format::Absent::Digest([7; 32]),
            filtered: 0,
        },
    }
}
