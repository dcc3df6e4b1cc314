//! Stored results once more: calculated from the fields that are stored with them, under these fields and this calculation.

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, cast::AsArray,
    types::Int64Type,
};
use arrow_schema::{ArrowError, Field};
use arrow_select::{
    filter::{filter, filter_record_batch},
    interleave::interleave_record_batch,
};

use super::{CalculationError, Evaluated, Evaluator, Outcomes, batch::batch_error};
use crate::{
    events::{
        Fields, Payloads,
        columns::{self, Timestamps},
    },
    model::{Event, Offset, Reject},
};

impl Evaluated {
    /// The outcomes of both, ascending by offset; each event is in one of them.
    ///
    /// # Errors
    /// When their results have other columns, or are too large together.
    pub fn merge(self, other: Evaluated) -> Result<Evaluated, ArrowError> {
        let mut rejects = self.rejects;
        if !other.rejects.is_empty() {
            rejects.extend(other.rejects);
            rejects.sort_by_key(|reject| reject.offset);
        }
        let mut filtered = self.filtered;
        if !other.filtered.is_empty() {
            filtered.extend(other.filtered);
            filtered.sort_unstable();
        }
        let parts = [&self.results, &other.results];
        let results = match parts.map(RecordBatch::num_rows) {
            [_, 0] => self.results,
            [0, _] => other.results,
            _ => {
                let mut places: Vec<(i64, (usize, usize))> = Vec::new();
                for (part, batch) in parts.into_iter().enumerate() {
                    let offsets = batch.column(0).as_primitive::<Int64Type>().values();
                    let rows = offsets.iter().enumerate();
                    places.extend(rows.map(|(row, offset)| (*offset, (part, row))));
                }
                places.sort_unstable();
                let places: Vec<_> = places.into_iter().map(|(_, place)| place).collect();
                interleave_record_batch(&parts, &places)?
            }
        };
        Ok(Evaluated {
            results,
            rejects,
            filtered,
        })
    }
}

/// Where the events of stored rows came from.
struct Sources<'a> {
    offsets: &'a Int64Array,
    timestamps: Timestamps<'a>,
    keys: &'a BinaryArray,
}

impl Evaluator {
    /// The outcomes of the events of stored results, from the fields that are stored with them.
    ///
    /// A row that the condition leaves out is filtered. One that is a result no more becomes a reject, with a JSON object of
    /// all its stored fields as its payload: decoded and calculated again, it gives the same reason. `fields` are the stored
    /// fields: other columns may be results of another calculation.
    ///
    /// # Errors
    /// When the declared fields are not among the stored columns, or the calculation fails as in
    /// [`evaluate`](Evaluator::evaluate).
    pub fn reevaluate(
        &self,
        stored: &RecordBatch,
        fields: &Fields,
    ) -> Result<Evaluated, CalculationError> {
        let failed = batch_error(stored.num_rows());
        let payloads = Payloads::of(stored, &fields.placed(self.fields()));
        let fields = self.stored_fields(stored)?;
        let sources = sources(stored)?;
        // What stands for a missing or null field where there must be a value: the decoder says why.
        let mut fits = vec![true; stored.num_rows()];
        for (field, column) in self.fields().iter().zip(&fields) {
            if !field.nullable && column.null_count() > 0 {
                let rows = fits.iter_mut().enumerate();
                rows.for_each(|(row, fits)| *fits &= column.is_valid(row));
            }
        }
        let fitting = rows_of(stored, &fits).map_err(&failed)?;
        let mut left_out = Vec::new();
        let mut passed = fits.clone();
        if let Some(sifted) = self.sift_stored(&fitting)? {
            let places = places(&fits);
            for row in sifted.filtered() {
                passed[places[row]] = false;
                left_out.push(places[row]);
            }
            for (row, _) in &sifted.rejections {
                passed[places[*row]] = false;
                fits[places[*row]] = false;
            }
        }
        let filtered = left_out.into_iter();
        let filtered = filtered.filter_map(|row| Offset::new(sources.offsets.value(row)));
        let filtered: Vec<Offset> = filtered.collect();
        let (fitting, places) = (rows_of(stored, &passed).map_err(&failed)?, places(&passed));
        let Outcomes {
            columns,
            rejections,
        } = self.recalculate(&fitting)?;
        let mut kept = vec![true; fitting.num_rows()];
        for (row, _) in &rejections {
            kept[*row] = false;
            fits[places[*row]] = false;
        }
        // Rows without a result may have NULL there, where a column may take none.
        let (fitting, columns) = match rejections.is_empty() {
            true => (fitting, columns),
            false => {
                let kept = BooleanArray::from(kept);
                let rows = filter_record_batch(&fitting, &kept).map_err(&failed)?;
                let columns = columns.iter().map(|column| filter(column, &kept));
                (rows, columns.collect::<Result<_, _>>().map_err(&failed)?)
            }
        };
        let results = self.stored_results(&fitting, columns).map_err(&failed)?;
        let again: Vec<usize> = (0..fits.len()).filter(|row| !fits[*row]).collect();
        let kept = Evaluated {
            results,
            rejects: Vec::new(),
            filtered,
        };
        if again.is_empty() {
            return Ok(kept);
        }
        let payloads: Vec<Vec<u8>> = again.iter().map(|row| payloads.get(*row)).collect();
        let events = again.iter().zip(&payloads);
        let events = events.map(|(row, payload)| sources.event(*row, payload));
        kept.merge(self.evaluate(events)?).map_err(failed)
    }

    /// The rows with their new results, in the columns of results.
    fn stored_results(
        &self,
        stored: &RecordBatch,
        results: Vec<ArrayRef>,
    ) -> Result<RecordBatch, ArrowError> {
        let schema = self.results_schema();
        let mut columns = Vec::with_capacity(schema.fields().len());
        for field in schema
            .fields()
            .iter()
            .take(schema.fields().len() - results.len())
        {
            let column = stored.column_by_name(field.name());
            columns.push(column.cloned().ok_or_else(|| {
                ArrowError::SchemaError(format!("there is no column {}", field.name()))
            })?);
        }
        columns.extend(results);
        RecordBatch::try_new(schema, columns)
    }
}

/// The rows that are marked.
fn rows_of(stored: &RecordBatch, marked: &[bool]) -> Result<RecordBatch, ArrowError> {
    if marked.iter().all(|marked| *marked) {
        return Ok(stored.clone());
    }
    filter_record_batch(stored, &BooleanArray::from(marked.to_vec()))
}

/// Where the marked rows are.
fn places(marked: &[bool]) -> Vec<usize> {
    (0..marked.len()).filter(|row| marked[*row]).collect()
}

/// A stored result as a reject for another reason than its values, with the payload that [`Evaluator::reevaluate`] makes of
/// its `fields`, each in the place that it has among them.
///
/// # Errors
/// When the columns are not those of results.
pub fn reject_stored(
    stored: &RecordBatch,
    fields: &Fields,
    row: usize,
    reason: String,
) -> Result<Reject, CalculationError> {
    let payload = Payloads::of(stored, fields).get(row);
    let event = sources(stored)?.event(row, &payload);
    Ok(Reject::of(&event, reason))
}

impl<'a> Sources<'a> {
    fn event<'e>(&self, row: usize, payload: &'e [u8]) -> Event<'e>
    where
        'a: 'e,
    {
        let keys = self.keys;
        Event {
            // A stored offset that is none becomes the first: it does not ascend, which its writer refuses.
            offset: Offset::new(self.offsets.value(row)).unwrap_or(Offset::ZERO),
            timestamp: self.timestamps.get(row),
            key: keys.is_valid(row).then(|| keys.value(row)),
            payload: Some(payload),
        }
    }
}

fn sources(stored: &RecordBatch) -> Result<Sources<'_>, CalculationError> {
    let column = |declared: &Field| {
        let (name, expected) = (declared.name(), declared.data_type());
        let found = stored.column_by_name(name);
        let fits = found.filter(|column| column.data_type() == expected);
        fits.ok_or_else(|| CalculationError::Stored {
            column: name.clone(),
            expected: expected.clone(),
            found: found.map(|column| column.data_type().clone()),
        })
    };
    let [offset, timestamp, raw, key] = columns::source();
    column(&timestamp)?;
    column(&raw)?;
    Ok(Sources {
        offsets: column(&offset)?.as_primitive(),
        timestamps: Timestamps::of(stored).ok_or_else(|| CalculationError::Stored {
            column: timestamp.name().clone(),
            expected: timestamp.data_type().clone(),
            found: None,
        })?,
        keys: column(&key)?.as_binary(),
    })
}
