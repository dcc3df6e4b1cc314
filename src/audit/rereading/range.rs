//! One range: its record and its rows beside its events. Blocking.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arrow_array::RecordBatch;

use super::super::{
    AuditError, Finding, FindingKind, Reread, Unread,
    around::{Log, Piece},
    coverage::Listed,
    instructions,
    recalculate::{File, RecalculateError, Stored, open},
    semantic::single,
};
use crate::{
    calculation::{Declaration, Evaluator, Fingerprint},
    events::columns::offsets,
    format::{Absent, Segment, SilentRange},
    history::FetchError,
    kafka::{Batch, Connection, KafkaError, Reader},
    model::{Event, OffsetRange, Partition},
};

/// How long Kafka may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A range that has offsets without a row.
#[derive(Clone)]
pub(super) enum Recorded {
    /// Nothing in it has a row.
    Silent(SilentRange),
    /// Its results and rejects.
    Files(OffsetRange, Vec<Segment>),
}

impl Recorded {
    pub fn range(&self) -> OffsetRange {
        match self {
            Recorded::Silent(silent) => silent.range,
            Recorded::Files(range, _) => *range,
        }
    }

    pub fn segments(&self) -> &[Segment] {
        match self {
            Recorded::Silent(_) => &[],
            Recorded::Files(_, segments) => segments,
        }
    }

    /// The calculation whose condition filtered its events.
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        match self {
            Recorded::Silent(silent) => silent.fingerprint.as_ref(),
            Recorded::Files(_, segments) => segments.first().map(|file| &file.fingerprint),
        }
    }

    /// How many of its events are filtered.
    fn filtered(&self) -> u64 {
        match self {
            Recorded::Silent(silent) => silent.record.filtered,
            Recorded::Files(_, segments) => {
                segments.first().map_or(0, |file| file.rowless.filtered)
            }
        }
    }

    /// When nothing can be said about it.
    pub fn not_checkable(&self) -> Found {
        let mut found = Found::new(self.range(), None);
        found.counts.not_checkable = self.filtered();
        found
    }
}

/// What reading a range again gave.
pub(super) struct Found {
    pub counts: Reread,
    /// What of its events could not be read.
    pub unread: Vec<Unread>,
    range: OffsetRange,
    declared: Option<Declaration>,
    /// Filtered, although the condition lets them through.
    wrong_filtered: Listed,
    /// Delivered, although they are recorded as absent.
    wrong_absent: Listed,
}

impl Found {
    fn new(range: OffsetRange, declared: Option<Declaration>) -> Found {
        Found {
            counts: Reread::default(),
            unread: Vec::new(),
            range,
            declared,
            wrong_filtered: Listed::default(),
            wrong_absent: Listed::default(),
        }
    }

    /// Place by place, or one for all of the range.
    pub fn findings(self, partition: Partition, detailed: bool) -> Vec<Finding> {
        let declared = self.declared.as_ref().map(ToString::to_string);
        let condition = declared.unwrap_or_else(|| "a calculation that is not declared".to_owned());
        let mut findings = Vec::new();
        let lists = [
            (
                FindingKind::WrongFiltered,
                self.wrong_filtered,
                format!(
                    "on record as filtered; evaluated again, {condition} lets its event through"
                ),
                instructions::wrong_filtered(),
            ),
            (
                FindingKind::WrongAbsent,
                self.wrong_absent,
                "on record as never delivered; Kafka delivers an event there".to_owned(),
                instructions::wrong_absent(),
            ),
        ];
        for (kind, listed, what, remedy) in lists {
            let mut add = |range: OffsetRange, text: String| {
                findings.push(Finding::new(kind, partition, range, text, remedy.clone()));
            };
            let mut more = listed.more;
            for range in &listed.ranges {
                match (detailed, range.len()) {
                    (false, _) => more += 1,
                    (true, 1) => add(*range, format!("offset {} is {what}", range.start())),
                    (true, _) => {
                        let last = range.end().get() - 1;
                        add(
                            *range,
                            format!("each of the offsets {} to {last} is {what}", range.start()),
                        );
                    }
                }
            }
            if more > 0 {
                let range = listed.hull.unwrap_or(self.range);
                add(
                    range,
                    format!("in {more} more places of this range, an offset is {what}"),
                );
            }
        }
        findings
    }
}

/// What a range is read with.
pub(super) struct Task {
    pub reader: Arc<Reader>,
    pub connection: Connection,
    pub topic: String,
    pub partition: Partition,
    /// The part of it that Kafka holds.
    pub readable: OffsetRange,
    pub declared: Option<Declaration>,
    /// `None` when this program does not have the calculation.
    pub evaluator: Option<Arc<Evaluator>>,
    pub read: Arc<AtomicU64>,
}

impl Task {
    pub fn check(self, recorded: &Recorded, files: Vec<File>) -> Result<Found, AuditError> {
        let (mut stored, absent) = match recorded {
            Recorded::Silent(silent) => (Stored::default(), silent.record.absent.clone()),
            Recorded::Files(..) => match open(files) {
                Ok((open, _)) => (open.stored, open.absent),
                // That is a finding of `verify`.
                Err(_) => return Ok(recorded.not_checkable()),
            },
        };
        let (start, filtered) = (self.readable.start().get(), recorded.filtered());
        let mut found = Found::new(recorded.range(), self.declared.clone());
        // The rows of what Kafka holds no more.
        let mut failure = stored.up_to(start - 1).err();
        let mut seen = 0;
        if failure.is_none() {
            let log = Log {
                connection: &self.connection,
                topic: &self.topic,
                partition: self.partition,
            };
            let read = log.read_around(&self.reader, self.readable, PATIENCE, |piece| {
                // What may be in it is not checkable.
                let Piece::Batch(batch) = piece else {
                    return ControlFlow::Continue(());
                };
                let events = batch.len() as u64;
                match self.batch(&mut stored, &absent, &batch, &mut found) {
                    Ok(without_row) => seen += without_row,
                    Err(error) => failure = Some(error),
                }
                self.read.fetch_add(events, Ordering::Relaxed);
                match failure {
                    None => ControlFlow::Continue(()),
                    Some(_) => ControlFlow::Break(()),
                }
            });
            match read {
                // Retention has gone on meanwhile.
                Err(KafkaError::OutOfRange { .. }) => {}
                Ok(unread) => found.unread = unread,
                Err(error) => return Err(error.into()),
            }
        }
        match failure {
            None => {}
            Some(RecalculateError::Calculation(error)) => return Err(error.into()),
            Some(RecalculateError::Fetch(FetchError::Store(error))) => return Err(error.into()),
            Some(_) => return Ok(recorded.not_checkable()),
        }
        found.counts.not_checkable = filtered.saturating_sub(seen);
        if seen > filtered {
            // Which of them it is, only a digest says.
            found.wrong_absent.push(self.readable);
        }
        Ok(found)
    }

    /// Compares a batch of events with the rows of the same offsets; how many of them have no row, and may have none.
    fn batch(
        &self,
        stored: &mut Stored,
        absent: &Absent,
        batch: &Batch,
        found: &mut Found,
    ) -> Result<u64, RecalculateError> {
        let window = stored.up_to(batch.last_offset().get())?;
        let rows = |rows: &Option<RecordBatch>| -> Vec<i64> {
            let rows = rows.as_ref().and_then(offsets);
            rows.map(<[i64]>::to_vec).unwrap_or_default()
        };
        let (results, rejects) = (rows(&window.results), rows(&window.rejects));
        let has_row = |event: &Event<'_>| {
            let offset = event.offset.get();
            results.binary_search(&offset).is_ok() || rejects.binary_search(&offset).is_ok()
        };
        let runs = match absent {
            Absent::Ranges(runs) => runs.as_slice(),
            Absent::Digest(_) => &[],
        };
        let is_absent = |event: &Event<'_>| {
            let run = runs.partition_point(|run| run.end() <= event.offset);
            runs.get(run).is_some_and(|run| run.contains(event.offset))
        };
        let without_row = batch.iter().filter(|event| !has_row(event));
        let (unexpected, events): (Vec<Event<'_>>, Vec<Event<'_>>) =
            without_row.partition(is_absent);
        for event in unexpected {
            found.wrong_absent.push(single(event.offset.get()));
        }
        let count = events.len() as u64;
        match &self.evaluator {
            _ if events.is_empty() => {}
            None => found.counts.not_compared += count,
            Some(evaluator) => {
                let at: Vec<i64> = events.iter().map(|event| event.offset.get()).collect();
                let filtered = evaluator.evaluate(events.into_iter())?.filtered;
                let mut filtered = filtered.iter().map(|at| at.get()).peekable();
                found.counts.filtered += count;
                for offset in at {
                    if filtered.next_if_eq(&offset).is_none() {
                        found.wrong_filtered.push(single(offset));
                    }
                }
            }
        }
        Ok(count)
    }
}
