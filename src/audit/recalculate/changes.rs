//! Which outcomes are others than before. Pure.

use arrow_array::{Array as _, RecordBatch, StringArray};

use super::window::Window;
use crate::{
    calculation::Evaluated,
    events::{
        EncodeError, MessageBuffer,
        columns::{self, is_published, offsets},
    },
    format::{ChangedRows, Changes, OutcomeText},
};

/// Compares stored outcomes with those calculated anew. An outcome has changed when its kind has, when another message
/// would be published for it, or when it is rejected for another reason. `None` when the two are not of the same offsets.
///
/// `messages` makes the messages of results: those that were published before, and all where the columns are others than
/// before: `{"number":7}` is the same message whether the number was declared as one of 64 bits or as a decimal.
///
/// # Errors
/// When results cannot be messages.
pub(super) fn changes(
    before: &Window,
    now: &Evaluated,
    messages: impl Fn(&RecordBatch) -> Result<MessageBuffer, EncodeError>,
) -> Result<Option<(Changes, u64)>, EncodeError> {
    let Some((mut old, new_results)) = Old::of(before, &messages).zip(offsets(&now.results)) else {
        return Ok(None);
    };
    let stored = old.results.len() + old.rejects.len();
    let Some(appeared) = now.outcomes().checked_sub(stored) else {
        return Ok(None);
    };
    let mut changes = Changes::default();
    let same_columns = before
        .results
        .as_ref()
        .is_some_and(|old| published_types(old) == published_types(&now.results));
    let aligned = same_columns && old.results == new_results;
    if let (Some(old), true) = (&before.results, aligned)
        && published(old)
            .zip(published(&now.results))
            .all(|(old, new)| old.to_data() == new.to_data())
    {
        // Nearly always that is all that there is to compare.
    } else {
        let new_messages = match before.results.is_some() && !same_columns {
            true => Some(messages(&now.results)?),
            false => None,
        };
        for (row, offset) in (0_u32..).zip(new_results) {
            let new_row = row as usize;
            let is_same = match (old.result(*offset), &before.results, &new_messages) {
                (Some(old_row), Some(stored), None) => {
                    !differs(stored, old_row, &now.results, new_row)
                }
                (Some(old_row), Some(_), Some(new)) => {
                    old.message(old_row)? == value(Some(new), new_row)
                }
                _ => false,
            };
            if !is_same {
                old.note(*offset, row, &mut changes.results)?;
            }
        }
    }
    for (row, reject) in (0_u32..).zip(&now.rejects) {
        let offset = reject.offset.get();
        if old.reason(offset) != Some(reject.reason.as_str()) {
            old.note(offset, row, &mut changes.rejects)?;
        }
    }
    for (row, offset) in (0_u32..).zip(&now.filtered) {
        match old.has_row(offset.get()) {
            true => old.note(offset.get(), row, &mut changes.filtered)?,
            false => old.without_row += 1,
        }
    }
    // As many as there are more: each that had a row is still among them.
    Ok((old.without_row == appeared).then_some((changes, appeared as u64)))
}

/// The stored outcomes, found by their offsets.
struct Old<'w, M> {
    window: &'w Window,
    results: &'w [i64],
    rejects: &'w [i64],
    reasons: Option<&'w StringArray>,
    make: M,
    /// The messages of the results, made when the first is asked for.
    messages: Option<MessageBuffer>,
    /// The outcomes asked for that had no row: they were filtered, no other event has none.
    without_row: usize,
}

impl<'w, M: Fn(&RecordBatch) -> Result<MessageBuffer, EncodeError>> Old<'w, M> {
    /// `None` when the columns are not those of results and rejects.
    fn of(window: &'w Window, make: M) -> Option<Old<'w, M>> {
        let rows = |batch: &'w Option<RecordBatch>| match batch {
            Some(batch) => offsets(batch),
            None => Some(&[][..]),
        };
        let reasons = window.rejects.as_ref();
        let reasons = reasons.map(|rejects| columns::reasons(rejects).ok_or(()));
        Some(Old {
            window,
            results: rows(&window.results)?,
            rejects: rows(&window.rejects)?,
            reasons: reasons.transpose().ok()?,
            make,
            messages: None,
            without_row: 0,
        })
    }

    /// The row of the result at an offset.
    fn result(&self, offset: i64) -> Option<usize> {
        self.results.binary_search(&offset).ok()
    }

    /// Why the event at an offset was rejected, if it was.
    fn reason(&self, offset: i64) -> Option<&'w str> {
        let row = self.rejects.binary_search(&offset).ok()?;
        self.reasons.map(|reasons| reasons.value(row))
    }

    fn has_row(&self, offset: i64) -> bool {
        self.result(offset).is_some() || self.reason(offset).is_some()
    }

    /// The value of a result's message.
    fn message(&mut self, row: usize) -> Result<Option<&[u8]>, EncodeError> {
        if self.messages.is_none() {
            let results = self.window.results.as_ref();
            self.messages = results.map(&self.make).transpose()?;
        }
        Ok(value(self.messages.as_ref(), row))
    }

    /// Notes that the outcome at an offset has changed, which stands in `row` now, and what it was.
    fn note(
        &mut self,
        offset: i64,
        row: u32,
        changed: &mut ChangedRows,
    ) -> Result<(), EncodeError> {
        if let Some(old_row) = self.result(offset) {
            let message = self.message(old_row)?.unwrap_or_default();
            let message = &String::from_utf8_lossy(message);
            changed.push(row, OutcomeText::Result { message });
        } else if let Some(reason) = self.reason(offset) {
            changed.push(row, OutcomeText::Reject { reason });
        } else {
            self.without_row += 1;
            changed.push(row, OutcomeText::Filtered);
        }
        Ok(())
    }
}

fn value(messages: Option<&MessageBuffer>, row: usize) -> Option<&[u8]> {
    messages?.get(row).map(|(_, value)| value)
}

/// The names and types of what a message has.
fn published_types(batch: &RecordBatch) -> Vec<(&str, &arrow_schema::DataType)> {
    let fields = batch.schema_ref().fields().iter();
    let fields = fields.filter(|field| is_published(field));
    let fields = fields.map(|field| (field.name().as_str(), field.data_type()));
    fields.collect()
}

fn published(batch: &RecordBatch) -> impl Iterator<Item = &arrow_array::ArrayRef> {
    let fields = batch.schema_ref().fields().iter().zip(batch.columns());
    let fields = fields.filter(|(field, _)| is_published(field));
    fields.map(|(_, column)| column)
}

/// Whether two rows, in the same columns, are different messages.
fn differs(old: &RecordBatch, old_row: usize, new: &RecordBatch, new_row: usize) -> bool {
    let mut pairs = published(old).zip(published(new));
    pairs.any(|(old, new)| old.slice(old_row, 1).to_data() != new.slice(new_row, 1).to_data())
}
