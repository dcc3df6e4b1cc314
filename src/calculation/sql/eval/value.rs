//! The value of an expression over a batch: a column, and which rows it cannot be calculated for.

use std::{rc::Rc, sync::Arc};

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, StringArray, UInt32Array,
    cast::AsArray,
    types::{Date32Type, Decimal128Type, TimestampMicrosecondType},
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{ArrowError, DataType};
use arrow_select::take::take;

use super::blocks::Numbers;
use crate::events::time;

/// The longest text that a reason quotes, in characters.
const LONGEST_EXCERPT: usize = 64;

/// The rows that an expression is evaluated for.
pub(super) struct Batch {
    /// The fields, and after them the columns of the results that are calculated so far.
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rows: usize,
}

/// A column of one value for each row; or of a single value, which is that of every row.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) array: ArrayRef,
    pub(super) constant: bool,
    pub(super) faults: Faults,
}

/// The rows without a value, by the operation that failed, in the order of evaluation: of a row, the first counts.
#[derive(Clone, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

/// An operation that failed for some rows.
#[derive(Clone)]
pub(super) struct Fault {
    pub(super) rows: Rows,
    /// The reason of a row's reject.
    pub(super) why: Why,
}

/// Gives the reason of a row's reject.
pub(super) type Why = Rc<dyn Fn(usize) -> String>;

#[derive(Clone)]
pub(super) enum Rows {
    All,
    These(BooleanBuffer),
}

impl Faults {
    /// The faults of both, in this order.
    pub(super) fn and(mut self, other: Faults) -> Faults {
        self.0.extend(other.0);
        self
    }

    /// Those of the rows in the mask, which is as long as the batch.
    pub(super) fn within(mut self, mask: &BooleanBuffer) -> Faults {
        for fault in &mut self.0 {
            fault.rows = Rows::These(match &fault.rows {
                Rows::All => mask.clone(),
                Rows::These(rows) => rows & mask,
            });
        }
        self.0.retain(|fault| match &fault.rows {
            Rows::All => true,
            Rows::These(rows) => rows.count_set_bits() > 0,
        });
        self
    }

    /// With those rows of an operation that are set.
    pub(super) fn with(
        mut self,
        bad: Option<BooleanBuffer>,
        constant: bool,
        why: impl Fn(usize) -> String + 'static,
    ) -> Faults {
        if let Some(bad) = bad {
            let why: Why = Rc::new(why);
            let rows = if constant {
                Rows::All
            } else {
                Rows::These(bad)
            };
            self.0.push(Fault { rows, why });
        }
        self
    }
}

impl Value {
    pub(super) fn new(array: impl Array + 'static, constant: bool, faults: Faults) -> Value {
        Value {
            array: Arc::new(array),
            constant,
            faults,
        }
    }

    /// The place of a row's value.
    pub(super) fn at(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    /// The values of a primitive type.
    pub(super) fn numbers<T: ArrowPrimitiveType>(&self) -> Numbers<'_, T::Native> {
        Numbers::of(self.array.as_primitive::<T>().values(), self.constant)
    }

    /// The texts.
    pub(super) fn texts<'a>(&'a self) -> impl Fn(usize) -> &'a str {
        let texts = self.array.as_string::<i32>();
        move |row| texts.value(self.at(row))
    }

    /// Where it is NULL, as a column of `rows` values.
    pub(super) fn nulls(&self, rows: usize) -> Option<NullBuffer> {
        let nulls = self.array.nulls().filter(|nulls| nulls.null_count() > 0)?;
        Some(match self.constant {
            true => NullBuffer::new_null(rows),
            false => nulls.clone(),
        })
    }

    /// One value for each of the rows.
    pub(super) fn column(&self, rows: usize) -> Result<ArrayRef, ArrowError> {
        if !self.constant {
            return Ok(Arc::clone(&self.array));
        }
        take(&self.array, &UInt32Array::from(vec![0; rows]), None)
    }

    /// The same as a BOOLEAN column.
    pub(super) fn booleans(&self, rows: usize) -> Result<BooleanArray, ArrowError> {
        Ok(self.column(rows)?.as_boolean().clone())
    }

    /// A row's value as a reason shows it.
    pub(super) fn shown(&self, row: usize) -> String {
        shown(self.array.as_ref(), self.at(row))
    }
}

/// How many rows an operation on these values calculates: a single one when all are constant.
pub(super) fn extent(values: &[&Value], rows: usize) -> (usize, bool) {
    match values.iter().all(|value| value.constant) {
        true => (1, true),
        false => (rows, false),
    }
}

/// Where one of the values is NULL.
pub(super) fn nulls(values: &[&Value], rows: usize) -> Option<NullBuffer> {
    let all = values.iter().map(|value| value.nulls(rows));
    all.fold(None, |one, other| {
        NullBuffer::union(one.as_ref(), other.as_ref())
    })
}

fn shown(array: &dyn Array, place: usize) -> String {
    if array.is_null(place) {
        return "NULL".to_owned();
    }
    match array.data_type() {
        DataType::Int64 => {
            let numbers = array.as_primitive::<arrow_array::types::Int64Type>();
            numbers.value(place).to_string()
        }
        DataType::Float64 => {
            let numbers = array.as_primitive::<arrow_array::types::Float64Type>();
            format!("{:?}", numbers.value(place))
        }
        DataType::Decimal128(..) => array
            .as_primitive::<Decimal128Type>()
            .value_as_string(place),
        DataType::Timestamp(..) => {
            let micros = array
                .as_primitive::<TimestampMicrosecondType>()
                .value(place);
            written(|text| time::write_timestamp(micros, text))
        }
        DataType::Date32 => {
            let day = array.as_primitive::<Date32Type>().value(place);
            written(|text| time::write_date(i64::from(day), text))
        }
        DataType::Boolean => array.as_boolean().value(place).to_string(),
        _ => match array.as_any().downcast_ref::<StringArray>() {
            Some(texts) => quoted(texts.value(place)),
            None => "a value".to_owned(),
        },
    }
}

fn written(write: impl Fn(&mut Vec<u8>)) -> String {
    let mut text = Vec::new();
    write(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A text in quotes, bounded.
fn quoted(text: &str) -> String {
    let mut shown = String::from("'");
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST_EXCERPT {
            shown.push('…');
            break;
        }
        shown.push(character);
    }
    shown.push('\'');
    shown
}
