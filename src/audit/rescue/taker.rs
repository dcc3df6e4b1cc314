//! Published outcomes of a range as they come, into stored ones that prove themselves. Knows no Kafka.
//!
//! First publications of results come in the order of the range, and are calculated batch by batch; corrections, which the store
//! has, and rejects come before them and are kept. Memory: these, a hash for each of the newest results, a batch of rows, and the
//! files.

use std::{
    collections::{BTreeMap, btree_map::Entry, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    sync::Arc,
};

use arrow_array::RecordBatch;

use super::{
    super::{
        RecalculateError,
        message::{Key, Letter},
    },
    corrected::{Corrected, Correction, Corrections, MOST_KEPT},
    kept::{Kept, Lack},
    proof::{Proof, Published},
    seen::{Follows, Seen},
    stored::{Whole, each_reject},
};
use crate::{
    calculation::{Evaluated, Evaluator},
    events::columns,
    format::{Absent, Accumulation, RangeOutcomes, SegmentReader, rows_within, without_row},
    model::{Counts, Offset, OffsetRange, Partition, Reject},
};

/// So many results are calculated at a time at most,
const ROWS: usize = 8192;
/// or about so many bytes of them,
const BYTES: usize = 4 << 20;
/// and so many offsets passed.
const OFFSETS: u64 = 1 << 17;
/// So many results are remembered, to know which come again.
const MOST_SEEN: usize = 1 << 21;

/// See the module.
pub(super) struct Taker {
    evaluator: Arc<Evaluator>,
    events: String,
    partition: Partition,
    corrections: Corrections,
    /// Which of the offsets without an outcome are absent; the others are filtered. `None`: all are absent.
    absent: Option<Vec<OffsetRange>>,
    /// Whether a file that is whole has the results.
    has_results: bool,
    rejects: BTreeMap<Offset, Kept>,
    kept: usize,
    /// The first publications so far.
    seen: Seen,
    /// Those that are not calculated yet.
    waiting: Vec<Published>,
    bytes: usize,
    /// Rows of a file instead.
    stored: Option<RecordBatch>,
    made: Accumulation,
    /// Whether the time of some result's event is not known.
    lacks_time: bool,
    /// Whether the key of one is not.
    lacks_key: bool,
}

impl Taker {
    /// For the range of `corrections` of a partition of the topic `events`, whose outcomes are those of `evaluator`.
    pub fn new(
        evaluator: Arc<Evaluator>,
        (events, partition): (&str, Partition),
        corrections: Corrections,
    ) -> Taker {
        Taker {
            evaluator,
            events: events.to_owned(),
            partition,
            absent: None,
            has_results: false,
            rejects: BTreeMap::new(),
            kept: corrections.bytes(),
            seen: Seen::remembering(MOST_SEEN),
            waiting: Vec::new(),
            bytes: 0,
            stored: None,
            made: Accumulation::filling(corrections.range().start(), None),
            lacks_time: false,
            lacks_key: false,
            corrections,
        }
    }

    /// The offsets whose outcomes are taken.
    pub fn range(&self) -> OffsetRange {
        self.corrections.range()
    }

    /// Whether what was published can suffice at all, where the manifest states so many of each, and these files are whole.
    ///
    /// # Errors
    /// [`RecalculateError::NotPublished`] when it cannot; [`RecalculateError::NotTaken`] when this program cannot tell.
    pub fn expect(&mut self, stated: Counts, whole: &Whole) -> Result<(), RecalculateError> {
        let needs_results = whole.results.is_none() && stated.results > 0;
        if let Some(field) = self.evaluator.field_kept_back().filter(|_| needs_results) {
            return Err(self.not_published(format!(
                "messages do not hold the field {} (--publish), so that nobody could calculate them again",
                field.name
            )));
        }
        let needs_rejects = whole.rejects.is_none() && stated.rejects > 0;
        let mut corrected = self.corrections.within(self.range());
        let is_reject = |correction: &Correction| matches!(correction.now, Corrected::Reject);
        let reject = corrected.find(|(_, correction)| needs_rejects && is_reject(correction));
        if let Some((offset, _)) = reject {
            return Err(self.refuse(format!(
                "offset {offset} became a reject by a correction, and only its file says of what its payload was made: restore the file from a backup"
            )));
        }
        self.has_results = whole.results.is_some();
        self.absent = match (stated.filtered, stated.absent, whole.absent()) {
            (0, ..) => None,
            (_, 0, _) => Some(Vec::new()),
            (_, _, Some(Absent::Ranges(runs))) => Some(runs.clone()),
            (filtered, absent, _) => {
                return Err(self.not_published(format!(
                    "{filtered} of its offsets are filtered and {absent} absent, and only its files say which"
                )));
            }
        };
        Ok(())
    }

    /// Takes the rejects of a file that is whole.
    pub fn take_rejects(&mut self, file: SegmentReader) -> Result<(), RecalculateError> {
        let facts = file.facts().clone();
        each_reject(file, |reject| {
            if !self.range().contains(reject.offset) {
                return Ok(());
            }
            self.rejects.insert(reject.offset, Kept::Stored(reject));
            Ok(())
        })?;
        self.made.rejects_came_from(&facts);
        Ok(())
    }

    /// Takes the results of a file that is whole, as far as they are of the range; all rejects come before them.
    pub fn take_results(&mut self, file: SegmentReader) -> Result<(), RecalculateError> {
        let end = self.range().end();
        let mut facts = file.facts().clone();
        if let Some(not_known) = &mut facts.not_known {
            not_known.before = not_known.before.min(end);
        }
        self.made.results_came_from(&facts);
        for batch in file {
            if self.made.end() >= end {
                break;
            }
            let batch = batch?;
            // The columns alone: what the file says about itself is not true of another.
            let rows =
                RecordBatch::try_new(self.evaluator.results_schema(), batch.columns().to_vec())?;
            let last = columns::offsets(&rows).and_then(|offsets| offsets.last().copied());
            if let Some(last) = last.and_then(Offset::new) {
                self.stored = Some(rows);
                self.pass_to(last.plus(1).min(end))?;
            }
        }
        Ok(())
    }

    /// Takes in a dead letter of the range; all come before the results.
    pub fn letter(
        &mut self,
        key: Key,
        letter: &Letter<'_>,
        timestamp: Option<i64>,
    ) -> Result<(), RecalculateError> {
        let offset = key.offset;
        self.know(key)?;
        if self.corrections.get(offset).is_some() {
            // It is a reject no more.
            return Ok(());
        }
        let is_cut = letter.whole.is_some() || letter.key_bytes.is_some();
        let kept = match is_cut {
            true => Kept::Cut,
            false => Kept::Letter(Reject {
                offset,
                timestamp,
                key: letter.key.map(<[u8]>::to_vec),
                payload: letter.payload.map(<[u8]>::to_vec),
                reason: letter.reason.to_owned(),
            }),
        };
        match self.rejects.entry(offset) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().and(kept);
                Ok(())
            }
            Entry::Vacant(entry) => {
                self.kept += entry.insert(kept).bytes();
                match self.kept > MOST_KEPT {
                    true => Err(self.refuse(
                        "its rejects and corrections are too many to be taken from the topics at a time",
                    )),
                    false => Ok(()),
                }
            }
        }
    }

    /// Whether the history knows of a publication: a correction of a higher revision may have made something else of an outcome.
    pub fn know(&self, key: Key) -> Result<(), RecalculateError> {
        let (offset, Some(revision)) = (key.offset, key.revision) else {
            return Ok(());
        };
        let newest = self.corrections.get(offset);
        match newest.is_some_and(|newest| revision <= newest.revision) {
            true => Ok(()),
            false => Err(self.refuse(format!(
                "offset {offset} has revision {revision}, which the history does not have"
            ))),
        }
    }

    /// Takes in the first publication of a result, with the key of its event where it carries it.
    pub fn first(
        &mut self,
        offset: Offset,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), RecalculateError> {
        let Some(value) = value else {
            return Err(self.refuse(format!("the result of offset {offset} has no value")));
        };
        let mut hasher = DefaultHasher::new();
        (key, value).hash(&mut hasher);
        match self.seen.add(offset, hasher.finish()) {
            Follows::First => {}
            Follows::Again => return Ok(()),
            Follows::Differs => {
                return Err(self.refuse(format!(
                    "there are two results of offset {offset}, which differ"
                )));
            }
            Follows::OutOfOrder => {
                return Err(self.refuse(format!(
                    "the result of offset {offset} comes after later ones"
                )));
            }
            Follows::TooFarBack => {
                return Err(self.refuse(format!(
                    "the result of offset {offset} comes again after {MOST_SEEN} others, and more are not remembered"
                )));
            }
        }
        if self.corrections.get(offset).is_some() {
            return Ok(());
        }
        self.bytes += value.len() + key.map_or(0, <[u8]>::len);
        self.waiting.push(Published {
            offset,
            timestamp: None,
            key: key.map(<[u8]>::to_vec),
            value: value.to_vec(),
        });
        match self.waiting.len() >= ROWS || self.bytes >= BYTES {
            true => self.pass_to(offset.plus(1)),
            false => Ok(()),
        }
    }

    /// What was made of it.
    pub fn finish(mut self) -> Result<Accumulation, RecalculateError> {
        self.pass_to(self.range().end())?;
        if self.lacks_time || self.lacks_key {
            self.made.came_from_messages(self.lacks_key);
        }
        Ok(self.made)
    }

    /// Makes the outcomes of all offsets before `end`.
    fn pass_to(&mut self, end: Offset) -> Result<(), RecalculateError> {
        while self.made.end() < end {
            let start = self.made.end();
            let to = start.plus(OFFSETS).min(end);
            let range = OffsetRange::new(start, to).unwrap_or(OffsetRange::empty(start));
            self.pass(range)?;
        }
        self.bytes = 0;
        self.stored = None;
        Ok(())
    }

    fn pass(&mut self, range: OffsetRange) -> Result<(), RecalculateError> {
        let end = range.end();
        let waiting = self.waiting.partition_point(|one| one.offset < end);
        let mut results: Vec<Published> = self.waiting.drain(..waiting).collect();
        let mut rejects = self.rejects.split_off(&end);
        std::mem::swap(&mut rejects, &mut self.rejects);
        for (_, correction) in self.corrections.within(range) {
            match &correction.now {
                Corrected::Result(Some(result)) if !self.has_results => {
                    results.push(Published::clone(result));
                }
                _ => {}
            }
        }
        results.sort_by_key(|one| one.offset);
        self.lacks_time |= results.iter().any(|one| one.timestamp.is_none());
        // Whoever knows the time of an event knows its key as well, or that it has none.
        let lacks_key = |one: &Published| one.key.is_none() && one.timestamp.is_none();
        self.lacks_key |= results.iter().any(lacks_key);
        let mut outcomes = match &self.stored {
            Some(stored) => Evaluated {
                results: rows_within(stored, range.start(), end),
                ..Evaluated::empty(self.evaluator.results_schema())
            },
            None => self.proof().results(&results)?,
        };
        let offsets = columns::offsets(&outcomes.results).unwrap_or_default();
        for (offset, kept) in rejects {
            let has_result = offsets.binary_search(&offset.get()).is_ok();
            match kept.reject(offset, has_result) {
                Ok(reject) => outcomes.rejects.extend(reject),
                Err(Lack::NotTaken(why)) => return Err(self.refuse(why)),
                Err(Lack::NotPublished(why)) => return Err(self.not_published(why)),
            }
        }
        self.proof().rejects(&outcomes.rejects)?;
        if let Some(absent) = &self.absent {
            let rejects = outcomes.rejects.iter().map(|reject| reject.offset.get());
            outcomes.filtered = without_row(range, offsets.iter().copied(), rejects, absent);
        }
        Ok(self.made.append(&RangeOutcomes::new(range, outcomes)?)?)
    }

    fn proof(&self) -> Proof<'_> {
        Proof {
            evaluator: &self.evaluator,
            events: &self.events,
            partition: self.partition,
            range: self.range(),
        }
    }

    fn refuse(&self, detail: impl Into<String>) -> RecalculateError {
        RecalculateError::not_taken(self.range(), detail)
    }

    fn not_published(&self, detail: impl Into<String>) -> RecalculateError {
        RecalculateError::not_published(self.range(), detail)
    }
}
