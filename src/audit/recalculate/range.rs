//! One range, from its stored files to those of its repair. Blocking; reads Kafka only where the stored fields do not suffice.

use std::time::Duration;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;

use super::{
    super::semantic::events as events_of,
    RecalculateError,
    changes::changes,
    choice::MOST_BYTES,
    events::Events,
    open::{File, Open, not_rejects, open},
    results::ResultsTopic,
    window::{Stored, Window},
};
use crate::{
    calculation::{CalculationError, Evaluated, Evaluator, reject_stored},
    events::{
        EncodeError, Field, Fields, MessageBuffer, ResultEncoder, columns::offsets, too_large,
    },
    format::{Encoded, Identity, NotKnown, Rewriter, SilentRange},
    kafka::Batch,
    model::{OffsetRange, Reject},
};

/// See the module.
pub(super) struct Range<'r> {
    pub evaluator: &'r Evaluator,
    /// Where corrections will go.
    pub results: &'r ResultsTopic,
    /// How long Kafka may say nothing while the range is read again.
    pub patience: Duration,
    pub identity: Identity,
    pub range: OffsetRange,
    /// Whether results had the keys of their events when their sizes decided, if not as `evaluator` says.
    pub carried_keys: Option<bool>,
}

impl Range<'_> {
    /// Calculates the range anew from what is stored.
    ///
    /// # Errors
    /// [`CalculationError::Stored`] when the stored fields do not suffice, [`RecalculateError::Filtered`] when events do not
    /// that are not stored.
    pub fn of_stored(&self, files: Vec<File>) -> Result<Encoded, RecalculateError> {
        let (mut open, declaration) = open(files)?;
        self.suffices(&open)?;
        if open.filtered > 0 && !declaration.takes_the_same(&self.evaluator.declaration()) {
            let count = open.filtered;
            return Err(RecalculateError::Filtered { count });
        }
        let mut writer = self.writer(&open);
        writer.keep_filtered(open.filtered);
        let mut made = false;
        while let Some(window) = open.stored.next()? {
            let evaluated = self.evaluate(&window)?;
            let was_result = |reject: &Reject| holds(&window, reject);
            made |= evaluated.rejects.iter().any(was_result);
            self.write(&mut writer, &window, &evaluated)?;
        }
        let [of_results, of_rejects] = open.not_known;
        let of_all = NotKnown::or(of_results, of_rejects);
        writer.keep_not_known(of_all, if made { of_all } else { of_rejects });
        let declared = self.evaluator.fields();
        let fields = open.stored.fields.as_deref();
        let fields = fields.map(|fields| fields.placed(declared));
        let fields = match (made, fields, open.payload_fields) {
            (true, Some(fields), Some(earlier)) => fields.common(&earlier),
            (true, fields, _) => fields,
            (false, _, earlier) => earlier,
        };
        Ok(writer.finish(fields)?)
    }

    /// Calculates the range anew from its events, which must be those that have outcomes.
    pub fn of_events(
        &self,
        files: Vec<File>,
        events: &Events,
    ) -> Result<Encoded, RecalculateError> {
        let (open, _) = open(files)?;
        self.of_open(open, events)
    }

    /// Calculates a range anew in which nothing has a row, from the events that were filtered.
    pub fn of_silent(
        &self,
        silent: &SilentRange,
        events: &Events,
    ) -> Result<Encoded, RecalculateError> {
        let range = self.range;
        let open = Open::silent(silent).ok_or(RecalculateError::OtherOffsets { range })?;
        self.of_open(open, events)
    }

    fn of_open(&self, mut open: Open, events: &Events) -> Result<Encoded, RecalculateError> {
        let mut writer = self.writer(&open);
        let (partition, range) = (self.identity.partition, self.range);
        let mut without_row = 0;
        events.read(partition, range, self.patience, |batch| {
            if writer.bytes() > MOST_BYTES && open.is_silent() {
                return Err(RecalculateError::TooMuch { range });
            }
            if open.delivers_absent(batch) {
                let detail = "it delivers offsets that it did not deliver before".to_owned();
                return Err(events.are_others(range, detail));
            }
            if let Some(more) = self.write_events(&mut writer, &mut open.stored, batch)? {
                without_row += more;
                return Ok(());
            }
            let (first, last) = (batch.first_offset(), batch.last_offset());
            let detail =
                format!("between {first} and {last} there are others than those with an outcome");
            Err(events.are_others(range, detail))
        })?;
        if !open.stored.is_empty()? {
            return Err(events.are_others(range, "its last events are gone".to_owned()));
        }
        if without_row != open.filtered {
            let detail = format!(
                "of {} events that were filtered it holds {without_row}",
                open.filtered
            );
            return Err(events.are_others(range, detail));
        }
        Ok(writer.finish(None)?)
    }

    /// Whether the declared fields are among those that are stored.
    fn suffices(&self, open: &Open) -> Result<(), CalculationError> {
        let declared = self.evaluator.fields();
        let column: fn(&Fields, &Field) -> bool = Fields::has;
        let known = [
            (open.stored.fields.as_deref(), column),
            (open.payload_fields.as_ref(), Fields::place),
        ];
        for (known, has) in known {
            let Some(known) = known else { continue };
            if let Some(field) = declared.iter().find(|field| !has(known, field)) {
                let found = known.iter().find(|known| known.name == field.name);
                return Err(CalculationError::Stored {
                    column: field.name.clone(),
                    expected: field.data_type.data_type(),
                    found: found.map(|found| found.data_type.data_type()),
                });
            }
        }
        Ok(())
    }

    fn writer(&self, open: &Open) -> Rewriter {
        let schema = self.evaluator.results_schema();
        let (absent, before) = (open.absent.clone(), open.before.clone());
        Rewriter::new(self.range, absent, before, &schema, self.identity.clone())
    }

    fn evaluate(&self, window: &Window) -> Result<Evaluated, RecalculateError> {
        let evaluator = self.evaluator;
        let mut evaluated = Evaluated::empty(evaluator.results_schema());
        if let Some((results, fields)) = window.results() {
            evaluated = evaluator.reevaluate(results, fields)?;
        }
        if let Some(rejects) = &window.rejects {
            let events = events_of(rejects).ok_or_else(not_rejects)?;
            evaluated = evaluated.merge(evaluator.evaluate(events)?)?;
        }
        self.fit(evaluated, window, None)
    }

    /// Writes the outcomes of `batch`, if its events are those with an outcome; how many of them had been filtered.
    fn write_events(
        &self,
        writer: &mut Rewriter,
        stored: &mut Stored,
        batch: &Batch,
    ) -> Result<Option<u64>, RecalculateError> {
        let window = stored.up_to(batch.last_offset().get())?;
        let evaluated = self.evaluator.evaluate(batch.iter())?;
        let evaluated = self.fit(evaluated, &window, Some(batch))?;
        let messages = |results: &RecordBatch| self.messages(results);
        let Some((changes, without_row)) = changes(&window, &evaluated, messages)? else {
            return Ok(None);
        };
        writer.write(&evaluated, &changes)?;
        Ok(Some(without_row))
    }

    fn write(
        &self,
        writer: &mut Rewriter,
        window: &Window,
        evaluated: &Evaluated,
    ) -> Result<(), RecalculateError> {
        let range = self.range;
        let messages = |results: &RecordBatch| self.messages(results);
        let found = changes(window, evaluated, messages)?;
        let found = found.filter(|(_, without_row)| *without_row == 0);
        let (changes, _) = found.ok_or(RecalculateError::OtherOffsets { range })?;
        Ok(writer.write(evaluated, &changes)?)
    }

    /// The messages of results, whatever their fields.
    fn messages(&self, results: &RecordBatch) -> Result<MessageBuffer, EncodeError> {
        let mut encoder = ResultEncoder::new(&self.identity.topic, results.schema_ref())?;
        if let Some(carried) = self.carried_keys {
            encoder = encoder.with_keys_of_events(carried);
        }
        let mut messages = MessageBuffer::new();
        encoder.encode(self.identity.partition, results, &mut messages)?;
        Ok(messages)
    }

    /// Whether a result is stored as it is: its topic took it then, whatever it takes now.
    fn is_published(
        &self,
        results: &RecordBatch,
        row: usize,
        window: &Window,
    ) -> Result<bool, RecalculateError> {
        let Some(stored) = &window.results else {
            return Ok(false);
        };
        let offset = offsets(results).and_then(|offsets| offsets.get(row).copied());
        let find = |offset| offsets(stored)?.binary_search(&offset).ok();
        let Some(before) = offset.and_then(find) else {
            return Ok(false);
        };
        let message = |rows: &RecordBatch, row| self.messages(&rows.slice(row, 1));
        let (before, now) = (message(stored, before)?, message(results, row)?);
        // Its key may be that of its event now, and was its source before.
        let value = |messages: &MessageBuffer| messages.get(0).map(|(_, value)| value.to_vec());
        Ok(value(&before) == value(&now))
    }

    /// Makes rejects of the results that the results topic does not take, and did not take before.
    pub(super) fn fit(
        &self,
        evaluated: Evaluated,
        window: &Window,
        batch: Option<&Batch>,
    ) -> Result<Evaluated, RecalculateError> {
        let topic = self.results;
        let messages = self.messages(&evaluated.results)?;
        let rows = (topic.too_large)(&messages, topic.limit);
        if rows.is_empty() {
            return Ok(evaluated);
        }
        let offsets = offsets(&evaluated.results).unwrap_or_default();
        let mut fits = vec![true; offsets.len()];
        let mut rejects = Vec::new();
        for row in rows {
            if self.is_published(&evaluated.results, row, window)? {
                continue;
            }
            fits[row] = false;
            let offset = offsets[row];
            let reason = too_large(messages.size(row), &topic.name, topic.limit);
            let reject = match batch {
                Some(batch) => batch
                    .iter()
                    .find(|event| event.offset.get() == offset)
                    .map(|event| Reject::of(&event, reason)),
                None => window.reject(self.evaluator.fields(), offset, reason)?,
            };
            rejects.extend(reject);
        }
        let fits = BooleanArray::from(fits);
        let kept = Evaluated {
            results: filter_record_batch(&evaluated.results, &fits)?,
            rejects: evaluated.rejects,
            filtered: evaluated.filtered,
        };
        let others = Evaluated {
            results: kept.results.slice(0, 0),
            rejects,
            filtered: Vec::new(),
        };
        Ok(kept.merge(others)?)
    }
}

impl Window {
    /// The row at `offset` as a reject for another reason than what it holds.
    fn reject(
        &self,
        declared: &Fields,
        offset: i64,
        reason: String,
    ) -> Result<Option<Reject>, RecalculateError> {
        let row = |rows: &RecordBatch| offsets(rows)?.binary_search(&offset).ok();
        if let Some((results, fields)) = self.results()
            && let Some(row) = row(results)
        {
            let fields = fields.placed(declared);
            return Ok(Some(reject_stored(results, &fields, row, reason)?));
        }
        let Some(rejects) = &self.rejects else {
            return Ok(None);
        };
        let mut events = events_of(rejects).ok_or_else(not_rejects)?;
        let event = events.find(|event| event.offset.get() == offset);
        Ok(event.map(|event| Reject::of(&event, reason)))
    }
}

/// Whether the offset of a reject is that of a stored result.
fn holds(window: &Window, reject: &Reject) -> bool {
    let offsets = window.results.as_ref().and_then(offsets);
    offsets.is_some_and(|offsets| offsets.binary_search(&reject.offset.get()).is_ok())
}
