//! From payloads to columns.
//!
//! How payloads are written is a [`Format`]; what reads one is a folder here, and knows nothing of the others. It adds a value of
//! each declared field to the field's [`Column`], or says why the event is a reject. All else is the same for every format.

mod column;
mod json;

use arrow_array::ArrayRef;
use arrow_schema::ArrowError;

use column::Column;
pub(crate) use column::{Bytes, Numbers};
pub(super) use json::{Malformed, Scanner, is_number, text};

use super::fields::Fields;

/// How payloads are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object in UTF-8.
    #[default]
    Json,
}

/// Reads payloads with the declared fields.
pub(crate) struct Decoder {
    fields: Fields,
    reader: Reader,
}

/// What reads the payloads of a format.
enum Reader {
    Json(json::Reader),
}

/// What a reader keeps from one payload to the next, because its memory can be used again.
enum Scratch<'a> {
    Json(json::Found<'a>),
}

/// The events of one batch that were decoded so far.
pub(crate) struct DecodedRows<'a> {
    columns: Vec<Column>,
    scratch: Scratch<'a>,
    len: usize,
}

impl Decoder {
    pub(crate) fn new(format: Format, fields: Fields) -> Decoder {
        let reader = match format {
            Format::Json => Reader::Json(json::Reader::new(&fields)),
        };
        Decoder { fields, reader }
    }

    /// Reads JSON through the general path alone.
    #[cfg(test)]
    fn general(fields: Fields) -> Decoder {
        let reader = Reader::Json(json::Reader::general(&fields));
        Decoder { fields, reader }
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// No rows yet, with room for `capacity` of them.
    pub(crate) fn rows<'a>(&self, capacity: usize) -> DecodedRows<'a> {
        DecodedRows {
            columns: self
                .fields
                .iter()
                .map(|field| Column::new(field, capacity))
                .collect(),
            scratch: match self.reader {
                Reader::Json(_) => Scratch::Json(json::Found::default()),
            },
            len: 0,
        }
    }

    /// Adds the row of `payload` to `rows`, or nothing.
    ///
    /// # Errors
    /// The reason why the event is a reject.
    #[inline]
    pub(crate) fn decode<'a>(
        &self,
        payload: Option<&'a [u8]>,
        rows: &mut DecodedRows<'a>,
    ) -> Result<(), String> {
        let read = match (&self.reader, &mut rows.scratch) {
            (Reader::Json(reader), Scratch::Json(found)) => {
                reader.read(payload, &self.fields, &mut rows.columns, found)
            }
        };
        match read {
            Ok(()) => rows.len += 1,
            Err(_) => rows
                .columns
                .iter_mut()
                .for_each(|column| column.truncate(rows.len)),
        }
        read
    }
}

impl DecodedRows<'_> {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The rows as Arrow columns, in the order of the fields.
    ///
    /// # Errors
    /// When the texts of a field are more than 2 GiB together.
    pub(crate) fn finish(self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.columns.into_iter().map(Column::finish).collect()
    }
}
