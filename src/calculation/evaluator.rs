//! Batches of events in, results and rejects out.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray,
    builder::{ArrayBuilder as _, Int64Builder},
    new_empty_array, new_null_array,
};
use arrow_buffer::BooleanBufferBuilder;
use arrow_schema::{DataType, Field as ArrowField, Schema, SchemaRef};

use super::{
    Calculation, CalculationError, Carry, CarryChoices, Condition, Declaration, Engine, Evaluated,
    Fingerprint, Outcomes, Publish,
    batch::{Batch, batch_error, kept, rejected},
    calling, results,
    sql::{Filter, Sifted},
};
use crate::{
    events::{Bytes, Decoder, Fields, Format, Numbers, columns},
    model::{Event, Reject},
};

/// Declared fields and a calculation that works on them.
///
/// It can be shared between threads, or each can have its own.
pub struct Evaluator {
    decoder: Decoder,
    condition: Option<Filter>,
    calculation: Arc<dyn Calculation>,
    inputs: SchemaRef,
    /// What the calculation gives.
    output: SchemaRef,
    results: SchemaRef,
    /// The columns that messages hold; `None` when they hold all.
    publish: Option<String>,
    carry: Carry,
    /// What the calculation gives, as a declaration has it.
    declared: String,
    fingerprint: Fingerprint,
    /// The fingerprint under every choice of what messages carry.
    carry_choices: CarryChoices,
}

/// The schema of rejects: `kafka_offset`, `kafka_timestamp`, `kafka_timestamp_raw`, `key`, `payload` and `reason`.
#[must_use]
pub fn rejects_schema() -> SchemaRef {
    let fields: Vec<ArrowField> = [&columns::source()[..], &columns::rejected()].concat();
    Arc::new(Schema::new(fields))
}

impl Evaluator {
    /// An evaluator of `calculation` on events with `fields`.
    ///
    /// # Errors
    /// When the calculation does not work on these fields, or promises columns of a type that cannot be stored, or with a
    /// name that is taken: a configuration error that says what to change.
    pub fn new(
        fields: Fields,
        calculation: Arc<dyn Calculation>,
    ) -> Result<Evaluator, CalculationError> {
        let inputs = Arc::new(fields.schema());
        let output = Arc::new(Schema::new(calculation.output(&inputs)?));
        let declared = results::declared(calculation.name(), &inputs, &output)?;
        let parameters = calculation.parameters(&inputs);
        let fingerprint = Fingerprint::new(calculation.as_ref(), &parameters, &fields, &declared);
        let source = columns::source().map(Arc::new);
        let all = source.iter().chain(inputs.fields()).chain(output.fields());
        let all: arrow_schema::Fields = all.cloned().collect();
        Ok(Evaluator {
            decoder: Decoder::new(Format::default(), fields),
            condition: None,
            calculation,
            inputs,
            output,
            results: Arc::new(Schema::new(all)),
            publish: None,
            carry: Carry::default(),
            declared,
            carry_choices: CarryChoices::of(&fingerprint),
            fingerprint,
        })
    }

    /// The same for those events alone for which `condition` is true, if there is one.
    ///
    /// # Errors
    /// When it does not work on these fields: a configuration error that says where, and what to write instead.
    pub fn with_condition(
        mut self,
        condition: Option<&Condition>,
    ) -> Result<Evaluator, CalculationError> {
        if let Some(condition) = condition {
            let filter = condition.on(&self.inputs)?;
            self.fingerprint = self.fingerprint.under(&filter);
            self.carry_choices = CarryChoices::of(&self.fingerprint);
            self.condition = Some(filter);
        }
        Ok(self)
    }

    /// The same with messages that hold these columns alone, if they are chosen. It comes after the condition.
    ///
    /// # Errors
    /// When results have no such column: a configuration error that says which they have.
    pub fn with_publish(
        mut self,
        publish: Option<&Publish>,
    ) -> Result<Evaluator, CalculationError> {
        let chosen = publish
            .map(|publish| publish.on(&self.results))
            .transpose()?;
        if let Some(chosen) = chosen.flatten() {
            self.fingerprint = self.fingerprint.publishing(&chosen.text);
            self.carry_choices = CarryChoices::of(&self.fingerprint);
            self.results = chosen.results;
            self.publish = Some(chosen.text);
        }
        Ok(self)
    }

    /// The same with messages that carry this of their events. It comes last.
    #[must_use]
    pub fn with_carry(mut self, carry: Carry) -> Evaluator {
        if carry.any() {
            self.fingerprint = self.fingerprint.carrying(&carry.to_string());
            self.results = columns::carrying(&self.results, carry.key());
            self.carry = carry;
        }
        self
    }

    /// What messages carry of their events.
    #[must_use]
    pub const fn carry(&self) -> Carry {
        self.carry
    }

    /// The fingerprints of the same with messages that carry other things, or nothing, of their events.
    #[must_use]
    pub fn carry_choices(&self) -> &CarryChoices {
        &self.carry_choices
    }

    /// What could change an outcome, as 16 digits.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The calculation for people: `square(number)`.
    #[must_use]
    pub fn calculation_text(&self) -> String {
        self.calculation.text(&self.inputs)
    }

    /// What its fingerprint stands for, as stores keep it.
    #[must_use]
    pub fn declaration(&self) -> Declaration {
        Declaration {
            fingerprint: self.fingerprint.clone(),
            calculation: self.calculation_text(),
            condition: self.condition.as_ref().map(|it| it.text().to_owned()),
            fields: self.fields().to_string(),
            results: self.declared.clone(),
            publish: self.publish.clone(),
            carry: self.carry.any().then(|| self.carry.to_string()),
        }
    }

    /// The query with which an engine proves stored results: it gives those rows of `files` (a glob of segments of results) that
    /// are not what the engine computes, so none when all is right. `None` when the calculation has no SQL.
    #[must_use]
    pub fn proof(&self, engine: Engine, files: &str) -> Option<String> {
        let expressions = self.calculation.expressions(&self.inputs, engine)?;
        let columns = self.output.fields().iter();
        let columns = columns.map(|column| engine.column(column.name()));
        let computed_by: Vec<_> = columns.zip(expressions).collect();
        let mut computed = self.results.fields().iter().skip(columns::SOURCE.len());
        let zoned = computed.any(|field| matches!(field.data_type(), DataType::Timestamp(..)));
        Some(engine.differing(files, &computed_by, zoned))
    }

    /// The declared fields.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        self.decoder.fields()
    }

    /// The schema of results: `kafka_offset`, `kafka_timestamp`, `kafka_timestamp_raw`, `key`, the fields, and what the
    /// calculation gives.
    #[must_use]
    pub fn results_schema(&self) -> SchemaRef {
        Arc::clone(&self.results)
    }

    /// The outcomes of `events`, which are in the order of the log.
    ///
    /// # Errors
    /// When the calculation fails as a whole (also by a panic) or breaks its word. No outcome of the batch
    /// is known then; the caller knows which offsets that are.
    pub fn evaluate<'a>(
        &self,
        events: impl ExactSizeIterator<Item = Event<'a>>,
    ) -> Result<Evaluated, CalculationError> {
        self.evaluate_by(&self.decoder, events)
    }

    /// The outcomes of `events`, read by `decoder`.
    pub(super) fn evaluate_by<'a>(
        &self,
        decoder: &Decoder,
        events: impl ExactSizeIterator<Item = Event<'a>>,
    ) -> Result<Evaluated, CalculationError> {
        let mut batch = decode(decoder, events)?;
        if let Some(condition) = &self.condition {
            batch = batch.sift(condition, &self.inputs)?;
        }
        let inputs = batch.columns[columns::SOURCE.len()..].to_vec();
        let outcomes = self.calculate(inputs, batch.payloads.len())?;
        self.divide(batch, outcomes)
    }

    /// The outcomes of stored results, calculated once more from the fields that are stored with them.
    ///
    /// Rejections are in order, one for a row; their rows have no meaning in [`Outcomes::columns`].
    ///
    /// # Errors
    /// When the stored columns are not the declared fields, or the calculation fails as in
    /// [`evaluate`](Evaluator::evaluate).
    pub fn recalculate(&self, stored: &RecordBatch) -> Result<Outcomes, CalculationError> {
        self.calculate(self.stored_fields(stored)?, stored.num_rows())
    }

    /// The outcomes of rows with these fields.
    fn calculate(&self, fields: Vec<ArrayRef>, rows: usize) -> Result<Outcomes, CalculationError> {
        if rows == 0 {
            let empty = |column: &Arc<ArrowField>| new_empty_array(column.data_type());
            return Ok(Outcomes {
                columns: self.output.fields().iter().map(empty).collect(),
                rejections: Vec::new(),
            });
        }
        let inputs = RecordBatch::try_new(Arc::clone(&self.inputs), fields);
        let inputs = inputs.map_err(batch_error(rows))?;
        calling::outcomes(self.calculation.as_ref(), &inputs, &self.output)
    }

    /// The declared fields of stored results.
    ///
    /// # Errors
    /// When one of them is not among the columns, or of another type there.
    pub(super) fn stored_fields(
        &self,
        stored: &RecordBatch,
    ) -> Result<Vec<ArrayRef>, CalculationError> {
        let column = |field: &Arc<ArrowField>| {
            let found = stored.column_by_name(field.name());
            found
                .filter(|column| column.data_type() == field.data_type())
                .cloned()
                .ok_or_else(|| CalculationError::Stored {
                    column: field.name().clone(),
                    expected: field.data_type().clone(),
                    found: found.map(|column| column.data_type().clone()),
                })
        };
        self.inputs.fields().iter().map(column).collect()
    }

    /// The columns that the calculation gives.
    #[must_use]
    pub fn output(&self) -> &Schema {
        &self.output
    }

    /// What the condition says of stored results: which rows it is true for; `None` without a condition, or when all pass.
    ///
    /// # Errors
    /// When the stored columns are not the declared fields, or it fails as a whole.
    pub fn sift_stored(&self, stored: &RecordBatch) -> Result<Option<Sifted>, CalculationError> {
        let Some(condition) = self.condition.as_ref().filter(|_| stored.num_rows() > 0) else {
            return Ok(None);
        };
        let columns = self.stored_fields(stored)?;
        let inputs = RecordBatch::try_new(Arc::clone(&self.inputs), columns)
            .map_err(batch_error(stored.num_rows()))?;
        let sifted = condition.sift(&inputs)?;
        Ok((!sifted.all()).then_some(sifted))
    }

    /// Puts each row where its outcome belongs.
    fn divide(&self, batch: Batch<'_>, outcomes: Outcomes) -> Result<Evaluated, CalculationError> {
        let failed = batch_error(batch.payloads.len());
        let Batch {
            mut columns,
            payloads,
            mut rejects,
            filtered,
        } = batch;
        columns.extend(outcomes.columns);
        if !outcomes.rejections.is_empty() {
            let mut has_result = BooleanBufferBuilder::new(payloads.len());
            has_result.append_n(payloads.len(), true);
            for (row, reason) in outcomes.rejections {
                has_result.set_bit(row, false);
                rejects.push(rejected(&columns, row, payloads[row], reason));
            }
            columns = kept(&columns, has_result.build()).map_err(&failed)?;
        }
        rejects.sort_by_key(|reject| reject.offset);
        let results = RecordBatch::try_new(self.results_schema(), columns).map_err(failed)?;
        Ok(Evaluated {
            results,
            rejects,
            filtered,
        })
    }
}

/// The events that can be decoded, and those that cannot.
fn decode<'a>(
    decoder: &Decoder,
    events: impl ExactSizeIterator<Item = Event<'a>>,
) -> Result<Batch<'a>, CalculationError> {
    let count = events.len();
    let mut offsets: Vec<i64> = Vec::with_capacity(count);
    let mut timestamps = Numbers::new(count);
    let mut raw_timestamps: Option<Int64Builder> = None;
    let mut keys: Option<Bytes> = None;
    let mut payloads = Vec::with_capacity(count);
    let mut rows = decoder.rows(count);
    let mut rejects = Vec::new();
    for event in events {
        if let Err(reason) = decoder.decode(event.payload, &mut rows) {
            rejects.push(Reject::of(&event, reason));
            continue;
        }
        if let Some(key) = event.key {
            let keys = keys.get_or_insert_with(|| Bytes::new(count));
            keys.push_nulls(payloads.len() - keys.len());
            keys.push(Some(key));
        }
        offsets.push(event.offset.get());
        let (timestamp, raw) = columns::split_timestamp(event.timestamp);
        match timestamp {
            Some(timestamp) => timestamps.push(timestamp),
            None => timestamps.push_null(),
        }
        if let Some(raw) = raw {
            let raws = raw_timestamps.get_or_insert_with(|| Int64Builder::with_capacity(count));
            raws.append_nulls(payloads.len() - raws.len());
            raws.append_value(raw);
        }
        payloads.push(event.payload.unwrap_or_default());
    }
    debug_assert_eq!(rows.len(), payloads.len());
    let keys = match keys {
        None => Ok(new_null_array(&DataType::Binary, payloads.len())),
        Some(mut keys) => {
            keys.push_nulls(payloads.len() - keys.len());
            keys.finish_binary().map(|keys| Arc::new(keys) as ArrayRef)
        }
    };
    let raw_timestamps = match raw_timestamps {
        None => new_null_array(&DataType::Int64, payloads.len()),
        Some(mut raws) => {
            raws.append_nulls(payloads.len() - raws.len());
            Arc::new(raws.finish()) as ArrayRef
        }
    };
    let failed = batch_error(payloads.len());
    let (timestamps, missing) = timestamps.finish();
    let timestamps = TimestampMillisecondArray::new(timestamps, missing);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::new(offsets.into(), None)),
        Arc::new(timestamps.with_data_type(columns::timestamp_type())),
        raw_timestamps,
        keys.map_err(&failed)?,
    ];
    columns.extend(rows.finish().map_err(&failed)?);
    Ok(Batch {
        columns,
        payloads,
        rejects,
        filtered: Vec::new(),
    })
}
