use super::*;
use crate::{
    format::{
        Layout, Rowless, SegmentId, SegmentKind,
        testing::{PARTITION, range},
    },
    model::{Digest, OffsetRange},
};

fn corrections(over: OffsetRange, revision: Option<u64>, rows: u64) -> Segment {
    let kind = match revision {
        Some(_) => SegmentKind::Corrections,
        None => SegmentKind::Results,
    };
    Segment {
        path: Layout::new("events")
            .unwrap()
            .segment(kind, PARTITION, over, SegmentId(1)),
        kind,
        range: over,
        rows,
        rowless: Rowless::default(),
        bytes: 1,
        digest: Digest::of(&[]),
        fingerprint: "00112233445566aa".parse().unwrap(),
        not_known: None,
        revision: revision.map(Sequence),
    }
}

#[test]
fn corrections_come_in_the_order_of_their_revisions_each_row_once() {
    let segments = [
        corrections(range(0, 50), None, 50),
        corrections(range(50, 90), Some(9), 40),
        corrections(range(0, 30), Some(4), 30),
    ];
    let mut progress = None;
    let mut published = Vec::new();
    while let Some(next) = next_corrections(&segments, progress) {
        // A transaction takes as many rows as fit.
        let rows = (next.segment.rows - next.from).min(25);
        published.push((next.sequence.0, next.from, rows));
        progress = Some(next.published(rows));
    }
    assert_eq!(published, [(4, 0, 25), (4, 25, 5), (9, 0, 25), (9, 25, 15)]);
    assert_eq!(
        progress,
        Some(CorrectionsProgress {
            sequence: Sequence(9),
            rows: 40
        })
    );
}

#[test]
fn progress_beyond_what_is_listed_leaves_nothing() {
    let segments = [corrections(range(0, 30), Some(4), 30)];
    let at = |sequence, rows| {
        Some(CorrectionsProgress {
            sequence: Sequence(sequence),
            rows,
        })
    };
    assert_eq!(next_corrections(&segments, at(4, 30)), None);
    assert_eq!(next_corrections(&segments, at(4, 31)), None);
    assert_eq!(next_corrections(&segments, at(5, 0)), None);
    assert_eq!(next_corrections(&segments, at(3, 99)).unwrap().from, 0);
    assert_eq!(next_corrections(&segments, at(4, 29)).unwrap().from, 29);
    assert_eq!(next_corrections(&[], None), None);
}
