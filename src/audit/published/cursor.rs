//! Stored rows, found by offset: segments of one kind, one batch of rows of one of them in memory at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use tokio::runtime::Handle;

use super::rows::{Rows, What};
use crate::{
    audit::AuditError,
    format::{Layout, Segment, SegmentError, SegmentReader},
    history::{FetchError, SegmentFile, open_segment},
    model::{OffsetRange, Partition},
    store::{Store, StoreError},
};

/// Where the segments of a partition are.
#[derive(Clone)]
pub(super) struct Files {
    pub runtime: Handle,
    pub store: Store,
    pub layout: Layout,
    pub partition: Partition,
}

/// A reader of segments that goes forward, and again from the start of a segment where it has to go back.
pub(super) struct Cursor {
    files: Files,
    what: What,
    segments: Vec<Segment>,
    open: Option<Open>,
    /// The ranges of segments that cannot be read; the integrity of the store is checked elsewhere.
    unreadable: Vec<OffsetRange>,
}

/// A segment that is being read.
struct Open {
    index: usize,
    /// Kept for going back.
    file: SegmentFile,
    reader: SegmentReader,
    rows: Rows,
    /// Rows before this offset need a new start.
    reach: i64,
    /// The row that was found last; the next one is usually at it or right after it.
    at: usize,
}

/// A row: the segment's place in the list, and the row's in the batch at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub index: usize,
    pub row: usize,
    pub offset: i64,
}

impl Cursor {
    /// A cursor over `segments`.
    pub fn new(files: Files, what: What, segments: Vec<Segment>) -> Cursor {
        Cursor {
            files,
            what,
            segments,
            open: None,
            unreadable: Vec::new(),
        }
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether an offset lies in a segment that cannot be read.
    pub fn is_unreadable(&self, offset: i64) -> bool {
        let holds =
            |range: &OffsetRange| (range.start().get()..range.end().get()).contains(&offset);
        self.unreadable.iter().any(holds)
    }

    /// The rows of the segments that cannot be read.
    pub fn unreadable_rows(&self) -> u64 {
        let listed = self.segments.iter();
        let lost = listed.filter(|segment| self.unreadable.contains(&segment.range));
        lost.map(|segment| segment.rows).sum()
    }

    /// The first row at or after `offset`, of segments whose ranges ascend.
    pub fn find(&mut self, offset: i64) -> Result<Option<Found>, AuditError> {
        let ends_before = |segment: &Segment| segment.range.end().get() <= offset;
        let index = match &self.open {
            // Nearly always it is the one that is open.
            Some(open)
                if self.segments[open.index].range.start().get() <= offset
                    && !ends_before(&self.segments[open.index]) =>
            {
                open.index
            }
            _ => self.segments.partition_point(ends_before),
        };
        self.find_from(index, offset)
    }

    /// The first row of the segment at `index` that is at or after `offset`, or else the first row of those after it.
    pub fn find_from(&mut self, index: usize, offset: i64) -> Result<Option<Found>, AuditError> {
        let mut offset = offset;
        for index in index..self.segments.len() {
            if let Some(row) = self.find_in(index, offset)? {
                let rows = self.open.as_ref().map(|open| open.rows.offsets());
                let offset = rows.and_then(|rows| rows.get(row)).copied();
                return Ok(offset.map(|offset| Found { index, row, offset }));
            }
            offset = i64::MIN;
        }
        Ok(None)
    }

    /// The batch that holds the row found last.
    pub fn rows(&self) -> Option<&Rows> {
        self.open.as_ref().map(|open| &open.rows)
    }

    /// How many rows lie before `offset`, by what the manifest states as far as that suffices.
    pub fn count_before(&mut self, offset: i64) -> Result<u64, AuditError> {
        let mut count = 0;
        for index in 0..self.segments.len() {
            let (range, rows) = (self.segments[index].range, self.segments[index].rows);
            if range.start().get() >= offset {
                break;
            }
            if range.end().get() <= offset {
                count += rows;
                continue;
            }
            let mut from = i64::MIN;
            while let Some(row) = self.find_in(index, from)? {
                let Some(offsets) = self.rows().map(|rows| &rows.offsets()[row..]) else {
                    break;
                };
                let before = offsets.partition_point(|row| *row < offset);
                count += before as u64;
                match offsets.last() {
                    Some(last) if before == offsets.len() => from = last + 1,
                    _ => break,
                }
            }
        }
        Ok(count)
    }

    fn find_in(&mut self, index: usize, offset: i64) -> Result<Option<usize>, AuditError> {
        if self.unreadable.contains(&self.segments[index].range) {
            return Ok(None);
        }
        let reaches = |open: &Open| open.index == index && offset >= open.reach;
        if !self.open.as_ref().is_some_and(reaches) && !self.start(index)? {
            return Ok(None);
        }
        let what = (self.what, self.files.layout.topic(), self.files.partition);
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        loop {
            if let Some(row) = open.row(offset) {
                return Ok(Some(row));
            }
            let next = catch_unwind(AssertUnwindSafe(|| open.next(what)));
            match next.ok().transpose()?.flatten() {
                Some(true) => {}
                Some(false) => return Ok(None),
                // The digest agrees: a writer's mistake, which the integrity check has told.
                None => {
                    self.open = None;
                    self.unreadable.push(self.segments[index].range);
                    return Ok(None);
                }
            }
        }
    }

    /// Opens the segment at `index` at its start; whether it can be read.
    fn start(&mut self, index: usize) -> Result<bool, AuditError> {
        let segment = &self.segments[index];
        let held = self.open.take().filter(|open| open.index == index);
        let file = match held {
            Some(open) => Some(open.file),
            None => self.fetch(segment)?,
        };
        let opened = file.and_then(|file| {
            let reader = catch_unwind(AssertUnwindSafe(|| file.read()));
            Some((file, reader.ok()?.ok()?))
        });
        let Some((file, reader)) = opened else {
            self.unreadable.push(segment.range);
            return Ok(false);
        };
        self.open = Some(Open {
            index,
            file,
            reader,
            rows: Rows::default(),
            reach: i64::MIN,
            at: 0,
        });
        Ok(true)
    }

    fn fetch(&self, segment: &Segment) -> Result<Option<SegmentFile>, AuditError> {
        let Files {
            runtime,
            store,
            layout,
            ..
        } = &self.files;
        match runtime.block_on(open_segment(store, layout, segment)) {
            Ok(file) => Ok(Some(file)),
            Err(FetchError::Store(error)) if !error.concerns_the_object() => Err(error.into()),
            Err(_) => Ok(None),
        }
    }
}

impl Open {
    /// The first row of the batch at or after `offset`.
    fn row(&mut self, offset: i64) -> Option<usize> {
        let offsets = self.rows.offsets();
        let is_it = |row: &usize| {
            let found = offsets.get(*row).is_some_and(|found| *found >= offset);
            found
                && row
                    .checked_sub(1)
                    .is_none_or(|before| offsets[before] < offset)
        };
        let near = [self.at, self.at + 1].into_iter().find(is_it);
        let row = near.unwrap_or_else(|| offsets.partition_point(|found| *found < offset));
        self.at = row;
        (row < offsets.len()).then_some(row)
    }

    /// Goes to the next batch; `Some(false)` after the last, `None` when it cannot be read.
    fn next(
        &mut self,
        (what, topic, partition): (What, &str, Partition),
    ) -> Result<Option<bool>, StoreError> {
        let batch: RecordBatch = match self.reader.next() {
            None => return Ok(Some(false)),
            Some(Ok(batch)) => batch,
            Some(Err(SegmentError::Store(error))) => return Err(error),
            Some(Err(_)) => return Ok(None),
        };
        if let Some(end) = self.rows.end() {
            self.reach = end;
        }
        let Some(rows) = Rows::of(what, topic, partition, &batch) else {
            return Ok(None);
        };
        self.rows = rows;
        self.at = 0;
        Ok(Some(true))
    }
}
