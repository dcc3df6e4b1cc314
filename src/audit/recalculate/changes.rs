//! Which outcomes are others than before. Pure.

use std::collections::HashMap;

use arrow_array::{Array as _, RecordBatch, StringArray};

use super::window::Window;
use crate::{
    calculation::Evaluated,
    events::{
        MessageBuffer,
        columns::{self, SOURCE, offsets},
    },
    format::{Changes, OutcomeKind},
};

/// Compares stored outcomes with those calculated anew. An outcome has changed when its kind has, when another message
/// would be published for it, or when it is rejected for another reason. `None` when the two are not of the same offsets.
///
/// `messages` makes the messages of results, for results whose columns are others than before: `{"number":7}` is the same
/// message whether the number was declared as one of 64 bits or as a decimal.
pub(super) fn changes(
    before: &Window,
    now: &Evaluated,
    messages: impl Fn(&RecordBatch) -> Option<MessageBuffer>,
) -> Option<(Changes, u64)> {
    let rows = |batch: &Option<RecordBatch>| {
        let found = batch
            .as_ref()
            .map(|batch| offsets(batch).map(<[i64]>::to_vec));
        found.unwrap_or(Some(Vec::new()))
    };
    let (old_results, old_rejects) = (rows(&before.results)?, rows(&before.rejects)?);
    let new_results = offsets(&now.results)?;
    let (stored, outcomes) = (old_results.len() + old_rejects.len(), now.outcomes());
    let appeared = outcomes.checked_sub(stored)?;
    // An outcome that had no row was filtered: no other event has none.
    let mut without_row = 0;
    let mut changes = Changes::default();
    let same_columns = before
        .results
        .as_ref()
        .is_some_and(|old| published_types(old) == published_types(&now.results));
    let aligned = same_columns && old_results == new_results;
    if let (Some(old), true) = (&before.results, aligned)
        && published(old)
            .zip(published(&now.results))
            .all(|(old, new)| old.to_data() == new.to_data())
    {
        // Nearly always that is all that there is to compare.
    } else {
        let rejected: HashMap<i64, usize> = places(&old_rejects);
        let both = before.results.as_ref().filter(|_| !same_columns);
        let both = both.and_then(|old| Some((messages(old)?, messages(&now.results)?)));
        let mut old_row = 0;
        for (row, offset) in (0_u32..).zip(new_results) {
            while old_results.get(old_row).is_some_and(|old| old < offset) {
                old_row += 1;
            }
            let was_result = old_results.get(old_row) == Some(offset);
            if was_result {
                let (now, old) = (&now.results, before.results.as_ref()?);
                let changed = match &both {
                    _ if same_columns => differs(old, old_row, now, row as usize),
                    Some((old, now)) => old.get(old_row) != now.get(row as usize),
                    None => true,
                };
                if changed {
                    changes.results.push((row, OutcomeKind::Result));
                }
            } else if rejected.contains_key(offset) {
                changes.results.push((row, OutcomeKind::Reject));
            } else {
                without_row += 1;
                changes.results.push((row, OutcomeKind::Filtered));
            }
        }
    }
    let reasons: Option<&StringArray> = match &before.rejects {
        Some(old) => Some(columns::reasons(old)?),
        None => None,
    };
    let rejected = places(&old_rejects);
    for (row, reject) in (0_u32..).zip(&now.rejects) {
        let offset = reject.offset.get();
        match (rejected.get(&offset), reasons) {
            (Some(old), Some(reasons)) => {
                if reasons.value(*old) != reject.reason {
                    changes.rejects.push((row, OutcomeKind::Reject));
                }
            }
            _ if old_results.binary_search(&offset).is_ok() => {
                changes.rejects.push((row, OutcomeKind::Result));
            }
            _ => {
                without_row += 1;
                changes.rejects.push((row, OutcomeKind::Filtered));
            }
        }
    }
    for (row, offset) in (0_u32..).zip(&now.filtered) {
        let offset = offset.get();
        if old_results.binary_search(&offset).is_ok() {
            changes.filtered.push((row, OutcomeKind::Result));
        } else if rejected.contains_key(&offset) {
            changes.filtered.push((row, OutcomeKind::Reject));
        } else {
            without_row += 1;
        }
    }
    // As many as there are more: each that had a row is still among them.
    (without_row == appeared).then_some((changes, appeared as u64))
}

fn places(offsets: &[i64]) -> HashMap<i64, usize> {
    let rows = offsets.iter().enumerate();
    rows.map(|(row, offset)| (*offset, row)).collect()
}

/// The names and types of what a message has.
fn published_types(batch: &RecordBatch) -> Vec<(&str, &arrow_schema::DataType)> {
    let fields = batch.schema_ref().fields().iter();
    let fields = fields.map(|field| (field.name().as_str(), field.data_type()));
    fields.filter(|(name, _)| !SOURCE.contains(name)).collect()
}

fn published(batch: &RecordBatch) -> impl Iterator<Item = &arrow_array::ArrayRef> {
    let fields = batch.schema_ref().fields().iter().zip(batch.columns());
    let fields = fields.filter(|(field, _)| !SOURCE.contains(&field.name().as_str()));
    fields.map(|(_, column)| column)
}

/// Whether two rows, in the same columns, are different messages.
fn differs(old: &RecordBatch, old_row: usize, new: &RecordBatch, new_row: usize) -> bool {
    let mut pairs = published(old).zip(published(new));
    pairs.any(|(old, new)| old.slice(old_row, 1).to_data() != new.slice(new_row, 1).to_data())
}
