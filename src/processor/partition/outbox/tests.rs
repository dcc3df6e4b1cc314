use super::*;
use crate::{
    calculation::rejects_schema,
    format::{Layout, Rowless, SegmentId, SegmentKind},
    model::{Digest, Offset, OffsetRange, Partition, Sequence},
};

fn segment(revision: u64, rows: u64) -> Segment {
    let start = Offset::new(0).unwrap();
    let range = OffsetRange::new(start, start.plus(rows)).unwrap();
    let layout = Layout::new("events").unwrap();
    Segment {
        path: layout.segment(SegmentKind::Corrections, Partition(0), range, SegmentId(1)),
        kind: SegmentKind::Corrections,
        range,
        rows,
        rowless: Rowless::default(),
        bytes: 1,
        digest: Digest::of(&[]),
        fingerprint: "00112233445566aa".parse().unwrap(),
        not_known: None,
        revision: Some(Sequence(revision)),
    }
}

fn at(sequence: u64, rows: u64) -> CorrectionsProgress {
    CorrectionsProgress {
        sequence: Sequence(sequence),
        rows,
    }
}

fn loaded(progress: CorrectionsProgress) -> Option<Loaded> {
    Some(Loaded {
        rows: Corrected {
            results: arrow_array::RecordBatch::new_empty(rejects_schema()),
            rejects: Vec::new(),
            filtered: Vec::new(),
        },
        progress,
    })
}

fn filled() -> Outbox {
    let mut outbox = Outbox::default();
    outbox.start(Some(at(3, 10)));
    outbox.refresh([segment(3, 10), segment(5, 20), segment(7, 1)].iter());
    outbox
}

#[test]
fn what_is_loaded_is_sent_and_committed_once() {
    let mut outbox = filled();
    let pending = outbox.start_loading().unwrap();
    assert_eq!((pending.sequence, pending.from), (Sequence(5), 0));
    assert!(outbox.start_loading().is_none(), "one at a time");
    assert!(outbox.to_send().is_none() && outbox.is_busy());
    outbox.finish_loading(loaded(at(5, 20)));
    assert!(outbox.to_send().is_some());
    assert_eq!(outbox.to_commit(), Some(at(3, 10)), "not sent yet");
    outbox.mark_sent();
    assert!(outbox.to_send().is_none() && outbox.has_sent());
    assert_eq!(outbox.to_commit(), Some(at(5, 20)));
    assert_eq!(outbox.pending_rows(), 21);
    assert_eq!(outbox.mark_committed(), 20);
    assert_eq!(outbox.pending_rows(), 1);
    assert!(!outbox.is_busy() && !outbox.is_done());
    assert_eq!(outbox.start_loading().unwrap().sequence, Sequence(7));
    outbox.finish_loading(loaded(at(7, 1)));
    outbox.mark_sent();
    outbox.mark_committed();
    assert!(outbox.is_done() && !outbox.is_busy());
    assert_eq!(outbox.to_commit(), Some(at(7, 1)));
}

#[test]
fn an_aborted_transaction_sends_them_again() {
    let mut outbox = filled();
    outbox.start_loading().unwrap();
    outbox.finish_loading(loaded(at(5, 20)));
    outbox.mark_sent();
    outbox.unsend();
    assert_eq!(outbox.to_commit(), Some(at(3, 10)));
    assert!(outbox.to_send().is_some());
    assert_eq!(outbox.mark_committed(), 0);
    assert_eq!(outbox.to_commit(), Some(at(3, 10)), "others were committed");
}

#[test]
fn after_an_unknown_outcome_the_groups_word_counts() {
    for (said, again, published) in [(at(3, 10), true, 0), (at(5, 20), false, 20)] {
        let mut outbox = filled();
        outbox.start_loading().unwrap();
        outbox.finish_loading(loaded(at(5, 20)));
        outbox.mark_sent();
        assert_eq!(outbox.settle(Some(said)), published);
        assert_eq!(outbox.to_send().is_some(), again);
        assert_eq!(outbox.to_commit(), Some(said));
    }
}

#[test]
fn what_cannot_be_read_does_not_keep_a_run_from_ending() {
    let mut outbox = filled();
    outbox.start_loading().unwrap();
    outbox.finish_loading(None);
    assert!(outbox.is_done() && outbox.start_loading().is_none());
    assert!(outbox.is_stuck() && outbox.pending_rows() == 21);
}

#[test]
fn rows_of_a_revision_are_pending_until_they_are_published_one_part_after_the_other() {
    let mut outbox = filled();
    for (upto, published, pending) in [(8, 8, 13), (20, 12, 1)] {
        outbox.start_loading().unwrap();
        outbox.finish_loading(loaded(at(5, upto)));
        outbox.mark_sent();
        assert_eq!(outbox.mark_committed(), published);
        assert_eq!(outbox.pending_rows(), pending);
    }
}
