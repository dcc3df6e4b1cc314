//! The rows of one segment, passed once, in the order in which they are stored.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use arrow_array::RecordBatch;

use super::{
    Finding, FindingKind, instructions,
    semantic::{self, Compared, Wrong, single},
};
use crate::{
    calculation::Evaluator,
    events::columns,
    format::{Segment, SegmentKind, SegmentReader},
    model::{Offset, OffsetRange, Partition},
};

/// Rows of one segment that are reported one by one; what goes beyond is summed up.
const DETAILED: usize = 100;

/// What a pass over a segment is for.
pub(super) struct Subject<'a> {
    pub segment: &'a Segment,
    pub partition: Partition,
    /// Where the segment is, for people.
    pub location: &'a str,
}

impl Subject<'_> {
    pub fn finding(
        &self,
        kind: FindingKind,
        range: OffsetRange,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding::new(kind, self.partition, range, detail, remedy).of(&self.segment.path)
    }
}

/// A pass over the rows of a segment.
pub(super) struct Rows<'a> {
    pub subject: Subject<'a>,
    batches: SegmentReader,
    /// What its rows are compared with.
    evaluator: Option<Arc<Evaluator>>,
    /// When to give up, and whether that has happened.
    until: Option<Instant>,
    cut_short: bool,
    /// The offsets of the batch that the pass is in, and how far it is.
    offsets: Vec<i64>,
    at: usize,
    last: Option<i64>,
    rows: u64,
    raw_timestamps: u64,
    not_known: u64,
    disorder: Option<Disorder>,
    wrong: Few,
    unreadable: Option<String>,
}

/// The first row out of order, and how many there are.
struct Disorder {
    detail: String,
    rows: u64,
}

/// Wrong rows, the first of them in detail.
#[derive(Default)]
struct Few {
    first: Vec<Wrong>,
    more: u64,
    hull: Option<OffsetRange>,
}

impl<'a> Rows<'a> {
    /// A pass that has not begun. The rows are compared with what `evaluator` gives, which is of the segment's fingerprint.
    pub fn new(
        subject: Subject<'a>,
        batches: SegmentReader,
        evaluator: Option<Arc<Evaluator>>,
        until: Option<Instant>,
    ) -> Rows<'a> {
        Rows {
            subject,
            batches,
            evaluator,
            until,
            cut_short: false,
            offsets: Vec::new(),
            at: 0,
            last: None,
            rows: 0,
            raw_timestamps: 0,
            not_known: 0,
            disorder: None,
            wrong: Few::default(),
            unreadable: None,
        }
    }

    /// The offset of the next row, reading on where necessary. `None` at the end, and where the segment cannot be read
    /// further.
    #[inline]
    pub fn peek(&mut self) -> Option<i64> {
        if let Some(offset) = self.offsets.get(self.at) {
            return Some(*offset);
        }
        self.read()
    }

    /// Goes to the next row.
    #[inline]
    pub fn advance(&mut self) {
        self.at += 1;
    }

    /// The rows passed so far.
    pub fn count(&self) -> u64 {
        self.rows
    }

    /// The rows passed that were compared with nothing, although they are outcomes.
    pub fn not_compared(&self) -> u64 {
        let corrections = self.subject.segment.kind == SegmentKind::Corrections;
        match self.evaluator {
            None if !corrections => self.rows,
            _ => 0,
        }
    }

    /// The rows passed whose timestamp readers cannot show.
    pub fn raw_timestamps(&self) -> u64 {
        self.raw_timestamps
    }

    /// The rows passed that do not know everything of their events.
    pub fn not_known(&self) -> u64 {
        self.not_known
    }

    /// Whether offsets ascend within the range, so that coverage makes sense.
    pub fn is_orderly(&self) -> bool {
        self.disorder.is_none()
    }

    /// Whether every row could be read.
    pub fn is_readable(&self) -> bool {
        self.unreadable.is_none()
    }

    /// Whether the time was over before the last row.
    pub fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    #[cold]
    fn read(&mut self) -> Option<i64> {
        while self.unreadable.is_none() {
            self.cut_short = self.until.is_some_and(|until| until <= Instant::now());
            if self.cut_short {
                break;
            }
            let next = catch_unwind(AssertUnwindSafe(|| self.batches.next()));
            let batch = match next.ok() {
                Some(None) => return None,
                Some(Some(Ok(batch))) => batch,
                Some(Some(Err(error))) => {
                    self.unreadable = Some(error.to_string());
                    break;
                }
                None => {
                    self.unreadable = Some("the Parquet decoder panicked".to_owned());
                    break;
                }
            };
            let Some(offsets) = columns::offsets(&batch) else {
                self.unreadable = Some("the column kafka_offset is not BIGINT NOT NULL".to_owned());
                break;
            };
            self.offsets.clear();
            self.offsets.extend_from_slice(offsets);
            self.at = 0;
            self.check_order();
            self.rows += batch.num_rows() as u64;
            self.check_timestamps(&batch);
            if let Some(not_known) = self.subject.segment.not_known {
                let before = not_known.before.get();
                self.not_known += self.offsets.partition_point(|at| *at < before) as u64;
            }
            if self.subject.segment.kind == SegmentKind::Corrections {
                self.check_corrections(&batch);
            } else if let Some(evaluator) = self.evaluator.clone() {
                self.compare(&evaluator, &batch);
            }
            if let Some(first) = self.offsets.first() {
                return Some(*first);
            }
        }
        None
    }

    /// Equal offsets are in order; that they are doubled is for the coverage to say.
    fn check_order(&mut self) {
        let range = self.subject.segment.range;
        let (start, end) = (range.start().get(), range.end().get());
        let mut last = self.last.unwrap_or(start);
        for (row, offset) in self.offsets.iter().copied().enumerate() {
            if offset < last || offset >= end {
                let row = self.rows + row as u64;
                let disorder = self.disorder.get_or_insert_with(|| Disorder {
                    detail: if (start..end).contains(&offset) {
                        format!("row {row} has offset {offset}, the row before it {last}")
                    } else {
                        format!("row {row} has offset {offset}, outside of {range}")
                    },
                    rows: 0,
                });
                disorder.rows += 1;
            }
            last = last.max(offset);
        }
        self.last = Some(last);
    }

    fn check_timestamps(&mut self, batch: &RecordBatch) {
        match semantic::timestamps(batch) {
            Some((wrong, raw)) => {
                self.raw_timestamps += raw;
                wrong.into_iter().for_each(|wrong| self.wrong.push(wrong));
            }
            None => {
                self.unreadable = Some("the columns of the timestamps are not there".to_owned());
            }
        }
    }

    /// Corrections are compared with themselves: what each outcome was must stand there as its kind says, and be another than
    /// what it is.
    fn check_corrections(&mut self, batch: &RecordBatch) {
        match semantic::corrections(self.subject.partition, batch) {
            Compared::Rows(wrong) => wrong.into_iter().for_each(|wrong| self.wrong.push(wrong)),
            Compared::OtherColumns(why) => {
                self.unreadable = Some(format!("its rows are not those of corrections: {why}"));
            }
        }
    }

    fn compare(&mut self, evaluator: &Evaluator, batch: &RecordBatch) {
        let compared = match self.subject.segment.kind {
            SegmentKind::Results => semantic::results(evaluator, batch),
            SegmentKind::Rejects => semantic::rejects(evaluator, batch),
            SegmentKind::Corrections => return,
        };
        match compared {
            Compared::Rows(wrong) => wrong.into_iter().for_each(|wrong| self.wrong.push(wrong)),
            Compared::OtherColumns(why) => {
                let fingerprint = &self.subject.segment.fingerprint;
                self.unreadable = Some(format!(
                    "its columns are not those of the calculation {fingerprint}: {why}"
                ));
            }
        }
    }

    /// What the pass has found.
    pub fn findings(&mut self) -> Vec<Finding> {
        let subject = &self.subject;
        let (range, location) = (subject.segment.range, subject.location);
        let mut findings = Vec::new();
        if let Some(why) = &self.unreadable {
            let remedy = instructions::restore(subject.segment, location);
            findings.push(subject.finding(FindingKind::Unreadable, range, why.clone(), remedy));
        }
        if let Some(disorder) = &self.disorder {
            let detail = format!("{} ({} rows out of order)", disorder.detail, disorder.rows);
            let remedy = instructions::rewritten(location);
            findings.push(subject.finding(FindingKind::Unsorted, range, detail, remedy));
        }
        let kind = match subject.segment.kind {
            SegmentKind::Rejects => FindingKind::WrongReject,
            SegmentKind::Results | SegmentKind::Corrections => FindingKind::WrongResult,
        };
        let wrong = std::mem::take(&mut self.wrong);
        let more = wrong.more;
        let remedy = match subject.segment.kind {
            SegmentKind::Corrections => instructions::corrected(location),
            SegmentKind::Results | SegmentKind::Rejects => instructions::recomputed(location),
        };
        for wrong in wrong.first {
            findings.push(subject.finding(kind, wrong.range, wrong.detail, remedy.clone()));
        }
        if more > 0 {
            let range = wrong.hull.unwrap_or(range);
            let detail = format!("{more} more in this range");
            findings.push(subject.finding(kind, range, detail, remedy));
        }
        findings
    }
}

impl Few {
    fn push(&mut self, wrong: Wrong) {
        if self.first.len() < DETAILED {
            self.first.push(wrong);
            return;
        }
        self.more += 1;
        let (start, end) = (wrong.range.start(), wrong.range.end());
        let hull = self.hull.get_or_insert(wrong.range);
        *hull = hull_of(*hull, start, end);
    }
}

fn hull_of(hull: OffsetRange, start: Offset, end: Offset) -> OffsetRange {
    OffsetRange::new(hull.start().min(start), hull.end().max(end)).unwrap_or(single(start.get()))
}
